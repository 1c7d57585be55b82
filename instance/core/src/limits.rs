//! Limits of an instance, each with its reason.

use egret_wire::limits::{FRAME_TARGET, MAX_PAYLOAD, MAX_TUPLE};

/// Bytes that wait in an instance for one destination task before an emit to it waits. Two frames
/// in the making and some on the wire; more only adds latency.
pub const LANE_BYTES: usize = 128 << 10;

/// Bytes for one destination above which a task rests before its next call. An emit that waits for
/// its lane stays below: it lets in the tuple in hand, however large, behind an open frame. So this
/// holds back only whoever cannot wait, and a large tuple for a slow task does not stop the way to
/// the others.
pub const OVERFULL_BYTES: usize = 4 * LANE_BYTES;

/// Bytes of input that wait for the user's thread before the gateway stops reading. Holds at least
/// one frame of any size, and enough small ones that the thread never starves between two reads.
pub const INBOX_BYTES: usize = 1 << 20;

/// An open frame is closed after this long even if the task stays busy.
pub const FLUSH_AFTER_NS: u64 = 1_000_000;

/// The same while more than half of `maxPending` is on its way: what is acked of that makes room
/// for more in the same frames, and nothing is won by sending a few tuples to each of many tasks.
pub const FLUSH_FULL_AFTER_NS: u64 = 5_000_000;

/// A spout whose next tuple is due this soon keeps its open frames for it, and for no longer: as
/// long as a thread sleeps at least.
pub const SOON_NS: u64 = 50_000;

/// Tuples after which a shuffled frame is closed, so that a burst is shared out among tasks.
pub const SHUFFLE_TUPLES: u32 = 64;

/// Pause between flushes that a task sends downstream while its trees are pending, at first and at
/// most.
pub const FLUSH_EVERY_NS: (u64, u64) = (50_000_000, 1_000_000_000);

/// Pause before an idle spout is asked again, at first and at most.
pub const IDLE_NS: (u64, u64) = (1_000_000, 50_000_000);

/// How long a timed-out root waits for somebody to say who holds it.
pub const HOLDER_WAIT_NS: u64 = 250_000_000;

/// How long a holder is told after the root that it held has timed out.
pub const HOLDER_TOLD_NS: u64 = 60_000_000_000;

/// Roots for which holders are asked at a time; the others are reported without.
pub const MAX_HOLDER_QUESTIONS: usize = 8;

/// How long a task that is never idle may keep its counts and positions to itself: far less than
/// the time between two reports.
pub const PUBLISH_NS: u64 = 100_000_000;

/// How often a spout is asked where it stands in its input.
pub const SHOW_POSITION_NS: u64 = 500_000_000;

/// Bytes of what it answers that are kept: a line for people, which travels with every report.
pub const POSITION_TEXT: usize = 200;

/// How long a frame of a later epoch waits for the plan that it was made under, which comes by
/// another stream of the same link: far longer than that takes, and short enough for one that
/// nobody should have made.
pub const PLAN_WAIT_NS: u64 = 1_000_000_000;

/// Splits of one component whose positions are kept.
pub const MAX_SPLITS: usize = 1 << 20;

/// Steps of traced tuples that wait to be told; more are dropped and counted. They are told twice a
/// second, and each takes about two hundred bytes.
pub const MAX_SPANS: usize = 4096;

/// Roots of a spout task whose failures are counted at a time, each with the last cause: ten
/// megabytes at most. Others are tried on until there is room, as without a limit.
pub const MAX_TRIED: usize = 16 << 10;

/// Text of an error in a span: as much as travels with a fail.
pub const ERROR_TEXT: usize = egret_wire::limits::MAX_CAUSE;

const _: () = assert!(LANE_BYTES >= 2 * FRAME_TARGET);
const _: () = assert!(OVERFULL_BYTES > LANE_BYTES + FRAME_TARGET + MAX_TUPLE);
const _: () = assert!(INBOX_BYTES >= MAX_PAYLOAD);
