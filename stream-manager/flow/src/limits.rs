//! Limits of the flow, each with its reason.

use egret_wire::limits::{FRAME_TARGET, MAX_PAYLOAD};

/// Limits that a stream manager may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes queued from one incoming stream above which it is no longer read; it is read again at
    /// half.
    ///
    /// Eight full frames: enough that a writer never starves between two wakes, little enough that
    /// the queues of all streams of a pod stay a modest, predictable amount of memory.
    pub stream_bytes: usize,
    /// How long a task may be away before what was on its way to it counts as lost.
    ///
    /// A killed instance is back within a second; waiting longer than a silent link takes to be
    /// noticed would leave trees pending that nobody works on.
    pub away_ns: u64,
    /// At most one loss per destination is announced in this time for frames that are discarded.
    ///
    /// A late sender can have thousands of frames under way; one announcement covers them all.
    pub discard_ns: u64,
}

/// What a source may send before another source of the same stream has its turn.
///
/// One full frame: smaller only costs more rounds, since frames are never cut.
pub const QUANTUM: usize = FRAME_TARGET;

impl Default for Limits {
    fn default() -> Limits {
        Limits { stream_bytes: 256 << 10, away_ns: 3_000_000_000, discard_ns: 50_000_000 }
    }
}

// The largest frame has its turn after a bounded number of rounds.
const _: () = assert!(MAX_PAYLOAD / QUANTUM <= 64);
