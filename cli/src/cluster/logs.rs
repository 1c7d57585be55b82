//! `egret logs`: what do the tasks of a topology say, all together?
//!
//! Lines that are there already are merged by their times; those that come are printed as they
//! come.

mod follow;
mod line;
mod merge;
mod reader;
mod source;
mod tail;

use super::{
    Target, connect::Session, pods::PodView, style::Style, tasks::known, topology::Topology,
    trouble::Trouble,
};
use clap::Args;
use egret_process::Exit;
use line::Printer;
use source::{Filter, Source, select};
use std::time::{Duration, Instant};
pub(super) use tail::tail;

/// Containers whose logs are read at once: each is a connection to the API server.
const MOST: usize = 200;

/// Print the logs of a topology's tasks, merged by time
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  egret logs word-count
  egret logs word-count --component count --follow
  egret logs word-count --task 3 --since 10m --timestamps
  egret logs word-count --stream-managers --tail 20")]
pub(crate) struct Options {
    /// Name of the topology
    name: String,

    /// Only tasks of this component; may be repeated
    #[arg(long, short, value_name = "NAME")]
    component: Vec<String>,

    /// Only the task with this id, as `egret tasks` shows it; may be repeated
    #[arg(long, value_name = "ID")]
    task: Vec<u32>,

    /// The stream managers of these pods too
    #[arg(long)]
    stream_managers: bool,

    /// Go on with what is logged from now on, also in pods that come later
    #[arg(long, short)]
    follow: bool,

    /// Only what is younger than this, such as 30s or 10m
    #[arg(long, value_name = "TIME", value_parser = crate::duration::parse)]
    since: Option<Duration>,

    /// Only the last lines of each container
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(i64).range(0..))]
    tail: Option<i64>,

    /// Print when each line was logged
    #[arg(long)]
    timestamps: bool,

    /// Print lines without saying whose they are
    #[arg(long)]
    no_prefix: bool,

    /// Print what Egret itself logs as the JSON that it is
    #[arg(long)]
    raw: bool,

    #[command(flatten)]
    target: Target,
}

pub(crate) fn main(options: &Options) -> Exit {
    super::run(&options.target, async |session| {
        let topology = session.topology(&options.name).await?;
        known(&topology, &options.component)?;
        let filter = Filter {
            components: &options.component,
            tasks: &options.task,
            stream_managers: options.stream_managers,
        };
        let pods = session.pods(&options.name).await?;
        let sources = sources(&topology, &pods, &filter, options.follow)?;
        let mut printer = Printer::new(options, Style::of_stdout());
        let began = Instant::now();
        let seen = merge::print(&session, &sources, options, &mut printer).await?;
        if options.follow && printer.is_wanted() {
            let seen = follow::known(seen, began);
            follow::follow(&session, &topology, &filter, seen, &mut printer).await?;
        }
        Ok(Exit::Ok)
    })
}

/// Whose logs are wanted and could be had.
fn sources(
    topology: &Topology,
    pods: &[PodView],
    filter: &Filter<'_>,
    follow: bool,
) -> Result<Vec<Source>, Trouble> {
    let sources = select(pods, filter);
    let name = topology.name();
    if sources.len() > MOST {
        let what = format!("{} containers of topology {name} log, {MOST} at most", sources.len());
        return Err(Trouble::refused(what).with("choose some with --component or --task"));
    }
    if !sources.is_empty() || (follow && filter.tasks.is_empty()) {
        return Ok(sources);
    }
    if pods.is_empty() {
        let state = topology.status().state;
        let state = state.map_or_else(String::new, |state| format!("; it is {state}"));
        return Err(Trouble::refused(format!("topology {name} has no pods{state}")));
    }
    let tasks = pods.iter().flat_map(|pod| &pod.containers).filter_map(|c| c.task.as_ref());
    let mut ids: Vec<u32> = tasks.map(|task| task.id).collect();
    ids.sort_unstable();
    let list: Vec<String> = ids.iter().map(u32::to_string).collect();
    Err(Trouble::refused(format!("no such task of topology {name} has a container"))
        .with(format!("the tasks are {}; `egret tasks {name}` shows them", list.join(", "))))
}

impl Session {
    fn pod_logs(&self) -> kube::Api<k8s_openapi::api::core::v1::Pod> {
        kube::Api::namespaced(self.client.clone(), &self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::pods::tests::*, *};
    use serde_json::json;

    fn topology() -> Topology {
        json!({"metadata": {"name": "t"}, "status": {"state": "Stopped"}}).into()
    }

    const ALL: Filter<'static> = Filter { components: &[], tasks: &[], stream_managers: false };

    #[test]
    fn a_topology_without_pods_says_so_unless_some_are_waited_for() {
        let text = sources(&topology(), &[], &ALL, false).unwrap_err().to_string();
        assert!(text.contains("topology t has no pods; it is Stopped"), "{text}");
        assert_eq!(sources(&topology(), &[], &ALL, true), Ok(vec![]));
    }

    #[test]
    fn a_task_that_is_not_there_is_answered_with_those_that_are() {
        let pods = [viewed(object("t-0-1", &[(3, "a", 0), (1, "b", 0)], &[]))];
        let filter = Filter { tasks: &[9], ..ALL };
        let text = sources(&topology(), &pods, &filter, true).unwrap_err().to_string();
        assert!(text.contains("the tasks are 1, 3"), "{text}");
    }

    #[test]
    fn too_many_logs_are_refused_with_what_to_do() {
        let tasks: Vec<(u32, &str, u32)> = (0..=MOST as u32).map(|id| (id, "a", id)).collect();
        let pods = [viewed(object("t-0-1", &tasks, &[]))];
        let text = sources(&topology(), &pods, &ALL, false).unwrap_err().to_string();
        assert!(text.contains("201 containers") && text.contains("--component"), "{text}");
    }
}
