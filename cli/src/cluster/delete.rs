//! `egret delete`: ask for the end of topologies.

use super::{
    Target,
    connect::Session,
    topology::Topology,
    trouble::Trouble,
    wait::{Look, Waiting},
};
use crate::output;
use clap::Args;
use egret_process::Exit;

/// Delete topologies: as their deletionPolicy says, what is in flight is worked off first
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  egret delete word-count
  egret delete word-count clicks --wait --timeout 2m")]
pub(crate) struct Options {
    /// Names of the topologies
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,

    #[command(flatten)]
    waiting: Waiting,

    #[command(flatten)]
    target: Target,
}

pub(crate) fn main(options: &Options) -> Exit {
    super::run(&options.target, async |session| {
        // All or none: a slip in the last name deletes nothing.
        let mut topologies = Vec::new();
        for name in &options.names {
            topologies.push(session.topology(name).await?);
        }
        let mut printed = Exit::Ok;
        for topology in &topologies {
            session.delete(topology).await?;
            printed = output::print(&format!("topology {}: will be deleted\n", topology.name()));
        }
        if options.waiting.wait {
            for topology in &topologies {
                wait(&session, options.waiting, topology).await?;
            }
        }
        Ok(printed)
    })
}

async fn wait(session: &Session, waiting: Waiting, deleted: &Topology) -> Result<(), Trouble> {
    let name = deleted.name();
    let what = format!("deleting topology {name}");
    waiting
        .until(&what, async || {
            let found = session.find(name).await?;
            // A namesake that came after it is not waited for.
            let same = found.filter(|found| found.uid() == deleted.uid());
            Ok(same.map_or(Look::Done, |topology| Look::NotYet(progress(&topology))))
        })
        .await?;
    output::print(&format!("topology {name} is deleted\n"));
    Ok(())
}

/// How far a topology is on its way out.
fn progress(topology: &Topology) -> String {
    let status = topology.status();
    let state = status.state.as_deref().unwrap_or("Unknown");
    if topology.is_left_alone() {
        return format!("{state}; the operator keeps its hands off it (egret.dev/hands-off)");
    }
    format!("{state}, pods {}", status.pods.as_deref().unwrap_or("-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_topology_on_its_way_out_tells_how_far_it_is() {
        let topology: Topology = json!({
            "metadata": {"name": "t", "annotations": {}},
            "status": {"state": "Draining", "pods": "2/3"},
        })
        .into();
        assert_eq!(progress(&topology), "Draining, pods 2/3");
    }
}
