//! The task half of a bolt: executes tuples, acks them, and finishes when all input has ended.

mod collector;
mod execute;
mod traced;

use crate::{
    anchors::Anchors,
    batch::{Completion, ToTask},
    guard::{Admission, Guard},
    limits,
    outlet::Outlet,
    stats::Stats,
    task::{Leaving, SetupError, Step, TaskCore, UserError},
};
use collector::{BoltCollector, Call};
use egret_sdk::{Acking, Bolt, BoltOutput, Context, EmitError, Registry, Scratch, TaskId};
use egret_topology::{
    id::Incarnation,
    plan::{PlanIndex, RunState},
};
use egret_wire::{
    control::{Hold, Holding, LossScope, Phase, Root},
    cut::Frame,
    data::Roots,
    header::Kind,
};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// The task half of a bolt.
pub struct BoltTask {
    pub(crate) core: TaskCore,
    bolt: Box<dyn Bolt>,
    scratch: Scratch,
    acking: Acking,
    anchors: Anchors,
    guard: Guard,
    sources: HashMap<TaskId, Source>,
    /// Frames, each with when it came.
    input: VecDeque<(Frame, u64)>,
    /// Flushes passed on, by the task that asked.
    flushed: HashMap<TaskId, u64>,
    tick_every: Option<u64>,
    next_tick: u64,
    /// Tuples were executed since the user's `flush` was called.
    unflushed: bool,
    /// The user's waker was used.
    woken: bool,
    /// Tasks whose roots its input can carry.
    root_tasks: HashSet<TaskId>,
    /// Since when acks wait in open frames.
    acks_since: Option<u64>,
    /// `finish` was called, and no input has come since.
    finished: bool,
    /// What `finish` emitted and is not acked, to be sent again if it fails.
    unsettled: BTreeMap<u64, Copied>,
    /// Of these, what failed.
    resend: VecDeque<Copied>,
    /// Reused for every tuple.
    at: Vec<u32>,
    restarted: bool,
    /// Until when a frame waits for the plan that it was made under.
    ahead_until: Option<u64>,
}

/// A source of tuples, as the plan describes it.
#[derive(Debug)]
struct Source {
    component: String,
    streams: Vec<(String, Vec<String>)>,
}

/// A tuple that `finish` emitted.
#[derive(Clone, Debug)]
pub(crate) struct Copied {
    stream: String,
    direct: Option<TaskId>,
    bytes: Vec<u8>,
    at: Vec<u32>,
}

impl BoltTask {
    /// The task half of this task.
    pub fn new(
        plan: &PlanIndex,
        task: TaskId,
        incarnation: Incarnation,
        registry: &Registry,
        stats: Stats,
    ) -> Result<BoltTask, SetupError> {
        let core = TaskCore::new(plan, task, incarnation, registry, stats)?;
        let planned = plan.task(task).ok_or(SetupError::NoTask(task))?;
        let definition = plan.definition(task).ok_or(SetupError::NoTask(task))?;
        let bolt =
            registry.make_bolt(&definition.component).ok_or_else(|| SetupError::NoComponent {
                name: definition.component.clone(),
                has: registry.names().join(", "),
            })?;
        let sources = sources(plan, planned.component);
        Ok(BoltTask {
            acking: bolt.acking(),
            anchors: Anchors::default(),
            guard: Guard::new(plan.plan().epoch, sources.keys().copied()),
            sources,
            input: VecDeque::new(),
            flushed: HashMap::new(),
            tick_every: definition.tick_ms.map(|ms| ms.max(1) * 1_000_000),
            next_tick: 0,
            unflushed: false,
            woken: false,
            root_tasks: root_tasks(plan, task),
            acks_since: None,
            finished: false,
            unsettled: BTreeMap::new(),
            resend: VecDeque::new(),
            at: Vec::new(),
            restarted: false,
            ahead_until: None,
            scratch: Scratch::default(),
            bolt,
            core,
        })
    }

    /// Calls `prepare`.
    pub fn start(
        &mut self,
        context: &mut Context,
        outlet: &mut dyn Outlet,
    ) -> Result<(), UserError> {
        let now = outlet.now();
        self.restarted = context.restarts > 0;
        self.next_tick = now + self.tick_every.unwrap_or(0);
        self.core.stats.busy(now);
        let prepared = self.bolt.prepare(context);
        self.core.stats.idle(outlet.now());
        prepared.map_err(|error| self.core.user_error("prepare", error))?;
        self.core.show(Phase::Active);
        Ok(())
    }

    /// Takes in what the gateway half hands over.
    pub fn handle(&mut self, event: ToTask, outlet: &mut dyn Outlet) {
        match event {
            ToTask::Frame(frame, at) => self.input.push_back((frame, at)),
            ToTask::Completed(completions) => {
                for completion in completions {
                    complete(completion, &mut self.core, &mut self.unsettled, &mut self.resend);
                }
            }
            ToTask::Plan(plan) => self.follow(plan),
            ToTask::Loss(scope) => self.lost(scope),
            ToTask::WhoHolds(root) => self.who_holds(root, outlet.now()),
            ToTask::Drain => self.core.drain = true,
            ToTask::Leave => self.core.leaving = Leaving::Replaced,
            ToTask::Close => self.core.leaving = Leaving::Closed,
        }
    }

    fn follow(&mut self, plan: PlanIndex) {
        let anew = plan.plan().epoch != self.core.plan.plan().epoch;
        self.core.follow(plan);
        let plan = &self.core.plan;
        let planned = plan.task(self.core.task).filter(|_| anew);
        if let Some(planned) = planned {
            self.sources = sources(plan, planned.component);
            self.guard.follow(plan.plan().epoch, self.sources.keys().copied());
            self.root_tasks = root_tasks(plan, self.core.task);
        }
    }

    /// Whether the next frame was made under a plan that is still on its way here, as it seems:
    /// frames and plans come by different streams.
    fn waits_for_plan(&mut self, now: u64) -> bool {
        let epoch = self.core.plan.plan().epoch;
        let ahead = self.input.front().is_some_and(|(frame, _)| frame.header.epoch > epoch);
        self.ahead_until = match self.ahead_until {
            _ if !ahead => None,
            until => Some(until.unwrap_or(now + limits::PLAN_WAIT_NS)),
        };
        self.ahead_until.is_some_and(|until| now < until)
    }

    /// The user's waker was used: there may be something to write or to ack, also while input does
    /// not pause.
    pub fn woken(&mut self) {
        self.woken = true;
    }

    /// Does the next piece of work.
    pub fn step(&mut self, outlet: &mut dyn Outlet) -> Result<Step, UserError> {
        if self.core.state() == RunState::Stopped || self.core.leaving != Leaving::No {
            self.bolt.close();
            self.core.show_closed();
            self.pause(outlet);
            return Ok(Step::Closed);
        }
        self.core.check()?;
        let now = outlet.now();
        if self.tick_at().is_some_and(|at| now >= at) {
            self.tick(now, outlet)?;
        }
        if self.core.emitter.is_over_budget() {
            self.pause(outlet);
            return Ok(Step::Park(self.wake_at()));
        }
        if std::mem::take(&mut self.woken) {
            self.flush(now, outlet)?;
        }
        if !self.waits_for_plan(now)
            && let Some(input) = self.input.pop_front()
        {
            self.take_frame(input, now, outlet)?;
            return Ok(Step::Again);
        }
        self.rest(now, outlet)?;
        self.show_rest();
        self.pause(outlet);
        Ok(Step::Park(self.wake_at()))
    }

    /// Input tuples that are neither acked nor failed, under manual acking.
    pub fn unacked(&self) -> usize {
        self.anchors.held()
    }

    /// The roots of the tuple that is being executed: who panics there leaves them behind.
    pub fn executing(&self) -> Vec<Root> {
        self.anchors.current.roots.iter().map(|root| Root::from(*root)).collect()
    }

    /// The user's bolt, for tests.
    pub fn bolt(&self) -> &dyn Bolt {
        &*self.bolt
    }

    fn take_frame(
        &mut self,
        (frame, arrived): (Frame, u64),
        now: u64,
        outlet: &mut dyn Outlet,
    ) -> Result<(), UserError> {
        let header = frame.header;
        let admission = self.guard.admit(&header);
        match (header.kind, admission) {
            (Kind::Data, Admission::Deliver { .. } | Admission::Gap { .. }) => {
                if self.finished {
                    self.start_over();
                }
                self.execute_frame(&frame, arrived, outlet)?;
                // Nothing is executed any more.
                self.anchors.current.roots.clear();
            }
            (Kind::Flush, Admission::Deliver { .. }) => {
                self.flush_for(header.origin, header.base, now, outlet)?;
            }
            (Kind::End, Admission::Deliver { .. }) => {}
            _ => self.core.counts.discarded += 1,
        }
        if header.kind == Kind::Data {
            self.core.stats.frame_done();
            if self.core.emitter.budget().inbox_subtract(frame.len()) {
                outlet.inbox_freed();
            }
        }
        Ok(())
    }

    /// Calls user code outside `execute`.
    fn call(
        &mut self,
        name: &'static str,
        call: Call,
        now: u64,
        outlet: &mut dyn Outlet,
        user: impl FnOnce(&mut dyn Bolt, &mut BoltOutput<'_>) -> egret_sdk::Result<()>,
    ) -> Result<(), UserError> {
        self.anchors.current.roots = Roots::new();
        self.anchors.current.become_tuple();
        self.core.stats.busy(now);
        let mut collector = BoltCollector {
            core: &mut self.core,
            anchors: &mut self.anchors,
            unsettled: &mut self.unsettled,
            resend: &mut self.resend,
            acks_since: &mut self.acks_since,
            call,
            outlet,
            now,
        };
        let result = user(&mut *self.bolt, &mut BoltOutput::new(&mut collector, &mut self.scratch));
        self.core.stats.idle(outlet.now());
        self.core.hand_over_closed(outlet);
        match result {
            Err(error) if matches!(error.downcast_ref(), Some(EmitError::Stopping)) => Ok(()),
            result => result.map_err(|error| self.core.user_error(name, error)),
        }
    }

    fn tick(&mut self, now: u64, outlet: &mut dyn Outlet) -> Result<(), UserError> {
        let every = self.tick_every.unwrap_or(u64::MAX);
        // A late tick is not made up for.
        self.next_tick = (self.next_tick + every).max(now + 1);
        self.call("tick", Call::Loose, now, outlet, |bolt, out| bolt.tick(out))
    }

    /// When the next tick is due. After the end there is none: nothing may follow the end marks, or
    /// what was worked off last. Until then a bolt may need it to ack what it holds.
    fn tick_at(&self) -> Option<u64> {
        let over = self.core.ended || self.core.drain && self.anchors.held() == 0;
        self.tick_every.filter(|_| !over).map(|_| self.next_tick)
    }

    fn flush(&mut self, now: u64, outlet: &mut dyn Outlet) -> Result<(), UserError> {
        self.unflushed = false;
        self.call("flush", Call::Loose, now, outlet, |bolt, out| bolt.flush(out))
    }

    /// Somebody upstream drains: write, ack, pass on; each flush once.
    fn flush_for(
        &mut self,
        origin: TaskId,
        number: u64,
        now: u64,
        outlet: &mut dyn Outlet,
    ) -> Result<(), UserError> {
        if self.core.plan.task(origin).is_none() {
            self.core.counts.discarded += 1;
            return Ok(());
        }
        let seen = self.flushed.entry(origin).or_default();
        if *seen >= number {
            return Ok(());
        }
        *seen = number;
        // After the end marks nothing is emitted, and nothing is held back.
        if !self.core.ended {
            self.flush(now, outlet)?;
        }
        self.core.emitter.mark(Kind::Flush, number, origin);
        self.core.close_and_hand_over(outlet);
        Ok(())
    }

    /// No input: writes what is held back, and finishes when all has ended.
    fn rest(&mut self, now: u64, outlet: &mut dyn Outlet) -> Result<(), UserError> {
        if self.unflushed {
            self.flush(now, outlet)?;
        }
        let draining = matches!(self.core.state(), RunState::Draining | RunState::Paused);
        // A tracked source ends when none of its trees is pending: what is held then is of trees
        // that have timed out, and nobody waits for its ack.
        let all_in = self.guard.all_ended() && (self.core.is_tracked() || self.anchors.held() == 0);
        if all_in && !self.finished && !draining {
            self.finished = true;
            self.call("finish", Call::Finish, now, outlet, |bolt, out| bolt.finish(out))?;
        }
        if !self.finished {
            self.core.flusher.rest();
            return Ok(());
        }
        while let Some(copied) = self.resend.pop_front() {
            self.call("finish", Call::Finish, now, outlet, |_, out| {
                copied.emit_again(out).map_err(Into::into)
            })?;
        }
        if self.core.pending > 0 {
            self.core.flush_downstream(now);
        } else if !self.core.ended {
            self.core.ended = true;
            self.core.send_end();
        } else {
            self.core.flusher.rest();
        }
        Ok(())
    }

    /// Tells what it is when there is no input.
    fn show_rest(&mut self) {
        let nothing_left = self.anchors.held() == 0 && self.core.pending == 0;
        self.core.show(match () {
            () if self.core.drain && nothing_left => Phase::Drained,
            () if self.core.ended => Phase::Ended,
            () => Phase::Active,
        });
    }

    /// Input came after all had ended.
    fn start_over(&mut self) {
        self.finished = false;
        self.core.ended = false;
        self.core.show(Phase::Active);
    }

    fn lost(&mut self, _: LossScope) {
        if self.core.ended {
            self.core.send_end();
        }
    }

    fn who_holds(&mut self, root: Root, now: u64) {
        if let Some(since) = self.anchors.holds(root) {
            self.core.batch.holds.push(Hold {
                root,
                task: self.core.task,
                how: Holding::Unacked,
                for_ms: now.saturating_sub(since) / 1_000_000,
            });
        }
    }

    fn pause(&mut self, outlet: &mut dyn Outlet) {
        let TaskCore { timing, stats, .. } = &mut self.core;
        timing.execute.hand_over(stats.execute());
        timing.process.hand_over(stats.process());
        self.core.stats.publish(&mut self.core.counts, self.anchors.held() as u64);
        self.core.stats.set_heard(self.guard.heard());
        self.core.close_and_hand_over(outlet);
        self.acks_since = None;
    }

    fn wake_at(&self) -> Option<u64> {
        [self.tick_at(), self.core.flusher.next_at(), self.ahead_until].into_iter().flatten().min()
    }
}

/// Who sends tuples to a component.
fn sources(plan: &PlanIndex, component: usize) -> HashMap<TaskId, Source> {
    let sources = plan.sources_of(component).into_iter().filter_map(|source| {
        let component = plan.component_of(source)?;
        let streams =
            component.streams.iter().map(|s| (s.name.clone(), s.fields.clone())).collect();
        Some((source, Source { component: component.name.clone(), streams }))
    });
    sources.collect()
}

/// Tasks whose roots the input of a task can carry.
fn root_tasks(plan: &PlanIndex, task: TaskId) -> HashSet<TaskId> {
    let tasks = plan.plan().tasks.iter().map(|planned| planned.id);
    tasks.filter(|root| *root != task && plan.reaches(*root, task)).collect()
}

/// Roots of this task have ended: what failed is sent again.
fn complete(
    completion: Completion,
    core: &mut TaskCore,
    unsettled: &mut BTreeMap<u64, Copied>,
    resend: &mut VecDeque<Copied>,
) {
    for seq in completion.roots {
        core.pending = core.pending.saturating_sub(1);
        let copied = unsettled.remove(&seq);
        if completion.failure.is_some() {
            resend.extend(copied);
        }
    }
}
