//! Processes that end in order: asked to, or because their plan has something else for them. As
//! `instance/src/leave.rs` and `stream-manager/src/leave.rs` have it, with the same times.

use super::{Event, World, net::Message};
use crate::{
    bug::Bug,
    scenario::{MS, SECOND, faults::IDLE},
    situation::Situation,
    trace::Entry,
};
use egret_core::batch::ToTask;
use egret_flow::Link;
use egret_topology::{
    id::TaskId,
    plan::{PhysicalPlan, PlanIndex, RunState},
};

/// For how long nobody may know of a process that was asked to end.
const UNKNOWN_FOR: u64 = 5 * SECOND;
/// What is left of the grace period when a task closes in any case.
const RESERVE: u64 = 5 * SECOND;
/// For how long a task that shall close may take.
const LEAVE_WITHIN: u64 = 3 * SECOND;
/// How long tasks that were asked to end wait for an operator that is not linked.
const FORSAKEN: u64 = 5 * SECOND;
/// How long spouts hold back while no operator is linked.
pub(super) const ORPHANED: u64 = 60 * SECOND;

impl World {
    /// An instance takes over a plan.
    pub(super) fn follow_plan(&mut self, process: usize, plan: PlanIndex) {
        let (now, p) = (self.now, &mut self.processes[process]);
        let other = p.definition.is_some() && plan.definition(p.task) != p.definition;
        let replaced = other && plan.is_draining(p.task);
        if let Some(halves) = &mut p.halves {
            halves.gateway.handle_plan(now, plan.clone());
        }
        p.said = Some(plan);
        if replaced && !std::mem::replace(&mut p.again, true) {
            p.inbox.push(ToTask::Leave);
            self.overstays(process);
        }
        self.may_end(process);
    }

    fn overstays(&mut self, process: usize) {
        self.wake(process);
        self.schedule(self.now + LEAVE_WITHIN, Event::Exit { process });
    }

    /// SIGTERM: the task works on until its pod may go.
    pub(super) fn terminate(&mut self, process: usize) {
        let p = &mut self.processes[process];
        if !p.alive || p.asked.is_some() {
            return;
        }
        p.asked = Some(self.now);
        if p.halves.is_none() {
            return self.exits(process);
        }
        self.tell(process);
        self.may_end(process);
    }

    /// One that was asked to end looks whether it may.
    pub(super) fn may_end(&mut self, process: usize) {
        let p = &mut self.processes[process];
        let (Some(asked), Some(plan)) = (p.asked, &p.said) else { return };
        if !p.alive || p.closing || p.halves.is_none() {
            return;
        }
        let grace = self.pods[p.home].gone_by.map_or(60 * SECOND, |by| by - by.min(asked));
        let last = asked + grace.saturating_sub(RESERVE).max(grace / 2);
        let rolling = &plan.plan().rolling;
        let pod = p.pod;
        let end = plan.plan().state == RunState::Stopped || rolling.released.contains(&pod);
        let alone = rolling.leaving.is_empty() && rolling.released.is_empty();
        let alone = alone || !plan.is_spout(p.task);
        let at = if end {
            asked
        } else if rolling.leaving.contains(&pod) {
            p.known = true;
            last
        } else if p.known || plan.is_draining(p.task) && alone {
            asked
        } else {
            last.min(asked + UNKNOWN_FOR)
        };
        if at > self.now {
            return self.schedule(at, Event::MayEnd { process });
        }
        p.closing = true;
        p.inbox.push(ToTask::Close);
        self.overstays(process);
    }

    /// User code has returned from `close`.
    pub(super) fn closes(&mut self, process: usize, at: u64) {
        let net = self.scenario.net;
        let p = &mut self.processes[process];
        p.closed = true;
        // What was said last arrives first, unless nobody shall hear of it.
        let said = if p.closing { 2 * net.slowest() + MS } else { 0 };
        if p.closing || p.again {
            self.schedule(at + net.bridge + said, Event::Exit { process });
        }
    }

    /// A process ends; its parent or its kubelet starts another, unless its pod goes.
    pub(super) fn exits(&mut self, process: usize) {
        let p = &mut self.processes[process];
        if !p.alive {
            return;
        }
        p.alive = false;
        p.halves = None;
        p.inbox.clear();
        p.batches.clear();
        let (home, task, life) = (p.home, p.task, p.life);
        if let Some(connection) = p.connection.take() {
            self.close(connection, 0);
        }
        self.note(Entry::Killed(task));
        self.observed.witness().killed(life);
        self.disturb();
        if self.current.get(&(home, task)) == Some(&process) {
            self.current.remove(&(home, task));
            let of = self.pods[home].containers.get(&Some(task)).copied().unwrap_or_default();
            let slowly = if of.image != of.wanted { 1000 } else { 60 };
            let at = self.now + self.rng.between(10, slowly) * MS;
            self.schedule(at, Event::Spawn { home, task });
            self.pod_empties(home);
        }
    }

    /// Whether this version ends as soon as it starts.
    pub(super) fn is_broken(&self, process: usize, plan: &PlanIndex) -> bool {
        let definition = plan.definition(self.processes[process].task);
        definition.is_some_and(|of| of.config["broken"] == true)
    }

    pub(super) fn breaks(&mut self, process: usize, connection: usize) {
        self.send(connection, 0, Message::Broken);
        let at = self.now + 2 * self.scenario.net.slowest() + 100 * MS;
        self.schedule(at, Event::Exit { process });
    }

    /// What a stream manager does by itself when no operator is linked.
    pub(super) fn keep_watch(&mut self, manager: usize) {
        if self.scenario.changes.is_empty() {
            return;
        }
        let (now, operated) = (self.now, self.is_operated(manager));
        let noticed = now + self.rng.below(IDLE);
        let m = &mut self.managers[manager];
        if operated {
            (m.orphaned, m.alone) = (None, None);
            return;
        }
        let orphaned = *m.orphaned.get_or_insert(noticed);
        let leaving = m.kept.totals.values().any(|of| of.connected && of.leaving);
        if !leaving {
            m.alone = None;
        }
        let alone = leaving.then(|| *m.alone.get_or_insert(noticed));
        let Some(plan) = m.flow.plan().cloned() else { return };
        if now >= orphaned.saturating_add(ORPHANED) {
            self.managers[manager].orphaned = None;
            let mut resumed = plan.plan().clone();
            resumed.rolling.draining.retain(|task| !plan.is_spout(*task));
            if resumed.rolling != plan.plan().rolling && self.scenario.bug != Some(Bug::HoldForEver)
            {
                self.met.count(Situation::SpoutsResumed);
                self.tell_instances(manager, resumed);
            }
        }
        if alone.is_some_and(|alone| now >= alone.saturating_add(FORSAKEN)) {
            self.managers[manager].alone = None;
            let pod = self.managers[manager].pod;
            let mut released = plan.plan().clone();
            released.rolling.leaving.retain(|leaving| *leaving != pod);
            released.rolling.released.push(pod);
            self.met.count(Situation::TasksForsaken);
            self.tell_instances(manager, released);
        }
    }

    fn tell_instances(&mut self, manager: usize, plan: PhysicalPlan) {
        let Ok(plan) = PlanIndex::new(plan) else { return };
        let links = self.managers[manager].attached.iter();
        let of = |(link, (_, connection)): (&Link, &(_, usize))| match link {
            Link::Instance(_) => Some(*connection),
            Link::Peer(_) => None,
        };
        let connections: Vec<usize> = links.filter_map(of).collect();
        for connection in connections {
            self.send(connection, 1, Message::Plan(plan.clone()));
        }
    }

    /// Tasks that hold back because a plan said so, of those that are there.
    pub(super) fn holds_back(&self, process: usize, task: TaskId) -> bool {
        let said = self.processes[process].said.as_ref();
        said.is_some_and(|plan| plan.is_spout(task) && plan.is_draining(task))
    }
}
