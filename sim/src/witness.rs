//! The witness: what user code did and what frames said, written down apart from the code under
//! test.
//!
//! User code of the simulator tells it of every emit, execute, ack and outcome; the world shows it
//! every batch and frame. From that it judges most invariants without asking the runtime what it
//! believes.

mod changes;
mod end;
mod frames;
pub(crate) mod groupings;
mod lives;
mod trackers;
mod trees;

use crate::{
    bug::Bug,
    invariant::{Invariant, Violation},
    scenario::{Input, Scenario},
};
use egret_core::budget::Budget;
use egret_topology::{
    id::{Incarnation, TaskId},
    plan::PlanIndex,
};
use egret_wire::data::Roots;
use groupings::Edges;
use lives::LifeRecord;
use smallvec::SmallVec;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// One life of a task: its place among all that were ever born.
pub(crate) type Life = usize;

/// A tuple that user code emitted, by its number.
pub(crate) type Uid = u32;

/// A tuple that user code received.
pub(crate) type Handle = usize;

/// Stands for a root that user code has not emitted by itself.
const NO_UID: Uid = Uid::MAX;

/// What the world and user code have in common: the witness, and the clock of the running task.
pub(crate) struct Observed {
    witness: Mutex<Witness>,
    clock: AtomicU64,
    /// How often a spout is told that a root is acked.
    pub(crate) told: usize,
}

impl Observed {
    pub(crate) fn new(scenario: &Scenario) -> Observed {
        let told = if scenario.bug == Some(Bug::OutcomeTwice) { 2 } else { 1 };
        Observed { witness: Mutex::new(Witness::new(scenario)), clock: AtomicU64::new(0), told }
    }

    /// The witness. Whoever asks does not keep it while user code may run.
    pub(crate) fn witness(&self) -> MutexGuard<'_, Witness> {
        self.witness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time as the running task sees it.
    pub(crate) fn now(&self) -> u64 {
        self.clock.load(Relaxed)
    }

    pub(crate) fn set_now(&self, now: u64) {
        self.clock.store(now, Relaxed);
    }

    /// User code takes this much time.
    pub(crate) fn work(&self, ns: u64) {
        self.clock.fetch_add(ns, Relaxed);
    }
}

/// Why a tuple was emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By a spout, for this piece of its input.
    Root(u32),
    /// Anchored to others.
    Derived,
    /// By `finish`: its roots are the bolt's own.
    Finish,
    /// By `tick` or `flush`: it descends from nothing.
    Loose,
}

#[derive(Debug)]
struct Emission {
    kind: Kind,
    by: Life,
    /// Roots, as user code knows them.
    roots: SmallVec<[Uid; 2]>,
    /// Of a root: copies in its tree that user code has not acked.
    outstanding: i64,
    /// Of a root: what its spout was told.
    outcome: Option<bool>,
    /// Copies that `emit` promised.
    promised: u32,
    /// Copies that were handed over in frames, and the XOR of their ids.
    handed: u32,
    xor: u64,
    /// Per destination: copies handed over and copies executed.
    copies: SmallVec<[(TaskId, u32, u32); 2]>,
}

#[derive(Debug)]
struct Held {
    uid: Uid,
    edge: u64,
    roots: Roots,
    /// Per root, what was emitted and is charged to this tuple.
    charged: SmallVec<[SmallVec<[Uid; 2]>; 2]>,
}

/// Something that a sink has written for good.
#[derive(Clone, Copy, Debug)]
struct Sunk {
    at: u64,
    life: Life,
    piece: u32,
}

/// Sees everything and forgets nothing.
pub(crate) struct Witness {
    violation: Option<Violation>,
    now: u64,
    current: Life,
    /// What waits in the lanes of the life that is running.
    budget: Option<Budget>,
    edges: Edges,
    plan: PlanIndex,
    tracked: bool,
    inputs: Vec<Input>,
    lives: Vec<LifeRecord>,
    life_of: BTreeMap<(TaskId, Incarnation), Life>,
    emissions: Vec<Emission>,
    /// Tuples that noise has repeated on their way to a task.
    repeated: BTreeSet<(TaskId, Uid)>,
    held: Vec<Held>,
    /// Pieces whose root was acked once at least.
    acked: Vec<bool>,
    sunk: Vec<Sunk>,
    /// Who emitted each piece last.
    emitted: Vec<Option<Life>>,
    /// The newest life of each spout that has read.
    reading: BTreeMap<TaskId, Life>,
    /// Nothing goes wrong, so that nothing may be replayed.
    quiet: bool,
    /// Nothing goes wrong but what becomes of the operator.
    orderly: bool,
    /// Settled positions that were judged, per input and split.
    settled: BTreeMap<(usize, u32), u64>,
}

impl Witness {
    fn new(scenario: &Scenario) -> Witness {
        Witness {
            violation: None,
            now: 0,
            current: 0,
            budget: None,
            edges: Edges::default(),
            plan: scenario.plan.clone(),
            tracked: scenario.is_tracked(),
            inputs: scenario.inputs.clone(),
            lives: Vec::new(),
            life_of: BTreeMap::new(),
            emissions: Vec::new(),
            repeated: BTreeSet::new(),
            held: Vec::new(),
            acked: vec![false; scenario.pieces() as usize],
            sunk: Vec::new(),
            emitted: vec![None; scenario.pieces() as usize],
            reading: BTreeMap::new(),
            quiet: scenario.is_quiet,
            orderly: scenario.is_orderly,
            settled: BTreeMap::new(),
        }
    }

    /// What was found, if anything.
    pub(crate) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Whose user code runs from now on.
    pub(crate) fn running(&mut self, life: Life, budget: &Budget) {
        self.current = life;
        self.budget = Some(budget.clone());
    }

    /// The time of what follows.
    pub(crate) fn set_now(&mut self, now: u64) {
        self.now = now;
    }

    /// Writes down a violation; only the first counts.
    pub(crate) fn accuse(&mut self, invariant: Invariant, what: impl Into<String>) {
        if self.violation.is_none() {
            self.violation = Some(Violation { invariant, at: self.now, what: what.into() });
        }
    }

    /// Accuses unless it holds.
    pub(crate) fn expect(
        &mut self,
        holds: bool,
        invariant: Invariant,
        what: impl FnOnce() -> String,
    ) {
        if !holds {
            self.accuse(invariant, what());
        }
    }
}
