//! Ack frames: what became of tuples, on the way back to their roots' task (protocol section 6).
//!
//! ```text
//! header | varint incarnation of the roots | entry, entry, ...
//! entry  = varint zigzag(seq - last seq) << 2 | op, then for
//!          op 0, ack: 8 bytes XOR of edge ids
//!          op 1, fail: varint length, cause
//!          op 2, reset: nothing
//!          op 3, run: varint source, varint its incarnation, varint counter of the first tuple,
//!                varint (tuples - 1) << 1 | spread, if spread then for each tuple but the first
//!                varint zigzag(seq - last seq - 1)
//! ```

use crate::{
    Malformed,
    edge_id::EdgeIds,
    header::{HEADER, Header},
    limits, varint,
};
use bytes::Bytes;
use egret_topology::id::{Incarnation, TaskId};

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

/// Where tuples came from that are acked in runs: one life of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    /// The task that sent them.
    pub source: TaskId,
    /// Its life.
    pub incarnation: Incarnation,
    /// Their ids.
    pub ids: EdgeIds,
}

/// Tuples that a run saves bytes for: it names its lane, and a plain ack takes 9 bytes.
const SHORTEST_RUN: u16 = 3;

/// Tuples of one lane that follow each other, each a leaf with one root.
#[derive(Debug)]
struct Run {
    lane: Lane,
    counter: u64,
    first: u64,
    last: u64,
    count: u16,
    /// Differences of the numbers, empty as long as each is one more than the one before.
    spread: Vec<u8>,
}

/// An ack frame in the making.
#[derive(Debug)]
pub struct AckWriter {
    buf: Vec<u8>,
    last: u64,
    count: u16,
    run: Option<Run>,
}

impl AckWriter {
    /// An empty frame for roots of this incarnation.
    pub fn new(incarnation: Incarnation) -> AckWriter {
        let mut buf = vec![0; HEADER];
        varint::put(&mut buf, incarnation.0);
        AckWriter { buf, last: 0, count: 0, run: None }
    }

    /// Appends an entry. A cause longer than the limit is cut.
    #[inline]
    pub fn push(&mut self, seq: u64, verdict: Verdict<'_>) {
        self.end_run();
        self.put(seq, verdict);
        self.count += 1;
    }

    /// Acks the `counter`th tuple of a lane, from which nothing has grown and whose only root is
    /// `seq`, if it follows the tuple that was acked so before and is of another root. Several acks
    /// of one root are merged rather than told one by one.
    #[inline]
    pub fn extend_run(&mut self, lane: &Lane, counter: u64, seq: u64) -> bool {
        let Some(run) = &mut self.run else { return false };
        if counter != run.counter.wrapping_add(run.count.into())
            || seq == run.last
            || run.lane != *lane
        {
            return false;
        }
        let step = seq.wrapping_sub(run.last).wrapping_sub(1);
        if step != 0 || !run.spread.is_empty() {
            run.spread_to(step);
        }
        run.last = seq;
        run.count += 1;
        self.count += 1;
        true
    }

    /// As [`AckWriter::extend_run`], for the first tuple of a run.
    pub fn begin_run(&mut self, lane: &Lane, counter: u64, seq: u64) {
        self.end_run();
        let spread = Vec::new();
        self.run = Some(Run { lane: *lane, counter, first: seq, last: seq, count: 1, spread });
        self.count += 1;
    }

    /// The root that was last acked in the run that goes on.
    pub fn run_ends_with(&self) -> Option<u64> {
        self.run.as_ref().map(|run| run.last)
    }

    fn end_run(&mut self) {
        let Some(run) = self.run.take() else { return };
        if run.count < SHORTEST_RUN {
            self.put(run.first, Verdict::Ack(run.lane.ids.id(run.counter)));
            if run.count == 2 {
                let id = run.lane.ids.id(run.counter.wrapping_add(1));
                self.put(run.last, Verdict::Ack(id));
            }
            return;
        }
        varint::put(&mut self.buf, delta(run.first, self.last) | 3);
        varint::put(&mut self.buf, run.lane.source.0.into());
        varint::put(&mut self.buf, run.lane.incarnation.0);
        varint::put(&mut self.buf, run.counter);
        let spread = u64::from(!run.spread.is_empty());
        varint::put(&mut self.buf, u64::from(run.count - 1) << 1 | spread);
        self.buf.extend_from_slice(&run.spread);
        self.last = run.last;
    }

    fn put(&mut self, seq: u64, verdict: Verdict<'_>) {
        let delta = delta(seq, self.last);
        self.last = seq;
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

    /// Roots named so far.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Whether the frame should be closed.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.buf.len() >= limits::FRAME_TARGET || self.count >= limits::MAX_ACKS
    }

    /// The frame's bytes; `header` gets what the frame knows of itself.
    pub fn finish(mut self, mut header: Header) -> Bytes {
        self.end_run();
        header.len = (self.buf.len() - HEADER) as u32;
        header.count = self.count;
        self.buf[..HEADER].copy_from_slice(&header.encode());
        Bytes::from(self.buf)
    }
}

impl Run {
    /// The next number is not one more than the last one, or one before was not.
    #[inline]
    fn spread_to(&mut self, step: u64) {
        if self.spread.is_empty() {
            self.spread.resize(usize::from(self.count) - 1, 0);
        }
        varint::put(&mut self.spread, varint::zigzag(step as i64));
    }
}

/// A difference that would not leave room for the op cannot come from a 62-bit sequence.
fn delta(seq: u64, last: u64) -> u64 {
    varint::zigzag(seq.wrapping_sub(last) as i64) << 2
}

/// The entries of an ack frame, in order; a run is as many as it has tuples.
#[derive(Debug)]
pub struct AckReader<'a> {
    /// The incarnation whose roots the entries are about.
    pub incarnation: Incarnation,
    /// The task that acks: where the tuples of all runs went.
    acker: TaskId,
    edge_key: u64,
    entries: &'a [u8],
    last: u64,
    left: u16,
    run: Option<Rest>,
}

/// What is left of a run.
#[derive(Debug)]
struct Rest {
    ids: EdgeIds,
    counter: u64,
    left: u16,
    spread: bool,
}

impl<'a> AckReader<'a> {
    /// Reads the start of the payload. `edge_key` is the plan's, from which ids follow.
    pub fn new(
        header: &Header,
        mut payload: &'a [u8],
        edge_key: u64,
    ) -> Result<AckReader<'a>, Malformed> {
        let incarnation = Incarnation(varint::take(&mut payload)?);
        let (acker, left) = (header.source, header.count);
        Ok(AckReader { incarnation, acker, edge_key, entries: payload, last: 0, left, run: None })
    }

    /// The next entry.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "it can fail, and may lend")]
    pub fn next(&mut self) -> Result<Option<(u64, Verdict<'a>)>, Malformed> {
        if let Some(run) = &mut self.run
            && run.left > 0
        {
            let step =
                if run.spread { varint::unzigzag(varint::take(&mut self.entries)?) } else { 0 };
            self.last = self.last.wrapping_add(1).wrapping_add(step as u64);
            run.left -= 1;
            run.counter = run.counter.wrapping_add(1);
            return Ok(Some((self.last, Verdict::Ack(run.ids.id(run.counter)))));
        }
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
            1 => Verdict::Fail(self.cause()?),
            2 => Verdict::Reset,
            _ => Verdict::Ack(self.begin_run()?),
        };
        Ok(Some((self.last, verdict)))
    }

    fn cause(&mut self) -> Result<&'a str, Malformed> {
        let len = varint::take(&mut self.entries)?;
        if len > limits::MAX_CAUSE as u64 {
            let limit = limits::MAX_CAUSE as u64;
            return Err(Malformed::Limit { what: "a cause", got: len, limit });
        }
        let (cause, rest) =
            self.entries.split_at_checked(len as usize).ok_or(Malformed::Truncated("a cause"))?;
        self.entries = rest;
        std::str::from_utf8(cause).map_err(|_| Malformed::NotUtf8)
    }

    /// Reads what a run says of itself; returns the id of its first tuple.
    fn begin_run(&mut self) -> Result<u64, Malformed> {
        let source = varint::take(&mut self.entries)?;
        let source =
            u32::try_from(source).map_err(|_| Malformed::Unknown { what: "task", got: source })?;
        let incarnation = Incarnation(varint::take(&mut self.entries)?);
        let counter = varint::take(&mut self.entries)?;
        let more = varint::take(&mut self.entries)?;
        let left = u16::try_from(more >> 1).ok().filter(|left| *left <= self.left).ok_or(
            Malformed::Limit { what: "a run", got: (more >> 1) + 1, limit: self.left.into() },
        )?;
        self.left -= left;
        let ids = EdgeIds::new(self.edge_key, TaskId(source), incarnation, self.acker);
        self.run = Some(Rest { ids, counter, left, spread: more & 1 == 1 });
        Ok(ids.id(counter))
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

    fn lane() -> Lane {
        let (source, incarnation) = (TaskId(300), Incarnation(1 << 50));
        Lane { source, incarnation, ids: EdgeIds::new(7, source, incarnation, TaskId(1)) }
    }

    fn read(bytes: &Bytes) -> Vec<(u64, Verdict<'_>)> {
        let head = Header::decode(bytes[..HEADER].try_into().unwrap()).unwrap();
        let mut reader = AckReader::new(&head, &bytes[HEADER..], 7).unwrap();
        assert_eq!(reader.incarnation, Incarnation(77));
        std::iter::from_fn(|| reader.next().unwrap()).collect()
    }

    proptest! {
        #[test]
        fn entries_come_back(
            entries in prop::collection::vec(
                (0u64..1 << 60, 0u8..8, any::<u64>(), ".{0,40}"),
                0..50,
            )
        ) {
            let mut writer = AckWriter::new(Incarnation(77));
            let mut pushed = Vec::new();
            let (mut seq, mut counter) = (0, 0);
            for (random, op, xor, cause) in &entries {
                counter += u64::from(*op == 7);
                let verdict = match op {
                    0 => Verdict::Ack(*xor),
                    1 => Verdict::Fail(cause),
                    2 => Verdict::Reset,
                    _ => Verdict::Ack(lane().ids.id(counter)),
                };
                // Leaves: mostly neighbours, some of other roots, some after a gap of the lane.
                seq = if *op > 3 { seq + 1 + random % 2 } else { *random };
                if *op < 3 {
                    writer.push(seq, verdict);
                } else {
                    if !writer.extend_run(&lane(), counter, seq) {
                        writer.begin_run(&lane(), counter, seq);
                    }
                    counter += 1;
                }
                pushed.push((seq, verdict));
            }
            prop_assert_eq!(usize::from(writer.count()), pushed.len());
            let bytes = writer.finish(header());
            prop_assert_eq!(read(&bytes), pushed);
        }

        #[test]
        fn any_bytes_read_without_panic(payload: Vec<u8>, count: u16) {
            let mut head = header();
            head.count = count;
            if let Ok(mut reader) = AckReader::new(&head, &payload, 7) {
                while let Ok(Some(_)) = reader.next() {}
            }
        }
    }

    #[test]
    fn leaves_of_neighbouring_roots_take_no_bytes_each() {
        let mut writer = AckWriter::new(Incarnation(77));
        writer.begin_run(&lane(), 5, 1000);
        let more = (1..1000).all(|n| writer.extend_run(&lane(), 5 + n, 1000 + n));
        assert!(more && !writer.extend_run(&lane(), 1005, 1999), "the same root once more");
        let bytes = writer.finish(header());
        assert!(bytes.len() < HEADER + 20, "{} bytes", bytes.len());
        let ids = (0..1000).map(|n| (1000 + n, Verdict::Ack(lane().ids.id(5 + n))));
        assert_eq!(read(&bytes), ids.collect::<Vec<_>>());
    }

    #[test]
    fn a_run_of_more_tuples_than_the_frame_has_is_malformed() {
        let mut writer = AckWriter::new(Incarnation(77));
        writer.begin_run(&lane(), 0, 1);
        assert!((1..10).all(|n| writer.extend_run(&lane(), n, 1 + n)));
        let bytes = writer.finish(header());
        let mut head = Header::decode(bytes[..HEADER].try_into().unwrap()).unwrap();
        head.count = 9;
        let mut reader = AckReader::new(&head, &bytes[HEADER..], 7).unwrap();
        let limit = Malformed::Limit { what: "a run", got: 10, limit: 8 };
        assert_eq!(reader.next(), Err(limit));
    }

    #[test]
    fn a_long_cause_is_cut_at_a_character() {
        let mut writer = AckWriter::new(Incarnation(1));
        writer.push(1, Verdict::Fail(&"ä".repeat(limits::MAX_CAUSE)));
        let bytes = writer.finish(header());
        let head = Header::decode(bytes[..HEADER].try_into().unwrap()).unwrap();
        let mut reader = AckReader::new(&head, &bytes[HEADER..], 7).unwrap();
        let Some((1, Verdict::Fail(cause))) = reader.next().unwrap() else { panic!() };
        assert_eq!(cause.len(), limits::MAX_CAUSE);
    }
}
