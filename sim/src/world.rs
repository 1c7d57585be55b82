//! The world of one run: a virtual clock, a queue of events, and all that lives in it.

mod faults;
mod greet;
mod instance;
mod leave;
mod manager;
mod mischief;
mod net;
mod operator;
mod outlet;
mod pods;
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
    plan::{PhysicalPlan, PlanIndex, RunState},
};
use manager::Manager;
use net::{Connection, End, Message, Stream};
use operator::{Answer, Operator};
use pods::Pod;
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
        home: usize,
        task: TaskId,
    },
    Boot {
        home: usize,
    },
    /// The operator pushes its plan to a stream manager.
    Push {
        manager: usize,
    },
    Fault(usize),
    /// Two pods of which one has heard nothing of the other for long give their link up.
    GiveUp(PodId, PodId),
    State(usize),
    /// Somebody changes something while it runs.
    Change(usize),
    /// The operator takes a turn, is killed, or comes back.
    Look,
    OperatorBack,
    /// It asks a stream manager how things are; the answer comes later.
    Ask {
        manager: usize,
    },
    Answer {
        home: usize,
        answer: Box<Answer>,
    },
    /// The containers of a pod start, or its time is over.
    Started {
        home: usize,
    },
    Gone {
        home: usize,
    },
    /// A kubelet ends a container that shall have another image: of a task, or the stream
    /// manager's.
    Container {
        home: usize,
        task: Option<TaskId>,
    },
    /// A process is asked to end.
    Terminate {
        process: usize,
    },
    /// One that was asked to end looks whether it may.
    MayEnd {
        process: usize,
    },
    /// A process ends in order.
    Exit {
        process: usize,
    },
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
    /// Every life of every pod; the first ones in the order of their places.
    pods: Vec<Pod>,
    /// Which of them the operator's newest plan has in each place.
    place: Vec<usize>,
    operator: Operator,
    managers: Vec<Manager>,
    processes: Vec<Process>,
    /// The process that the parent of each task of a pod has started last, while it lives.
    current: BTreeMap<(usize, TaskId), usize>,
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
            pods: plan.plan().pods.iter().map(|pod| Pod::first(pod.id)).collect(),
            place: (0..plan.plan().pods.len()).collect(),
            operator: Operator::new(&plan),
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
        for home in 0..self.pods.len() {
            let at = start + self.rng.below(20 * MS);
            self.schedule(at, Event::Boot { home });
        }
        let tasks: Vec<TaskId> = self.plan.plan().tasks.iter().map(|task| task.id).collect();
        for task in tasks {
            let at = start + self.rng.below(50 * MS);
            let home = self.home_of(task);
            self.schedule(at, Event::Spawn { home, task });
        }
        for fault in 0..self.scenario.faults.len() {
            self.schedule(start + self.scenario.faults[fault].0, Event::Fault(fault));
        }
        for state in 0..self.scenario.states.len() {
            self.schedule(start + self.scenario.states[state].0, Event::State(state));
        }
        for change in 0..self.scenario.changes.len() {
            self.schedule(start + self.scenario.changes[change].0, Event::Change(change));
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
            Event::Spawn { home, task } => self.spawn(home, task),
            Event::Boot { home } => self.boot(home),
            Event::Push { manager } => self.push(manager),
            Event::Fault(fault) => self.fault(fault),
            Event::GiveUp(a, b) => self.give_up(a, b),
            Event::State(state) => self.set_state(self.scenario.states[state].1),
            Event::Change(change) => self.change(self.scenario.changes[change].1.clone()),
            Event::Look => self.look(),
            Event::OperatorBack => self.operator_back(),
            Event::Ask { manager } => self.asked(manager),
            Event::Answer { home, answer } => self.answered(home, *answer),
            Event::Started { home } => self.started(home),
            Event::Gone { home } => self.gone(home),
            Event::Container { home, task } => self.end_container(home, task),
            Event::Terminate { process } => self.terminate(process),
            Event::MayEnd { process } => self.may_end(process),
            Event::Exit { process } => self.exits(process),
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
        self.operator.state = state;
        if self.operator.is_up() {
            let mut plan = self.plan.plan().clone();
            plan.state = state;
            self.take_new_plan(plan);
        }
    }

    /// A plan of the operator that differs from the last.
    fn take_new_plan(&mut self, mut plan: PhysicalPlan) {
        plan.revision = self.plan.plan().revision + 1;
        self.note(Entry::State(plan.revision));
        let Ok(plan) = PlanIndex::new(plan) else { return };
        self.plan = plan;
        self.push_to_all();
    }

    fn push_to_all(&mut self) {
        for home in self.place.clone() {
            if let Some(manager) = self.pods[home].manager {
                let late = if self.rng.chance(200) && !self.scenario.is_quiet { 4000 } else { 40 };
                let at = self.now + self.rng.between(1, late) * MS;
                self.schedule(at, Event::Push { manager });
            }
        }
    }

    /// The life of a pod that the operator's newest plan has.
    fn here(&self, pod: PodId) -> usize {
        self.place[pod.0 as usize]
    }

    /// That of the pod of a task.
    fn home_of(&self, task: TaskId) -> usize {
        self.here(self.plan.pod_of(task).unwrap_or_default())
    }

    /// The process that runs a task, where the operator's newest plan has it.
    fn running(&self, task: TaskId) -> Option<usize> {
        self.current.get(&(self.home_of(task), task)).copied()
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
    fn wall_ms(&self, home: usize) -> u64 {
        const NEW_YEAR_2026: u64 = 1_767_225_600_000;
        let moved = self.pods[home].clock.saturating_mul(1000);
        (NEW_YEAR_2026 + self.now / MS).saturating_add_signed(moved)
    }
}
