//! Which roots are traced, and the ids of their spans (protocol section 7.1).
//!
//! Nothing about it is on the wire with tuples: every process derives the same ids from what tuples
//! carry anyway, and decides alike. What an id is made of is public, other than the key of edge
//! ids, because trace ids leave the topology.

use crate::{
    control::Root,
    data::RootId,
    edge_id::{EdgeIds, mix},
};
use egret_topology::{
    id::{Incarnation, TaskId},
    plan::{Delivery, PhysicalPlan},
};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// The bits of a trace id that the decision looks at, as in OpenTelemetry's consistent probability
/// sampling: whoever samples further by the same rule keeps whole trees.
const RANDOM: u64 = (1 << 56) - 1;

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// What of a topology is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traces {
    seed: u64,
    /// Roots whose number is below are not traced.
    below: u64,
}

/// A step on a tuple's path that has a span of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// A root, from its emit to the end of its tree.
    Root,
    /// A tuple, from its emit until its frame is handed to the I/O thread.
    Send,
    /// A tuple, from its arrival at the instance until `execute` is called with it.
    Queue,
    /// A call of `execute`.
    Execute,
    /// A tuple, from the return of `execute` until its ack or fail, under manual acking.
    Unacked,
}

/// A tuple on its way to one destination task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The task that emitted it.
    pub source: TaskId,
    /// The life of that task.
    pub incarnation: Incarnation,
    /// The task that it is for.
    pub dest: TaskId,
    /// Its number on that way.
    pub counter: u64,
}

/// A step that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// The root of its tree.
    pub root: Root,
    /// What it is.
    pub step: Step,
    /// Its own id.
    pub id: u64,
    /// That of the span that it belongs under, 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub parent: u64,
    /// When it began: nanoseconds since 1970 on the wire.
    pub start: u64,
    /// When it was over.
    pub end: u64,
    /// The task at the other end: who the tuple is for, or from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<TaskId>,
    /// Index of the source's stream.
    #[serde(default)]
    pub stream: u16,
    /// Bytes of the tuple's values.
    #[serde(default)]
    pub bytes: u32,
    /// A root that repeats one that failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replay: bool,
    /// Why it did not go well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

fn is_zero(id: &u64) -> bool {
    *id == 0
}

impl Traces {
    /// What a plan asks for.
    pub fn of(plan: &PhysicalPlan) -> Traces {
        let tracked = plan.delivery == Delivery::AtLeastOnce;
        let rate = plan.tracing.as_ref().filter(|_| tracked).map_or(0.0, |t| t.sample_rate);
        Traces::new(&plan.uid, rate)
    }

    /// Of a topology, at this rate from 0 to 1.
    pub fn new(uid: &str, rate: f64) -> Traces {
        let all = RANDOM + 1;
        // Not a number counts as nothing; a cast saturates.
        let kept = (rate.clamp(0.0, 1.0) * all as f64) as u64;
        Traces { seed: mix(xxh3_64(uid.as_bytes())), below: all - kept.min(all) }
    }

    /// Whether any root is traced.
    #[inline]
    pub fn is_on(self) -> bool {
        self.below <= RANDOM
    }

    /// Whether this root is traced.
    #[inline]
    pub fn samples(self, root: RootId) -> bool {
        self.low(root) & RANDOM >= self.below
    }

    /// The trace id of a root's tree.
    pub fn trace_id(self, root: Root) -> u128 {
        let Root { task, incarnation, seq } = root;
        let root = RootId { task, incarnation, seq };
        let high = Traces { seed: mix(self.seed ^ GOLDEN), ..self }.low(root);
        u128::from(high) << 64 | u128::from(self.low(root))
    }

    /// The id of a root's own span.
    pub fn root_span(self, root: RootId) -> u64 {
        span(Step::Root, self.low(root), 0)
    }

    /// The id of the span of a step of a tuple in a root's tree.
    pub fn span(self, step: Step, edge: Edge, root: RootId) -> u64 {
        let Edge { source, incarnation, dest, counter } = edge;
        let edge = EdgeIds::new(self.seed, source, incarnation, dest).id(counter);
        span(step, self.low(root), edge)
    }

    #[inline]
    fn low(self, root: RootId) -> u64 {
        let life = mix(mix(self.seed ^ u64::from(root.task.0)) ^ root.incarnation.0);
        mix(life.wrapping_add(root.seq.wrapping_mul(GOLDEN)))
    }
}

/// Never zero, which stands for none.
fn span(step: Step, root: u64, edge: u64) -> u64 {
    mix(mix(root ^ edge).wrapping_add((step as u64 + 1).wrapping_mul(GOLDEN))).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn root(task: u32, seq: u64) -> RootId {
        RootId { task: TaskId(task), incarnation: Incarnation(1_700_000_000_000_000), seq }
    }

    fn sampled(rate: f64) -> usize {
        let traces = Traces::new("u-1", rate);
        (0..100_000).filter(|seq| traces.samples(root(3, *seq))).count()
    }

    #[test]
    fn the_share_of_sampled_roots_is_the_rate() {
        assert_eq!((sampled(0.0), sampled(-1.0), sampled(f64::NAN)), (0, 0, 0));
        assert_eq!((sampled(1.0), sampled(7.0)), (100_000, 100_000));
        // Five standard deviations of a binomial distribution.
        for (rate, off) in [(0.5, 800.0), (0.1, 475.0), (0.001, 50.0)] {
            let error = (sampled(rate) as f64 - rate * 100_000.0).abs();
            assert!(error < off, "{rate}: {error}");
        }
    }

    #[test]
    fn what_a_low_rate_samples_a_higher_one_samples_too() {
        let (low, high) = (Traces::new("u-1", 0.01), Traces::new("u-1", 0.2));
        let of = |traces: Traces| -> BTreeSet<u64> {
            (0..10_000).filter(|seq| traces.samples(root(0, *seq))).collect()
        };
        assert!(!of(low).is_empty() && of(low).is_subset(&of(high)));
    }

    #[test]
    fn the_decision_is_in_the_trace_id_as_opentelemetry_has_it() {
        let traces = Traces::new("u-1", 0.25);
        let threshold = (1 << 56) - (1 << 54);
        for seq in 0..1000 {
            let random = traces.trace_id(root(1, seq).into()) & u128::from(RANDOM);
            assert_eq!(traces.samples(root(1, seq)), random >= threshold);
        }
    }

    #[test]
    fn off_is_a_flag_and_sampling_nothing() {
        assert!(!Traces::new("u-1", 0.0).is_on());
        assert!(Traces::new("u-1", 1e-9).is_on() && Traces::new("u-1", 1.0).is_on());
    }

    #[test]
    fn every_step_of_every_tuple_of_every_root_has_an_id_of_its_own() {
        let traces = Traces::new("u-1", 1.0);
        let (mut spans, mut trees) = (BTreeSet::new(), BTreeSet::new());
        let mut count = 0;
        for (task, seq) in (0..4).flat_map(|task| (0..50).map(move |seq| (task, seq))) {
            let root = root(task, seq);
            trees.insert(traces.trace_id(root.into()));
            spans.insert(traces.root_span(root));
            for (dest, counter) in (0..4).flat_map(|dest| (0..8).map(move |n| (dest, n))) {
                let (source, incarnation) = (TaskId(task), root.incarnation);
                let edge = Edge { source, incarnation, dest: TaskId(dest), counter };
                for step in [Step::Send, Step::Queue, Step::Execute, Step::Unacked] {
                    spans.insert(traces.span(step, edge, root));
                    count += 1;
                }
            }
        }
        assert_eq!((trees.len(), spans.len()), (200, count + 200));
        let other = Traces::new("u-2", 1.0);
        assert_ne!(traces.trace_id(root(0, 0).into()), other.trace_id(root(0, 0).into()));
    }

    #[test]
    fn ids_stay_what_they_are() {
        // Two versions of Egret may run the tasks of one topology while it is upgraded.
        let traces = Traces::new("u-1", 1.0);
        let (source, incarnation) = (TaskId(1), Incarnation(2));
        let edge = Edge { source, incarnation, dest: TaskId(3), counter: 4 };
        let id = RootId { task: TaskId(0), incarnation: Incarnation(5), seq: 6 };
        let ids = (traces.trace_id(id.into()), traces.span(Step::Execute, edge, id));
        let known = "e450b72a6c48c22a9b0850a73a3d7d35 c29395c5af1d59d2";
        assert_eq!(format!("{:032x} {:016x}", ids.0, ids.1), known);
    }
}
