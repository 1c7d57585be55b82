//! `egret errors`: the last errors of each task, over all its lives.

use crate::{
    age, output,
    ui::{
        find::{self, Place, Which},
        look::look,
    },
};
use clap::Args;
use egret_process::Exit;
use egret_ui::{
    api::Api,
    live::now_ms,
    snapshot::{Snapshot, Task},
};
use egret_wire::inspect::PastError;
use std::{cmp::Reverse, fmt::Write};

/// Show the last errors that ended lives of tasks
///
/// Of a run on this machine, else of a topology on the cluster. Stream managers keep them over
/// restarts; the latest stands first.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  egret errors                      the run on this machine
  egret errors word-count --namespace prod --component count")]
pub(crate) struct Options {
    #[command(flatten)]
    which: Which,

    /// Only of this component; may be given several times
    #[arg(long, short, value_name = "NAME")]
    component: Vec<String>,
}

pub(crate) fn main(options: &Options) -> Exit {
    find::with(&options.which, async |place| match place {
        Place::Here(remote) => show(options, &remote).await,
        #[cfg(feature = "cluster")]
        Place::Cluster(live) => show(options, &*live).await,
    })
}

async fn show(options: &Options, api: &impl Api) -> Exit {
    match look(api).await {
        Ok(snapshot) => output::print(&listed(&snapshot, &options.component, now_ms())),
        Err(why) => {
            eprintln!("error: {why}");
            Exit::Failed
        }
    }
}

/// All errors of these components, of all if none is named.
fn listed(snapshot: &Snapshot, components: &[String], now_ms: u64) -> String {
    let wanted = |task: &&Task| components.is_empty() || components.contains(&task.component);
    let tasks = snapshot.tasks.iter().filter(wanted);
    let mut all: Vec<(&Task, &PastError)> =
        tasks.flat_map(|task| task.errors.iter().map(move |error| (task, error))).collect();
    all.sort_by_key(|(task, error)| (Reverse(error.last_ms), task.id));
    let mut text = String::new();
    for trouble in &snapshot.troubles {
        let _ = writeln!(text, "not all pods were asked: {}", trouble.escape_debug());
    }
    if all.is_empty() {
        let _ = writeln!(text, "no task of {} has ended with an error", snapshot.topology);
    }
    for (task, error) in all {
        let pod = snapshot.pods.iter().rev().find(|pod| pod.id == task.pod);
        let pod = pod.map_or_else(|| task.pod.to_string(), |pod| pod.name.clone());
        let _ = write!(text, "{}[{}] in {pod}: ", task.component, task.index);
        let ago = |at_ms| age::words(now_ms.saturating_sub(at_ms) / 1000);
        let last = ago(error.last_ms);
        let _ = match error.times {
            0 | 1 => writeln!(text, "{last} ago, after {} restarts", error.restarts),
            times => {
                let first = ago(error.first_ms);
                let restarts = error.restarts;
                writeln!(text, "{times} times, {first} to {last} ago, after {restarts} restarts")
            }
        };
        for line in error.text.lines() {
            // What users write may hold anything, which is not for the terminal to carry out.
            let _ = writeln!(text, "    {}", output::visible(line));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_topology::id::{PodId, TaskId};

    #[test]
    fn the_latest_stands_first_and_nothing_is_sent_to_the_terminal() {
        let past = |last_ms, times, text: &str| PastError {
            first_ms: 0,
            last_ms,
            times,
            restarts: times,
            text: text.to_owned(),
        };
        let task = |id, component: &str, errors| Task {
            id: TaskId(id),
            component: component.to_owned(),
            pod: PodId(0),
            errors,
            ..Task::default()
        };
        let snapshot = Snapshot {
            topology: "t".into(),
            tasks: vec![
                task(0, "a", vec![past(1_000, 1, "old")]),
                task(1, "b", vec![past(500_000, 3, "no\u{1b}[2J file\nat x")]),
                task(2, "c", vec![]),
            ],
            ..Snapshot::default()
        };
        let text = listed(&snapshot, &[], 600_000);
        assert_eq!(
            text,
            "b[0] in 0: 3 times, 10m to 100s ago, after 3 restarts\n    no [2J file\n    at x\n\
             a[0] in 0: 9m ago, after 1 restarts\n    old\n"
        );
        let none = listed(&snapshot, &["c".to_owned()], 600_000);
        assert_eq!(none, "no task of t has ended with an error\n");
    }
}
