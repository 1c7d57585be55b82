//! Ack frames: what became of tuples, on the way back to their roots' task (protocol section 6).
//!
//! ```text
//! header | varint incarnation of the roots | entry, entry, ...
//! entry  = varint zigzag(seq - last seq) << 2 | op, then for
//!          op 0, ack: 8 bytes XOR of edge ids
//!          op 1, fail: varint length, cause
//!          op 2, reset: nothing
//! ```

use crate::{
    Malformed,
    header::{HEADER, Header},
    limits, varint,
};
use bytes::Bytes;
use egret_topology::id::Incarnation;

/// What an entry says of its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// XOR of the ids of edges that were acked and that were added.
    Ack(u64),
    /// A tuple of the tree failed, and why.
    Fail(&'a str),
    /// Someone still works on it: start its timeout anew.
    Reset,
}

/// An ack frame in the making.
#[derive(Debug)]
pub struct AckWriter {
    buf: Vec<u8>,
    last: u64,
    count: u16,
}

impl AckWriter {
    /// An empty frame for roots of this incarnation.
    pub fn new(incarnation: Incarnation) -> AckWriter {
        let mut buf = vec![0; HEADER];
        varint::put(&mut buf, incarnation.0);
        AckWriter { buf, last: 0, count: 0 }
    }

    /// Appends an entry. A cause longer than the limit is cut.
    #[inline]
    pub fn push(&mut self, seq: u64, verdict: Verdict<'_>) {
        // A delta that would not leave room for the op cannot come from a 62-bit sequence.
        let delta = varint::zigzag(seq.wrapping_sub(self.last) as i64) << 2;
        self.last = seq;
        self.count += 1;
        match verdict {
            Verdict::Ack(xor) => {
                varint::put(&mut self.buf, delta);
                self.buf.extend_from_slice(&xor.to_le_bytes());
            }
            Verdict::Fail(cause) => {
                varint::put(&mut self.buf, delta | 1);
                let cut = cause.floor_char_boundary(limits::MAX_CAUSE.min(cause.len()));
                varint::put(&mut self.buf, cut as u64);
                self.buf.extend_from_slice(&cause.as_bytes()[..cut]);
            }
            Verdict::Reset => varint::put(&mut self.buf, delta | 2),
        }
    }

    /// Entries so far.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Whether the frame should be closed.
    pub fn is_full(&self) -> bool {
        self.buf.len() >= limits::FRAME_TARGET || usize::from(self.count) >= limits::MAX_TUPLES
    }

    /// The frame's bytes; `header` gets what the frame knows of itself.
    pub fn finish(mut self, mut header: Header) -> Bytes {
        header.len = (self.buf.len() - HEADER) as u32;
        header.count = self.count;
        self.buf[..HEADER].copy_from_slice(&header.encode());
        Bytes::from(self.buf)
    }
}

/// The entries of an ack frame, in order.
#[derive(Debug)]
pub struct AckReader<'a> {
    /// The incarnation whose roots the entries are about.
    pub incarnation: Incarnation,
    entries: &'a [u8],
    last: u64,
    left: u16,
}

impl<'a> AckReader<'a> {
    /// Reads the start of the payload.
    pub fn new(header: &Header, mut payload: &'a [u8]) -> Result<AckReader<'a>, Malformed> {
        let incarnation = Incarnation(varint::take(&mut payload)?);
        Ok(AckReader { incarnation, entries: payload, last: 0, left: header.count })
    }

    /// The next entry.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "it can fail, and may lend")]
    pub fn next(&mut self) -> Result<Option<(u64, Verdict<'a>)>, Malformed> {
        if self.left == 0 {
            return if self.entries.is_empty() {
                Ok(None)
            } else {
                Err(Malformed::NotAFrame("bytes behind the last ack"))
            };
        }
        self.left -= 1;
        let first = varint::take(&mut self.entries)?;
        self.last = self.last.wrapping_add(varint::unzigzag(first >> 2) as u64);
        let verdict = match first & 3 {
            0 => {
                let (xor, rest) =
                    self.entries.split_first_chunk::<8>().ok_or(Malformed::Truncated("an ack"))?;
                self.entries = rest;
                Verdict::Ack(u64::from_le_bytes(*xor))
            }
            1 => {
                let len = varint::take(&mut self.entries)?;
                if len > limits::MAX_CAUSE as u64 {
                    let limit = limits::MAX_CAUSE as u64;
                    return Err(Malformed::Limit { what: "a cause", got: len, limit });
                }
                let (cause, rest) = self
                    .entries
                    .split_at_checked(len as usize)
                    .ok_or(Malformed::Truncated("a cause"))?;
                self.entries = rest;
                Verdict::Fail(std::str::from_utf8(cause).map_err(|_| Malformed::NotUtf8)?)
            }
            2 => Verdict::Reset,
            other => return Err(Malformed::Unknown { what: "ack op", got: other }),
        };
        Ok(Some((self.last, verdict)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Kind;
    use egret_topology::id::{Epoch, TaskId};
    use proptest::prelude::*;

    fn header() -> Header {
        Header::new(Kind::Ack, Epoch(1), TaskId(1), Incarnation(2), TaskId(3))
    }

    proptest! {
        #[test]
        fn entries_come_back(
            entries in prop::collection::vec(
                (0u64..1 << 60, 0u8..3, any::<u64>(), ".{0,40}"),
                0..50,
            )
        ) {
            let verdict = |(_, op, xor, cause): &(u64, u8, u64, String)| match op {
                0 => Verdict::Ack(*xor),
                1 => Verdict::Fail(Box::leak(cause.clone().into_boxed_str())),
                _ => Verdict::Reset,
            };
            let mut writer = AckWriter::new(Incarnation(77));
            for entry in &entries {
                writer.push(entry.0, verdict(entry));
            }
            let bytes = writer.finish(header());
            let head = Header::decode(bytes[..HEADER].try_into().unwrap()).unwrap();
            let mut reader = AckReader::new(&head, &bytes[HEADER..]).unwrap();
            prop_assert_eq!(reader.incarnation, Incarnation(77));
            for entry in &entries {
                prop_assert_eq!(reader.next().unwrap(), Some((entry.0, verdict(entry))));
            }
            prop_assert_eq!(reader.next().unwrap(), None);
        }

        #[test]
        fn any_bytes_read_without_panic(payload: Vec<u8>, count: u16) {
            let mut head = header();
            head.count = count;
            if let Ok(mut reader) = AckReader::new(&head, &payload) {
                while let Ok(Some(_)) = reader.next() {}
            }
        }
    }

    #[test]
    fn a_long_cause_is_cut_at_a_character() {
        let mut writer = AckWriter::new(Incarnation(1));
        writer.push(1, Verdict::Fail(&"ä".repeat(limits::MAX_CAUSE)));
        let bytes = writer.finish(header());
        let head = Header::decode(bytes[..HEADER].try_into().unwrap()).unwrap();
        let mut reader = AckReader::new(&head, &bytes[HEADER..]).unwrap();
        let Some((1, Verdict::Fail(cause))) = reader.next().unwrap() else { panic!() };
        assert_eq!(cause.len(), limits::MAX_CAUSE);
    }
}
