//! The command line of an instance's binary.

use clap::{Args, Parser, Subcommand};
use egret_wire::{limits::VERSIONS, version::Versions};
use std::{net::SocketAddr, path::PathBuf};

/// What a binary of components can be asked.
#[derive(Debug, Parser)]
#[command(about = "Components of an Egret topology", version)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the components of this binary and their streams as JSON
    Describe,
    /// Run one task; `egret run` and pods call this
    Run(RunOptions),
}

/// Which task to run, and where its stream manager is.
#[derive(Clone, Debug, Args)]
pub struct RunOptions {
    /// Name of the topology
    #[arg(long)]
    pub topology: String,
    /// Unique id of the topology
    #[arg(long)]
    pub uid: String,
    /// Id of the task
    #[arg(long)]
    pub task: u32,
    /// Name of its component, for logs
    #[arg(long)]
    pub component: String,
    /// Index of its pod
    #[arg(long)]
    pub pod: u32,
    /// Address of the pod's stream manager
    #[arg(long)]
    pub manager: SocketAddr,
    /// Folder with ca.pem, cert.pem and key.pem of this task
    #[arg(long)]
    pub identity: PathBuf,
    /// Which of all pods of the topology its own is, so that its lives come after those of others
    #[arg(long, env = "EGRET_BIRTH", default_value_t = 0)]
    pub birth: u32,
    /// What its last life died of, as its parent tells
    #[arg(long, env = "EGRET_DIED_OF", hide = true)]
    pub died_of: Option<String>,
    /// How long it has to end once it is asked to, in seconds; without it, it ends at once
    #[arg(long, env = "EGRET_GRACE_SECONDS")]
    pub grace: Option<u64>,
    /// Exit when this process is no longer the parent
    #[arg(long)]
    pub parent_pid: Option<u32>,
    /// Versions of the protocol that it speaks: those of its build, whatever is asked for
    #[arg(skip = VERSIONS)]
    pub versions: Versions,
}
