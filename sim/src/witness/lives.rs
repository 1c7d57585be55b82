//! What the witness remembers of each life of a task; who may still change what lasts.

use super::{Held, Life, Uid, Witness, trackers::Shadow};
use crate::invariant::Invariant;
use bytes::Bytes;
use egret_topology::id::{Epoch, Incarnation, TaskId};
use egret_wire::data::{RootId, Roots};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A tuple that was delivered to a task and not executed yet.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) source: Life,
    pub(super) counter: u64,
    pub(super) uid: Uid,
    pub(super) epoch: Epoch,
    pub(super) edge: u64,
    pub(super) roots: Roots,
}

/// One life of a task.
#[derive(Debug)]
pub(super) struct LifeRecord {
    pub(super) task: TaskId,
    pub(super) incarnation: Incarnation,
    pub(super) killed: Option<u64>,
    /// Its tuples per destination, in the order of their counters.
    pub(super) lanes: BTreeMap<TaskId, Vec<Uid>>,
    /// Its ack frames per spout task, in the order of their numbers.
    pub(super) acks: BTreeMap<TaskId, Vec<Bytes>>,
    /// What user code has acked and no ack frame has said yet, per spout task.
    pub(super) owed: BTreeMap<TaskId, VecDeque<(RootId, usize)>>,
    pub(super) deliveries: VecDeque<Delivery>,
    /// Counter of the last tuple executed, per life of a source.
    pub(super) last: BTreeMap<Life, u64>,
    /// Its roots, in the order of their numbers: user's tuple, first XOR, XOR of what it sent.
    pub(super) roots: Vec<(Uid, u64, u64)>,
    pub(super) shadow: Shadow,
    pub(super) executed: u64,
    pub(super) emitted: u64,
    /// Outcomes that user code is owed.
    pub(super) unresolved: u64,
    /// The life of the stream manager that it has registered with last.
    registered: Option<Incarnation>,
    /// The disks that this was written to: no later life of a stream manager there forgets it.
    saved: BTreeSet<usize>,
    /// The pod that it has registered in.
    home: usize,
}

impl Witness {
    /// A process begins a life of a task. Returns its place.
    pub(crate) fn born(&mut self, task: TaskId, incarnation: Incarnation) -> Life {
        let life = self.lives.len();
        self.lives.push(LifeRecord {
            task,
            incarnation,
            killed: None,
            lanes: BTreeMap::new(),
            acks: BTreeMap::new(),
            owed: BTreeMap::new(),
            deliveries: VecDeque::new(),
            last: BTreeMap::new(),
            roots: Vec::new(),
            shadow: Shadow::default(),
            executed: 0,
            emitted: 0,
            unresolved: 0,
            registered: None,
            saved: BTreeSet::new(),
            home: 0,
        });
        let other = self.life_of.insert((task, incarnation), life);
        self.expect(other.is_none(), Invariant::Identity, || {
            format!("a second process is life {incarnation} of task {task}")
        });
        life
    }

    /// A life that had not begun takes a greater number, since a greater one was here.
    pub(crate) fn renamed(&mut self, life: Life, incarnation: Incarnation) {
        let (task, before) = (self.lives[life].task, self.lives[life].incarnation);
        self.life_of.remove(&(task, before));
        self.lives[life].incarnation = incarnation;
        self.is_life(life);
    }

    /// A process takes a life. Who has never registered has not begun one, whatever it was called.
    fn is_life(&mut self, life: Life) {
        let LifeRecord { task, incarnation, .. } = self.lives[life];
        let other = self.life_of.insert((task, incarnation), life).filter(|other| *other != life);
        let begun = other.is_some_and(|other| self.lives[other].registered.is_some());
        self.expect(!begun, Invariant::Identity, || {
            format!("a second process is life {incarnation} of task {task}")
        });
    }

    /// Whether a process was this life.
    pub(crate) fn has_lived(&self, task: TaskId, incarnation: Incarnation) -> bool {
        self.life_of.contains_key(&(task, incarnation))
    }

    /// A process is killed: what it would have done later has not happened.
    pub(crate) fn killed(&mut self, life: Life) {
        self.lives[life].killed = Some(self.now);
    }

    /// A life of a stream manager has accepted a registration.
    pub(crate) fn registered(&mut self, life: Life, at: Incarnation, home: usize) {
        let LifeRecord { task, incarnation, .. } = self.lives[life];
        let newer = self.newest(task, at, home).filter(|newest| *newest > incarnation);
        self.expect(newer.is_none(), Invariant::Identity, || {
            format!("life {incarnation} of task {task} registers, {newer:?} was here already")
        });
        self.is_life(life);
        self.lives[life].registered = Some(at);
        self.lives[life].home = home;
        // It is written before it is let in.
        self.lives[life].saved.insert(home);
    }

    /// A disk is gone: what was settled there may settle again.
    pub(crate) fn disk_lost(&mut self) {
        self.settled.clear();
        for record in &mut self.lives {
            record.saved.clear();
        }
    }

    /// The newest life of a task that this life of its stream manager can know.
    fn newest(&self, task: TaskId, at: Incarnation, home: usize) -> Option<Incarnation> {
        let known = |record: &&LifeRecord| {
            let linked = record.registered == Some(at) && record.home == home;
            linked || record.saved.contains(&home)
        };
        let of = self.lives.iter().filter(|record| record.task == task).filter(known);
        of.map(|record| record.incarnation).max()
    }

    /// A stream manager takes over positions of a life.
    pub(crate) fn settles(
        &mut self,
        life: Life,
        at: Incarnation,
        home: usize,
        splits: &BTreeMap<String, u64>,
    ) {
        let LifeRecord { task, incarnation, .. } = self.lives[life];
        let newest = self.newest(task, at, home);
        self.expect(newest == Some(incarnation), Invariant::Identity, || {
            format!("life {incarnation} of task {task} writes positions, the newest is {newest:?}")
        });
        let component = self.plan.task(task).map_or(usize::MAX, |planned| planned.component);
        let Some(at) = self.inputs.iter().position(|input| input.component == component) else {
            return;
        };
        for (name, position) in splits {
            let split = name.trim_start_matches('s').parse().unwrap_or(0);
            let known = self.settled.insert((at, split), *position).unwrap_or(0);
            let input = self.inputs[at].clone();
            for line in known..*position {
                for stream in 0..input.streams {
                    let piece = input.piece(split, line as u32, stream);
                    let acked = !self.tracked || self.acked[piece as usize];
                    self.expect(acked, Invariant::NeverForgotten, || {
                        format!(
                            "split {name} of task {task} settles at {position}, line {line} is \
                             not acked"
                        )
                    });
                }
            }
            let known = known.max(*position);
            self.settled.insert((at, split), known);
        }
    }

    pub(super) fn held_roots(held: &Held) -> impl Iterator<Item = (usize, RootId)> + '_ {
        held.roots.iter().copied().enumerate()
    }
}
