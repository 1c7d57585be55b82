//! An instance: both real halves of a task, the link, and what waits between them.

use super::{
    Event, World,
    net::{End, Message, Writer},
    process::{Halves, Process},
};
use crate::{bug::Bug, invariant::Invariant, scenario::MS, situation::Situation, trace::Entry};
use bytes::Bytes;
use egret_core::{
    bolt_task::BoltTask,
    context::context,
    gateway::{Event as Wish, Gateway},
    spout_task::SpoutTask,
    stats::Stats,
    task::Task,
};
use egret_sdk::{Metrics, Waker};
use egret_topology::{
    id::{Incarnation, TaskId},
    plan::{PlanIndex, RunState},
};
use egret_wire::{
    control::LossScope,
    cut::Frame,
    header::Kind,
    preamble::{Class, StreamKey},
};
use std::collections::BTreeMap;

/// Bytes of one write.
const WRITE: usize = 64 << 10;

impl World {
    /// The parent starts an instance.
    pub(super) fn spawn(&mut self, task: TaskId) {
        if self.current.contains_key(&task) {
            return;
        }
        let process = self.start_process(task);
        self.current.insert(task, process);
    }

    pub(super) fn start_process(&mut self, task: TaskId) -> usize {
        let pod = self.plan.pod_of(task).unwrap_or_default();
        let birth = self.pods[pod.0 as usize].birth;
        let mut incarnation = Incarnation::beginning(birth, self.wall_ms(pod), None);
        while self.observed.witness().has_lived(task, incarnation) {
            // No two processes of a pod begin in the same millisecond.
            incarnation = Incarnation(incarnation.0 + 1);
        }
        let last = self.processes.iter().rev().find(|process| process.task == task);
        if self.scenario.bug == Some(Bug::ReuseLife)
            && let Some(last) = last
        {
            incarnation = last.incarnation;
        }
        let life = self.observed.witness().born(task, incarnation);
        self.note(Entry::Born(task, incarnation.0));
        self.disturb();
        self.processes.push(Process::new(task, incarnation, pod, life));
        let process = self.processes.len() - 1;
        self.schedule(self.now, Event::Connect { process });
        process
    }

    pub(super) fn connect(&mut self, process: usize) {
        let p = &mut self.processes[process];
        if !p.alive || p.connection.is_some() {
            return;
        }
        match self.pods[p.pod.0 as usize].manager {
            Some(manager) => {
                let connection = self.connection([End::Process(process), End::Manager(manager)]);
                self.processes[process].connection = Some(connection);
                self.send(connection, 0, Message::Hello);
            }
            None => self.connect_later(process),
        }
    }

    fn connect_later(&mut self, process: usize) {
        let p = &mut self.processes[process];
        let pause = p.backoff;
        p.backoff = (2 * pause).min(1000 * MS);
        let at = self.now + self.rng.between(pause / 2, pause);
        self.schedule(at, Event::Connect { process });
    }

    /// A control message for an instance.
    pub(super) fn process_hears(&mut self, process: usize, connection: usize, message: Message) {
        let (now, p) = (self.now, &mut self.processes[process]);
        if !p.alive {
            return;
        }
        if let Message::Assign { plan, positions, restarts } = message {
            return self.assigned(process, connection, plan, positions, restarts);
        }
        if let Message::Refused(newest) = message {
            self.close(connection, 0);
            return self.outlived(process, newest);
        }
        if let Message::Plan(plan) = &message {
            self.judge_plan(process, plan);
        }
        let p = &mut self.processes[process];
        let Some(halves) = &mut p.halves else { return };
        match message {
            Message::Plan(plan) => halves.gateway.handle_plan(now, plan),
            Message::Loss(scope) => {
                halves.gateway.handle_loss(now, scope, "something was lost");
                let life = p.life;
                self.observed.witness().lost(life);
            }
            Message::WhoHolds(root) => halves.gateway.handle_who_holds(now, root),
            Message::Holds(hold) => halves.gateway.handle_hold(now, &hold),
            _ => {}
        }
        self.follow_up(process);
    }

    /// Invariant 15.
    fn judge_plan(&mut self, process: usize, plan: &PlanIndex) {
        let p = &mut self.processes[process];
        let plan = (plan.plan().epoch, plan.plan().revision);
        let (task, before) = (p.task, std::mem::replace(&mut p.plan, plan));
        if plan < before {
            let what = format!("task {task} works under plan {plan:?} after {before:?}");
            self.accuse(Invariant::PlansRise, what);
        }
    }

    fn assigned(
        &mut self,
        process: usize,
        connection: usize,
        plan: PlanIndex,
        positions: BTreeMap<String, u64>,
        restarts: u32,
    ) {
        self.judge_plan(process, &plan);
        let p = &mut self.processes[process];
        p.registered = true;
        p.backoff = 10 * MS;
        self.disturb();
        let p = &mut self.processes[process];
        match &mut p.halves {
            Some(halves) => halves.gateway.handle_plan(self.now, plan),
            None => {
                if !positions.is_empty() {
                    self.met.count(Situation::PositionsUsed);
                }
                self.make(process, &plan, positions, restarts);
            }
        }
        let p = &mut self.processes[process];
        let settled = p.settled.clone();
        p.writers.clear();
        if !settled.is_empty() {
            self.send(connection, 0, Message::Positions(settled));
        }
        let halves = self.processes[process].halves.as_ref();
        let waiting = halves.map(|halves| halves.gateway.waiting_streams()).unwrap_or_default();
        for key in waiting {
            self.write(process, key);
        }
        if !std::mem::replace(&mut self.processes[process].reports, true) {
            self.schedule(self.now + self.scenario.net.report, Event::Report { process });
        }
        // Streams may have been opened before the answer to the hello came.
        for stream in self.connections[connection].streams.clone() {
            if self.streams[stream].from == 1 {
                self.process_read(process, stream);
            }
        }
        self.follow_up(process);
        self.wake(process);
    }

    /// Makes both halves.
    fn make(
        &mut self,
        process: usize,
        plan: &PlanIndex,
        positions: BTreeMap<String, u64>,
        restarts: u32,
    ) {
        let plan = &self.twisted(plan);
        let (now, p) = (self.now, &mut self.processes[process]);
        let (id, incarnation) = (p.task, p.incarnation);
        let (stats, metrics) = (Stats::default(), Metrics::default());
        let registry = &self.registry;
        let made = if plan.is_spout(id) {
            SpoutTask::new(plan, id, incarnation, registry, stats.clone())
                .map(|spout| Task::Spout(Box::new(spout)))
        } else {
            BoltTask::new(plan, id, incarnation, registry, stats.clone())
                .map(|bolt| Task::Bolt(Box::new(bolt)))
        };
        let waker = Waker::new(|| {});
        let context = context(plan, id, restarts, positions, &metrics, waker);
        let (mut task, mut context) = match (made, context) {
            (Ok(task), Ok(context)) => (task, context),
            (Err(why), _) | (_, Err(why)) => {
                return self.accuse(Invariant::Protocol, format!("no task {id}: {why}"));
            }
        };
        let budget = task.budget().clone();
        let gateway = Gateway::new(plan, id, incarnation, budget.clone(), stats.clone(), metrics);
        let mut outlet = super::outlet::Outlet::new(&self.observed, budget.clone(), p.life, now);
        if let Err(why) = task.start(&mut context, &mut outlet) {
            return self.accuse(Invariant::Protocol, why.to_string());
        }
        self.processes[process].halves = Some(Halves { task, gateway, budget, stats });
    }

    /// The connection is gone: what was written to it may be lost.
    pub(super) fn process_lost(&mut self, process: usize, connection: usize) {
        let p = &mut self.processes[process];
        if !p.alive || p.connection != Some(connection) {
            return;
        }
        p.connection = None;
        p.writers.clear();
        if std::mem::take(&mut p.registered) {
            let (scope, life) = (LossScope::Task { task: p.task }, p.life);
            if let Some(halves) = &mut p.halves {
                halves.gateway.handle_loss(self.now, scope, "the link was lost");
                self.observed.witness().lost(life);
            }
            if self.scenario.bug == Some(Bug::FencedWrites) {
                self.write_when_fenced(process);
            }
            self.follow_up(process);
        }
        self.connect_later(process);
    }

    /// A greater life is known. Who has not begun yet is newer, and its clock was moved back.
    fn outlived(&mut self, process: usize, newest: Incarnation) {
        let p = &mut self.processes[process];
        if p.halves.is_some() {
            return self.exit(process);
        }
        self.met.count(Situation::LifeRenamed);
        p.connection = None;
        p.incarnation = Incarnation(newest.0.saturating_add(1));
        let (life, incarnation) = (p.life, p.incarnation);
        self.observed.witness().renamed(life, incarnation);
        self.schedule(self.now, Event::Connect { process });
    }

    /// Another life runs: this one is wanted no more.
    fn exit(&mut self, process: usize) {
        let p = &mut self.processes[process];
        p.alive = false;
        let (task, life) = (p.task, p.life);
        self.observed.witness().killed(life);
        if self.current.get(&task) == Some(&process) {
            self.current.remove(&task);
            self.schedule(self.now + 100 * MS, Event::Spawn { task });
        }
    }

    /// Writes what the gateway has for a stream.
    fn write(&mut self, process: usize, key: StreamKey) {
        let p = &self.processes[process];
        let (Some(connection), true) = (p.connection, p.registered) else { return };
        let stream = match p.writers.get(&key) {
            Some(stream) => *stream,
            None => {
                let stream = self.stream(connection, 0, key, Writer::Gateway(process));
                self.processes[process].writers.insert(key, stream);
                stream
            }
        };
        self.pump_gateway(stream, process);
    }

    /// As far as credit goes.
    pub(super) fn pump_gateway(&mut self, stream: usize, process: usize) {
        while self.transmit(stream) {
            let key = self.streams[stream].key;
            let p = &mut self.processes[process];
            let Some(halves) = &mut p.halves else { return };
            let mut chunks: Vec<Bytes> = Vec::new();
            let taken = halves.gateway.poll_transmit(key, WRITE, &mut chunks);
            if let Some((_, left)) = p.lanes.get_mut(&key) {
                *left = left.wrapping_sub(taken);
            }
            if taken == 0 {
                return;
            }
            self.streams[stream].unsent.extend(chunks);
        }
    }

    /// More credit has come: goes on writing.
    pub(super) fn pump(&mut self, stream: usize) {
        match self.streams[stream].writer {
            Writer::Flow(manager, out) => {
                self.pump_flow(stream, manager, out);
                self.act(manager);
            }
            Writer::Gateway(process) => {
                if self.processes[process].alive {
                    self.pump_gateway(stream, process);
                    self.follow_up(process);
                }
            }
        }
    }

    /// Reads a stream as far as the gateway lets. The caller follows up.
    pub(super) fn process_read(&mut self, process: usize, stream: usize) {
        let data = self.streams[stream].key.class == Class::Data;
        loop {
            let p = &mut self.processes[process];
            let Some(halves) = p.halves.as_ref().filter(|_| p.registered) else { return };
            if data && !halves.gateway.may_read() {
                p.full_at = self.now;
                self.met.count(Situation::InboxFull);
                return;
            }
            let Some(bytes) = self.take_arrived(stream) else { return };
            self.streams[stream].cutter.push(bytes);
            loop {
                match self.streams[stream].cutter.next() {
                    Ok(Some(frame)) => {
                        self.note(Entry::AtInstance(self.processes[process].task, frame.header));
                        for frame in self.noise(stream, frame) {
                            for frame in self.mischief(process, stream, frame) {
                                self.deliver(process, frame);
                            }
                        }
                    }
                    Ok(None) => break,
                    Err(why) => {
                        return self.accuse(Invariant::Protocol, format!("malformed: {why}"));
                    }
                }
            }
        }
    }

    /// A whole frame for the gateway.
    pub(super) fn deliver(&mut self, process: usize, frame: Frame) {
        let (now, observed) = (self.now, self.observed.clone());
        let p = &mut self.processes[process];
        let (task, life) = (p.task, p.life);
        let Some(halves) = &mut p.halves else { return };
        let header = frame.header;
        if header.kind == Kind::Data {
            p.lengths.push_back(frame.len());
            observed.witness().delivers(life, &frame);
        }
        let before = super::mischief::xors(&frame, &halves.gateway, self.plan.plan().edge_key);
        let handled = halves.gateway.handle_frame(now, frame.clone());
        if header.kind == Kind::Ack {
            observed.witness().acked(life, &frame, &before, &halves.gateway);
        }
        if let Err(why) = handled {
            self.accuse(Invariant::Protocol, format!("task {task} accuses: {why}"));
        }
        if header.kind == Kind::Data {
            self.has_arrived(&header);
        }
    }

    /// Carries out what the gateway wants.
    pub(super) fn follow_up(&mut self, process: usize) {
        let p = &mut self.processes[process];
        let (life, Some(halves)) = (p.life, &mut p.halves) else { return };
        let mut events = halves.gateway.take_to_task();
        self.observed.witness().outcomes(life, &events);
        if halves.gateway.roots().failed > p.failed {
            p.failed = halves.gateway.roots().failed;
            let bolt = matches!(halves.task, Task::Bolt(_));
            let situation = if bolt { Situation::FinishFailed } else { Situation::RootsLost };
            self.met.count(situation);
        }
        if self.scenario.bug == Some(Bug::AckEarly) {
            self.ack_early(process, &mut events);
        }
        let p = &mut self.processes[process];
        let woken = !events.is_empty();
        p.inbox.extend(events);
        while let Some(wish) =
            self.processes[process].halves.as_mut().and_then(|halves| halves.gateway.poll_event())
        {
            self.grant(process, wish);
        }
        let p = &mut self.processes[process];
        let Some(halves) = &mut p.halves else { return };
        let freed = halves.gateway.take_lane_freed();
        self.observed.witness().judge_tracker(life, &halves.gateway);
        if woken || freed {
            self.wake(process);
        }
        self.arm_gateway(process);
    }

    fn grant(&mut self, process: usize, wish: Wish) {
        let p = &self.processes[process];
        let (life, connection) = (p.life, p.connection.filter(|_| p.registered));
        let message = match wish {
            Wish::Wake(key) => return self.write(process, key),
            Wish::AskHolders(root) => {
                self.met.count(Situation::RootTimedOut);
                self.observed.witness().asked(life, root.seq);
                self.judge_timeout(process, root.seq);
                Message::AskHolders(root)
            }
            Wish::Holds(hold) => Message::Holds(hold),
            // No plan here replaces a task.
            Wish::Drained { .. } => return,
            Wish::Positions(mut moved) => {
                if self.scenario.bug == Some(Bug::PositionAhead) {
                    moved.values_mut().for_each(|position| *position += 1);
                }
                self.processes[process].settled.extend(moved.clone());
                Message::Positions(moved)
            }
        };
        if let Some(connection) = connection {
            self.send(connection, 0, message);
        }
    }

    fn arm_gateway(&mut self, process: usize) {
        let p = &mut self.processes[process];
        let Some(halves) = &mut p.halves else { return };
        let next = halves.gateway.next_timeout();
        if let Some(at) = next
            && p.timer.is_none_or(|timer| at < timer)
        {
            p.timer = Some(at);
            self.schedule(at, Event::GatewayTimer { process });
        }
    }

    pub(super) fn gateway_timer(&mut self, process: usize) {
        let (now, p) = (self.now, &mut self.processes[process]);
        if !p.alive || p.timer.is_none_or(|at| at > now) {
            return;
        }
        p.timer = None;
        if let Some(halves) = &mut p.halves {
            halves.gateway.handle_timeout(now);
        }
        self.follow_up(process);
    }

    /// Whether the plan that the task works by says that it shall stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.plan.plan().state == RunState::Stopped
    }
}
