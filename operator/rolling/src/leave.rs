//! A pod that is asked to end: what is in flight through it is worked off first, then another pod
//! takes its place. A pure function of what was recorded and what is seen.
//!
//! ```text
//! Working ─► Draining ─► Closing ─► Starting ─► done
//! ```
//!
//! It works on until its successor has started, which may have to be placed and to pull images:
//! what stands still while a pod is replaced does so between Draining and done. Spouts whose tuples
//! can pass through the pod are off in that time, and nothing else waits: so pods that feed each
//! other may go at the same time. Every step ends after a while whatever happens; what was not
//! worked off by then is replayed.

use egret_topology::{
    id::{PodId, TaskId},
    plan::{PlanIndex, PlannedTask},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How long tasks may take to close, in milliseconds: as long as their processes wait for user
/// code, and for the news of it to arrive.
const CLOSE_MS: u64 = 5_000;
/// Before this much of the grace period is left tasks are released: their processes end by
/// themselves then.
const RESERVE_MS: u64 = 6_000;
/// How long a pod is waited for whose time to end is not known, as on a node that shuts down.
const WAIT_MS: u64 = 10_000;

/// A pod that is asked to end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    /// The pod.
    pub pod: PodId,
    /// How far it is.
    pub step: Step,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
    /// Revision of the plan in which its successor has taken its place, once it has.
    #[serde(default)]
    pub revision: u64,
}

/// How far a pod is that is asked to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Step {
    /// It works as ever, and its successor starts.
    #[default]
    Working,
    /// Spouts are off whose tuples can pass through it.
    Draining,
    /// Its tasks close.
    Closing,
    /// Its successor has taken its place, and its tasks begin.
    Starting,
}

/// What is seen of a pod that is asked to end, and of its successor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodSeen {
    /// It is there, and its stream manager is linked.
    pub speaks: bool,
    /// By when it is gone, in milliseconds since 1970, if that is known.
    pub gone_by: Option<u64>,
    /// The processes of its successor have started.
    pub successor: bool,
    /// Whoever says that it has drained says so of this drain.
    pub fresh: bool,
    /// Nothing is in flight through it.
    pub drained: bool,
    /// None of its tasks is registered any more.
    pub closed: bool,
    /// All tasks of its successor work, and its links are up.
    pub works: bool,
}

/// The time, and how long steps may take.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Milliseconds since 1970.
    pub now: u64,
    /// For how long what is in flight may be worked off, in milliseconds.
    pub drain_ms: u64,
    /// For how long spouts wait for the successor, in milliseconds.
    pub start_ms: u64,
    /// Revision of the next plan.
    pub revision: u64,
}

impl Leave {
    /// A pod is asked to end.
    pub fn new(pod: PodId, now: u64) -> Leave {
        Leave { pod, since: now, ..Leave::default() }
    }

    /// Whether spouts are off for it.
    pub fn holds_spouts(&self) -> bool {
        self.step > Step::Working
    }

    /// Whether it still has its place.
    pub fn keeps_place(&self) -> bool {
        self.step < Step::Starting
    }

    /// Takes all steps that can be taken now. False: it is over.
    pub fn advance(&mut self, rules: &Rules, seen: &PodSeen) -> bool {
        // Each step leads on to another.
        for _ in 0..4 {
            match self.next(rules, seen) {
                Next::Stay => return true,
                Next::Done => return false,
                Next::Step(step) => {
                    (self.step, self.since) = (step, rules.now);
                    if step == Step::Starting {
                        self.revision = rules.revision;
                    }
                }
            }
        }
        true
    }

    fn next(&self, rules: &Rules, seen: &PodSeen) -> Next {
        let elapsed = rules.now.saturating_sub(self.since);
        // Whether less than that is left of its time.
        let is_late =
            |left: u64| seen.gone_by.is_some_and(|by| rules.now.saturating_add(left) >= by);
        match self.step {
            // It has died: what was lost with it is told by others, and nobody waits for it.
            Step::Working if !seen.speaks => Next::Done,
            Step::Draining | Step::Closing if !seen.speaks => Next::Step(Step::Starting),
            Step::Working if seen.successor && seen.fresh => Next::Step(Step::Draining),
            Step::Working if is_late(rules.drain_ms + CLOSE_MS + RESERVE_MS) => {
                Next::Step(Step::Draining)
            }
            Step::Working if seen.gone_by.is_none() && elapsed >= WAIT_MS => {
                Next::Step(Step::Draining)
            }
            Step::Working => Next::Stay,
            Step::Draining if seen.drained && seen.fresh => Next::Step(Step::Closing),
            // What it cannot finish in time is replayed.
            Step::Draining if elapsed >= rules.drain_ms || is_late(RESERVE_MS) => {
                Next::Step(Step::Closing)
            }
            Step::Draining => Next::Stay,
            Step::Closing if seen.closed || elapsed >= CLOSE_MS => Next::Step(Step::Starting),
            Step::Closing => Next::Stay,
            Step::Starting if seen.works || elapsed >= rules.start_ms => Next::Done,
            Step::Starting => Next::Stay,
        }
    }
}

enum Next {
    Stay,
    Step(Step),
    Done,
}

/// Spouts whose tuples can pass through one of these pods.
pub fn spouts(plan: &PlanIndex, pods: &[PodId]) -> BTreeSet<TaskId> {
    let tasks = || plan.plan().tasks.iter();
    let there = |task: &&PlannedTask| pods.contains(&task.pod);
    // Of several tasks of a component one tells as much as all.
    let of: BTreeMap<usize, TaskId> =
        tasks().filter(there).map(|task| (task.component, task.id)).collect();
    let passes = |task: &&PlannedTask| {
        there(task) || of.values().any(|through| plan.reaches(task.id, *through))
    };
    let spouts = tasks().filter(|task| plan.is_spout(task.id));
    spouts.filter(passes).map(|task| task.id).collect()
}

/// Whether input may wait for tasks of this pod that are replaced one by one. Trees whose tuples
/// wait in a pod that goes would keep it from draining.
pub fn may_hold_input(leaves: &[Leave], pod: PodId) -> bool {
    !leaves.iter().any(|leave| leave.pod == pod && leave.keeps_place())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const RULES: Rules = Rules { now: 1_000, drain_ms: 7_500, start_ms: 60_000, revision: 8 };
    const POD: PodId = PodId(1);

    fn seen() -> PodSeen {
        PodSeen { speaks: true, fresh: true, gone_by: Some(61_000), ..PodSeen::default() }
    }

    fn at(step: Step) -> Leave {
        Leave { step, ..Leave::new(POD, 1_000) }
    }

    fn task(id: u32, component: u32, index: u32, pod: u32) -> Value {
        json!({"id": id, "component": component, "index": index, "pod": pod})
    }

    /// Where it is after a look, if it goes on.
    fn after(step: Step, now: u64, seen: &PodSeen) -> Option<Step> {
        let mut leave = at(step);
        leave.advance(&Rules { now, ..RULES }, seen).then_some(leave.step)
    }

    #[test]
    fn no_input_waits_in_a_pod_that_goes_until_another_has_its_place() {
        let at = |step| [Leave { step, ..Leave::new(POD, 0) }];
        for step in [Step::Working, Step::Draining, Step::Closing] {
            assert!(!may_hold_input(&at(step), POD), "{step:?}");
        }
        assert!(may_hold_input(&at(Step::Starting), POD));
        assert!(may_hold_input(&at(Step::Draining), PodId(0)), "another pod");
    }

    #[test]
    fn it_works_until_its_successor_has_started_and_then_drains_closes_and_goes() {
        let mut leave = Leave::new(POD, 0);
        assert!(leave.advance(&RULES, &seen()));
        assert!(leave.keeps_place() && !leave.holds_spouts());
        let started = PodSeen { successor: true, ..seen() };
        assert!(leave.advance(&RULES, &started));
        assert!(leave.keeps_place() && leave.holds_spouts());
        let drained = PodSeen { drained: true, ..started };
        assert!(leave.advance(&RULES, &drained));
        assert_eq!((leave.step, leave.revision), (Step::Closing, 0));
        let closed = PodSeen { closed: true, ..drained };
        assert!(leave.advance(&RULES, &closed));
        assert_eq!((leave.step, leave.revision), (Step::Starting, 8));
        assert!(!leave.keeps_place() && leave.holds_spouts());
        let works = PodSeen { works: true, speaks: false, ..closed };
        assert!(!leave.advance(&RULES, &works), "and spouts go on");
    }

    #[test]
    fn spouts_are_off_whose_tuples_can_pass_through_a_pod_that_goes() {
        // Two lines of a spout and a bolt: tasks 0 and 1 are spouts of `a`, 2 is a bolt behind
        // them, 3 a spout of `b`, 4 a bolt behind that.
        let component = |name: &str, from: Option<usize>| {
            let inputs = from.map(|from| json!({"from": from, "stream": 0, "grouping": "Shuffle"}));
            let kind = if from.is_some() { "bolt" } else { "spout" };
            json!({
                "name": name, "kind": kind, "component": name, "config": null,
                "streams": [{"name": "default", "fields": ["x"], "direct": false}],
                "inputs": inputs.into_iter().collect::<Vec<_>>(),
            })
        };
        let pod = |id: usize| json!({"id": id, "address": "127.0.0.1:1"});
        let plan = json!({
            "topology": "t", "uid": "u", "revision": 1, "epoch": 1, "state": "Running",
            "delivery": "AtLeastOnce", "maxPending": 1, "messageTimeoutMs": 1000, "edgeKey": 1,
            "components": [
                component("a", None), component("c", Some(0)), component("b", None),
                component("d", Some(2)),
            ],
            "pods": (0..4).map(pod).collect::<Vec<_>>(),
            "tasks": [
                task(0, 0, 0, 0), task(1, 0, 1, 1), task(2, 1, 0, 2), task(3, 2, 0, 1),
                task(4, 3, 0, 3),
            ],
        });
        let plan = PlanIndex::new(serde_json::from_value(plan).unwrap()).unwrap();
        let of = |pods: &[u32]| -> Vec<u32> {
            let pods: Vec<PodId> = pods.iter().copied().map(PodId).collect();
            spouts(&plan, &pods).into_iter().map(|task| task.0).collect()
        };
        assert_eq!(of(&[0]), [0], "a spout's own pod");
        assert_eq!(of(&[1]), [1, 3]);
        assert_eq!(of(&[2]), [0, 1], "all that lead there");
        assert_eq!(of(&[0, 3]), [0, 3]);
        assert_eq!(of(&[]), [0; 0]);
    }

    #[test]
    fn without_a_successor_it_drains_as_late_as_it_can() {
        let late = 61_000 - 7_500 - CLOSE_MS - RESERVE_MS;
        assert_eq!(after(Step::Working, late - 1, &seen()), Some(Step::Working));
        assert_eq!(after(Step::Working, late, &seen()), Some(Step::Draining));
        let unknown = PodSeen { gone_by: None, ..seen() };
        assert_eq!(after(Step::Working, 999 + WAIT_MS, &unknown), Some(Step::Working));
        assert_eq!(after(Step::Working, 1_000 + WAIT_MS, &unknown), Some(Step::Draining));
    }

    #[test]
    fn every_step_ends_after_a_while() {
        let unknown = PodSeen { gone_by: None, ..seen() };
        let ends = [
            (Step::Working, WAIT_MS, Some(Step::Draining)),
            (Step::Draining, RULES.drain_ms, Some(Step::Closing)),
            (Step::Closing, CLOSE_MS, Some(Step::Starting)),
            (Step::Starting, RULES.start_ms, None),
        ];
        for (step, ms, next) in ends {
            assert_eq!(after(step, 1_000 + ms - 1, &unknown), Some(step));
            assert_eq!(after(step, 1_000 + ms, &unknown), next);
        }
        let short = PodSeen { gone_by: Some(1_000 + RESERVE_MS), ..seen() };
        assert_eq!(after(Step::Draining, 1_000, &short), Some(Step::Closing), "no time is left");
    }

    #[test]
    fn what_was_said_of_a_drain_before_does_not_count() {
        let stale = PodSeen { successor: true, drained: true, fresh: false, ..seen() };
        assert_eq!(after(Step::Working, 1_000, &stale), Some(Step::Working));
        assert_eq!(after(Step::Draining, 1_000, &stale), Some(Step::Draining));
    }

    #[test]
    fn one_that_dies_is_not_waited_for() {
        let dead = PodSeen { speaks: false, ..seen() };
        assert_eq!(after(Step::Working, 1_000, &dead), None);
        assert_eq!(after(Step::Draining, 1_000, &dead), Some(Step::Starting));
        assert_eq!(after(Step::Closing, 1_000, &dead), Some(Step::Starting));
        assert_eq!(after(Step::Starting, 1_000, &dead), Some(Step::Starting));
    }
}
