//! What all tasks have done so far, added up from the answers of the stream managers.

use egret_topology::{
    id::TaskId,
    logical::Logical,
    packing_plan::PackingPlan,
    plan::{ComponentKind, Delivery},
};
use egret_ui::latency::Latency;
use egret_wire::control::{Phase, PodStatus, RootCounts, TaskStatus};
use std::collections::BTreeMap;

/// The last that is known of every task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    tasks: BTreeMap<TaskId, TaskStatus>,
}

/// What the tasks of one component have done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ComponentTally {
    pub(crate) name: String,
    pub(crate) kind: ComponentKind,
    pub(crate) tasks: u32,
    pub(crate) connected: u32,
    pub(crate) ended: u32,
    pub(crate) emitted: u64,
    pub(crate) executed: u64,
    pub(crate) acked: u64,
    pub(crate) failed: u64,
    pub(crate) backpressure_us: u64,
    /// A task that one of them waits for now.
    pub(crate) blocked_on: Option<TaskId>,
    /// The longest that a call into user code has not returned.
    pub(crate) busy_ms: u64,
    pub(crate) latency: Latency,
    /// Where a spout stands, in its own words.
    pub(crate) position: Option<String>,
}

impl Tally {
    /// Takes over the answers of some pods. Returns the tasks that have come forward.
    pub(crate) fn take(&mut self, pods: Vec<PodStatus>, delivery: Delivery) -> Vec<TaskId> {
        let mut forward = Vec::new();
        for status in pods.into_iter().flat_map(|pod| pod.tasks) {
            let before = self.tasks.get(&status.task).map_or(0, |old| progress(old, delivery));
            if progress(&status, delivery) > before {
                forward.push(status.task);
            }
            self.tasks.insert(status.task, status);
        }
        forward
    }

    /// Whether every task of the plan has ended.
    pub(crate) fn all_ended(&self, packing: &PackingPlan) -> bool {
        packing.tasks().all(|(task, _)| {
            self.tasks.get(&task.task).is_some_and(|status| has_ended(status.total.phase))
        })
    }

    /// All roots of all spouts.
    pub(crate) fn roots(&self) -> RootCounts {
        let mut roots = RootCounts::default();
        self.tasks.values().for_each(|status| roots.add(&status.total.roots));
        roots
    }

    /// What moves the topology on: trees that end well; without tracking, tuples; tasks that end.
    pub(crate) fn progress(&self, delivery: Delivery) -> u64 {
        let of = |status: &TaskStatus| match delivery {
            Delivery::AtLeastOnce => status.total.roots.acked,
            Delivery::AtMostOnce => status.total.emitted + status.total.executed,
        };
        let ended = |status: &&TaskStatus| has_ended(status.total.phase);
        self.tasks.values().map(of).sum::<u64>() + self.tasks.values().filter(ended).count() as u64
    }

    /// Complete latency of all roots.
    pub(crate) fn latency(&self) -> Latency {
        Latency::of(self.tasks.values().flat_map(|status| &status.latency))
    }

    /// All components in the order of the topology.
    pub(crate) fn components(
        &self,
        logical: &Logical,
        packing: &PackingPlan,
    ) -> Vec<ComponentTally> {
        let of = |component: &egret_topology::logical::LogicalComponent| {
            let statuses: Vec<&TaskStatus> = packing
                .tasks()
                .filter(|(task, _)| task.component == component.name)
                .filter_map(|(task, _)| self.tasks.get(&task.task))
                .collect();
            let sum = |part: fn(&TaskStatus) -> u64| statuses.iter().map(|s| part(s)).sum();
            let count = |is: fn(&TaskStatus) -> bool| {
                statuses.iter().filter(|status| is(status)).count() as u32
            };
            ComponentTally {
                name: component.name.clone(),
                kind: component.kind,
                tasks: component.parallelism,
                connected: count(|s| s.connected),
                ended: count(|s| has_ended(s.total.phase)),
                emitted: sum(|s| s.total.emitted),
                executed: sum(|s| s.total.executed),
                acked: sum(|s| s.total.acked),
                failed: sum(|s| s.total.failed),
                backpressure_us: sum(|s| s.total.backpressure_us),
                blocked_on: statuses.iter().find_map(|s| s.total.blocked_on),
                busy_ms: statuses.iter().map(|s| s.total.busy_ms).max().unwrap_or(0),
                latency: Latency::of(statuses.iter().flat_map(|s| &s.latency)),
                position: statuses.iter().find_map(|s| s.total.position.clone()),
            }
        };
        logical.components.iter().map(of).collect()
    }
}

fn has_ended(phase: Phase) -> bool {
    matches!(phase, Phase::Ended | Phase::Closed)
}

/// What a task has done that is not done again by its next life. Tuples that were only received, or
/// roots that were only emitted, are not: a task that dies of its first tuple receives one in every
/// life.
fn progress(status: &TaskStatus, delivery: Delivery) -> u64 {
    let is_spout_without_acks = delivery == Delivery::AtMostOnce && status.total.executed == 0;
    let done = if is_spout_without_acks { status.total.emitted } else { status.total.acked };
    done + u64::from(has_ended(status.total.phase))
}
