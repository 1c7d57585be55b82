//! From one stage of a run to the next: a pure function of what was recorded and what is seen.
//!
//! ```text
//! Down ─► Starting ─► Live ─► Draining ─► Closing ─► Down
//!                       └───► Finishing ─► Completed ──┘
//! ```

use crate::record::{Record, Stage};
use egret_topology::logical::State;

/// How long spouts wait for all links, in milliseconds. Longer, and one task that cannot start
/// would hold up all others.
pub const LINK_WITHIN_MS: u64 = 60_000;
/// The least time of a drain, in milliseconds. Tasks report twice a second, and what they reported
/// before they knew that they shall drain proves nothing.
pub const DRAIN_AT_LEAST_MS: u64 = 1_500;
/// Time for tasks to close and exit, in milliseconds. Then they are stopped with their pods.
pub const CLOSE_WITHIN_MS: u64 = 15_000;

/// What is asked for, and what is seen.
#[derive(Clone, Debug)]
pub struct Situation {
    /// Milliseconds since 1970.
    pub now: u64,
    /// What the user asks for.
    pub state: State,
    /// The topology is being deleted.
    pub deleting: bool,
    /// How long a drain may take.
    pub drain_timeout_ms: u64,
    /// Digest of what all tasks run.
    pub components: String,
    /// Some pod of the record exists.
    pub has_pods: bool,
    /// Every task is registered and all links are up.
    pub linked: bool,
    /// Nothing is in flight, and spouts are off.
    pub drained: bool,
    /// All input has ended.
    pub ended: bool,
    /// Every task has exited.
    pub exited: bool,
}

impl Situation {
    fn shall_stop(&self) -> bool {
        self.deleting || self.state == State::Stopped
    }
}

/// Takes all steps that can be taken now.
pub fn advance(record: &mut Record, seen: &Situation) {
    // Each step leads on to another stage, and no stage comes twice without time passing.
    for _ in 0..8 {
        let Some(next) = next(record, seen) else { return };
        match next {
            Stage::Starting => {
                record.completed = None;
                // Pods of an earlier run may still be there, or have left their names behind.
                if record.revision > 0 {
                    record.replace_all();
                }
            }
            Stage::Finishing => record.completed = Some(seen.components.clone()),
            // If it ever starts again, it reads its input from the beginning.
            Stage::Completed => record.run = record.run.saturating_add(1),
            _ => {}
        }
        record.enter(next, seen.now);
    }
}

fn next(record: &Record, seen: &Situation) -> Option<Stage> {
    let elapsed = seen.now.saturating_sub(record.since);
    match record.stage {
        Stage::Down if seen.shall_stop() => None,
        Stage::Down => Some(Stage::Starting),
        // Without a plan there is nothing to close.
        Stage::Starting if seen.shall_stop() && record.revision == 0 => Some(Stage::Down),
        Stage::Starting if seen.shall_stop() => Some(Stage::Closing),
        Stage::Starting if seen.linked => Some(Stage::Live),
        Stage::Starting if elapsed >= LINK_WITHIN_MS && record.revision > 0 => Some(Stage::Live),
        Stage::Starting => None,
        Stage::Live if seen.shall_stop() => Some(Stage::Draining),
        Stage::Live if seen.ended => Some(Stage::Finishing),
        Stage::Live => None,
        // Pods that are gone have nothing to drain.
        Stage::Draining if !seen.has_pods => Some(Stage::Closing),
        Stage::Draining if seen.drained && elapsed >= DRAIN_AT_LEAST_MS => Some(Stage::Closing),
        Stage::Draining if elapsed >= seen.drain_timeout_ms => Some(Stage::Closing),
        Stage::Draining => None,
        Stage::Closing if seen.exited || !seen.has_pods => Some(Stage::Down),
        Stage::Closing if elapsed >= CLOSE_WITHIN_MS => Some(Stage::Down),
        Stage::Closing => None,
        Stage::Finishing if seen.exited || elapsed >= CLOSE_WITHIN_MS => Some(Stage::Completed),
        Stage::Finishing => None,
        Stage::Completed if seen.shall_stop() => Some(Stage::Down),
        Stage::Completed if record.completed.as_deref() != Some(seen.components.as_str()) => {
            Some(Stage::Starting)
        }
        Stage::Completed => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::PodRecord;

    fn seen() -> Situation {
        Situation {
            now: 1000,
            state: State::Running,
            deleting: false,
            drain_timeout_ms: 5000,
            components: "c".into(),
            has_pods: true,
            linked: false,
            drained: false,
            ended: false,
            exited: false,
        }
    }

    fn record(stage: Stage) -> Record {
        let pods = vec![PodRecord { life: 1, definition: "d".into(), ..PodRecord::default() }];
        Record { stage, since: 1000, revision: 1, pods, ..Record::new("u", 1000) }
    }

    fn after(stage: Stage, seen: Situation) -> Stage {
        let mut record = record(stage);
        advance(&mut record, &seen);
        record.stage
    }

    #[test]
    fn a_topology_starts_links_up_and_runs() {
        let mut record = Record::new("u", 0);
        advance(&mut record, &Situation { has_pods: false, ..seen() });
        assert_eq!((record.stage, record.since), (Stage::Starting, 1000));
        record.revision = 1;
        advance(&mut record, &seen());
        assert_eq!(record.stage, Stage::Starting);
        advance(&mut record, &Situation { linked: true, ..seen() });
        assert_eq!(record.stage, Stage::Live);
    }

    #[test]
    fn one_task_that_cannot_start_holds_the_others_up_for_a_while_only() {
        let later = || Situation { now: 1000 + LINK_WITHIN_MS, ..seen() };
        assert_eq!(after(Stage::Starting, later()), Stage::Live);
        let mut unplanned = Record { revision: 0, ..record(Stage::Starting) };
        advance(&mut unplanned, &later());
        assert_eq!(unplanned.stage, Stage::Starting, "without addresses there is no plan");
    }

    #[test]
    fn stopping_drains_closes_and_takes_the_pods_away() {
        let stopped = || Situation { state: State::Stopped, ..seen() };
        assert_eq!(after(Stage::Live, stopped()), Stage::Draining);
        assert_eq!(after(Stage::Draining, stopped()), Stage::Draining);
        let drained = Situation { drained: true, ..stopped() };
        assert_eq!(after(Stage::Draining, drained.clone()), Stage::Draining, "as it was before");
        let drained = Situation { now: 1000 + DRAIN_AT_LEAST_MS, ..drained };
        assert_eq!(after(Stage::Draining, drained), Stage::Closing);
        let exited = Situation { exited: true, ..stopped() };
        assert_eq!(after(Stage::Closing, exited), Stage::Down);
        assert_eq!(after(Stage::Down, stopped()), Stage::Down);
    }

    #[test]
    fn every_wait_at_the_end_is_bounded() {
        let deleted = || Situation { deleting: true, ..seen() };
        let later = |ms| Situation { now: 1000 + ms, ..deleted() };
        assert_eq!(after(Stage::Draining, later(4999)), Stage::Draining);
        assert_eq!(after(Stage::Draining, later(5000)), Stage::Closing);
        assert_eq!(after(Stage::Closing, later(CLOSE_WITHIN_MS)), Stage::Down);
        assert_eq!(after(Stage::Finishing, later(CLOSE_WITHIN_MS)), Stage::Down);
        let gone = Situation { has_pods: false, ..deleted() };
        assert_eq!(after(Stage::Live, gone), Stage::Down);
    }

    #[test]
    fn a_drain_that_has_begun_ends_before_the_topology_starts_again() {
        let now = 1000 + DRAIN_AT_LEAST_MS;
        let again = Situation { now, drained: true, exited: true, ..seen() };
        let mut record = record(Stage::Draining);
        advance(&mut record, &again);
        assert_eq!(record.stage, Stage::Starting);
        assert_eq!(record.pods[0].life, 2, "under fresh names");
    }

    #[test]
    fn ended_input_completes_and_is_not_read_again() {
        let mut record = record(Stage::Live);
        advance(&mut record, &Situation { ended: true, ..seen() });
        assert_eq!(record.stage, Stage::Finishing);
        advance(&mut record, &Situation { exited: true, ..seen() });
        assert_eq!(record.stage, Stage::Completed);
        advance(&mut record, &Situation { has_pods: false, ..seen() });
        assert_eq!(record.stage, Stage::Completed);
        advance(&mut record, &Situation { components: "other".into(), ..seen() });
        assert_eq!((record.stage, record.completed), (Stage::Starting, None));
        assert_eq!(record.run, 1, "and everything is read again");
    }
}
