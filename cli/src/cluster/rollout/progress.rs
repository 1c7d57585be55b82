//! `egret rollout status`: how far a change is, and how it ended.

use crate::cluster::{
    Target,
    topology::{Topology, condition},
    trouble::Trouble,
    wait::{Look, Waiting},
};
use crate::output;
use clap::Args;
use egret_crd::status::{ACCEPTED, PROGRESSING};
use egret_process::Exit;

/// Tell how far a change is
///
/// Exits with 1 if it was refused, has gone back or is held.
#[derive(Args, Debug)]
pub(super) struct Status {
    /// Name of the topology
    name: String,

    #[command(flatten)]
    waiting: Waiting,

    #[command(flatten)]
    target: Target,
}

/// How a change stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stand {
    /// Nobody changes anything.
    Rests(String),
    /// It goes on.
    Goes(String),
    /// It is not what was asked for, and will not be.
    Failed(String),
}

impl Status {
    pub(super) fn main(&self) -> Exit {
        crate::cluster::run(&self.target, async |session| {
            let mut topology = session.topology(&self.name).await?;
            if self.waiting.wait {
                let what = format!("the change of topology {}", self.name);
                self.waiting
                    .until(&what, async || {
                        topology = session.topology(&self.name).await?;
                        Ok(match stand(&topology) {
                            Stand::Goes(words) => Look::NotYet(words),
                            Stand::Rests(_) | Stand::Failed(_) => Look::Done,
                        })
                    })
                    .await?;
            }
            match stand(&topology) {
                Stand::Rests(words) | Stand::Goes(words) => {
                    Ok(output::print(&format!("topology {}: {words}\n", self.name)))
                }
                Stand::Failed(words) => {
                    let what = format!("topology {}: {words}", self.name);
                    let remedy = "change the spec again; `egret rollout history` shows the \
                                  versions that there were";
                    Err(Trouble::refused(what).with(remedy))
                }
            }
        })
    }
}

fn stand(topology: &Topology) -> Stand {
    let status = topology.status();
    if !topology.is_observed() {
        return Stand::Goes("the operator has not seen it yet".to_owned());
    }
    let refused = condition(&status, ACCEPTED).filter(|accepted| accepted.status == "False");
    if let Some(refused) = refused {
        return Stand::Failed(format!("{} ({})", refused.message, refused.reason));
    }
    let Some(progressing) = condition(&status, PROGRESSING) else {
        return Stand::Goes("the operator has not said yet how far it is".to_owned());
    };
    let words = format!("{} ({})", progressing.message, progressing.reason);
    match (progressing.status.as_str(), progressing.reason.as_str()) {
        ("False", "GraphWaits" | "RolledBack" | "RolloutHeld") => Stand::Failed(words),
        ("False", _) => Stand::Rests(words),
        _ => Stand::Goes(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn topology(observed: i64, status: &str, reason: &str) -> Topology {
        json!({
            "metadata": {"name": "t", "generation": 2},
            "status": {
                "observedGeneration": observed, "state": "Running",
                "conditions": [{"type": "Progressing", "status": status, "reason": reason,
                                "message": "2 of 5 tasks", "lastTransitionTime": ""}],
            },
        })
        .into()
    }

    #[test]
    fn a_change_goes_rests_or_has_failed() {
        let words = |reason: &str| format!("2 of 5 tasks ({reason})");
        let goes = stand(&topology(2, "True", "RollingOut"));
        assert_eq!(goes, Stand::Goes(words("RollingOut")));
        let rests = stand(&topology(2, "False", "Settled"));
        assert_eq!(rests, Stand::Rests(words("Settled")));
        for reason in ["GraphWaits", "RolledBack", "RolloutHeld"] {
            assert_eq!(stand(&topology(2, "False", reason)), Stand::Failed(words(reason)));
        }
        let back = stand(&topology(2, "True", "RolledBack"));
        assert_eq!(back, Stand::Goes(words("RolledBack")), "it is on its way back");
    }

    #[test]
    fn what_the_operator_has_not_seen_is_not_over() {
        assert!(matches!(stand(&topology(1, "False", "Settled")), Stand::Goes(_)));
    }
}
