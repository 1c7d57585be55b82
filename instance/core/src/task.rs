//! What the task halves of spouts and bolts have in common.

use crate::{
    acks::AckBatcher,
    batch::{Batch, ToTask},
    bolt_task::BoltTask,
    durations::Timing,
    emitter::{Emitter, UnknownGrouping},
    limits,
    outlet::{Outlet, Stopping},
    spout_task::SpoutTask,
    stats::{Counts, Stats},
    trace::Trace,
};
use egret_sdk::{Emission, EmitError, Registry, TaskId};
use egret_topology::{
    id::Incarnation,
    plan::{Delivery, PlanIndex, RunState},
};
use egret_wire::{
    control::{Phase, Root},
    data::RootId,
    header::Kind,
};

/// What the task half wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To go on at once.
    Again,
    /// To wait for input, and no longer than until then.
    Park(Option<u64>),
    /// Nothing more: it is closed.
    Closed,
}

/// User code returned an error where that ends the task's life.
#[derive(Debug, thiserror::Error)]
#[error("`{call}` of component `{component}` failed: {error:#}")]
pub struct UserError {
    /// The component.
    pub component: String,
    /// The call.
    pub call: &'static str,
    /// The user's own error.
    pub error: egret_sdk::Error,
}

/// Why a task cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A custom grouping is missing.
    #[error(transparent)]
    Grouping(#[from] UnknownGrouping),
    /// The binary has no such component.
    #[error("this binary has no component `{name}`; it has: {has}")]
    NoComponent {
        /// The name that was looked for.
        name: String,
        /// What there is.
        has: String,
    },
    /// The plan does not know the task.
    #[error("task {0} is not in the plan")]
    NoTask(TaskId),
}

/// The task half of a spout or of a bolt.
pub enum Task {
    /// Of a bolt.
    Bolt(Box<BoltTask>),
    /// Of a spout.
    Spout(Box<SpoutTask>),
}

impl Task {
    /// Calls `open` or `prepare`.
    pub fn start(
        &mut self,
        context: &mut egret_sdk::Context,
        outlet: &mut dyn Outlet,
    ) -> Result<(), UserError> {
        match self {
            Task::Bolt(bolt) => bolt.start(context, outlet),
            Task::Spout(spout) => spout.start(context, outlet),
        }
    }

    /// Takes in what the gateway half hands over.
    pub fn handle(&mut self, event: ToTask, outlet: &mut dyn Outlet) -> Result<(), UserError> {
        match self {
            Task::Bolt(bolt) => {
                bolt.handle(event, outlet);
                Ok(())
            }
            Task::Spout(spout) => spout.handle(event, outlet),
        }
    }

    /// The user's waker was used: `next` or `flush` is called at the next step.
    pub fn woken(&mut self) {
        match self {
            Task::Bolt(bolt) => bolt.woken(),
            Task::Spout(spout) => spout.woken(),
        }
    }

    /// Does the next piece of work.
    pub fn step(&mut self, outlet: &mut dyn Outlet) -> Result<Step, UserError> {
        match self {
            Task::Bolt(bolt) => bolt.step(outlet),
            Task::Spout(spout) => spout.step(outlet),
        }
    }

    /// The roots of the tuple that is being executed.
    pub fn executing(&self) -> Vec<Root> {
        match self {
            Task::Bolt(bolt) => bolt.executing(),
            Task::Spout(_) => Vec::new(),
        }
    }

    /// Hands over what was emitted and acked before user code panicked: else those who were before
    /// such a tuple in a frame might never get past it.
    pub fn hand_over(&mut self, outlet: &mut dyn Outlet) {
        match self {
            Task::Bolt(bolt) => bolt.core.close_and_hand_over(outlet),
            Task::Spout(spout) => spout.core.close_and_hand_over(outlet),
        }
    }

    /// Its emitter's budget.
    pub fn budget(&self) -> &crate::budget::Budget {
        match self {
            Task::Bolt(bolt) => bolt.core.emitter.budget(),
            Task::Spout(spout) => spout.core.emitter.budget(),
        }
    }
}

/// Whether a task ends although the plan's state is not Stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    No,
    /// Its process begins anew, with something else.
    Replaced,
    /// Its process was asked to end.
    Closed,
}

/// Emitter, acks, batch and counters of one task.
pub(crate) struct TaskCore {
    pub(crate) task: TaskId,
    pub(crate) incarnation: Incarnation,
    pub(crate) component: String,
    pub(crate) plan: PlanIndex,
    pub(crate) emitter: Emitter,
    pub(crate) acks: AckBatcher,
    pub(crate) batch: Batch,
    pub(crate) stats: Stats,
    pub(crate) counts: Counts,
    pub(crate) timing: Timing,
    pub(crate) trace: Trace,
    pub(crate) next_seq: u64,
    /// Roots registered and not completed.
    pub(crate) pending: u64,
    pub(crate) flusher: Flusher,
    /// The end marks are out.
    pub(crate) ended: bool,
    /// All input that the task shall work off before it is replaced has come.
    pub(crate) drain: bool,
    /// Whether it ends now, whatever the plan says of all tasks.
    pub(crate) leaving: Leaving,
    /// Why it cannot work under the plan in force.
    broken: Option<UnknownGrouping>,
    /// The phase that was last handed over, or is about to be.
    phase: Phase,
}

impl TaskCore {
    pub(crate) fn new(
        plan: &PlanIndex,
        task: TaskId,
        incarnation: Incarnation,
        registry: &Registry,
        stats: Stats,
    ) -> Result<TaskCore, SetupError> {
        let component = plan.component_of(task).ok_or(SetupError::NoTask(task))?;
        Ok(TaskCore {
            task,
            incarnation,
            component: component.name.clone(),
            plan: plan.clone(),
            emitter: Emitter::new(plan, task, incarnation, registry.groupings())?,
            acks: AckBatcher::new(task, incarnation, plan.plan().epoch),
            batch: Batch::default(),
            stats,
            counts: Counts::default(),
            timing: Timing::default(),
            trace: Trace::new(plan, task, incarnation),
            next_seq: 0,
            pending: 0,
            flusher: Flusher::new(incarnation),
            ended: false,
            drain: false,
            leaving: Leaving::No,
            broken: None,
            phase: Phase::Starting,
        })
    }

    /// `close` was called. A task that is replaced has no end of its own.
    pub(crate) fn show_closed(&mut self) {
        if self.leaving != Leaving::Replaced {
            self.show(Phase::Closed);
        }
    }

    /// Tells where the task now is in its life, with the next batch.
    #[inline]
    pub(crate) fn show(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            self.batch.phase = Some(phase);
        }
    }

    /// Takes over a newer plan. True if tasks may have been replaced, or are others: another life
    /// must hear anew what is said once only, since nothing was lost. Plans that named them may
    /// have passed this task by, so any other one counts.
    pub(crate) fn follow(&mut self, plan: PlanIndex) -> bool {
        self.trace.follow(&plan);
        let (new, old) = (plan.plan(), self.plan.plan());
        let other = new.revision != old.revision || new.rolling != old.rolling;
        let anew = new.epoch != old.epoch;
        self.plan = plan;
        if anew {
            self.acks.follow(self.plan.plan().epoch);
            self.broken = self.emitter.follow(&self.plan).err();
        }
        // Who holds back at the beginning of an epoch speaks when that has begun everywhere.
        let changed = (other || anew) && !(anew && self.is_draining());
        if self.drain && !self.is_draining() {
            self.drain = false;
            // A bolt that is busy shows nothing else for long, and the next drain must begin anew.
            if self.phase == Phase::Drained {
                self.show(Phase::Active);
            }
        }
        if changed && self.ended {
            self.send_end();
        }
        changed
    }

    /// Fails if the task cannot work under the plan in force.
    pub(crate) fn check(&mut self) -> Result<(), UserError> {
        match self.broken.take() {
            Some(error) => Err(self.user_error("plan", error.into())),
            None => Ok(()),
        }
    }

    /// Whether the task is about to be replaced.
    pub(crate) fn is_draining(&self) -> bool {
        self.plan.is_draining(self.task)
    }

    pub(crate) fn state(&self) -> RunState {
        self.plan.plan().state
    }

    pub(crate) fn is_tracked(&self) -> bool {
        self.plan.plan().delivery == Delivery::AtLeastOnce
    }

    pub(crate) fn max_pending(&self) -> u64 {
        u64::from(self.plan.plan().max_pending.max(1))
    }

    /// The next root of this task.
    pub(crate) fn next_root(&self) -> RootId {
        RootId { task: self.task, incarnation: self.incarnation, seq: self.next_seq }
    }

    /// Sends a tuple under these roots, waiting for its lanes; returns the XOR of its edge ids.
    #[inline]
    pub(crate) fn send(
        &mut self,
        now: u64,
        emission: &Emission<'_>,
        roots: &[RootId],
        outlet: &mut dyn Outlet,
    ) -> Result<u64, EmitError> {
        self.emitter.choose(emission, roots.len())?;
        let traced = self.trace.samples(roots).then(|| outlet.now());
        while let Some((lane, dest)) = self.emitter.unwritable() {
            self.close_and_hand_over(outlet);
            self.stats.blocked(outlet.now(), dest);
            let waited = outlet.wait_writable(lane, dest);
            self.stats.unblocked(outlet.now());
            match waited {
                Err(Stopping) => return Err(EmitError::Stopping),
                // Whoever cannot wait sends too much; the step after this one does not run.
                Ok(()) if self.emitter.unwritable() == Some((lane, dest)) => break,
                Ok(()) => {}
            }
        }
        self.counts.emitted += 1;
        // Data cancels end marks that went before; those are sent anew.
        self.ended = false;
        let xor = self.emitter.append(now, roots, emission.encoded.bytes);
        if let Some(since) = traced {
            self.trace.sent(since, emission, roots, &self.emitter);
        }
        Ok(xor)
    }

    /// Hands over what is closed.
    #[inline]
    pub(crate) fn hand_over_closed(&mut self, outlet: &mut dyn Outlet) {
        if self.emitter.has_closed() || self.acks.has_closed() {
            self.hand_over(outlet);
        }
    }

    /// Closes every open frame and hands everything over: before a pause, and when a frame is old.
    pub(crate) fn close_and_hand_over(&mut self, outlet: &mut dyn Outlet) {
        self.emitter.close_all();
        self.acks.close_all();
        self.hand_over(outlet);
    }

    fn hand_over(&mut self, outlet: &mut dyn Outlet) {
        // Data before acks: an ack never leaves before what was emitted under it, so an ack frame
        // that is full takes the open data frames along.
        if self.acks.has_closed() {
            self.emitter.close_all();
        }
        self.emitter.take_closed(&mut self.batch.frames);
        self.acks.take_closed(&mut self.batch.frames);
        if self.trace.has_noted() {
            self.trace.hand_over(outlet.now(), &self.emitter, &mut self.batch.spans);
        }
        if !self.batch.is_empty() {
            outlet.hand_over(&mut self.batch);
        }
    }

    /// Whether what is open has waited for so long.
    #[inline]
    pub(crate) fn is_flush_due(&self, now: u64, acks_since: Option<u64>, after: u64) -> bool {
        let opened = self.emitter.opened_at().into_iter().chain(acks_since).min();
        opened.is_some_and(|opened| now.saturating_sub(opened) >= after)
    }

    /// Sends end marks on all lanes.
    pub(crate) fn send_end(&mut self) {
        let task = self.task;
        self.emitter.mark(Kind::End, 0, task);
    }

    /// While roots are pending and nothing new comes: asks downstream to write and ack what it
    /// holds.
    pub(crate) fn flush_downstream(&mut self, now: u64) {
        if let Some(number) = self.flusher.due(now) {
            let task = self.task;
            self.emitter.mark(Kind::Flush, number, task);
        }
    }

    /// Sends a flush over every edge below a spout, so that each bolt has heard from all its
    /// sources before there is data. Sent again when something below was lost and has to hear anew.
    pub(crate) fn probe(&mut self) {
        let (task, number) = (self.task, self.flusher.next_number());
        self.emitter.mark(Kind::Flush, number, task);
    }

    pub(crate) fn user_error(&self, call: &'static str, error: egret_sdk::Error) -> UserError {
        UserError { component: self.component.clone(), call, error }
    }
}

/// Numbers flushes and spaces them out.
#[derive(Debug)]
pub(crate) struct Flusher {
    number: u64,
    next_at: Option<u64>,
    pause: u64,
}

impl Flusher {
    /// Numbers start at the incarnation, so that those of a later life are greater.
    fn new(incarnation: Incarnation) -> Flusher {
        Flusher { number: incarnation.0, next_at: None, pause: limits::FLUSH_EVERY_NS.0 }
    }

    /// The number of the flush that is due now.
    fn due(&mut self, now: u64) -> Option<u64> {
        if self.next_at.is_some_and(|at| now < at) {
            return None;
        }
        self.next_at = Some(now + self.pause);
        self.pause = (self.pause * 2).min(limits::FLUSH_EVERY_NS.1);
        Some(self.next_number())
    }

    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// When the next flush is due, if one was sent.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.next_at
    }

    /// The drain is over or has not begun.
    pub(crate) fn rest(&mut self) {
        self.next_at = None;
        self.pause = limits::FLUSH_EVERY_NS.0;
    }
}
