//! What the two halves of an instance hand to each other.

use crate::{trace::Spans, tracker::Root as NewRoot};
use bytes::Bytes;
use egret_sdk::{Failure, TaskId};
use egret_topology::plan::PlanIndex;
use egret_wire::{
    control::{Hold, LossScope, Phase, Root},
    cut::Frame,
    preamble::StreamKey,
};
use std::{collections::BTreeMap, ops::Range};

/// A frame that the task half has closed.
#[derive(Clone, Debug)]
pub struct OutFrame {
    /// The stream that it leaves on.
    pub key: StreamKey,
    /// For data: the lane whose budget it counts against.
    pub lane: Option<usize>,
    /// Its bytes.
    pub bytes: Bytes,
}

/// From the task half to the gateway half. Roots are registered before any frame of the same batch
/// leaves.
#[derive(Debug, Default)]
pub struct Batch {
    /// New roots, in the order of their numbers.
    pub roots: Vec<NewRoot>,
    /// The number of the first of them.
    pub first_root: u64,
    /// New roots that nobody tracks: complete when emitted.
    pub untracked: u64,
    /// How many of the new roots repeat one that failed.
    pub replayed: u64,
    /// How many of these leave as dead letters, each counted once.
    pub dead_letters: u64,
    /// Frames, in order.
    pub frames: Vec<OutFrame>,
    /// Settled prefixes that moved.
    pub positions: BTreeMap<String, u64>,
    /// Answers to [`ToTask::WhoHolds`].
    pub holds: Vec<Hold>,
    /// Steps of traced tuples that are over.
    pub spans: Spans,
    /// Where the task now is in its life. It travels with what it did before, so that nobody hears
    /// of an end first and of positions later.
    pub phase: Option<Phase>,
}

impl Batch {
    /// A new root to be tracked; its number is one more than that of the last.
    #[inline]
    pub fn track(&mut self, seq: u64, root: NewRoot) {
        if self.roots.is_empty() {
            self.first_root = seq;
        }
        self.roots.push(root);
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
            && self.untracked == 0
            && self.frames.is_empty()
            && self.positions.is_empty()
            && self.holds.is_empty()
            && self.spans.is_empty()
            && self.phase.is_none()
    }
}

/// Roots whose trees have ended alike, one after the other.
#[derive(Clone, Debug)]
pub struct Completion {
    /// Their numbers; one alone if it failed.
    pub roots: Range<u64>,
    /// Why, unless they were acked.
    pub failure: Option<Box<Failure>>,
    /// The task that has failed a tuple of the tree, if one has.
    pub by: Option<TaskId>,
}

impl Completion {
    /// The tree of this root is acked.
    pub fn acked(root: u64) -> Completion {
        Completion { roots: root..root + 1, failure: None, by: None }
    }

    /// The tree of this root has failed or timed out.
    pub fn failed(root: u64, failure: Failure) -> Completion {
        Completion { roots: root..root + 1, failure: Some(Box::new(failure)), by: None }
    }

    /// This task has failed a tuple of the root's tree.
    pub fn failed_by(task: TaskId, root: u64, cause: &str) -> Completion {
        let failure = Failure::Failed { cause: cause.to_owned() };
        Completion { by: Some(task), ..Completion::failed(root, failure) }
    }
}

/// From the gateway half to the task half.
#[derive(Debug)]
pub enum ToTask {
    /// A data frame, an end mark or a flush, and when it came; data counts against the inbox
    /// budget.
    Frame(Frame, u64),
    /// Trees that ended.
    Completed(Vec<Completion>),
    /// Tuples were lost: marks must be repeated.
    Loss(LossScope),
    /// A newer plan.
    Plan(PlanIndex),
    /// Does the task hold a tuple of this root's tree, unacked?
    WhoHolds(Root),
    /// It is about to be replaced, and all its input is before this.
    Drain,
    /// It is replaced now: close, and say nothing more.
    Leave,
    /// Its process is to end, whatever the plan says of all tasks: close.
    Close,
}
