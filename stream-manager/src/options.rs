//! What a stream manager is told when it starts.

use crate::inspect;
use clap::Parser;
use egret_process::logging::Format;
use egret_topology::id::PodId;
use egret_wire::{limits::VERSIONS, version::Versions};
use std::{net::SocketAddr, path::PathBuf};

/// Moves frames between the instances of its pod and its peers.
#[derive(Clone, Debug, Parser)]
#[command(name = "egret-stream-manager", version)]
pub struct Options {
    /// Name of the topology
    #[arg(long)]
    pub topology: String,
    /// Unique id of the topology
    #[arg(long)]
    pub uid: String,
    /// Index of the pod
    #[arg(long, value_parser = pod)]
    pub pod: PodId,
    /// UDP address of links; port 0 takes any, and the same again after a restart
    #[arg(long)]
    pub listen: SocketAddr,
    /// HTTP address of metrics and probes
    #[arg(long)]
    pub admin: SocketAddr,
    /// Address or socket file for `egret ui` and `egret top`, or `off`. Where it cannot be had the
    /// stream manager goes on without
    #[arg(long, default_value = "127.0.0.1:4740")]
    pub inspect: inspect::At,
    /// Directory of state; `identity/` in it holds ca.pem, cert.pem and key.pem
    #[arg(long)]
    pub dir: PathBuf,
    /// Which of all pods of the topology this one is, so that its lives come after those of others
    #[arg(long, env = "EGRET_BIRTH", default_value_t = 0)]
    pub birth: u32,
    /// Process to die with
    #[arg(long)]
    pub parent_pid: Option<u32>,
    /// Log one JSON object per line
    #[arg(long)]
    pub log_json: bool,
    /// Versions of the protocol that it speaks: those of its build, whatever is asked for
    #[arg(skip = VERSIONS)]
    pub versions: Versions,
}

impl Options {
    pub(crate) fn log_format(&self) -> Format {
        if self.log_json { Format::Json } else { Format::Text }
    }
}

fn pod(text: &str) -> Result<PodId, std::num::ParseIntError> {
    text.parse().map(PodId)
}
