//! The hub of the I/O thread: the gateway half, and who waits for what.

use crate::{
    bridge::Bridge,
    control::Outgoing,
    log_level,
    run::{Dialer, PANICKED},
    streams,
    task_thread::{Clock, TaskEnded},
};
use bytes::Bytes;
use egret_core::{
    batch::ToTask,
    gateway::{Event, Gateway},
};
use egret_link::{quinn, transport};
use egret_topology::{
    id::TaskId,
    plan::{Definition, PlanIndex, RunState},
};
use egret_wire::{
    Malformed,
    control::{FromInstance, LossScope, Phase, Poisoned, TaskReport, Usage},
    cut::Cutter,
    preamble::StreamKey,
    version::Versions,
};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{Notify, oneshot::error::RecvError, watch},
    time::sleep,
};

/// How long a task that is replaced may take to close.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

/// What the local tasks of the I/O thread share.
pub(crate) struct Shared {
    pub(super) task: TaskId,
    pub(super) gateway: RefCell<Gateway>,
    pub(super) bridge: Arc<Bridge>,
    pub(super) clock: Clock,
    pub(crate) outgoing: RefCell<Outgoing>,
    pub(crate) tell: Notify,
    pub(super) inbox_open: Notify,
    /// One per stream that has a writer on the current link.
    pub(super) writers: RefCell<HashMap<StreamKey, Rc<Notify>>>,
    /// Streams that need a writer.
    pub(super) unwritten: RefCell<Vec<StreamKey>>,
    pub(super) open_writer: Notify,
    /// The phase at the last look.
    pub(super) told: Cell<Phase>,
    pub(crate) usage: Cell<Option<Usage>>,
    /// What this process has started.
    pub(super) definition: Option<Definition>,
    /// It shall start anew, with something else.
    pub(crate) again: Cell<bool>,
    pub(super) leave: Notify,
    /// This process was asked to end.
    asked_to_end: Cell<bool>,
    /// What is read of streams.
    pub(crate) versions: Versions,
    /// The plan in force.
    plan: watch::Sender<PlanIndex>,
}

impl Shared {
    pub(crate) fn new(
        task: TaskId,
        gateway: Gateway,
        bridge: Arc<Bridge>,
        clock: Clock,
        plan: PlanIndex,
        versions: Versions,
    ) -> Shared {
        Shared {
            task,
            gateway: RefCell::new(gateway),
            bridge,
            clock,
            outgoing: RefCell::default(),
            tell: Notify::new(),
            inbox_open: Notify::new(),
            writers: RefCell::default(),
            unwritten: RefCell::default(),
            open_writer: Notify::new(),
            told: Cell::default(),
            usage: Cell::default(),
            definition: plan.definition(task),
            again: Cell::new(false),
            leave: Notify::new(),
            asked_to_end: Cell::new(false),
            versions,
            plan: watch::Sender::new(plan),
        }
    }

    /// Takes frames for a stream out of the gateway.
    pub(crate) fn poll_transmit(
        &self,
        key: StreamKey,
        max_bytes: usize,
        chunks: &mut Vec<Bytes>,
    ) -> usize {
        let mut gateway = self.gateway.borrow_mut();
        let taken = gateway.poll_transmit(key, max_bytes, chunks);
        if gateway.take_lane_freed() {
            self.bridge.lane_freed();
        }
        if gateway.is_draining() {
            drop(gateway);
            self.follow_up();
        }
        taken
    }

    /// Waits until the task takes input.
    pub(crate) async fn may_read(&self) {
        while !self.gateway.borrow().may_read() {
            self.inbox_open.notified().await;
        }
    }

    /// Hands every whole frame to the gateway.
    pub(crate) fn handle_frames(&self, cutter: &mut Cutter) -> Result<(), Malformed> {
        let now = self.clock.now();
        let mut gateway = self.gateway.borrow_mut();
        while let Some(frame) = cutter.next()? {
            gateway.handle_frame(now, frame)?;
        }
        drop(gateway);
        self.follow_up();
        Ok(())
    }

    /// Takes what the user's thread has handed over.
    pub(super) fn take_handed_over(&self) {
        let mut batches = self.bridge.take_batches();
        if !batches.is_empty() {
            let now = self.clock.now();
            let mut gateway = self.gateway.borrow_mut();
            for batch in &mut batches {
                gateway.handle_batch(now, batch);
            }
            drop(gateway);
            self.bridge.give_back(batches);
        }
        if self.bridge.take_inbox_freed() {
            self.inbox_open.notify_waiters();
        }
        self.follow_up();
    }

    /// The task has ended: what is still to be said of that.
    pub(super) fn say_last(&self, ended: &Result<TaskEnded, RecvError>) {
        match ended {
            Ok(TaskEnded::Closed) => self.take_handed_over(),
            Ok(TaskEnded::Error(error)) => self.broken(error, None),
            Ok(TaskEnded::Panicked(poisoned)) => {
                self.take_handed_over();
                self.broken(PANICKED, poisoned.clone());
            }
            Err(_) => self.broken(PANICKED, None),
        }
    }

    /// The task has ended with an error, which is the last that is told.
    pub(super) fn broken(&self, error: &str, poisoned: Option<Poisoned>) {
        self.outgoing.borrow_mut().broken(error.to_owned(), poisoned);
        self.tell.notify_one();
    }

    /// Gives the link credit for all streams that the stream manager opens under a plan.
    pub(super) fn widen(&self, connection: &quinn::Connection, plan: &PlanIndex) {
        transport::widen(connection, streams::incoming(plan, self.task));
    }

    pub(super) fn handle_plan(&self, plan: PlanIndex) {
        log_level::follow(&plan, self.task);
        if plan.plan().state == RunState::Stopped {
            self.bridge.stop();
        }
        let other = plan.definition(self.task) != self.definition;
        let replaced = other && plan.is_draining(self.task);
        self.gateway.borrow_mut().handle_plan(self.clock.now(), plan.clone());
        self.plan.send_replace(plan);
        if replaced && !self.again.replace(true) {
            tracing::info!("the plan has something else for this task: the process starts anew");
            self.bridge.push_events(vec![ToTask::Leave]);
            self.leave.notify_one();
        }
        self.follow_up();
    }

    /// The task that runs here.
    pub(crate) fn task(&self) -> TaskId {
        self.task
    }

    /// The plan in force, and those that follow.
    pub(crate) fn plans(&self) -> watch::Receiver<PlanIndex> {
        self.plan.subscribe()
    }

    /// This process was asked to end, which is told at once.
    pub(crate) fn ask_to_end(&self) {
        self.asked_to_end.set(true);
        let report = self.report();
        self.outgoing.borrow_mut().report(report);
        self.tell.notify_one();
    }

    /// Waits until a task that shall close has not done so in time.
    pub(super) async fn overstays(&self) {
        self.leave.notified().await;
        sleep(LEAVE_WITHIN).await;
    }

    /// Closes the task, and ends without it if it does not return.
    pub(crate) fn close(&self) {
        self.bridge.stop();
        self.bridge.push_events(vec![ToTask::Close]);
        self.leave.notify_one();
    }

    pub(super) fn handle_loss(&self, scope: LossScope, cause: &str) {
        self.gateway.borrow_mut().handle_loss(self.clock.now(), scope, cause);
        self.follow_up();
    }

    /// The same of a task that user code has ended at this tuple.
    pub(super) fn handle_poisoned(&self, task: TaskId, cause: &str, poisoned: &Poisoned) {
        self.gateway.borrow_mut().handle_poisoned(self.clock.now(), task, cause, poisoned);
        self.follow_up();
    }

    /// What was written to the link may be lost, so every pending root fails.
    pub(super) fn link_lost(&self, dialer: &Dialer, why: &str) {
        let cause = format!("the link to the stream manager was lost: {why}");
        self.handle_loss(LossScope::Task { task: dialer.task() }, &cause);
    }

    /// Carries out what the gateway wants after any event.
    pub(super) fn follow_up(&self) {
        let mut gateway = self.gateway.borrow_mut();
        self.bridge.push_events(gateway.take_to_task());
        while let Some(event) = gateway.poll_event() {
            match event {
                Event::Wake(key) => match self.writers.borrow().get(&key) {
                    Some(writer) => writer.notify_one(),
                    None => {
                        self.unwritten.borrow_mut().push(key);
                        self.open_writer.notify_one();
                    }
                },
                Event::AskHolders(root) => self.say(FromInstance::WhoHolds { root }),
                Event::Holds(hold) => self.say(FromInstance::Holds(hold)),
                Event::Drained { frames } => self.say(FromInstance::Drained { frames }),
                Event::Positions(moved) => {
                    self.outgoing.borrow_mut().positions(moved);
                    self.tell.notify_one();
                }
            }
        }
        // Ends are told at once: the whole topology may wait for one. So is that it works: spouts
        // may hold back until then.
        let phase = gateway.phase();
        let ending =
            matches!(phase, Phase::Ended | Phase::Closed | Phase::Exhausted | Phase::Drained);
        drop(gateway);
        let before = self.told.replace(phase);
        if before != phase && (ending || before == Phase::Starting) {
            let report = self.report();
            self.outgoing.borrow_mut().report(report);
            self.tell.notify_one();
        }
    }

    pub(crate) fn say(&self, message: FromInstance) {
        self.outgoing.borrow_mut().push(message);
        self.tell.notify_one();
    }

    pub(crate) fn report(&self) -> TaskReport {
        self.tell_spans();
        let report = self.gateway.borrow_mut().report(self.clock.now(), self.bridge.position());
        TaskReport { usage: self.usage.get(), leaving: self.asked_to_end.get(), ..report }
    }
}
