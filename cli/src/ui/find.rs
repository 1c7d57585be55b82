//! Which topology is meant: a run on this machine, or one on the cluster.

#[cfg(feature = "cluster")]
use crate::cluster::{
    self,
    look::{self, OnCluster},
};
use crate::{output, run::directory};
use clap::Args;
use egret_process::Exit;
#[cfg(not(feature = "cluster"))]
use egret_topology::suggest;
#[cfg(feature = "cluster")]
use egret_ui::live::Live;
use egret_ui::remote::Remote;
use std::path::PathBuf;

/// A topology by its name.
#[derive(Args, Clone, Debug)]
pub(crate) struct Which {
    /// Name of the topology; not needed if one runs on this machine. A run on this machine comes
    /// before a namesake on the cluster, unless an option names the cluster
    pub(crate) name: Option<String>,

    #[cfg(feature = "cluster")]
    #[command(flatten)]
    pub(crate) target: cluster::Target,
}

/// Where it was found, and who answers questions about it.
pub(crate) enum Place {
    /// Another process on this machine.
    Here(Remote),
    /// This one, which asks the cluster.
    #[cfg(feature = "cluster")]
    Cluster(Box<Live<OnCluster>>),
}

/// A run on this machine that is going on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Running {
    name: String,
    socket: PathBuf,
}

/// Finds it, works with it, or says why it cannot be found.
pub(crate) fn with(which: &Which, work: impl AsyncFnOnce(Place) -> Exit) -> Exit {
    match here(which) {
        Ok(Some(running)) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(work(Place::Here(Remote::at(running.socket)))),
                Err(error) => {
                    eprintln!("error: cannot start the runtime: {error}");
                    Exit::Failed
                }
            }
        }
        Ok(None) => elsewhere(which, work),
        Err(words) => output::refuse(&format_args!("error: {words}\n")),
    }
}

/// The run on this machine, unless the cluster is meant.
fn here(which: &Which) -> Result<Option<Running>, String> {
    #[cfg(feature = "cluster")]
    if which.target.is_named() {
        return Ok(None);
    }
    let runs = directory::watched();
    let runs = runs.into_iter().map(|(name, socket)| Running { name, socket }).collect();
    choose(runs, which.name.as_deref())
}

fn choose(runs: Vec<Running>, wanted: Option<&str>) -> Result<Option<Running>, String> {
    let mut meant = runs.iter().filter(|run| wanted.is_none_or(|wanted| run.name == wanted));
    match (meant.next(), meant.next(), wanted) {
        (Some(one), None, _) => Ok(Some(one.clone())),
        (Some(_), Some(_), Some(wanted)) => Err(format!(
            "topology {wanted} runs several times on this machine\n  help: end all runs but one"
        )),
        (Some(_), Some(_), None) => {
            let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
            let names = names.join(", ");
            Err(format!("several topologies run on this machine\n  help: name one of {names}"))
        }
        (None, _, Some(_)) => Ok(None),
        (None, _, None) => Err("no topology runs on this machine\n  help: start one with `egret \
                                run FILE`, or name one that runs on the cluster"
            .to_owned()),
    }
}

#[cfg(feature = "cluster")]
fn elsewhere(which: &Which, work: impl AsyncFnOnce(Place) -> Exit) -> Exit {
    let Some(name) = &which.name else {
        return output::refuse(&"error: name the topology on the cluster\n");
    };
    look::watch(&which.target, name, async |live| work(Place::Cluster(Box::new(live))).await)
}

#[cfg(not(feature = "cluster"))]
fn elsewhere(which: &Which, _: impl AsyncFnOnce(Place) -> Exit) -> Exit {
    let name = which.name.as_deref().unwrap_or_default();
    let runs = directory::watched();
    let remedy =
        suggest::remedy(name, "runs on this machine", runs.iter().map(|(n, _)| n.as_str()));
    let words = format!("no topology `{name}` runs on this machine\n  help: {remedy}");
    output::refuse(&format_args!("error: {words}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(names: &[&str]) -> Vec<Running> {
        let run = |name: &&str| Running { name: (*name).to_owned(), socket: PathBuf::from("s") };
        names.iter().map(run).collect()
    }

    #[test]
    fn the_only_run_needs_no_name() {
        assert_eq!(choose(runs(&["a"]), None).unwrap().unwrap().name, "a");
        assert!(choose(runs(&[]), None).unwrap_err().contains("no topology runs"));
        let error = choose(runs(&["a", "b"]), None).unwrap_err();
        assert!(error.contains("name one of a, b"), "{error}");
    }

    #[test]
    fn a_name_that_does_not_run_here_is_looked_for_elsewhere() {
        assert_eq!(choose(runs(&["a", "b"]), Some("b")).unwrap().unwrap().name, "b");
        assert_eq!(choose(runs(&["a"]), Some("c")), Ok(None));
        let error = choose(runs(&["a", "a"]), Some("a")).unwrap_err();
        assert!(error.contains("runs several times"), "{error}");
    }
}
