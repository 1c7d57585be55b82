//! The state that all loops of one stream manager share, and how it acts on the flow's effects.

use crate::{
    export::Exporter,
    files, limits,
    links::{Attached, Links},
    options::Options,
    plans::Dialed,
    profile::Profiling,
    quic::Gone,
    rate::Rate,
    tap::Tap,
    totals::TaskTotals,
    writer,
};
use egret_flow::{Effect, Flow, InId, Link, LinkId, OutId, Violation};
use egret_link::{Endpoint, Error, Identity, endpoint::close, quinn::Connection, transport};
use egret_topology::{
    id::{Incarnation, TaskId},
    plan::PlanIndex,
    positions::Positions,
};
use egret_wire::control::{LossScope, Peer, Poisoned, ToInstance};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    fmt,
    rc::Rc,
    sync::{Arc, atomic::AtomicU64},
    time::Instant,
};
use tokio::sync::{Mutex, Notify, watch};

/// A task that waits for its stream: a reader for room, a writer for frames.
#[derive(Clone)]
pub(crate) struct Waiter {
    pub(crate) link: LinkId,
    pub(crate) notify: Rc<Notify>,
}

/// Counts that the flow does not keep.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Links closed for what they sent.
    pub(crate) malformed: Cell<u64>,
    /// Links refused for who they are or when they came.
    pub(crate) refused: Cell<u64>,
    /// Plans refused.
    pub(crate) plans_refused: Cell<u64>,
    /// Control messages that found their link's queue full.
    pub(crate) overflows: Cell<u64>,
}

/// Adds one.
pub(crate) fn bump(count: &Cell<u64>) {
    count.set(count.get() + 1);
}

pub(crate) struct Manager {
    pub(crate) options: Options,
    pub(crate) incarnation: Incarnation,
    pub(crate) endpoint: Endpoint,
    pub(crate) flow: RefCell<Flow>,
    pub(crate) links: Links,
    pub(crate) totals: RefCell<BTreeMap<TaskId, TaskTotals>>,
    /// None: the operator has not told yet where input stands, and spouts must wait.
    pub(crate) positions: RefCell<Option<Positions>>,
    /// Counts how often they have changed.
    pub(crate) settled: watch::Sender<u64>,
    /// The stream manager goes down as planned.
    pub(crate) farewell: watch::Sender<bool>,
    /// Links of operators that have not heard the last words yet.
    pub(crate) operators: watch::Sender<usize>,
    /// State has changed since it was last written, and must be written at once.
    pub(crate) dirty: Cell<bool>,
    pub(crate) save: Notify,
    /// Newest life of each task that is written.
    pub(crate) written: watch::Sender<BTreeMap<TaskId, Incarnation>>,
    /// Files are written by one at a time.
    pub(crate) saving: Mutex<()>,
    /// Of tasks whose loss is to be announced: the tuple that user code failed at.
    pub(crate) poisoned: RefCell<BTreeMap<TaskId, Poisoned>>,
    pub(crate) tally: Tally,
    /// What connections counted that are gone.
    pub(crate) quic: Gone,
    /// Revision in force, 0 before there is a plan.
    pub(crate) revision: watch::Sender<u64>,
    /// One plan is taken over at a time.
    pub(crate) taking: Mutex<()>,
    pub(crate) questions: RefCell<Rate>,
    pub(crate) answers: RefCell<Rate>,
    pub(crate) readers: RefCell<HashMap<InId, Waiter>>,
    pub(crate) writers: RefCell<HashMap<OutId, Waiter>>,
    pub(crate) dialed: Dialed,
    pub(crate) tap: Tap,
    pub(crate) exporter: Exporter,
    pub(crate) profiling: Profiling,
    /// When the loops last ticked, for the thread that answers probes.
    pub(crate) beat: Arc<AtomicU64>,
    timer: Notify,
    /// What the timer sleeps for.
    armed: Cell<Option<u64>>,
    pub(crate) start: Instant,
}

impl Manager {
    pub(crate) fn new(
        options: Options,
        incarnation: Incarnation,
        endpoint: Endpoint,
        flow: Flow,
        totals: BTreeMap<TaskId, TaskTotals>,
        positions: Option<Positions>,
    ) -> Rc<Manager> {
        let revision = flow.plan().map_or(0, |plan| plan.plan().revision);
        let written = watch::Sender::new(files::lives(&totals));
        Rc::new(Manager {
            options,
            incarnation,
            endpoint,
            flow: RefCell::new(flow),
            links: Links::default(),
            totals: RefCell::new(totals),
            positions: RefCell::new(positions),
            settled: watch::Sender::new(0),
            farewell: watch::Sender::new(false),
            operators: watch::Sender::new(0),
            dirty: Cell::new(false),
            save: Notify::new(),
            written,
            saving: Mutex::new(()),
            poisoned: RefCell::default(),
            tally: Tally::default(),
            quic: Gone::default(),
            revision: watch::Sender::new(revision),
            taking: Mutex::new(()),
            questions: RefCell::new(Rate::new(limits::QUESTIONS)),
            answers: RefCell::new(Rate::new(limits::ANSWERS)),
            readers: RefCell::new(HashMap::new()),
            writers: RefCell::new(HashMap::new()),
            dialed: Dialed::default(),
            tap: Tap::default(),
            exporter: Exporter::default(),
            profiling: Profiling::default(),
            beat: Arc::default(),
            timer: Notify::new(),
            armed: Cell::new(None),
            start: Instant::now(),
        })
    }

    /// Nanoseconds since the start.
    pub(crate) fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    pub(crate) fn plan(&self) -> Option<PlanIndex> {
        self.flow.borrow().plan().cloned()
    }

    /// Does all that the flow asks for.
    pub(crate) fn act(self: &Rc<Self>) {
        loop {
            let effect = self.flow.borrow_mut().poll_effect();
            match effect {
                None => break,
                Some(Effect::Wake(out)) => self.wake_writer(out),
                Some(Effect::Resume(input)) => {
                    if let Some(reader) = self.readers.borrow().get(&input) {
                        reader.notify.notify_one();
                    }
                }
                Some(Effect::Announce { number, scope }) => {
                    tracing::info!(number, ?scope, "a loss is announced");
                    let poisoned = self.poisoned_in(scope);
                    self.links.announce(&Peer::Loss { number, scope, poisoned });
                }
                Some(Effect::TellInstance { task, scope }) => {
                    let poisoned = self.poisoned_in(scope);
                    self.send_to_instance(task, ToInstance::Loss { scope, poisoned });
                }
                Some(Effect::Drain { task, frames }) => {
                    tracing::info!(task = task.0, frames, "a task is drained: its input waits");
                    self.send_to_instance(task, ToInstance::Drain { frames });
                }
                Some(Effect::Discarded { dest, why, frames }) => {
                    tracing::warn!(task = dest.0, why = why.name(), frames, "frames discarded");
                }
            }
        }
        self.arm();
    }

    /// Acts while this is known of the loss of a task.
    pub(crate) fn act_on_poisoned(self: &Rc<Self>, scope: LossScope, poisoned: Option<Poisoned>) {
        let LossScope::Task { task } = scope else { return self.act() };
        let known = poisoned.map(|it| self.poisoned.borrow_mut().insert(task, it.bounded()));
        self.act();
        if known.is_some() {
            self.poisoned.borrow_mut().remove(&task);
        }
    }

    fn poisoned_in(&self, scope: LossScope) -> Option<Poisoned> {
        let LossScope::Task { task } = scope else { return None };
        self.poisoned.borrow().get(&task).cloned()
    }

    fn wake_writer(self: &Rc<Self>, out: OutId) {
        if let Some(waiter) = self.writers.borrow().get(&out) {
            return waiter.notify.notify_one();
        }
        let Some(stream) = self.flow.borrow().out_stream(out) else { return };
        let Some((link, connection)) = self.links.connection(stream.link) else { return };
        let waiter = Waiter { link, notify: Rc::new(Notify::new()) };
        self.writers.borrow_mut().insert(out, waiter.clone());
        tokio::task::spawn_local(writer::run(
            self.clone(),
            out,
            stream.key,
            connection,
            waiter.notify,
        ));
    }

    pub(crate) fn send_to_instance(&self, task: TaskId, message: ToInstance) {
        if !self.links.to_instance(task, message) {
            bump(&self.tally.overflows);
        }
    }

    /// The link is dead: its streams end, and so do the tasks that wait for them.
    pub(crate) fn link_down(self: &Rc<Self>, link: LinkId) {
        let now = self.now();
        self.flow.borrow_mut().link_down(now, link);
        if let Some((link, gone)) = self.links.detach(link) {
            self.quic.keep(link, &gone.connection);
        }
        self.release(link);
        self.act();
    }

    /// Wakes all that waits for a stream of this life of a link, so that it sees the end.
    fn release(&self, link: LinkId) {
        let readers = self.readers.borrow();
        let writers = self.writers.borrow();
        for waiter in readers.values().chain(writers.values()).filter(|w| w.link == link) {
            waiter.notify.notify_one();
        }
    }

    /// A link has said hello: its streams may be opened, and the one that it replaces is closed.
    pub(crate) fn attach(&self, link: Link, attached: Attached) {
        let streams = self.plan().map_or(0, |plan| crate::links::streams(&plan, link));
        transport::widen(&attached.connection, streams);
        if let Some(old) = self.links.attach(link, attached) {
            self.quic.keep(link, &old.connection);
            old.connection.close(close::REPLACED, b"replaced by a newer link");
            self.release(old.link);
        }
    }

    /// Something came that breaks the protocol: the link is closed, and all else goes on.
    pub(crate) fn offended(&self, by: &Identity, connection: &Connection, why: &dyn fmt::Display) {
        bump(&self.tally.malformed);
        tracing::warn!(peer = %by, "link closed: {why}");
        connection.close(close::MALFORMED, why.to_string().as_bytes());
    }

    /// As [`Manager::offended`], unless the stream was closed here.
    pub(crate) fn violated(&self, by: &Identity, connection: &Connection, why: Violation) {
        if why != Violation::Closed {
            self.offended(by, connection, &why);
        }
    }

    /// The control stream has failed; only bytes that do not parse are an offence.
    pub(crate) fn control_failed(&self, by: &Identity, connection: &Connection, error: &Error) {
        match error {
            Error::Malformed(why) => self.offended(by, connection, why),
            other => tracing::debug!(peer = %by, "link lost: {other}"),
        }
    }

    pub(crate) fn refuse(&self, by: &Identity, connection: &Connection, why: &str) {
        bump(&self.tally.refused);
        tracing::warn!(peer = %by, "link refused: {why}");
        connection.close(close::REFUSED, why.as_bytes());
    }

    fn arm(&self) {
        let next = self.flow.borrow().next_timeout();
        if next != self.armed.get() {
            self.armed.set(next);
            self.timer.notify_one();
        }
    }

    /// Calls the flow when its time has come.
    pub(crate) async fn keep_time(self: Rc<Self>) {
        loop {
            match self.armed.get() {
                None => self.timer.notified().await,
                Some(at) => {
                    let due = self.start + std::time::Duration::from_nanos(at);
                    // An earlier time, or none, may be armed meanwhile.
                    let slept = tokio::time::timeout_at(due.into(), self.timer.notified()).await;
                    if slept.is_err() {
                        let now = self.now();
                        self.flow.borrow_mut().handle_timeout(now);
                        self.act();
                    }
                }
            }
        }
    }
}
