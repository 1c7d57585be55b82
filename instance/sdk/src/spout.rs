//! Spouts: components that emit roots.

use crate::{Context, Result, SpoutOutput};
use std::{fmt, time::Duration};

/// What a spout answers to `next`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It emitted, or wants to be called again at once.
    Emitted,
    /// Nothing to emit; call again soon, or when the [`crate::Waker`] is used.
    Idle,
    /// Nothing to emit before this much time has passed, unless the waker is used.
    IdleFor(Duration),
    /// Nothing to emit ever again, unless a root fails and must be replayed.
    Exhausted,
}

/// Why a root was not acked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A bolt failed a tuple of its tree.
    Failed {
        /// The bolt and what it said.
        cause: String,
    },
    /// A link, an instance or a pod that the tree may have touched was lost.
    Lost {
        /// What was lost.
        cause: String,
    },
    /// The tree was not complete within the message timeout.
    TimedOut {
        /// The component that holds a tuple of it, and what it does, if that could be found out.
        held_by: Option<String>,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Failed { cause } => write!(f, "failed: {cause}"),
            Failure::Lost { cause } => write!(f, "lost: {cause}"),
            Failure::TimedOut { held_by: Some(held_by) } => {
                write!(f, "timed out, held by {held_by}")
            }
            Failure::TimedOut { held_by: None } => write!(f, "timed out"),
        }
    }
}

/// A component that emits roots. One value of it runs one task.
///
/// An error from any call, or a panic, ends this life of the task; its parent starts another, which
/// `open`s with the positions that were settled.
pub trait Spout {
    /// Called once, before anything else. [`Context::positions`] says where to go on.
    fn open(&mut self, context: &mut Context) -> Result<()> {
        let _ = context;
        Ok(())
    }

    /// Called before the first `next`, and again after each `deactivate`.
    fn activate(&mut self) -> Result<()> {
        Ok(())
    }

    /// Called when the topology is paused or drained; `next` is not called until `activate`.
    fn deactivate(&mut self) -> Result<()> {
        Ok(())
    }

    /// Emits what there is, a little at a time. All roots of one position are emitted within one
    /// call.
    fn next(&mut self, out: &mut SpoutOutput<'_>) -> Result<Next>;

    /// The tree of a root that was emitted with this id is complete.
    fn ack(&mut self, id: u64) -> Result<()> {
        let _ = id;
        Ok(())
    }

    /// The tree of a root that was emitted with this id will not complete. Whoever wants it
    /// replayed emits it again, as a new root at the same position.
    fn fail(&mut self, id: u64, failure: &Failure) -> Result<()> {
        let _ = (id, failure);
        Ok(())
    }

    /// Where the spout stands in its input, for people.
    fn position(&self) -> Option<String> {
        None
    }

    /// Called last, when the task is stopped as planned.
    fn close(&mut self) {}
}
