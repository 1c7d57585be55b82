//! The first bytes of every unidirectional stream: what it is for (protocol section 4).

use crate::Malformed;
use egret_topology::id::TaskId;

/// Bytes of an encoded preamble.
pub const PREAMBLE: usize = 12;

/// What travels on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Data, end marks and flushes.
    Data,
    /// Acks on their way to a spout.
    Ack,
}

/// What a stream is for.
///
/// Between stream managers a stream serves one destination task (`source` is `None`); between a
/// stream manager and an instance it serves one (source, destination) pair for data, one
/// destination for acks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    /// What travels on it.
    pub class: Class,
    /// The only source task whose frames it carries, or any.
    pub source: Option<TaskId>,
    /// The task that its frames are for.
    pub dest: TaskId,
}

impl StreamKey {
    /// The preamble's bytes.
    pub fn encode(&self) -> [u8; PREAMBLE] {
        let mut out = [0; PREAMBLE];
        out[0] = match self.class {
            Class::Data => 1,
            Class::Ack => 2,
        };
        out[1] = u8::from(self.source.is_some());
        out[4..8].copy_from_slice(&self.source.unwrap_or_default().0.to_le_bytes());
        out[8..12].copy_from_slice(&self.dest.0.to_le_bytes());
        out
    }

    /// Reads a preamble.
    pub fn decode(bytes: &[u8; PREAMBLE]) -> Result<StreamKey, Malformed> {
        let class = match bytes[0] {
            1 => Class::Data,
            2 => Class::Ack,
            other => return Err(Malformed::Unknown { what: "stream class", got: other.into() }),
        };
        let task = |at: usize| {
            TaskId(u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
        };
        let source = match bytes[1] {
            0 => None,
            1 => Some(task(4)),
            other => return Err(Malformed::Unknown { what: "stream flag", got: other.into() }),
        };
        Ok(StreamKey { class, source, dest: task(8) })
    }
}
