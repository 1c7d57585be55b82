//! Data frames: tuples with their roots and values (protocol section 5).
//!
//! ```text
//! header | record, record, ... | table of root sources (header.tail bytes)
//! record = roots, then header.arity values
//! roots  = varint zigzag(seq - last seq of the same source) << 1      one root, source as before
//!        | varint n << 1 | 1, then n times: varint source, varint zigzag(seq - its last seq)
//! table  = per source: varint spout task, varint incarnation
//! ```

use crate::{
    Malformed,
    header::{HEADER, Header},
    limits, value, varint,
};
use bytes::Bytes;
use egret_topology::id::{Incarnation, TaskId};
use smallvec::SmallVec;

/// A root: a tuple that a spout emitted, by the spout's task, its incarnation and a sequence
/// number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootId {
    /// The task that emitted it.
    pub task: TaskId,
    /// The life of that task.
    pub incarnation: Incarnation,
    /// Its number in that life, from 0.
    pub seq: u64,
}

/// The roots of one tuple; nearly always one.
pub type Roots = SmallVec<[RootId; 2]>;

#[derive(Clone, Copy, Debug)]
struct Source {
    task: TaskId,
    incarnation: Incarnation,
    last: u64,
}

type Sources = SmallVec<[Source; 2]>;

/// Deltas up to this fit the short form with its flag bit.
const SHORT_DELTA: u64 = 1 << 62;

/// A data frame in the making.
#[derive(Debug)]
pub struct DataWriter {
    buf: Vec<u8>,
    sources: Sources,
    current: usize,
    count: u16,
}

impl DataWriter {
    /// An empty frame in a buffer of about this capacity.
    pub fn with_capacity(capacity: usize) -> DataWriter {
        let mut buf = Vec::with_capacity(capacity.max(HEADER));
        buf.resize(HEADER, 0);
        DataWriter { buf, sources: Sources::new(), current: 0, count: 0 }
    }

    /// Appends a tuple: its distinct roots and its encoded values.
    #[inline]
    pub fn push(&mut self, roots: &[RootId], values: &[u8]) {
        self.push_roots(roots);
        self.buf.extend_from_slice(values);
        self.count += 1;
    }

    #[inline]
    fn push_roots(&mut self, roots: &[RootId]) {
        if let [root] = roots
            && let Some(source) = self.sources.get_mut(self.current)
            && source.task == root.task
            && source.incarnation == root.incarnation
        {
            let delta = varint::zigzag(root.seq.wrapping_sub(source.last) as i64);
            if delta < SHORT_DELTA {
                source.last = root.seq;
                return varint::put(&mut self.buf, delta << 1);
            }
        }
        varint::put(&mut self.buf, (roots.len() as u64) << 1 | 1);
        for root in roots {
            let index = self.source(root);
            let source = &mut self.sources[index];
            let delta = varint::zigzag(root.seq.wrapping_sub(source.last) as i64);
            source.last = root.seq;
            self.current = index;
            varint::put(&mut self.buf, index as u64);
            varint::put(&mut self.buf, delta);
        }
    }

    fn source(&mut self, root: &RootId) -> usize {
        let known = |s: &Source| s.task == root.task && s.incarnation == root.incarnation;
        self.sources.iter().position(known).unwrap_or_else(|| {
            let RootId { task, incarnation, .. } = *root;
            self.sources.push(Source { task, incarnation, last: 0 });
            self.sources.len() - 1
        })
    }

    /// Tuples so far.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Payload bytes so far.
    pub fn payload_len(&self) -> usize {
        self.buf.len() - HEADER
    }

    /// Whether a tuple with these roots and values must go into another frame.
    pub fn is_full_for(&self, roots: &[RootId], values: &[u8]) -> bool {
        usize::from(self.count) >= limits::MAX_TUPLES
            || self.sources.len() + roots.len() > limits::MAX_ROOT_SOURCES
            || self.payload_len() + tuple_len(roots, values) + limits::MAX_ROOT_SOURCES * 20
                > limits::MAX_PAYLOAD
    }

    /// The frame's bytes; `header` gets what the frame knows of itself.
    pub fn finish(mut self, mut header: Header, arity: u16) -> Bytes {
        let records = self.buf.len();
        for source in &self.sources {
            varint::put(&mut self.buf, u64::from(source.task.0));
            varint::put(&mut self.buf, source.incarnation.0);
        }
        header.tail = (self.buf.len() - records) as u16;
        header.len = (self.buf.len() - HEADER) as u32;
        header.count = self.count;
        header.arity = arity;
        self.buf[..HEADER].copy_from_slice(&header.encode());
        Bytes::from(self.buf)
    }
}

/// An upper bound of what a tuple takes in a frame, to check against [`limits::MAX_TUPLE`].
pub fn tuple_len(roots: &[RootId], values: &[u8]) -> usize {
    10 + roots.len() * 20 + values.len()
}

/// The tuples of a data frame, in order.
#[derive(Debug)]
pub struct DataReader<'a> {
    records: &'a [u8],
    sources: Sources,
    current: usize,
    left: u16,
    arity: u16,
}

impl<'a> DataReader<'a> {
    /// Reads the table of root sources; `payload` is all that follows the header.
    pub fn new(header: &Header, payload: &'a [u8]) -> Result<DataReader<'a>, Malformed> {
        let at = payload.len().checked_sub(header.tail.into());
        let (records, mut table) = at
            .and_then(|at| payload.split_at_checked(at))
            .ok_or(Malformed::Truncated("the table of root sources"))?;
        let mut sources = Sources::new();
        while !table.is_empty() {
            if sources.len() == limits::MAX_ROOT_SOURCES {
                let limit = limits::MAX_ROOT_SOURCES as u64;
                return Err(Malformed::Limit { what: "root sources", got: limit + 1, limit });
            }
            let task = u32::try_from(varint::take(&mut table)?)
                .map_err(|_| Malformed::Unknown { what: "spout task", got: u64::MAX })?;
            let incarnation = Incarnation(varint::take(&mut table)?);
            sources.push(Source { task: TaskId(task), incarnation, last: 0 });
        }
        Ok(DataReader { records, sources, current: 0, left: header.count, arity: header.arity })
    }

    /// The tasks whose roots the tuples can carry.
    pub fn root_tasks(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.sources.iter().map(|source| source.task)
    }

    /// The next tuple: fills `roots`, fills `at` with the offset of each value, returns the values.
    #[inline]
    pub fn next(
        &mut self,
        roots: &mut Roots,
        at: &mut Vec<u32>,
    ) -> Result<Option<&'a [u8]>, Malformed> {
        if self.left == 0 {
            return if self.records.is_empty() {
                Ok(None)
            } else {
                Err(Malformed::NotAFrame("bytes behind the last tuple"))
            };
        }
        self.left -= 1;
        roots.clear();
        self.take_roots(roots)?;
        at.clear();
        let values = self.records;
        for _ in 0..self.arity {
            at.push((values.len() - self.records.len()) as u32);
            value::skip(&mut self.records)?;
        }
        Ok(Some(&values[..values.len() - self.records.len()]))
    }

    #[inline]
    fn take_roots(&mut self, roots: &mut Roots) -> Result<(), Malformed> {
        let first = varint::take(&mut self.records)?;
        if first & 1 == 0 {
            let index = self.current;
            roots.push(self.root(index, first >> 1)?);
            return Ok(());
        }
        let n = first >> 1;
        if n > limits::MAX_ROOTS as u64 {
            let limit = limits::MAX_ROOTS as u64;
            return Err(Malformed::Limit { what: "roots of a tuple", got: n, limit });
        }
        for _ in 0..n {
            let index = varint::take(&mut self.records)? as usize;
            let delta = varint::take(&mut self.records)?;
            roots.push(self.root(index, delta)?);
            self.current = index;
        }
        Ok(())
    }

    #[inline]
    fn root(&mut self, index: usize, delta: u64) -> Result<RootId, Malformed> {
        let source = self
            .sources
            .get_mut(index)
            .ok_or(Malformed::Unknown { what: "root source", got: index as u64 })?;
        source.last = source.last.wrapping_add(varint::unzigzag(delta) as u64);
        let Source { task, incarnation, last } = *source;
        Ok(RootId { task, incarnation, seq: last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Kind;
    use egret_topology::id::Epoch;
    use proptest::prelude::*;

    fn header() -> Header {
        Header::new(Kind::Data, Epoch(1), TaskId(1), Incarnation(2), TaskId(3))
    }

    fn root() -> impl Strategy<Value = RootId> {
        (0u32..3, 0u64..2, prop_oneof![0u64..1000, any::<u64>()]).prop_map(|(task, life, seq)| {
            RootId { task: TaskId(task), incarnation: Incarnation(life), seq }
        })
    }

    proptest! {
        #[test]
        fn tuples_come_back_with_their_roots(
            tuples in prop::collection::vec(
                (prop::collection::vec(root(), 0..4), ".{0,80}", any::<i64>()),
                0..50,
            )
        ) {
            let mut writer = DataWriter::with_capacity(64);
            for (roots, text, int) in &tuples {
                let mut values = Vec::new();
                value::put_str(&mut values, text);
                value::put_int(&mut values, *int);
                writer.push(roots, &values);
            }
            let bytes = writer.finish(header(), 2);
            let head = Header::decode(bytes[..HEADER].try_into().unwrap()).unwrap();
            prop_assert_eq!(head.frame_len(), bytes.len());
            let mut reader = DataReader::new(&head, &bytes[HEADER..]).unwrap();
            let (mut roots, mut at) = (Roots::new(), Vec::new());
            for (expected, text, int) in &tuples {
                let values = reader.next(&mut roots, &mut at).unwrap().unwrap();
                prop_assert_eq!(&roots[..], &expected[..]);
                let mut second = &values[at[1] as usize..];
                let first = value::take(&mut { values }).unwrap();
                prop_assert_eq!(first, value::ValueRef::String(text));
                prop_assert_eq!(value::take(&mut second).unwrap(), value::ValueRef::Int(*int));
            }
            prop_assert!(reader.next(&mut roots, &mut at).unwrap().is_none());
        }

        #[test]
        fn any_bytes_read_without_panic(
            payload: Vec<u8>, tail: u16, count: u16, arity in 0u16..20,
        ) {
            let mut head = header();
            (head.tail, head.count, head.arity) = (tail, count, arity);
            if let Ok(mut reader) = DataReader::new(&head, &payload) {
                let (mut roots, mut at) = (Roots::new(), Vec::new());
                while let Ok(Some(_)) = reader.next(&mut roots, &mut at) {}
            }
        }
    }

    #[test]
    fn a_tuple_of_the_same_spout_costs_one_byte_of_overhead() {
        let mut writer = DataWriter::with_capacity(64);
        let root = |seq| RootId { task: TaskId(9), incarnation: Incarnation(1 << 50), seq };
        writer.push(&[root(1 << 40)], b"");
        let before = writer.payload_len();
        writer.push(&[root((1 << 40) + 30)], b"");
        assert_eq!(writer.payload_len() - before, 1);
    }
}
