//! The I/O thread: drives the gateway half between the bridge and the link, over any number of
//! links.

mod spans;

use crate::{
    bridge::Bridge,
    control::Outgoing,
    log_level, profile,
    run::{Dialer, PANICKED, Registration, Unregistered},
    streams::{self, StreamError},
    task_thread::{Clock, TaskEnded},
    usage,
};
use bytes::Bytes;
use egret_core::gateway::{Event, Gateway};
use egret_link::{Backoff, ControlReceiver, ControlSender, endpoint::close, quinn, transport};
use egret_topology::{
    id::TaskId,
    plan::{PlanIndex, RunState},
};
use egret_wire::{
    Malformed,
    control::{FromInstance, LossScope, Phase, TaskReport, ToInstance, Usage},
    cut::Cutter,
    preamble::StreamKey,
};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    convert::Infallible,
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{Notify, oneshot},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};

/// How often counters are told.
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// Of these, each so many look at what the process uses. It always has changed, so a task that does
/// nothing tells that only.
const USAGE_EVERY: u32 = 4;

/// How long the end of the last link may take.
pub(crate) const GOODBYE: Duration = Duration::from_secs(1);

/// How long the stream manager may take to hear that the link is closed. A restart waits for it.
const FAREWELL: Duration = Duration::from_millis(10);

/// A link that lasted this long was a good one: the next attempt comes at once.
const STEADY: Duration = Duration::from_secs(1);

/// What the local tasks of the I/O thread share.
pub(crate) struct Shared {
    task: TaskId,
    gateway: RefCell<Gateway>,
    bridge: Arc<Bridge>,
    clock: Clock,
    outgoing: RefCell<Outgoing>,
    tell: Notify,
    inbox_open: Notify,
    /// One per stream that has a writer on the current link.
    writers: RefCell<HashMap<StreamKey, Rc<Notify>>>,
    /// Streams that need a writer.
    unwritten: RefCell<Vec<StreamKey>>,
    open_writer: Notify,
    /// The phase at the last look.
    told: Cell<Phase>,
    usage: Cell<Option<Usage>>,
}

/// Drives the gateway until the task has ended; `None` if the stream manager wants it no more.
pub(crate) async fn run(
    shared: Rc<Shared>,
    dialer: Dialer,
    registration: Registration,
    task_ended: oneshot::Receiver<TaskEnded>,
) -> Option<TaskEnded> {
    let mut pump = tokio::task::spawn_local(pump(shared.clone()));
    let ended = tokio::select! {
        ended = keep_linked(shared, &dialer, registration, task_ended) => ended,
        // Without it nothing would ever move again: this process ends, its parent starts another.
        Err(died) = &mut pump => std::panic::resume_unwind(died.into_panic()),
    };
    pump.abort();
    // The stream manager hears of the end at once, not when the link falls silent.
    let _ = timeout(FAREWELL, dialer.told()).await;
    ended
}

/// Keeps a link to the stream manager until the task has ended.
async fn keep_linked(
    shared: Rc<Shared>,
    dialer: &Dialer,
    registration: Registration,
    mut task_ended: oneshot::Receiver<TaskEnded>,
) -> Option<TaskEnded> {
    let mut backoff = Backoff::new(dialer.incarnation.0);
    let mut registration = Some(registration);
    loop {
        if let Some(current) = registration.take() {
            let since = Instant::now();
            let connection = current.connection.clone();
            let serving = serve(shared.clone(), current);
            tokio::pin!(serving);
            tokio::select! {
                why = &mut serving => {
                    tracing::warn!(why, "the link to the stream manager is lost");
                    shared.link_lost(dialer, &why);
                }
                ended = &mut task_ended => {
                    match &ended {
                        Ok(TaskEnded::Closed) => shared.take_handed_over(),
                        Ok(TaskEnded::Error(error)) => shared.broken(error),
                        Ok(TaskEnded::Panicked) | Err(_) => shared.broken(PANICKED),
                    }
                    let _ = timeout(GOODBYE, serving).await;
                    connection.close(close::DONE, b"");
                    return ended.ok();
                }
            }
            // Each new link fails all that is pending: one that never lasts must not come often.
            if since.elapsed() >= STEADY {
                backoff.reset();
            }
        }
        let pause = backoff.delay();
        let next = async {
            sleep(pause).await;
            dialer.register().await
        };
        tokio::select! {
            registered = next => match registered {
                Ok(new) => {
                    tracing::info!("linked to the stream manager again");
                    shared.handle_plan(new.plan.clone());
                    registration = Some(new);
                }
                Err(Unregistered::Unreachable(why)) => {
                    tracing::debug!(why, "the stream manager cannot be reached");
                }
                Err(Unregistered::Refused(why)) => {
                    tracing::error!("{why}");
                    return None;
                }
                // Another process runs a newer life of this task.
                Err(Unregistered::Outdated(_)) => return None,
            },
            ended = &mut task_ended => return ended.ok(),
        }
    }
}

/// Serves one link until it is lost, and says why. Returns only then; the last words of a task that
/// has closed are said in `goodbye`.
async fn serve(shared: Rc<Shared>, registration: Registration) -> String {
    let Registration { connection, sender, receiver, plan, .. } = registration;
    log_level::follow(&plan, shared.task);
    shared.widen(&connection, &plan);
    shared.outgoing.borrow_mut().start_over();
    *shared.unwritten.borrow_mut() = shared.gateway.borrow().waiting_streams();
    shared.open_writer.notify_one();
    let mut tasks: JoinSet<String> = JoinSet::new();
    tasks.spawn_local(tell(shared.clone(), sender, connection.clone()));
    tasks.spawn_local(listen(shared.clone(), receiver, connection.clone()));
    tasks.spawn_local(report(shared.clone()));
    tasks.spawn_local(accept(shared.clone(), connection.clone()));
    tasks.spawn_local(open_writers(shared.clone(), connection.clone()));
    let why = tokio::select! {
        ended = tasks.join_next() => match ended {
            Some(Ok(why)) => why,
            Some(Err(error)) => error.to_string(),
            None => String::new(),
        },
        error = connection.closed() => error.to_string(),
    };
    tasks.shutdown().await;
    shared.writers.borrow_mut().clear();
    connection.close(close::REPLACED, why.as_bytes());
    why
}

/// Moves batches to the gateway and keeps its timers.
async fn pump(shared: Rc<Shared>) -> Infallible {
    let far = || Instant::now() + Duration::from_secs(3600);
    let timer = sleep_until(far());
    tokio::pin!(timer);
    let mut armed: Option<u64> = None;
    loop {
        tokio::select! {
            () = shared.bridge.handed_over() => {}
            () = &mut timer => {
                shared.gateway.borrow_mut().handle_timeout(shared.clock.now());
                armed = None;
                timer.as_mut().reset(far());
            }
        }
        shared.take_handed_over();
        let next = shared.gateway.borrow_mut().next_timeout();
        // A timer that rings early is cheaper than one that is moved at every batch.
        if let Some(next) = next
            && armed.is_none_or(|armed| next < armed)
        {
            armed = Some(next);
            timer.as_mut().reset(shared.clock.instant(next).into());
        }
    }
}

/// Tells the stream manager what waits to be told.
async fn tell(
    shared: Rc<Shared>,
    mut sender: ControlSender<FromInstance>,
    connection: quinn::Connection,
) -> String {
    loop {
        let message = shared.outgoing.borrow_mut().next();
        let Some(message) = message else {
            shared.tell.notified().await;
            continue;
        };
        let last = match &message {
            FromInstance::Report(report) => report.phase == Phase::Closed,
            FromInstance::Broken { .. } => true,
            _ => false,
        };
        if let Err(error) = sender.send(&message).await {
            return error.to_string();
        }
        if last {
            // The stream manager closes the link when it has read to the end.
            sender.finish();
            let _ = timeout(GOODBYE, connection.closed()).await;
            return "said goodbye".to_owned();
        }
    }
}

/// Listens to the stream manager.
async fn listen(
    shared: Rc<Shared>,
    mut receiver: ControlReceiver<ToInstance>,
    connection: quinn::Connection,
) -> String {
    loop {
        let message = match receiver.recv().await {
            Ok(Some(message)) => message,
            Ok(None) => return "the stream manager closed the link".to_owned(),
            Err(error) => return error.to_string(),
        };
        let now = shared.clock.now();
        match message {
            ToInstance::Plan(plan) => match PlanIndex::new(*plan) {
                Ok(plan) => {
                    shared.widen(&connection, &plan);
                    shared.handle_plan(plan);
                }
                Err(error) => tracing::error!(%error, "a plan was ignored"),
            },
            ToInstance::Loss(scope) => shared.handle_loss(scope, &describe(scope)),
            ToInstance::WhoHolds { root } => {
                shared.gateway.borrow_mut().handle_who_holds(now, root);
            }
            ToInstance::Profile { number, seconds } => {
                profile::record(shared.clone(), number, seconds);
            }
            ToInstance::Holds(hold) => shared.gateway.borrow_mut().handle_hold(now, &hold),
            ToInstance::Refused { why, .. } => return why,
            ToInstance::Assign { .. } => return "assigned twice".to_owned(),
        }
        shared.follow_up();
    }
}

fn describe(scope: LossScope) -> String {
    match scope {
        LossScope::Task { task } => format!("task {task} was lost"),
        LossScope::Link { a, b } => format!("the link between pods {a} and {b} was lost"),
        LossScope::Pod { pod } => format!("the stream manager of pod {pod} was lost"),
    }
}

/// Tells counters now and then, if they changed.
async fn report(shared: Rc<Shared>) -> String {
    let mut ticks = interval(REPORT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = None;
    let mut tick = 0u32;
    loop {
        ticks.tick().await;
        if tick.is_multiple_of(USAGE_EVERY) {
            shared.usage.set(Some(usage::now()));
        }
        tick = tick.wrapping_add(1);
        let report = shared.report();
        if last.as_ref() != Some(&report) {
            shared.outgoing.borrow_mut().report(report.clone());
            shared.tell.notify_one();
            last = Some(report);
        }
    }
}

/// Accepts the streams that the stream manager opens.
async fn accept(shared: Rc<Shared>, connection: quinn::Connection) -> String {
    let mut readers: JoinSet<Result<(), StreamError>> = JoinSet::new();
    loop {
        tokio::select! {
            stream = connection.accept_uni() => match stream {
                Ok(stream) => {
                    readers.spawn_local(streams::read(shared.clone(), stream));
                }
                Err(error) => return error.to_string(),
            },
            Some(ended) = readers.join_next() => match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error.to_string(),
                Err(error) => return error.to_string(),
            },
        }
    }
}

/// Opens a writer for each stream that has frames and none yet.
async fn open_writers(shared: Rc<Shared>, connection: quinn::Connection) -> String {
    let mut writers: JoinSet<Result<(), StreamError>> = JoinSet::new();
    loop {
        let unwritten = std::mem::take(&mut *shared.unwritten.borrow_mut());
        for key in unwritten {
            let wake = Rc::new(Notify::new());
            if shared.writers.borrow_mut().insert(key, wake.clone()).is_none() {
                writers.spawn_local(streams::write(shared.clone(), connection.clone(), key, wake));
            }
        }
        tokio::select! {
            () = shared.open_writer.notified() => {}
            Some(ended) = writers.join_next() => match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error.to_string(),
                Err(error) => return error.to_string(),
            },
        }
    }
}

impl Shared {
    pub(crate) fn new(
        task: TaskId,
        gateway: Gateway,
        bridge: Arc<Bridge>,
        clock: Clock,
        outgoing: Outgoing,
    ) -> Shared {
        Shared {
            task,
            gateway: RefCell::new(gateway),
            bridge,
            clock,
            outgoing: RefCell::new(outgoing),
            tell: Notify::new(),
            inbox_open: Notify::new(),
            writers: RefCell::default(),
            unwritten: RefCell::default(),
            open_writer: Notify::new(),
            told: Cell::default(),
            usage: Cell::default(),
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
    fn take_handed_over(&self) {
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

    /// The task has ended with an error, which is the last that is told.
    fn broken(&self, error: &str) {
        self.outgoing.borrow_mut().broken(error.to_owned());
        self.tell.notify_one();
    }

    /// Gives the link credit for all streams that the stream manager opens under a plan.
    fn widen(&self, connection: &quinn::Connection, plan: &PlanIndex) {
        transport::widen(connection, streams::incoming(plan, self.task));
    }

    fn handle_plan(&self, plan: PlanIndex) {
        log_level::follow(&plan, self.task);
        if plan.plan().state == RunState::Stopped {
            self.bridge.stop();
        }
        self.gateway.borrow_mut().handle_plan(plan);
        self.follow_up();
    }

    fn handle_loss(&self, scope: LossScope, cause: &str) {
        self.gateway.borrow_mut().handle_loss(self.clock.now(), scope, cause);
        self.follow_up();
    }

    /// What was written to the link may be lost, so every pending root fails.
    fn link_lost(&self, dialer: &Dialer, why: &str) {
        let cause = format!("the link to the stream manager was lost: {why}");
        self.handle_loss(LossScope::Task { task: dialer.task() }, &cause);
    }

    /// Carries out what the gateway wants after any event.
    fn follow_up(&self) {
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
                Event::Positions(moved) => {
                    self.outgoing.borrow_mut().positions(moved);
                    self.tell.notify_one();
                }
            }
        }
        // Ends are told at once: the whole topology may wait for one.
        let phase = gateway.phase();
        let ending = matches!(phase, Phase::Ended | Phase::Closed | Phase::Exhausted);
        drop(gateway);
        if self.told.replace(phase) != phase && ending {
            let report = self.report();
            self.outgoing.borrow_mut().report(report);
            self.tell.notify_one();
        }
    }

    pub(crate) fn say(&self, message: FromInstance) {
        self.outgoing.borrow_mut().push(message);
        self.tell.notify_one();
    }

    fn report(&self) -> TaskReport {
        self.tell_spans();
        let report = self.gateway.borrow_mut().report(self.clock.now(), self.bridge.position());
        TaskReport { usage: self.usage.get(), ..report }
    }
}
