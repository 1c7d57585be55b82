//! Where tuples were sent, judged by the groupings of the plan.

use super::{Life, Witness};
use crate::invariant::Invariant;
use egret_core::limits::SHUFFLE_TUPLES;
use egret_topology::{
    grouping::Grouping,
    id::TaskId,
    plan::{Downstream, PhysicalPlan},
};
use std::collections::BTreeMap;

/// What was sent over edges so far. An edge is (source component, its place among those).
#[derive(Debug, Default)]
pub(super) struct Edges {
    /// Tasks that a key went to, over all lives of all source tasks.
    keys: BTreeMap<(usize, usize, i64), Vec<TaskId>>,
    /// Tuples that each task got of a life by Shuffle.
    shares: BTreeMap<(Life, usize), BTreeMap<TaskId, u64>>,
}

/// What user code has emitted, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent<'a> {
    pub(crate) stream: &'a str,
    pub(crate) key: i64,
    pub(crate) direct: Option<TaskId>,
    /// The tasks that `emit` says it went to.
    pub(crate) tasks: &'a [TaskId],
    /// No lane was full, so that Shuffle was free to choose.
    pub(crate) free: bool,
}

impl Witness {
    /// User code has emitted a tuple: it must have gone where the groupings say.
    pub(super) fn judge_groupings(&mut self, sent: Sent<'_>) {
        let life = self.current;
        let source = self.lives[life].task;
        let Some(from) = self.plan.task(source).map(|task| task.component) else { return };
        let streams = &self.plan.plan().components[from].streams;
        let Some(stream) = streams.iter().position(|of| of.name == sent.stream) else { return };
        let mut rest = sent.tasks;
        let edges = self.plan.downstream(from);
        let of_stream = edges.iter().enumerate().filter(|(_, edge)| edge.stream == stream);
        for (at, edge) in of_stream {
            let count = copies(edge, sent.key).min(rest.len());
            let (tasks, others) = rest.split_at(count);
            rest = others;
            if let Err((invariant, what)) = self.judge_edge((from, at), edge, &sent, tasks) {
                let name = edge.grouping.name();
                self.accuse(invariant, format!("task {source} sends by {name} {what}: {tasks:?}"));
            }
        }
        self.expect(rest.is_empty(), Invariant::Grouping, || {
            format!("task {source} sends to {rest:?}, where no edge leads")
        });
    }

    fn judge_edge(
        &mut self,
        (from, at): (usize, usize),
        edge: &Downstream,
        sent: &Sent<'_>,
        tasks: &[TaskId],
    ) -> Result<(), (Invariant, &'static str)> {
        let wrong = |holds: bool, what| {
            if holds { Ok(()) } else { Err((Invariant::Grouping, what)) }
        };
        wrong(tasks.iter().all(|task| edge.tasks.contains(task)), "where the edge does not lead")?;
        wrong(tasks.len() == copies(edge, sent.key), "to too few")?;
        match &edge.grouping {
            Grouping::All => wrong(tasks == edge.tasks, "not to each once"),
            Grouping::Global => wrong(tasks == &edge.tasks[..1], "not to the first"),
            Grouping::Direct => wrong(Some(tasks[0]) == sent.direct, "not to the one named"),
            Grouping::Fields { .. } => self.judge_key((from, at, sent.key), tasks[0], 1),
            Grouping::PartialKey { .. } => self.judge_key((from, at, sent.key), tasks[0], 2),
            Grouping::LocalOrShuffle => {
                let pod = self.plan.pod_of(self.lives[self.current].task);
                let local = |task: &TaskId| self.plan.pod_of(*task) == pod;
                let far = edge.tasks.iter().any(local) && !local(&tasks[0]);
                wrong(!far, "to another pod, and there is one in this")
            }
            Grouping::Shuffle => {
                wrong(self.is_fair(at, edge, tasks[0], sent.free), "more to one than to others")
            }
            Grouping::Custom { .. } => Ok(()),
        }
    }

    fn judge_key(
        &mut self,
        key: (usize, usize, i64),
        task: TaskId,
        most: usize,
    ) -> Result<(), (Invariant, &'static str)> {
        let known = self.edges.keys.entry(key).or_default();
        if !known.contains(&task) {
            known.push(task);
        }
        let held = known.len() <= most;
        if held { Ok(()) } else { Err((Invariant::KeyAtOneTask, "a key to one task more")) }
    }

    /// Of a task whose lanes were never full nobody gets more than a turn more than another.
    fn is_fair(&mut self, at: usize, edge: &Downstream, task: TaskId, free: bool) -> bool {
        let shares = self
            .edges
            .shares
            .entry((self.current, at))
            .or_insert_with(|| edge.tasks.iter().map(|task| (*task, 0)).collect());
        if !free {
            // Who could not take any gets no more than others afterwards: not judged any more.
            shares.clear();
        }
        let Some(share) = shares.get_mut(&task) else { return true };
        *share += 1;
        let (least, most) = (shares.values().min(), shares.values().max());
        let bound = u64::from(SHUFFLE_TUPLES);
        most.copied().unwrap_or(0) - least.copied().unwrap_or(0) <= bound
    }
}

/// How many tasks an edge leads a tuple to; `oneOrTwo` is the simulator's own.
fn copies(edge: &Downstream, key: i64) -> usize {
    match &edge.grouping {
        Grouping::All => edge.tasks.len(),
        Grouping::Custom { .. } => {
            let hash = egret_wire::edge_id::mix(key as u64);
            1 + usize::from(hash.is_multiple_of(2) && edge.tasks.len() > 1)
        }
        _ => 1,
    }
}

/// The plan with other groupings, for the bugs that invariants 12 and 13 must notice.
pub(crate) fn regrouped(plan: &PhysicalPlan, change: fn(&mut Grouping)) -> PhysicalPlan {
    let mut plan = plan.clone();
    for input in plan.components.iter_mut().flat_map(|component| &mut component.inputs) {
        change(&mut input.grouping);
    }
    plan
}
