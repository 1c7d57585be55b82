//! The fixed header of every frame: all that a stream manager reads (protocol section 3).

use crate::{Malformed, limits, version::Versions};
use egret_topology::id::{Epoch, Incarnation, TaskId};

/// Bytes of an encoded header.
pub const HEADER: usize = 48;

const MAGIC: [u8; 2] = *b"Eg";

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Tuples.
    Data = 0,
    /// Acks, fails and resets for the roots of the destination task.
    Ack = 1,
    /// The source has ended: no data follows unless it starts over.
    End = 2,
    /// Write and acknowledge what is held back, then pass this on.
    Flush = 3,
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame carries.
    pub kind: Kind,
    /// Length of the payload that follows.
    pub len: u32,
    /// Epoch of the plan under which the frame was made.
    pub epoch: Epoch,
    /// The task that made it.
    pub source: TaskId,
    /// The task it is for.
    pub dest: TaskId,
    /// Data: index of the source's stream.
    pub stream: u16,
    /// Data: tuples; acks: entries.
    pub count: u16,
    /// The life of `source` that made it.
    pub incarnation: Incarnation,
    /// Data: counter of its first tuple on the lane (source incarnation, dest).
    /// Acks: number of the ack frame on that lane. Flush: its number.
    pub base: u64,
    /// Data: bytes of the table of root sources at the payload's end.
    pub tail: u16,
    /// Data: fields of each tuple.
    pub arity: u16,
    /// Flush: the task that asked for it. End: the source once more. Zero elsewhere.
    pub origin: TaskId,
}

impl Header {
    /// A header of this kind between two tasks; the rest is zero.
    pub fn new(
        kind: Kind,
        epoch: Epoch,
        source: TaskId,
        incarnation: Incarnation,
        dest: TaskId,
    ) -> Header {
        Header {
            kind,
            len: 0,
            epoch,
            source,
            dest,
            stream: 0,
            count: 0,
            incarnation,
            base: 0,
            tail: 0,
            arity: 0,
            origin: TaskId(0),
        }
    }

    /// The header's bytes.
    pub fn encode(&self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        out[0..2].copy_from_slice(&MAGIC);
        out[2] = limits::VERSIONS.of_frames();
        out[3] = self.kind as u8;
        out[4..8].copy_from_slice(&self.len.to_le_bytes());
        out[8..12].copy_from_slice(&self.epoch.0.to_le_bytes());
        out[12..16].copy_from_slice(&self.source.0.to_le_bytes());
        out[16..20].copy_from_slice(&self.dest.0.to_le_bytes());
        out[20..22].copy_from_slice(&self.stream.to_le_bytes());
        out[22..24].copy_from_slice(&self.count.to_le_bytes());
        out[24..32].copy_from_slice(&self.incarnation.0.to_le_bytes());
        out[32..40].copy_from_slice(&self.base.to_le_bytes());
        out[40..42].copy_from_slice(&self.tail.to_le_bytes());
        out[42..44].copy_from_slice(&self.arity.to_le_bytes());
        out[44..48].copy_from_slice(&self.origin.0.to_le_bytes());
        out
    }

    /// Reads a header and checks all that can be checked without a plan.
    pub fn decode(bytes: &[u8; HEADER]) -> Result<Header, Malformed> {
        Header::decode_as(limits::VERSIONS, bytes)
    }

    /// The same as a build that speaks these versions.
    pub fn decode_as(versions: Versions, bytes: &[u8; HEADER]) -> Result<Header, Malformed> {
        if bytes[0..2] != MAGIC {
            return Err(Malformed::NotAFrame("wrong magic"));
        }
        if !versions.read(bytes[2]) {
            return Err(Malformed::Version { got: bytes[2], ours: versions });
        }
        let kind = match bytes[3] {
            0 => Kind::Data,
            1 => Kind::Ack,
            2 => Kind::End,
            3 => Kind::Flush,
            other => return Err(Malformed::Unknown { what: "frame kind", got: other.into() }),
        };
        let header = Header {
            kind,
            len: u32_at(bytes, 4),
            epoch: Epoch(u32_at(bytes, 8)),
            source: TaskId(u32_at(bytes, 12)),
            dest: TaskId(u32_at(bytes, 16)),
            stream: u16_at(bytes, 20),
            count: u16_at(bytes, 22),
            incarnation: Incarnation(u64_at(bytes, 24)),
            base: u64_at(bytes, 32),
            tail: u16_at(bytes, 40),
            arity: u16_at(bytes, 42),
            origin: TaskId(u32_at(bytes, 44)),
        };
        let len = header.len as usize;
        if len > limits::MAX_PAYLOAD {
            let limit = limits::MAX_PAYLOAD as u64;
            return Err(Malformed::Limit { what: "a payload", got: len as u64, limit });
        }
        if usize::from(header.tail) > len {
            return Err(Malformed::Truncated("the table of root sources"));
        }
        if usize::from(header.arity) > limits::MAX_FIELDS {
            let limit = limits::MAX_FIELDS as u64;
            return Err(Malformed::Limit { what: "fields", got: header.arity.into(), limit });
        }
        if header.base.checked_add(header.count.into()).is_none() {
            return Err(Malformed::NotAFrame("its tuples outnumber their counter"));
        }
        if matches!(kind, Kind::End | Kind::Flush) && len != 0 {
            return Err(Malformed::NotAFrame("a mark with a payload"));
        }
        Ok(header)
    }

    /// Length of the whole frame.
    pub fn frame_len(&self) -> usize {
        HEADER + self.len as usize
    }
}

fn u16_at(bytes: &[u8; HEADER], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8; HEADER], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8; HEADER], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | (u64::from(u32_at(bytes, at + 4)) << 32)
}
