//! What has passed, for status and metrics.

use crate::effect::Discard;
use egret_topology::id::TaskId;
use egret_wire::header::Header;

/// Frames of one kind in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames.
    pub frames: u64,
    /// Tuples, or ack entries.
    pub entries: u64,
    /// Bytes, headers included.
    pub bytes: u64,
}

impl Counts {
    #[inline]
    pub(crate) fn add(&mut self, header: &Header) {
        self.frames += 1;
        self.entries += u64::from(header.count);
        self.bytes += header.frame_len() as u64;
    }
}

/// Where an edge is measured: one end is a task, the other all tasks of a component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EdgeEnd {
    /// Whether the task sends. Else it receives.
    pub sends: bool,
    /// The task.
    pub task: TaskId,
    /// The source's component.
    pub from: String,
    /// The stream.
    pub stream: String,
    /// The destination's component.
    pub to: String,
}

/// What has passed over a link in all its lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Data, end marks and flushes that arrived.
    pub data_in: Counts,
    /// Data, end marks and flushes that were handed out.
    pub data_out: Counts,
    /// Acks that arrived.
    pub ack_in: Counts,
    /// Acks that were handed out.
    pub ack_out: Counts,
    /// How often the link came up.
    pub ups: u64,
}

impl LinkCounts {
    /// Data frames handed out, and frames of all kinds that arrived.
    pub(crate) fn passed(&self) -> (u64, u64) {
        (self.data_out.frames, self.data_in.frames + self.ack_in.frames)
    }
}

/// What happened to the frames for one task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// Nanoseconds for which a stream on the way to the task stood still with bytes waiting.
    pub stalled_ns: u64,
    /// Frames for the task that were discarded.
    pub discarded: u64,
}

/// Frames discarded, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discards([u64; Discard::ALL.len()]);

impl Discards {
    /// How many frames were discarded for this reason.
    pub fn of(&self, why: Discard) -> u64 {
        self.0[why as usize]
    }

    /// How many were discarded in all.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(crate) fn add(&mut self, why: Discard) {
        self.0[why as usize] += 1;
    }
}
