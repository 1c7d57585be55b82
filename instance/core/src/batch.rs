//! What the two halves of an instance hand to each other.

use crate::tracker::{Outcome, RootEntry};
use bytes::Bytes;
use egret_sdk::Failure;
use egret_topology::plan::PlanIndex;
use egret_wire::{
    control::{Hold, LossScope, Phase, Root},
    cut::Frame,
    preamble::StreamKey,
};
use std::collections::BTreeMap;

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
    /// New roots, in order.
    pub roots: Vec<RootEntry>,
    /// Frames, in order.
    pub frames: Vec<OutFrame>,
    /// Settled prefixes that moved.
    pub positions: BTreeMap<String, u64>,
    /// Answers to [`ToTask::WhoHolds`].
    pub holds: Vec<Hold>,
    /// Where the task now is in its life. It travels with what it did before, so that nobody hears
    /// of an end first and of positions later.
    pub phase: Option<Phase>,
}

impl Batch {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
            && self.frames.is_empty()
            && self.positions.is_empty()
            && self.holds.is_empty()
            && self.phase.is_none()
    }
}

/// A root whose tree has ended.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The root.
    pub root: RootEntry,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, unless it was acked.
    pub failure: Option<Box<Failure>>,
}

/// From the gateway half to the task half.
#[derive(Debug)]
pub enum ToTask {
    /// A data frame, an end mark or a flush; data counts against the inbox budget.
    Frame(Frame),
    /// Trees that ended.
    Completed(Vec<Completion>),
    /// Tuples were lost: marks must be repeated.
    Loss(LossScope),
    /// A newer plan.
    Plan(PlanIndex),
    /// Does the task hold a tuple of this root's tree, unacked?
    WhoHolds(Root),
}
