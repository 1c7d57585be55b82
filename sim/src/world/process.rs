//! What one process of a task holds: its life, both halves, and what waits between them.

use crate::{scenario::MS, witness::Life};
use egret_core::{
    batch::{Batch, ToTask},
    budget::Budget,
    gateway::Gateway,
    stats::Stats,
    task::Task,
};
use egret_topology::{
    id::{Epoch, Incarnation, PodId, TaskId},
    plan::{Definition, PlanIndex},
};
use egret_wire::{control::Phase, preamble::StreamKey};
use std::collections::{BTreeMap, VecDeque};

/// Both halves, once the stream manager has said what to run.
pub(super) struct Halves {
    pub(super) task: Task,
    pub(super) gateway: Gateway,
    pub(super) budget: Budget,
    pub(super) stats: Stats,
}

/// One process that runs one life of a task.
pub(super) struct Process {
    pub(super) task: TaskId,
    pub(super) incarnation: Incarnation,
    pub(super) pod: PodId,
    pub(super) home: usize,
    pub(super) life: Life,
    pub(super) alive: bool,
    pub(super) connection: Option<usize>,
    /// Registered over the connection that it has.
    pub(super) registered: bool,
    /// Epoch and revision of the plan that it works under.
    pub(super) plan: (Epoch, u64),
    pub(super) backoff: u64,
    /// The plan as it was told, and what the process has read of it when it started.
    pub(super) said: Option<PlanIndex>,
    pub(super) definition: Option<Definition>,
    /// The plan has something else for its task: its parent starts another.
    pub(super) again: bool,
    /// It was asked to end then, and has heard that this is known.
    pub(super) asked: Option<u64>,
    pub(super) known: bool,
    pub(super) closing: bool,
    /// Since when it holds back where no operator is.
    pub(super) holds_since: Option<u64>,
    pub(super) halves: Option<Halves>,
    /// What the gateway half has for the task half.
    pub(super) inbox: Vec<ToTask>,
    pub(super) step_at: Option<u64>,
    pub(super) busy_until: u64,
    pub(super) stalled_until: u64,
    /// The task waits for this lane.
    pub(super) stuck: Option<usize>,
    pub(super) closed: bool,
    /// What the task half has for the gateway half, and from when on that sees it.
    pub(super) batches: VecDeque<(u64, Batch)>,
    pub(super) withheld: Batch,
    pub(super) writers: BTreeMap<StreamKey, usize>,
    /// Everything settled so far, to be told again on every link.
    pub(super) settled: BTreeMap<String, u64>,
    pub(super) phase: Phase,
    /// Roots that have failed so far.
    pub(super) failed: u64,
    pub(super) timer: Option<u64>,
    pub(super) reports: bool,
    pub(super) latencies: u64,
    /// Lengths of the data frames that wait for the task, in order.
    pub(super) lengths: VecDeque<usize>,
    pub(super) done: u64,
    /// Lane of each outgoing stream, and bytes of it that have not left.
    pub(super) lanes: BTreeMap<StreamKey, (usize, usize)>,
    /// When the gateway last could not read.
    pub(super) full_at: u64,
    /// Data on its way: per destination, when it left and up to which counter.
    pub(super) on_the_way: BTreeMap<TaskId, VecDeque<(u64, u64)>>,
}

impl Process {
    /// One that has just been started.
    pub(super) fn new(
        task: TaskId,
        incarnation: Incarnation,
        (pod, home): (PodId, usize),
        life: Life,
    ) -> Process {
        Process {
            task,
            incarnation,
            pod,
            home,
            life,
            alive: true,
            connection: None,
            registered: false,
            plan: (Epoch(0), 0),
            backoff: 10 * MS,
            said: None,
            definition: None,
            again: false,
            asked: None,
            known: false,
            closing: false,
            holds_since: None,
            halves: None,
            inbox: Vec::new(),
            step_at: None,
            busy_until: 0,
            stalled_until: 0,
            stuck: None,
            closed: false,
            batches: VecDeque::new(),
            withheld: Batch::default(),
            writers: BTreeMap::new(),
            settled: BTreeMap::new(),
            phase: Phase::Starting,
            failed: 0,
            timer: None,
            reports: false,
            latencies: 0,
            lengths: VecDeque::new(),
            done: 0,
            lanes: BTreeMap::new(),
            full_at: 0,
            on_the_way: BTreeMap::new(),
        }
    }
}
