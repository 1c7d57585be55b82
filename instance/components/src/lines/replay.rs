//! Lines that failed and are to be read again.

use super::{
    cut::Rule,
    reader::{Reader, Span, Step},
};
use anyhow::{Result, bail};
use std::{collections::VecDeque, fs::File};

const OFFSET_BITS: u32 = 40;

/// Files end before this offset (1 TiB), so that an id holds it.
pub(super) const MAX_OFFSET: u64 = 1 << OFFSET_BITS;

/// Splits that one task opens, so that an id holds the number.
pub(super) const MAX_SPLITS: u64 = 1 << (u64::BITS - OFFSET_BITS);

/// Where a line starts: the id of its root. So nothing is kept of a line in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineId {
    /// Number of the split among those that the task has opened.
    pub(super) split: u32,
    /// Offset of the line's first byte.
    pub(super) offset: u64,
}

impl LineId {
    pub(super) fn to_root_id(self) -> u64 {
        u64::from(self.split) << OFFSET_BITS | self.offset
    }

    pub(super) fn of_root_id(id: u64) -> LineId {
        LineId { split: (id >> OFFSET_BITS) as u32, offset: id & (MAX_OFFSET - 1) }
    }
}

/// The failed lines of a task. Bounded by the roots in flight, hence by `maxPending`: as long as
/// there are some, nothing else is emitted.
#[derive(Debug, Default)]
pub(super) struct Replays {
    queue: VecDeque<LineId>,
    /// The file that was read last, by a number of the caller's: failures come in runs.
    reader: Option<(usize, Reader)>,
}

impl Replays {
    pub(super) fn push(&mut self, id: u64) {
        self.queue.push_back(LineId::of_root_id(id));
    }

    pub(super) fn pop(&mut self) -> Option<LineId> {
        let id = self.queue.pop_front();
        if id.is_none() {
            self.reader = None;
        }
        id
    }

    /// Reads a line again.
    pub(super) fn read(
        &mut self,
        id: LineId,
        rule: Rule,
        file: usize,
        open: impl FnOnce() -> Result<File>,
    ) -> Result<(Span, &[u8])> {
        let reader = match self.reader.take() {
            Some((number, reader)) if number == file => reader,
            _ => Reader::new(open()?, id.offset),
        };
        let (_, reader) = self.reader.insert((file, reader));
        reader.seek(id.offset);
        match reader.step(rule, true)? {
            Step::Line(span) => {
                let bytes = reader.bytes(&span);
                Ok((span, bytes))
            }
            Step::End | Step::TooLong | Step::Unfinished => {
                bail!("the line at offset {} is to be replayed and is gone", id.offset)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_holds_split_and_offset() {
        for (split, offset) in [(0, 0), (7, 12), ((MAX_SPLITS - 1) as u32, MAX_OFFSET - 1)] {
            let id = LineId { split, offset };
            assert_eq!(LineId::of_root_id(id.to_root_id()), id);
        }
    }
}
