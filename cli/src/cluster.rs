//! The half of `egret` that speaks to a cluster, where the operator runs topologies.
//!
//! Everything here asks the API server and nobody else, with the caller's own rights. What is
//! asked for is written into the resource; the operator does the rest.

mod ask;
mod connect;
pub(crate) mod delete;
mod gather;
pub(crate) mod log_level;
pub(crate) mod logs;
pub(crate) mod look;
mod pods;
mod record;
pub(crate) mod rollout;
pub(crate) mod state;
pub(crate) mod status;
mod style;
mod table;
pub(crate) mod tasks;
mod topology;
mod trouble;
mod wait;

use clap::{Args, ValueEnum, ValueHint};
use connect::Session;
use egret_process::Exit;
use serde::Serialize;
use std::path::PathBuf;
use trouble::Trouble;

/// Which cluster, and where in it.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct Target {
    /// Kubeconfig file; by default the files in $KUBECONFIG, else ~/.kube/config
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig; by default its current one
    #[arg(long, value_name = "NAME")]
    context: Option<String>,

    /// Namespace; by default that of the context
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
}

impl Target {
    /// Whether anything says that a cluster is meant.
    pub(crate) fn is_named(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some() || self.namespace.is_some()
    }
}

/// How something is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    #[default]
    Table,
    Yaml,
}

impl Format {
    /// As a document, if it is not a table that is asked for.
    fn document(self, of: &impl Serialize) -> Option<String> {
        let written = match self {
            Format::Table => return None,
            Format::Json => serde_json::to_string_pretty(of).map(|json| json + "\n").ok(),
            Format::Yaml => serde_yaml::to_string(of).ok(),
        };
        Some(written.expect("rows have strings for keys and nothing that can fail"))
    }
}

/// Connects, works, and says what went wrong.
fn run(target: &Target, work: impl AsyncFnOnce(Session) -> Result<Exit, Trouble>) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            return Exit::Failed;
        }
    };
    let worked = runtime.block_on(async { work(connect::connect(target).await?).await });
    // Whoever waits for a name to be resolved is not waited for.
    runtime.shutdown_background();
    worked.unwrap_or_else(|trouble| trouble.tell())
}
