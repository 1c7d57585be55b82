//! `egret pause`, `egret resume`, `egret stop`: ask for another state.

use super::{
    Target,
    connect::Session,
    topology::{Topology, condition, ready},
    trouble::Trouble,
    wait::{Look, Waiting},
};
use crate::output;
use clap::Args;
use egret_crd::status::ACCEPTED;
use egret_process::Exit;
use serde_json::{Value, json};

/// Pause a topology: spouts are off, pods stay
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  egret pause word-count
  egret pause word-count --wait --timeout 1m")]
pub(crate) struct Pause {
    #[command(flatten)]
    change: Change,
}

/// Let a topology run that is paused or stopped
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  egret resume word-count
  egret resume word-count --wait")]
pub(crate) struct Resume {
    #[command(flatten)]
    change: Change,
}

/// Stop a topology: what is in flight is worked off, then its pods go
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  egret stop word-count
  egret stop word-count --wait --timeout 2m")]
pub(crate) struct Stop {
    #[command(flatten)]
    change: Change,
}

#[derive(Args, Debug)]
struct Change {
    /// Name of the topology
    name: String,

    #[command(flatten)]
    waiting: Waiting,

    #[command(flatten)]
    target: Target,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Paused,
    Running,
    Stopped,
}

impl To {
    /// As the field has it.
    fn state(self) -> &'static str {
        match self {
            To::Paused => "Paused",
            To::Running => "Running",
            To::Stopped => "Stopped",
        }
    }

    /// What is going on.
    fn doing(self) -> &'static str {
        match self {
            To::Paused => "pausing",
            To::Running => "resuming",
            To::Stopped => "stopping",
        }
    }
}

impl Pause {
    pub(crate) fn main(&self) -> Exit {
        self.change.main(To::Paused)
    }
}

impl Resume {
    pub(crate) fn main(&self) -> Exit {
        self.change.main(To::Running)
    }
}

impl Stop {
    pub(crate) fn main(&self) -> Exit {
        self.change.main(To::Stopped)
    }
}

impl Change {
    fn main(&self, to: To) -> Exit {
        super::run(&self.target, async |session| {
            let before = session.topology(&self.name).await?;
            if before.is_deleted() {
                let what = format!("topology {} is being deleted", self.name);
                return Err(Trouble::refused(what));
            }
            let words = if before.asked() == to.state() {
                already(&before, to)
            } else {
                session.patch(&self.name, &patch(to)).await?;
                format!("topology {}: state {} is asked for\n", self.name, to.state())
            };
            if before.is_left_alone() {
                eprintln!("{}", before.left_alone());
            }
            let printed = output::print(&words);
            if self.waiting.wait {
                self.wait(&session, to).await?;
            }
            Ok(printed)
        })
    }

    async fn wait(&self, session: &Session, to: To) -> Result<(), Trouble> {
        let what = format!("{} topology {}", to.doing(), self.name);
        let mut done = String::new();
        self.waiting
            .until(&what, async || {
                let topology = session.topology(&self.name).await?;
                done = topology.status().state.unwrap_or_default();
                Ok(look(&topology, to))
            })
            .await?;
        output::print(&format!("topology {} is {done}\n", self.name));
        Ok(())
    }
}

fn patch(to: To) -> Value {
    json!({"spec": {"state": to.state()}})
}

fn already(topology: &Topology, to: To) -> String {
    let (name, asked) = (topology.name(), to.state());
    match topology.status().state.as_deref() {
        Some("Completed") if to == To::Running => format!(
            "topology {name} has completed: all its input has ended; it starts again when its \
             components change, or with stop and resume\n"
        ),
        Some(state) if state != asked => {
            format!("topology {name}: state {asked} is asked for already; now it is {state}\n")
        }
        _ => format!("topology {name}: state {asked} is asked for already\n"),
    }
}

/// Whether a topology is as it was asked to be.
fn look(topology: &Topology, to: To) -> Look {
    let status = topology.status();
    let name = topology.name();
    if topology.asked() != to.state() {
        let what =
            format!("somebody else asks for state {} of topology {name} now", topology.asked());
        return Look::Never(Trouble::refused(what));
    }
    if !topology.is_observed() {
        return Look::NotYet("the operator has not seen it yet".to_owned());
    }
    let accepted = condition(&status, ACCEPTED);
    if let Some(refused) = accepted.filter(|accepted| accepted.status == "False") {
        let what = format!("topology {name} is not accepted: {}", refused.message);
        return Look::Never(Trouble::refused(what).with("change it, and apply it again"));
    }
    let state = status.state.as_deref().unwrap_or("Unknown");
    let ready = ready(&status);
    let works = ready.is_some_and(|ready| ready.status == "True");
    let done = match to {
        To::Stopped => state == "Stopped",
        To::Paused => state == "Completed" || (state == "Paused" && works),
        To::Running => state == "Completed" || (state == "Running" && works),
    };
    if done {
        return Look::Done;
    }
    let why = ready.map(|ready| format!(": {} ({})", ready.message, ready.reason));
    Look::NotYet(format!("{state}{}", why.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology(asked: &str, observed: i64, state: &str, ready: &str) -> Topology {
        json!({
            "metadata": {"name": "t", "generation": 2},
            "spec": {"state": asked},
            "status": {
                "observedGeneration": observed, "state": state,
                "conditions": [{"type": "Ready", "status": ready, "reason": "TasksMissing",
                                "message": "1 of 2 tasks work", "lastTransitionTime": ""}],
            },
        })
        .into()
    }

    fn not_yet(topology: &Topology, to: To) -> String {
        match look(topology, to) {
            Look::NotYet(words) => words,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_the_state_is_changed() {
        assert_eq!(patch(To::Paused), json!({"spec": {"state": "Paused"}}));
    }

    #[test]
    fn it_is_done_when_the_operator_has_seen_it_and_says_so() {
        assert_eq!(look(&topology("Paused", 2, "Paused", "True"), To::Paused), Look::Done);
        assert_eq!(look(&topology("Stopped", 2, "Stopped", "False"), To::Stopped), Look::Done);
        assert_eq!(look(&topology("Running", 2, "Completed", "False"), To::Running), Look::Done);
        let words = not_yet(&topology("Paused", 1, "Paused", "True"), To::Paused);
        assert!(words.contains("has not seen it yet"), "{words}");
    }

    #[test]
    fn what_is_missing_is_told_in_the_operators_words() {
        let words = not_yet(&topology("Running", 2, "Pending", "False"), To::Running);
        assert_eq!(words, "Pending: 1 of 2 tasks work (TasksMissing)");
    }

    #[test]
    fn nobody_waits_for_what_will_never_be() {
        let other = topology("Running", 2, "Running", "True");
        assert!(matches!(look(&other, To::Stopped), Look::Never(_)));
        let refused: Topology = json!({
            "metadata": {"name": "t", "generation": 1}, "spec": {"state": "Running"},
            "status": {
                "observedGeneration": 1, "state": "Invalid",
                "conditions": [{"type": "Accepted", "status": "False", "reason": "Invalid",
                                "message": "no such grouping", "lastTransitionTime": ""}],
            },
        })
        .into();
        let Look::Never(trouble) = look(&refused, To::Running) else { panic!() };
        assert!(trouble.to_string().contains("no such grouping"), "{trouble}");
    }
}
