//! What happened: a hash of all of it, and the last of it in words.

use crate::scenario::faults::Fault;
use egret_flow::Link;
use egret_topology::id::{PodId, TaskId};
use egret_wire::{
    control::{LossScope, Phase},
    header::{Header, Kind},
};
use std::{collections::VecDeque, hash::Hash};
use xxhash_rust::xxh3::Xxh3;

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry {
    Fault(Fault),
    /// A frame, on its way into a stream manager or into an instance.
    AtManager(PodId, Header),
    AtInstance(TaskId, Header),
    Linked(PodId, Link),
    Unlinked(PodId, Link),
    Registered(TaskId, u64),
    Loss(TaskId, LossScope),
    Announced(PodId, LossScope),
    Phase(TaskId, Phase),
    Born(TaskId, u64),
    Killed(TaskId),
    ManagerUp(PodId, u64),
    ManagerDown(PodId),
    State(u64),
    /// Of a plan: tasks that drain, tasks that run something else, pods that leave or are released.
    Rolling([u32; 4]),
}

/// Entries that are kept for a failure.
const KEPT: usize = 100_000;

/// The hash of a run, and its last entries.
pub(crate) struct Trace {
    hash: Xxh3,
    last: VecDeque<(u64, Entry)>,
    keep: bool,
    count: u64,
}

impl Trace {
    pub(crate) fn new(keep: bool) -> Trace {
        Trace { hash: Xxh3::new(), last: VecDeque::new(), keep, count: 0 }
    }

    pub(crate) fn push(&mut self, now: u64, entry: Entry) {
        self.count += 1;
        now.hash(&mut self.hash);
        entry.hash(&mut self.hash);
        if self.keep {
            if self.last.len() == KEPT {
                self.last.pop_front();
            }
            self.last.push_back((now, entry));
        }
    }

    pub(crate) fn digest(&self) -> u64 {
        self.hash.digest()
    }

    /// The last entries, oldest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.last.iter().map(|(at, entry)| format!("{:>12} {}", at / 1000, entry.words())).collect()
    }
}

fn frame(header: &Header) -> String {
    let Header { kind, source, dest, base, count, incarnation, .. } = header;
    match kind {
        Kind::Data => format!("data {source}/{incarnation} -> {dest} {base}+{count}"),
        Kind::Ack => format!("ack {source}/{incarnation} -> {dest} #{base} of {count}"),
        Kind::End => format!("end {source}/{incarnation} -> {dest}"),
        Kind::Flush => format!("flush {source} -> {dest} for {} #{base}", header.origin),
    }
}

impl Entry {
    fn words(&self) -> String {
        match self {
            Entry::AtManager(pod, header) => format!("pod {pod}: {}", frame(header)),
            Entry::AtInstance(task, header) => format!("task {task}: {}", frame(header)),
            other => format!("{other:?}"),
        }
    }

    fn hash(&self, hash: &mut Xxh3) {
        std::mem::discriminant(self).hash(hash);
        match self {
            Entry::Fault(fault) => fault.hash(hash),
            Entry::AtManager(PodId(at), header) | Entry::AtInstance(TaskId(at), header) => {
                (at, header.encode()).hash(hash);
            }
            Entry::Linked(pod, link) | Entry::Unlinked(pod, link) => (pod, link).hash(hash),
            Entry::Registered(task, life) | Entry::Born(task, life) => (task, life).hash(hash),
            Entry::Loss(TaskId(at), scope) | Entry::Announced(PodId(at), scope) => {
                at.hash(hash);
                match scope {
                    LossScope::Task { task } => (0, task.0, 0).hash(hash),
                    LossScope::Link { a, b } => (1, a.0, b.0).hash(hash),
                    LossScope::Pod { pod } => (2, pod.0, 0).hash(hash),
                }
            }
            Entry::Phase(task, phase) => (task, *phase as u8).hash(hash),
            Entry::Killed(task) => task.hash(hash),
            Entry::ManagerUp(pod, life) => (pod, life).hash(hash),
            Entry::ManagerDown(pod) => pod.hash(hash),
            Entry::State(state) => state.hash(hash),
            Entry::Rolling(counts) => counts.hash(hash),
        }
    }
}
