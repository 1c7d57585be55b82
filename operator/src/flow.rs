//! What the stream managers say: who is registered, what is pending, and whether it moves.

use egret_topology::{
    id::{PodId, TaskId},
    plan::{Delivery, PlanIndex},
};
use egret_wire::control::{Phase, PodStatus, TaskStatus};
use std::collections::BTreeMap;

/// Time without progress after which pending trees are stuck, in milliseconds.
pub const STUCK_MS: u64 = 60_000;
/// Time without movement after which an untracked topology counts as drained, in milliseconds.
pub const QUIET_MS: u64 = 2_000;

/// The last answers of all stream managers of a topology.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// When they came, in milliseconds since 1970.
    pub at: u64,
    /// When they were asked for.
    pub asked: u64,
    /// What the pods are doing.
    pub pods: Vec<PodStatus>,
    /// Who did not answer, and why.
    pub silent: Vec<(PodId, String)>,
    /// A stream manager refused the plan, in its words.
    pub refused: Option<String>,
}

impl Answers {
    /// Whether the links of a pod to all others that answer are up, as both ends see it. Whoever
    /// links up later takes the new life for a loss.
    pub fn are_linked(&self, pod: PodId) -> bool {
        let others = || self.pods.iter().filter(|other| other.pod != pod);
        let answer = self.pods.iter().find(|answer| answer.pod == pod);
        answer.is_some_and(|it| others().all(|other| !it.peers_down.contains(&other.pod)))
            && others().all(|other| !other.peers_down.contains(&pod))
    }
}

/// What the answers say of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Tasks of the plan.
    pub tasks: usize,
    /// Tasks that are registered and have started.
    pub registered: usize,
    /// Tasks whose input has ended.
    pub ended: usize,
    /// A task that is not registered, in words.
    pub missing: Option<String>,
    /// A link that is not up, in words.
    pub unlinked: Option<String>,
    /// A task that no probe has reached over some edge, in words.
    pub unheard: Option<String>,
    /// The error of a task that crashed and is not registered.
    pub crashed: Option<String>,
    /// Every stream manager answers, with this plan in force.
    pub in_force: bool,
    /// No spout emits any more.
    pub spouts_off: bool,
    /// Tuple trees in flight.
    pub pending: u64,
    /// What moves while anything does: everything that was executed, acked or failed.
    pub moved: u64,
    /// Bytes that wait.
    pub queued: u64,
}

impl Flow {
    /// What the answers say of the plan.
    pub fn of(plan: &PlanIndex, answers: &Answers) -> Flow {
        let tasks: BTreeMap<TaskId, &TaskStatus> =
            answers.pods.iter().flat_map(|pod| &pod.tasks).map(|task| (task.task, task)).collect();
        let mut flow = Flow { spouts_off: true, ..Flow::default() };
        for planned in &plan.plan().tasks {
            flow.tasks += 1;
            match tasks.get(&planned.id) {
                Some(task) => flow.add(plan, task),
                None => {
                    flow.missing.get_or_insert_with(|| plan.describe(planned.id));
                    flow.spouts_off &= !plan.is_spout(planned.id);
                }
            }
        }
        let revision = plan.plan().revision;
        let (pods, answered) = (plan.plan().pods.len(), answers.pods.len());
        flow.in_force = answered == pods && answers.pods.iter().all(|pod| pod.revision == revision);
        for pod in &answers.pods {
            flow.queued = flow.queued.saturating_add(pod.queued_bytes);
            if let Some(peer) = pod.peers_down.first() {
                flow.unlinked.get_or_insert_with(|| format!("pod {} to pod {peer}", pod.pod));
            }
        }
        if let Some((pod, why)) = answers.silent.first() {
            flow.unlinked.get_or_insert_with(|| format!("the operator to pod {pod}: {why}"));
        }
        flow
    }

    fn add(&mut self, plan: &PlanIndex, task: &TaskStatus) {
        let total = &task.total;
        // Instances may report anything, and what is pending must not add up to nothing.
        self.pending = self.pending.saturating_add(total.roots.pending);
        for moved in [total.executed, total.emitted, total.acked, total.failed] {
            self.moved = self.moved.saturating_add(moved);
        }
        if plan.is_spout(task.task) {
            self.spouts_off &= !matches!(total.phase, Phase::Starting | Phase::Active);
        }
        // One whose pod goes has closed, and another goes on with its input.
        if matches!(total.phase, Phase::Ended | Phase::Closed) && !total.leaving {
            self.ended += 1;
        }
        if task.connected && total.phase != Phase::Starting {
            self.registered += 1;
            let sources = plan.task(task.task).map_or(0, |at| plan.sources_of(at.component).len());
            if (total.heard as usize) < sources {
                let (name, heard) = (plan.describe(task.task), total.heard);
                let unheard = format!("{name} has heard from {heard} of {sources} source tasks");
                self.unheard.get_or_insert(unheard);
            }
        } else {
            let name = plan.describe(task.task);
            if let Some(error) = &task.error {
                self.crashed.get_or_insert_with(|| format!("{name}: {error}"));
            }
            self.missing.get_or_insert(name);
        }
    }

    /// Every task is registered, all links are up, and a probe has passed every edge, with this
    /// plan in force.
    pub fn is_linked(&self) -> bool {
        let tasks = self.registered == self.tasks && self.unheard.is_none();
        self.in_force && tasks && self.unlinked.is_none()
    }

    /// All input has ended, of every task in this plan.
    pub fn has_ended(&self) -> bool {
        self.in_force && self.tasks > 0 && self.ended == self.tasks && self.pending == 0
    }
}

/// Remembers since when nothing has moved.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    moved: u64,
    since: Option<u64>,
}

impl Watch {
    /// Takes the latest answers; `now` in milliseconds.
    pub fn look(&mut self, now: u64, flow: &Flow) {
        if self.since.is_none() || flow.moved != self.moved {
            *self = Watch { moved: flow.moved, since: Some(now) };
        }
    }

    /// For how long nothing has moved.
    pub fn still_ms(&self, now: u64) -> u64 {
        self.since.map_or(0, |since| now.saturating_sub(since))
    }

    /// Whether trees are pending that do not move.
    pub fn is_stuck(&self, now: u64, flow: &Flow) -> bool {
        flow.pending > 0 && self.still_ms(now) >= STUCK_MS
    }

    /// Whether nothing is in flight any more.
    pub fn is_drained(&self, now: u64, flow: &Flow, delivery: Delivery) -> bool {
        let settled = flow.in_force && flow.spouts_off && flow.pending == 0;
        settled
            && match delivery {
                Delivery::AtLeastOnce => true,
                // Nothing is tracked: nothing queued and nothing moving must do.
                Delivery::AtMostOnce => flow.queued == 0 && self.still_ms(now) >= QUIET_MS,
            }
    }
}

/// The task that holds the flow up, in words: the one that is longest in user code, else the one
/// for which bytes wait longest.
pub fn holder(plan: &PlanIndex, answers: &Answers) -> Option<String> {
    const LONG_MS: u64 = 5_000;
    let tasks = answers.pods.iter().flat_map(|pod| &pod.tasks);
    let busy = tasks.map(|task| (task.total.busy_ms, task.task)).max();
    if let Some((ms, task)) = busy.filter(|(ms, _)| *ms >= LONG_MS) {
        let name = plan.describe(task);
        return Some(format!("{name} has been in user code for {} s", ms / 1000));
    }
    let stalled = answers.pods.iter().flat_map(|pod| &pod.stalled);
    let (ms, task) = stalled.map(|stalled| (stalled.for_ms, stalled.dest)).max()?;
    let name = plan.describe(task);
    Some(format!("{name} has taken nothing for {} s", ms / 1000))
}

#[cfg(test)]
pub(crate) mod tests;
