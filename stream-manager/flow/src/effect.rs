//! What [`Flow`](crate::Flow) asks its shell to do.

use crate::stream::{InId, OutId};
use egret_topology::id::TaskId;
use egret_wire::control::LossScope;

/// Something to do, from [`Flow::poll_effect`](crate::Flow::poll_effect).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The stream has frames and its writer is idle: poll it until it has no more.
    Wake(OutId),
    /// The stream may be read again.
    Resume(InId),
    /// Send this loss to every peer.
    Announce {
        /// Its number in this life of the stream manager.
        number: u64,
        /// What was lost.
        scope: LossScope,
    },
    /// Send this loss to a local instance.
    TellInstance {
        /// Its task.
        task: TaskId,
        /// What was lost.
        scope: LossScope,
    },
    /// Tell a local instance to work off what it was sent, because it is about to be replaced.
    Drain {
        /// Its task.
        task: TaskId,
        /// Data frames that were handed out since its link came up.
        frames: u64,
    },
    /// Frames for this task were discarded, for the log; the loss is announced besides.
    Discarded {
        /// The task that they were for.
        dest: TaskId,
        /// Why the last of them was discarded.
        why: Discard,
        /// How many since the last such effect.
        frames: u64,
    },
}

/// Why a frame that breaks no rule was discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Discard {
    /// It was made under another plan's tasks or groupings.
    Epoch,
    /// It was made by an earlier life of its source.
    Incarnation,
    /// Its destination now lives elsewhere.
    Moved,
}

impl Discard {
    /// All reasons, for metrics.
    pub const ALL: [Discard; 3] = [Discard::Epoch, Discard::Incarnation, Discard::Moved];

    /// The reason in a word.
    pub fn name(self) -> &'static str {
        match self {
            Discard::Epoch => "epoch",
            Discard::Incarnation => "incarnation",
            Discard::Moved => "moved",
        }
    }
}
