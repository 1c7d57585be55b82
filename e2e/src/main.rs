//! `egret-cluster`: a Kubernetes on this machine, up and down with one command.

use clap::{Parser, Subcommand};
use egret_e2e::{Cluster, Progress, Result, checks, run_machine, status};
use std::{path::PathBuf, process::ExitCode};

/// A vanilla Kubernetes with two nodes on a bare Linux host, for tests.
///
/// With KUBECONFIG set, that cluster is used instead, and left alone.
#[derive(Parser)]
#[command(name = "egret-cluster")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Start it; the first time, build everything that it consists of.
    Up,
    /// Only build what it consists of.
    Build,
    /// Build what checks charts and manifests, and say where it is.
    Checks,
    /// End it and leave nothing behind but the cache of programs.
    Down,
    /// Say what there is.
    Status,
    /// Print what a shell needs: eval "$(egret-cluster env)".
    Env,
    /// Give every node the images of these archives, as `cargo xtask images` writes them.
    Import {
        /// OCI archives.
        #[arg(required = true)]
        archives: Vec<PathBuf>,
    },
    /// Be the first process of a machine of the cluster.
    #[command(hide = true)]
    Machine {
        /// The machine's files.
        directory: PathBuf,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().verb {
        Verb::Up => Cluster::up(&Progress::to_stderr()).map(|cluster| environment(&cluster)),
        Verb::Build => Cluster::build(&Progress::to_stderr()).map(|()| String::new()),
        Verb::Checks => checks(&Progress::to_stderr()).map(|at| at.display().to_string()),
        Verb::Down => Cluster::down(&Progress::to_stderr()).map(|()| String::new()),
        Verb::Status => status(),
        Verb::Env => Cluster::connect().map(|cluster| environment(&cluster)),
        Verb::Import { archives } => import(&archives),
        Verb::Machine { directory } => run_machine(&directory).map(|()| String::new()),
    };
    finish(outcome)
}

fn import(archives: &[PathBuf]) -> Result<String> {
    let cluster = Cluster::connect()?;
    archives.iter().try_for_each(|archive| cluster.import(archive))?;
    Ok(format!("{} images are in every node", archives.len()))
}

fn environment(cluster: &Cluster) -> String {
    let mut text = format!("export KUBECONFIG={}", cluster.kubeconfig().display());
    if let Some(bin) = cluster.bin() {
        text.push_str(&format!("\nexport PATH={}:\"$PATH\"", bin.display()));
    }
    text
}

fn finish(outcome: Result<String>) -> ExitCode {
    match outcome {
        Ok(text) => {
            if !text.is_empty() {
                println!("{text}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
