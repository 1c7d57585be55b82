//! `egret rollout`: how far a change is, which there were, and back to one of them.

mod history;
mod progress;

use super::{Target, trouble::Trouble};
use crate::output;
use clap::{Args, Subcommand};
use egret_process::Exit;
use jiff::{Timestamp, Unit};
use serde_json::{Value, json};

/// Look after changes of a topology that runs
///
/// A change of images and configs goes from task to task: docs/upgrades.md tells how.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  egret rollout status word-count --wait
  egret rollout history word-count
  egret rollout undo word-count --to-revision 3
  egret rollout restart word-count")]
pub(crate) struct Options {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    History(history::History),
    /// Let no other task begin to change; those in the middle of it go on
    Pause(Named),
    /// Start all processes anew, task by task
    Restart(Named),
    /// Let tasks change again
    Resume(Named),
    Status(progress::Status),
    Undo(history::Undo),
}

#[derive(Args, Debug)]
struct Named {
    /// Name of the topology
    name: String,

    #[command(flatten)]
    target: Target,
}

pub(crate) fn main(options: &Options) -> Exit {
    match &options.verb {
        Verb::History(history) => history.main(),
        Verb::Pause(named) => named.change(&paused(true), "its changes pause"),
        Verb::Restart(named) => {
            let now = Timestamp::now().round(Unit::Second).unwrap_or_default();
            named.change(&restarted(&now.to_string()), "its processes start anew, task by task")
        }
        Verb::Resume(named) => named.change(&paused(false), "its changes go on"),
        Verb::Status(status) => status.main(),
        Verb::Undo(undo) => undo.main(),
    }
}

impl Named {
    fn change(&self, patch: &Value, done: &str) -> Exit {
        super::run(&self.target, async |session| {
            let topology = session.topology(&self.name).await?;
            if topology.is_deleted() {
                let what = format!("topology {} is being deleted", self.name);
                return Err(Trouble::refused(what));
            }
            session.patch(&self.name, patch).await?;
            if topology.is_left_alone() {
                eprintln!("{}", topology.left_alone());
            }
            Ok(output::print(&format!("topology {}: {done}\n", self.name)))
        })
    }
}

fn paused(paused: bool) -> Value {
    // What is not there is not paused, and a resource that never was looks as before.
    let paused = if paused { Value::Bool(true) } else { Value::Null };
    json!({"spec": {"updateStrategy": {"paused": paused}}})
}

fn restarted(at: &str) -> Value {
    json!({"spec": {"restartedAt": at}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_field_is_changed() {
        assert_eq!(paused(true), json!({"spec": {"updateStrategy": {"paused": true}}}));
        assert_eq!(paused(false), json!({"spec": {"updateStrategy": {"paused": null}}}));
        assert_eq!(restarted("now"), json!({"spec": {"restartedAt": "now"}}));
    }
}
