//! Limits of everything on the wire, each with its reason.

use crate::version::Versions;

/// Versions of the protocol that this build speaks; two ends agree on one in the handshake. Its
/// neighbours speak one of them too.
pub const VERSIONS: Versions = Versions::new(1, 1);

// With more than two, a build might not read what another one makes that it has a link with.
const _: () = assert!(VERSIONS.newest() - VERSIONS.oldest() <= 1);

/// Payload of a frame. Bounds what a receiver must hold to cut a frame out of a stream.
pub const MAX_PAYLOAD: usize = 1 << 20;

/// One encoded tuple with its roots. A larger one is an error at the emit, so that it reaches the
/// code that made it; far below the payload limit, so that any tuple fits a frame.
pub const MAX_TUPLE: usize = 256 << 10;

/// Payload at which an emitter closes a frame. Writes of 512 bytes are 4 to 15 times slower than
/// large ones on every transport; beyond 32 KiB nothing more is gained and latency is lost.
pub const FRAME_TARGET: usize = 32 << 10;

/// Tuples of one frame (its count is 16 bits).
pub const MAX_TUPLES: usize = u16::MAX as usize;

/// Roots that one frame acks. Runs take hardly any bytes, and a spout at `maxPending` waits for
/// acks.
pub const MAX_ACKS: u16 = 2048;

/// Roots of one tuple: the anchors of one emit.
pub const MAX_ROOTS: usize = 1024;

/// Distinct (spout task, incarnation) pairs among the roots of one frame: as many as a tuple has
/// roots, so that a tuple that joins any of them fits a frame.
pub const MAX_ROOT_SOURCES: usize = MAX_ROOTS;

/// Fields of a tuple.
pub const MAX_FIELDS: usize = 1024;

/// Lists and maps may nest this deep; decoding recurses.
pub const MAX_DEPTH: usize = 16;

/// Text of a failure that travels with a fail.
pub const MAX_CAUSE: usize = 512;

/// A control message. A plan of 2,000 tasks is below 1 MiB.
pub const MAX_CONTROL: usize = 8 << 20;

// A plan with all positions fits one control message.
const _: () = assert!(egret_topology::limits::MAX_POSITIONS + (1 << 20) < MAX_CONTROL);
// A tuple, its roots and a full table of root sources fit one frame.
const _: () = assert!(MAX_TUPLE + FRAME_TARGET + MAX_ROOT_SOURCES * 20 < MAX_PAYLOAD);
const _: () = assert!(FRAME_TARGET < MAX_PAYLOAD / 2);
// The length of a full table of root sources fits its 16 bits.
const _: () = assert!(MAX_ROOT_SOURCES * 15 <= u16::MAX as usize);
