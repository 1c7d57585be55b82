//! What stream managers tell an operator that asks.

use super::{Event, World};
use crate::{
    scenario::MS,
    world::manager::{Positions, merge},
};
use egret_flow::Link;
use egret_topology::id::{Incarnation, PodId, TaskId};
use egret_wire::control::Phase;
use std::collections::BTreeMap;

/// What is known of a task.
#[derive(Clone, Debug)]
pub(in crate::world) struct TaskAnswer {
    pub(super) connected: bool,
    pub(super) phase: Phase,
    pub(super) life: Incarnation,
    pub(super) error: Option<String>,
    /// For how long what it is sent has waited, in milliseconds.
    pub(super) stalled_ms: u64,
}

/// What a stream manager answers.
#[derive(Clone, Debug)]
pub(in crate::world) struct Answer {
    pub(super) revision: u64,
    pub(super) at: u64,
    pub(super) tasks: BTreeMap<TaskId, TaskAnswer>,
    /// Peers that are not linked.
    pub(super) down: Vec<PodId>,
    pub(super) queued: usize,
    pub(super) positions: Positions,
}

impl World {
    /// A stream manager is asked how things are.
    pub(in crate::world) fn asked(&mut self, manager: usize) {
        if !self.is_operated(manager) {
            return;
        }
        let (now, m) = (self.now, &self.managers[manager]);
        let (revision, home) = (self.revision(manager), m.home);
        let Some(plan) = m.flow.plan() else { return };
        let stalls: BTreeMap<TaskId, u64> =
            m.flow.stalls(now).map(|stall| (stall.stream.key.dest, stall.for_ns / MS)).collect();
        let peers = plan.plan().pods.iter().map(|pod| pod.id).filter(|pod| *pod != m.pod);
        let down = peers.filter(|pod| !m.flow.is_up(Link::Peer(*pod))).collect();
        let of = |task: TaskId| {
            let totals = m.kept.totals.get(&task).cloned().unwrap_or_default();
            let mut phase = totals.phase;
            if phase == Phase::Drained && !m.flow.is_drained(task) {
                phase = Phase::Active;
            }
            TaskAnswer {
                connected: totals.connected,
                phase,
                life: totals.incarnation.unwrap_or_default(),
                error: totals.error,
                stalled_ms: stalls.get(&task).copied().unwrap_or_default(),
            }
        };
        let tasks = plan.tasks_in(m.pod).map(|task| (task.id, of(task.id))).collect();
        let positions = m.kept.positions.clone().unwrap_or_default();
        let queued = m.flow.queued_bytes();
        let answer = Answer { revision, at: now, tasks, down, queued, positions };
        let at = now + self.rng.between(1, 10) * MS;
        self.schedule(at, Event::Answer { home, answer: Box::new(answer) });
    }

    pub(in crate::world) fn answered(&mut self, home: usize, answer: Answer) {
        if !self.operator.reaches(home, self.now) {
            return;
        }
        for (component, splits) in answer.positions.clone() {
            merge(self.operator.positions.entry(component).or_default(), splits);
        }
        self.operator.memory.answers.insert(home, answer);
    }
}
