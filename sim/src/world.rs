//! The world of one run: a virtual clock, a queue of events, and all that lives in it.

mod faults;
mod greet;
mod instance;
mod manager;
mod mischief;
mod net;
mod outlet;
mod process;
mod step;
mod watch;

use crate::{
    components,
    invariant::{Invariant, Violation},
    rng::Rng,
    scenario::{MS, Scenario},
    situation::Met,
    trace::{Entry, Trace},
    witness::Observed,
};
use bytes::Bytes;
use egret_sdk::Registry;
use egret_topology::{
    id::{PodId, TaskId},
    plan::{PlanIndex, RunState},
};
use manager::{Manager, Pod};
use net::{Connection, End, Message, Stream};
use process::Process;
use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
};

/// Something that happens at a time.
#[derive(Debug)]
enum Event {
    /// Bytes arrive at the reader of a stream.
    Arrive {
        stream: usize,
        bytes: Bytes,
    },
    /// The writer of a stream learns of more credit.
    Credit {
        stream: usize,
        limit: u64,
    },
    /// A control message arrives at a side of a connection.
    Control {
        connection: usize,
        side: usize,
        message: Message,
    },
    /// A side notices that its connection is dead.
    Notice {
        connection: usize,
        side: usize,
    },
    /// A stream manager dials a peer.
    Dial {
        manager: usize,
        peer: PodId,
    },
    /// An instance dials its stream manager.
    Connect {
        process: usize,
    },
    /// The user's thread of an instance goes on.
    Step {
        process: usize,
    },
    /// The I/O thread of an instance finds batches.
    Batches {
        process: usize,
    },
    GatewayTimer {
        process: usize,
    },
    ManagerTimer {
        manager: usize,
    },
    Report {
        process: usize,
    },
    /// A stream manager writes its state to disk.
    Save {
        manager: usize,
        again: bool,
    },
    /// A parent starts an instance, or a stream manager.
    Spawn {
        task: TaskId,
    },
    Boot {
        pod: PodId,
    },
    /// The operator pushes its plan to a stream manager.
    Push {
        manager: usize,
    },
    Fault(usize),
    /// Two pods of which one has heard nothing of the other for long give their link up.
    GiveUp(PodId, PodId),
    State(usize),
    /// Everything is looked at.
    Watch,
}

struct Timed {
    at: u64,
    number: u64,
    event: Event,
}

impl PartialEq for Timed {
    fn eq(&self, other: &Timed) -> bool {
        self.number == other.number
    }
}

impl Eq for Timed {}

impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Timed) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timed {
    fn cmp(&self, other: &Timed) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running,
    /// Everything has ended since then.
    Ended(u64),
    /// Stopped was pushed.
    Stopping(u64),
    Over,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) violation: Option<Violation>,
    pub(crate) digest: u64,
    pub(crate) events: u64,
    /// Virtual time at the end.
    pub(crate) now: u64,
    pub(crate) met: Met,
    pub(crate) last: Vec<String>,
}

/// Pause between two looks at everything.
const WATCH: u64 = 100 * MS;

/// Events of a run: far more than any seed needs.
const MAX_EVENTS: u64 = 20_000_000;

/// Everything.
pub(crate) struct World {
    scenario: Scenario,
    observed: Arc<Observed>,
    registry: Registry,
    rng: Rng,
    now: u64,
    queue: BinaryHeap<Reverse<Timed>>,
    number: u64,
    /// The operator's newest plan.
    plan: PlanIndex,
    pods: Vec<Pod>,
    managers: Vec<Manager>,
    processes: Vec<Process>,
    /// The process that the parent of each task has started last, while it lives.
    current: BTreeMap<TaskId, usize>,
    connections: Vec<Connection>,
    streams: Vec<Stream>,
    /// Pairs of pods between which nothing passes, and until when.
    partitions: BTreeMap<(PodId, PodId), u64>,
    /// The same from the first to the second only.
    one_way: BTreeMap<(PodId, PodId), u64>,
    /// Processes that stand still, and until when.
    frozen: Vec<(End, u64)>,
    trace: Trace,
    stage: Stage,
    /// Since when no link or process was disturbed, and no task stalled.
    calm_since: u64,
    unstalled_since: u64,
    met: Met,
    /// A bug that strikes once has struck.
    struck: bool,
}

impl World {
    pub(crate) fn new(scenario: Scenario, keep: bool) -> World {
        let observed = Arc::new(Observed::new(&scenario));
        let plan = scenario.plan.clone();
        World {
            registry: components::registry(&observed),
            rng: Rng::new(scenario.seed ^ 0x5eed),
            observed,
            now: 0,
            queue: BinaryHeap::new(),
            number: 0,
            pods: plan.plan().pods.iter().map(|_| Pod::default()).collect(),
            plan,
            managers: Vec::new(),
            processes: Vec::new(),
            current: BTreeMap::new(),
            connections: Vec::new(),
            streams: Vec::new(),
            partitions: BTreeMap::new(),
            one_way: BTreeMap::new(),
            frozen: Vec::new(),
            trace: Trace::new(keep),
            stage: Stage::Running,
            calm_since: 0,
            unstalled_since: 0,
            met: Met::default(),
            struck: false,
            scenario,
        }
    }

    /// Runs to the end, or to the first violation.
    pub(crate) fn run(mut self) -> Ending {
        self.begin();
        let mut events = 0;
        while let Some(Reverse(Timed { at, event, .. })) = self.queue.pop() {
            self.now = at;
            self.observed.witness().set_now(at);
            match self.thaws(&event) {
                Some(at) => self.schedule(at, event),
                None => self.happen(event),
            }
            events += 1;
            if events >= MAX_EVENTS {
                self.accuse(Invariant::Progress, "there is no end to the events");
            }
            let over = self.stage == Stage::Over;
            if over || self.observed.witness().violation().is_some() {
                break;
            }
        }
        let violation = self.observed.witness().violation().cloned();
        let (digest, last) = (self.trace.digest(), self.trace.lines());
        Ending { violation, digest, events, now: self.now, met: self.met, last }
    }

    fn begin(&mut self) {
        self.now = 1000 * MS;
        let start = self.now;
        for pod in 0..self.pods.len() as u32 {
            let at = start + self.rng.below(20 * MS);
            self.schedule(at, Event::Boot { pod: PodId(pod) });
        }
        let tasks: Vec<TaskId> = self.plan.plan().tasks.iter().map(|task| task.id).collect();
        for task in tasks {
            let at = start + self.rng.below(50 * MS);
            self.schedule(at, Event::Spawn { task });
        }
        for fault in 0..self.scenario.faults.len() {
            self.schedule(start + self.scenario.faults[fault].0, Event::Fault(fault));
        }
        for state in 0..self.scenario.states.len() {
            self.schedule(start + self.scenario.states[state].0, Event::State(state));
        }
        self.scenario.heals_at += start;
        self.schedule(start, Event::Watch);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive { stream, bytes } => self.arrive(stream, bytes),
            Event::Credit { stream, limit } => self.credited(stream, limit),
            Event::Control { connection, side, message } => {
                self.control(connection, side, message);
            }
            Event::Notice { connection, side } => self.notice(connection, side),
            Event::Dial { manager, peer } => self.dial(manager, peer),
            Event::Connect { process } => self.connect(process),
            Event::Step { process } => self.step(process),
            Event::Batches { process } => self.batches(process),
            Event::GatewayTimer { process } => self.gateway_timer(process),
            Event::ManagerTimer { manager } => self.manager_timer(manager),
            Event::Report { process } => self.report(process),
            Event::Save { manager, again } => self.save(manager, again),
            Event::Spawn { task } => self.spawn(task),
            Event::Boot { pod } => self.boot(pod),
            Event::Push { manager } => self.push(manager),
            Event::Fault(fault) => self.fault(fault),
            Event::GiveUp(a, b) => self.give_up(a, b),
            Event::State(state) => self.set_state(self.scenario.states[state].1),
            Event::Watch => self.watch(),
        }
    }

    fn schedule(&mut self, at: u64, event: Event) {
        self.number += 1;
        let at = at.max(self.now);
        self.queue.push(Reverse(Timed { at, number: self.number, event }));
    }

    /// The operator's plan changes its state, and is pushed to every stream manager.
    fn set_state(&mut self, state: RunState) {
        let mut plan = self.plan.plan().clone();
        plan.state = state;
        plan.revision += 1;
        self.note(Entry::State(plan.revision));
        let Ok(plan) = PlanIndex::new(plan) else { return };
        self.plan = plan;
        for pod in 0..self.pods.len() {
            if let Some(manager) = self.pods[pod].manager {
                let late = if self.rng.chance(200) { 4000 } else { 40 };
                let at = self.now + self.rng.between(1, late) * MS;
                self.schedule(at, Event::Push { manager });
            }
        }
    }

    fn note(&mut self, entry: Entry) {
        self.trace.push(self.now, entry);
    }

    fn accuse(&mut self, invariant: Invariant, what: impl Into<String>) {
        self.observed.witness().accuse(invariant, what);
    }

    /// A link or a process has come or gone.
    fn disturb(&mut self) {
        self.calm_since = self.calm_since.max(self.now);
    }

    /// The wall clock of a pod's node, in milliseconds since 1970.
    fn wall_ms(&self, pod: PodId) -> u64 {
        const NEW_YEAR_2026: u64 = 1_767_225_600_000;
        let moved = self.pods[pod.0 as usize].clock.saturating_mul(1000);
        (NEW_YEAR_2026 + self.now / MS).saturating_add_signed(moved)
    }
}
