//! The task half of a spout: calls user code, registers roots, delivers their outcomes.

mod collector;
mod tries;

use crate::{
    batch::{Completion, ToTask},
    dense::DenseMap,
    limits,
    outlet::Outlet,
    pace::Pace,
    positions::Positions,
    stats::Stats,
    task::{Leaving, SetupError, Step, TaskCore, UserError},
};
use collector::{Emitted, SpoutCollector};
use egret_sdk::{Context, EmitError, Failure, Next, Registry, Scratch, Spout, SpoutOutput, TaskId};
use egret_topology::{
    id::Incarnation,
    plan::{PlanIndex, RunState},
};
use egret_wire::control::Phase;
use tries::Tries;

/// The task half of a spout.
pub struct SpoutTask {
    pub(crate) core: TaskCore,
    spout: Box<dyn Spout>,
    scratch: Scratch,
    positions: Positions,
    /// Roots in flight, by their numbers.
    roots: DenseMap<Emitted>,
    /// Roots that have failed, and how often.
    tries: Tries,
    /// Untracked roots, which are complete at once; their callbacks wait until `next` has returned.
    completed_here: Vec<Emitted>,
    active: bool,
    activated_before: bool,
    exhausted: bool,
    idle_until: Option<u64>,
    idle_pause: u64,
    pace: Pace,
    /// Roots emitted since all frames were closed: no fewer than there are in open ones.
    unsent: u64,
    position_shown: u64,
    /// When counts and positions were last published.
    published: u64,
}

impl SpoutTask {
    /// The task half of this task.
    pub fn new(
        plan: &PlanIndex,
        task: TaskId,
        incarnation: Incarnation,
        registry: &Registry,
        stats: Stats,
    ) -> Result<SpoutTask, SetupError> {
        let core = TaskCore::new(plan, task, incarnation, registry, stats)?;
        let name = plan.definition(task).ok_or(SetupError::NoTask(task))?.component;
        let spout = registry.make_spout(&name).ok_or_else(|| SetupError::NoComponent {
            name: name.clone(),
            has: registry.names().join(", "),
        })?;
        let roots = usize::try_from(core.max_pending()).unwrap_or(usize::MAX);
        let mut pace = Pace::default();
        pace.follow(plan, task);
        let mut tries = Tries::default();
        tries.follow(plan, &core.component);
        Ok(SpoutTask {
            core,
            spout,
            scratch: Scratch::default(),
            positions: Positions::default(),
            roots: DenseMap::new(roots),
            tries,
            completed_here: Vec::new(),
            active: false,
            activated_before: false,
            exhausted: false,
            idle_until: None,
            idle_pause: limits::IDLE_NS.0,
            pace,
            unsent: 0,
            position_shown: 0,
            published: 0,
        })
    }

    /// Calls `open`.
    pub fn start(
        &mut self,
        context: &mut Context,
        outlet: &mut dyn Outlet,
    ) -> Result<(), UserError> {
        self.core.stats.busy(outlet.now());
        let opened = self.spout.open(context);
        self.core.stats.idle(outlet.now());
        opened.map_err(|error| self.core.user_error("open", error))?;
        self.core.show(Phase::Inactive);
        self.core.probe();
        Ok(())
    }

    /// Takes in what the gateway half hands over.
    pub fn handle(&mut self, event: ToTask, outlet: &mut dyn Outlet) -> Result<(), UserError> {
        match event {
            ToTask::Completed(completions) => {
                self.core.stats.busy(outlet.now());
                for completion in completions {
                    if let Some(failure @ Failure::TimedOut { held_by: Some(_) }) =
                        completion.failure.as_deref()
                    {
                        outlet.warn(&format!("a tuple tree {failure}"));
                    }
                    self.complete(completion)?;
                }
                self.core.stats.idle(outlet.now());
            }
            ToTask::Loss(_) => {
                if self.core.ended {
                    self.core.send_end();
                }
                self.core.probe();
            }
            ToTask::Plan(plan) => {
                self.pace.follow(&plan, self.core.task);
                self.tries.follow(&plan, &self.core.component);
                // What waited for a rate may wait less now.
                self.idle_until = None;
                if self.core.follow(plan) {
                    self.core.probe();
                }
            }
            ToTask::Drain => self.core.drain = true,
            ToTask::Leave => self.core.leaving = Leaving::Replaced,
            ToTask::Close => self.core.leaving = Leaving::Closed,
            // A spout receives no data and holds no input.
            ToTask::Frame(..) | ToTask::WhoHolds(_) => {}
        }
        Ok(())
    }

    /// The user's waker was used: there may be something to emit.
    pub fn woken(&mut self) {
        self.idle_until = None;
    }

    /// Does the next piece of work.
    pub fn step(&mut self, outlet: &mut dyn Outlet) -> Result<Step, UserError> {
        if self.core.state() == RunState::Stopped || self.core.leaving != Leaving::No {
            self.spout.close();
            self.core.show_closed();
            self.pause(outlet);
            return Ok(Step::Closed);
        }
        self.core.check()?;
        self.follow_state()?;
        let now = outlet.now();
        if self.wants_next(now) {
            self.call_next(now, outlet)?;
            // A spout whose every tuple fills a frame has none that waits for a flush.
            let silent = now.saturating_sub(self.published) >= limits::PUBLISH_NS;
            if silent || self.is_flush_due(now) {
                self.pause(outlet);
            }
            return Ok(Step::Again);
        }
        self.rest(now);
        let keeps = self.keeps_open_until(now);
        if keeps.is_none() {
            self.pause(outlet);
        }
        Ok(Step::Park([keeps, self.wake_at(now)].into_iter().flatten().min()))
    }

    /// The user's spout, for tests.
    pub fn spout(&self) -> &dyn Spout {
        &*self.spout
    }

    /// Roots in flight.
    pub fn pending(&self) -> u64 {
        self.core.pending
    }

    fn wants_next(&self, now: u64) -> bool {
        self.active
            && !self.exhausted
            && !self.core.ended
            && self.core.pending < self.core.max_pending()
            && self.idle_until.is_none_or(|until| now >= until)
            && self.pace.allows(now)
            && !self.core.emitter.is_over_budget()
    }

    /// Until when frames stay open although there is nothing to emit now, because there soon is.
    /// Otherwise a rate that is high, or a window that opens a little at a time, makes frames of a
    /// few tuples, each of which costs as much as a large one (RFC 813 calls it silly).
    fn keeps_open_until(&self, now: u64) -> Option<u64> {
        let opened = self.core.emitter.opened_at()?;
        if !self.active || self.exhausted || self.core.ended {
            return None;
        }
        let keep = if self.core.pending >= self.core.max_pending() {
            self.is_window_out().then_some(limits::FLUSH_FULL_AFTER_NS)?
        } else {
            self.idle_until.filter(|until| *until <= now + limits::SOON_NS)?;
            limits::SOON_NS
        };
        Some(opened + keep).filter(|until| now < *until)
    }

    /// Whether open frames have waited long enough while there is more to emit.
    fn is_flush_due(&self, now: u64) -> bool {
        let after =
            if self.is_window_out() { limits::FLUSH_FULL_AFTER_NS } else { limits::FLUSH_AFTER_NS };
        self.core.is_flush_due(now, None, after)
    }

    /// Whether more than half of `maxPending` is on its way: acks come, and make room.
    fn is_window_out(&self) -> bool {
        self.core.is_tracked()
            && self.core.pending.saturating_sub(self.unsent) > self.core.max_pending() / 2
    }

    fn call_next(&mut self, now: u64, outlet: &mut dyn Outlet) -> Result<(), UserError> {
        // A spout that always has something to emit never rests.
        self.core.show(Phase::Active);
        self.core.stats.busy(now);
        let mut collector = SpoutCollector {
            core: &mut self.core,
            positions: &mut self.positions,
            roots: &mut self.roots,
            tries: &mut self.tries,
            completed_here: &mut self.completed_here,
            unsent: &mut self.unsent,
            outlet,
            now,
        };
        let next = self.spout.next(&mut SpoutOutput::new(&mut collector, &mut self.scratch));
        self.core.stats.idle(outlet.now());
        self.positions.next_returned();
        let next = match next {
            Ok(next) => next,
            // The user passed on what the runtime said; it is no failure of theirs.
            Err(error) if matches!(error.downcast_ref(), Some(EmitError::Stopping)) => Next::Idle,
            Err(error) => return Err(self.core.user_error("next", error)),
        };
        match next {
            Next::Emitted => self.idle_pause = limits::IDLE_NS.0,
            Next::Idle => {
                self.idle_until = Some(now + self.idle_pause);
                self.idle_pause = (self.idle_pause * 2).min(limits::IDLE_NS.1);
            }
            Next::IdleFor(pause) => {
                let pause = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
                self.idle_until = Some(now.saturating_add(pause));
            }
            Next::Exhausted => self.exhausted = true,
        }
        if !matches!(next, Next::Idle | Next::IdleFor(_)) {
            self.idle_until = None;
        }
        if let Some(due) = self.pace.emitted(now, self.core.next_seq) {
            self.idle_until = Some(self.idle_until.map_or(due, |until| until.max(due)));
        }
        let mut completed = std::mem::take(&mut self.completed_here);
        let told = completed.drain(..).try_for_each(|root| self.acked(root));
        self.completed_here = completed;
        told
    }

    /// Of a root that is not in flight, or no longer, the user hears nothing.
    fn complete(&mut self, completion: Completion) -> Result<(), UserError> {
        for seq in completion.roots {
            let Some(root) = self.roots.remove(seq) else { continue };
            match &completion.failure {
                None => self.acked(root)?,
                Some(failure) => self.failed(root, failure, completion.by)?,
            }
        }
        Ok(())
    }

    fn acked(&mut self, root: Emitted) -> Result<(), UserError> {
        self.core.pending = self.core.pending.saturating_sub(1);
        self.tries.acked(&root);
        if let Some(split) = root.split() {
            self.positions.acked(split, root.position);
        }
        self.spout.ack(root.id).map_err(|error| self.core.user_error("ack", error))
    }

    fn failed(
        &mut self,
        root: Emitted,
        failure: &Failure,
        by: Option<TaskId>,
    ) -> Result<(), UserError> {
        // Of what is lost or late nobody knows who is to blame.
        if let Failure::Failed { cause } = failure {
            self.tries.failed(root, by, cause);
        }
        self.core.pending = self.core.pending.saturating_sub(1);
        if let Some(split) = root.split() {
            self.positions.failed(split, root.position);
        }
        // There may be something to replay now.
        self.exhausted = false;
        self.idle_until = None;
        self.spout.fail(root.id, failure).map_err(|error| self.core.user_error("fail", error))
    }

    /// Activates and deactivates as the plan says.
    fn follow_state(&mut self) -> Result<(), UserError> {
        let should = self.core.state() == RunState::Running && !self.core.is_draining();
        if should && !self.active {
            self.active = true;
            self.activated_before = true;
            self.spout.activate().map_err(|error| self.core.user_error("activate", error))?;
        } else if !should && self.active {
            self.active = false;
            self.spout.deactivate().map_err(|error| self.core.user_error("deactivate", error))?;
        }
        Ok(())
    }

    /// Nothing to emit now: drains, and ends when all is acked.
    fn rest(&mut self, now: u64) {
        let running_dry = self.exhausted || !self.active;
        if running_dry && self.core.pending > 0 {
            self.core.flush_downstream(now);
        } else {
            self.core.flusher.rest();
        }
        let over = match self.core.state() {
            RunState::Running => self.exhausted,
            RunState::Finishing => true,
            RunState::Draining | RunState::Paused | RunState::Stopped => false,
        };
        if over && self.core.pending == 0 && !self.core.ended {
            self.core.ended = true;
            self.core.send_end();
        }
        self.core.show(if self.core.drain && self.core.pending == 0 {
            Phase::Drained
        } else if self.core.ended {
            Phase::Ended
        } else if self.exhausted {
            Phase::Exhausted
        } else if self.active {
            Phase::Active
        } else {
            Phase::Inactive
        });
    }

    /// Hands everything over before the task waits or when frames are old.
    fn pause(&mut self, outlet: &mut dyn Outlet) {
        self.positions.take_moved(&mut self.core.batch.positions);
        self.core.stats.publish(&mut self.core.counts, 0);
        self.core.close_and_hand_over(outlet);
        self.unsent = 0;
        let now = outlet.now();
        self.published = now;
        if now.saturating_sub(self.position_shown) >= limits::SHOW_POSITION_NS {
            self.position_shown = now;
            outlet.position(self.spout.position());
        }
    }

    fn wake_at(&self, now: u64) -> Option<u64> {
        let idle = self.idle_until.or_else(|| self.pace.wait(now));
        let idle = idle.filter(|_| self.active && !self.exhausted && !self.core.ended);
        [idle, self.core.flusher.next_at()].into_iter().flatten().min()
    }
}
