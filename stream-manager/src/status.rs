//! What the pod is doing, for the operator and for probes.

use crate::{
    errors::Told,
    manager::Manager,
    totals::{Noted, TaskTotals},
};
use egret_flow::Link;
use egret_topology::{
    id::{Incarnation, PodId, TaskId},
    positions::Positions,
};
use egret_wire::{
    control::{Phase, PodStatus, Stalled, TaskReport, TaskStatus},
    inspect::TaskErrors,
};
use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

impl Manager {
    pub(crate) fn status(&self) -> PodStatus {
        let (peers_up, peers_down) = self.peers();
        let flow = self.flow.borrow();
        let mut tasks: Vec<TaskStatus> =
            self.tasks().into_iter().map(|(task, totals)| totals.status(task)).collect();
        for status in &mut tasks {
            // Only when everything that it has sent is here as well.
            if status.total.phase == Phase::Drained && !flow.is_drained(status.task) {
                status.total.phase = Phase::Active;
            }
        }
        PodStatus {
            pod: self.options.pod,
            revision: *self.revision.borrow(),
            tasks,
            peers_up,
            peers_down,
            stalled: self.stalled(),
            queued_bytes: flow.queued_bytes() as u64,
            losses: flow.losses(),
            malformed: self.tally.malformed.get(),
        }
    }

    /// Why the pod does not do all of its work, if it does not.
    pub(crate) fn ready(&self) -> Result<(), String> {
        let Some(plan) = self.plan() else { return Err("there is no plan yet".into()) };
        let flow = self.flow.borrow();
        let away = plan.tasks_in(self.options.pod).find(|t| !flow.is_up(Link::Instance(t.id)));
        if let Some(task) = away {
            return Err(format!("{} has not registered", plan.describe(task.id)));
        }
        match self.peers().1.first() {
            Some(pod) => Err(format!("there is no link to pod {pod}")),
            None => Ok(()),
        }
    }

    /// Totals of the pod's tasks, also of those that have never registered.
    pub(crate) fn tasks(&self) -> BTreeMap<TaskId, TaskTotals> {
        let mut tasks = self.totals.borrow().clone();
        if let Some(plan) = self.plan() {
            for task in plan.tasks_in(self.options.pod) {
                tasks.entry(task.id).or_default();
            }
        }
        tasks
    }

    /// Peers that are linked, and peers that should be.
    pub(crate) fn peers(&self) -> (Vec<PodId>, Vec<PodId>) {
        let Some(plan) = self.plan() else { return Default::default() };
        let flow = self.flow.borrow();
        let pods = plan.plan().pods.iter().map(|pod| pod.id);
        pods.filter(|pod| *pod != self.options.pod).partition(|pod| flow.is_up(Link::Peer(*pod)))
    }

    fn stalled(&self) -> Vec<Stalled> {
        let mut stalled = BTreeMap::<TaskId, Stalled>::new();
        for stall in self.flow.borrow().stalls(self.now()) {
            let (dest, for_ms) = (stall.stream.key.dest, stall.for_ns / 1_000_000);
            let of = stalled.entry(dest).or_insert(Stalled { dest, bytes: 0, for_ms: 0 });
            of.bytes += stall.bytes as u64;
            of.for_ms = for_ms.max(of.for_ms);
        }
        stalled.into_values().collect()
    }

    /// Changes the totals of a task.
    pub(crate) fn with_totals<T>(
        &self,
        task: TaskId,
        change: impl FnOnce(&mut TaskTotals) -> T,
    ) -> T {
        self.dirty.set(true);
        change(self.totals.borrow_mut().entry(task).or_default())
    }

    /// A task has reported.
    pub(crate) fn reported(&self, task: TaskId, report: TaskReport) {
        let noted = self.totals.borrow_mut().entry(task).or_default().reported(report);
        match noted {
            Noted::Nothing => {}
            Noted::Progress => self.dirty.set(true),
            Noted::Ended => self.save_now(),
        }
    }

    /// Positions of a task's component have moved on.
    pub(crate) fn settle(&self, task: TaskId, splits: BTreeMap<String, u64>) {
        let Some(plan) = self.plan() else { return };
        let Some(component) = plan.component_of(task) else { return };
        let refused = match &mut *self.positions.borrow_mut() {
            Some(positions) => positions.settle(&component.name, splits),
            // No spout has opened: whoever tells this must not let others open at the beginning.
            None => return,
        };
        self.moved(refused);
    }

    /// The operator knows where input stands.
    pub(crate) fn take_positions(&self, told: Positions) {
        let refused = self.positions.borrow_mut().get_or_insert_default().merge(told);
        self.moved(refused);
        // The next life must not wait for them once more.
        self.save_now();
    }

    fn moved(&self, refused: usize) {
        if refused > 0 {
            tracing::warn!(refused, "too many splits: positions are not kept");
        }
        self.settled.send_modify(|count| *count += 1);
        self.dirty.set(true);
    }

    /// A task's parent says that it crashes. Tasks of other pods are none of ours.
    pub(crate) fn told_of_crash(&self, task: TaskId, error: String) {
        let ours = self.plan().and_then(|plan| plan.pod_of(task)) == Some(self.options.pod);
        if ours {
            // Told by its parent, who shows it to people as well.
            tracing::warn!(task = task.0, "the task has crashed: {error}");
            self.crashed(task, Told::ByParent, error);
        }
    }

    /// A life of a task was ended by a signal, as the next one says when it registers.
    pub(crate) fn told_of_death(&self, task: TaskId, next: Incarnation, why: &str) {
        tracing::warn!(task = task.0, "the last life of the task has ended: {why}");
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.with_totals(task, |totals| totals.died(next, since.as_millis() as u64, why));
    }

    /// A life of a task has ended by itself.
    pub(crate) fn crashed(&self, task: TaskId, told: Told, error: String) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.with_totals(task, |totals| totals.crashed(told, since.as_millis() as u64, error));
        // The same that makes tasks fail may end this process.
        self.save_now();
    }

    /// The last errors of each task that had some.
    pub(crate) fn errors(&self) -> Vec<TaskErrors> {
        let of = |(task, totals): (&TaskId, &TaskTotals)| TaskErrors {
            task: *task,
            errors: totals.errors().kept().cloned().collect(),
        };
        let totals = self.totals.borrow();
        totals.iter().map(of).filter(|of| !of.errors.is_empty()).collect()
    }

    /// State is to be written without waiting for the next tick.
    pub(crate) fn save_now(&self) {
        self.dirty.set(true);
        self.save.notify_one();
    }

    /// Once a second.
    pub(crate) fn tick(&self) {
        let now = self.now();
        let patience = egret_flow::Limits::default().away_ns;
        self.totals.borrow_mut().values_mut().for_each(|totals| totals.tick(now, patience));
        self.tap.tick(now);
        self.beat.store(now, std::sync::atomic::Ordering::Relaxed);
    }
}
