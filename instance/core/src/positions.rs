//! Positions: up to where each split of a spout's input is settled.
//!
//! A position is settled when every root emitted at it is acked, replays included. All its roots
//! are emitted within one call of `next`, so it can settle once that call has returned.

use egret_sdk::SplitId;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// The splits of one spout task.
#[derive(Debug, Default)]
pub struct Positions {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    splits: Vec<Split>,
    /// Positions at which the running call of `next` has emitted.
    open: Vec<(u32, u64)>,
    moved: Vec<u32>,
}

#[derive(Debug, Default)]
struct Split {
    settled: Option<u64>,
    entries: VecDeque<Entry>,
    /// Entries at which those that say nothing are dropped.
    compact_at: usize,
    moved: bool,
}

#[derive(Debug)]
struct Entry {
    position: u64,
    /// Roots in flight.
    pending: u32,
    /// Roots that failed and were not replayed yet.
    owed: u32,
    open: bool,
}

/// The least of [`Split::compact_at`]: a usual number of roots in flight never gets there.
const COMPACT_AT: usize = 16_384;

impl Split {
    /// Behind a position that waits for its replay, maybe for ever, the last of a settled run says
    /// all that the run does. So there are about as many entries as roots in flight or owed.
    fn compact(&mut self) {
        let mut kept: VecDeque<Entry> = VecDeque::new();
        for entry in self.entries.drain(..) {
            match kept.back_mut() {
                Some(last) if last.is_settled() && entry.is_settled() => *last = entry,
                _ => kept.push_back(entry),
            }
        }
        self.compact_at = (2 * kept.len()).max(COMPACT_AT);
        self.entries = kept;
    }
}

impl Entry {
    fn is_settled(&self) -> bool {
        self.pending == 0 && self.owed == 0 && !self.open
    }
}

impl Positions {
    /// The number of a split, given out at its first use.
    pub fn split(&mut self, name: &str) -> SplitId {
        if let Some(number) = self.numbers.get(name) {
            return SplitId(*number);
        }
        let number = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        self.splits.push(Split::default());
        SplitId(number)
    }

    /// The name of a split.
    pub fn name(&self, split: u32) -> Option<&str> {
        self.names.get(split as usize).map(String::as_str)
    }

    /// A root was emitted.
    pub fn emitted(&mut self, split: u32, position: u64, replay: bool) {
        if let Some(split) = self.splits.get_mut(split as usize)
            && split.entries.len() >= split.compact_at.max(COMPACT_AT)
        {
            split.compact();
        }
        let Some(entry) = self.entry(split, position, true) else { return };
        entry.pending += 1;
        if replay {
            entry.owed = entry.owed.saturating_sub(1);
        }
        if !entry.open {
            entry.open = true;
            self.open.push((split, position));
        }
    }

    /// The call of `next` has returned.
    pub fn next_returned(&mut self) {
        while let Some((split, position)) = self.open.pop() {
            if let Some(entry) = self.entry(split, position, false) {
                entry.open = false;
            }
            self.settle(split);
        }
    }

    /// A root was acked.
    pub fn acked(&mut self, split: u32, position: u64) {
        if let Some(entry) = self.entry(split, position, false) {
            entry.pending = entry.pending.saturating_sub(1);
        }
        self.settle(split);
    }

    /// A root failed: its position waits for a replay.
    pub fn failed(&mut self, split: u32, position: u64) {
        if let Some(entry) = self.entry(split, position, false) {
            entry.pending = entry.pending.saturating_sub(1);
            entry.owed += 1;
        }
    }

    /// The settled prefixes that moved since the last call.
    pub fn take_moved(&mut self, into: &mut BTreeMap<String, u64>) {
        for number in self.moved.drain(..) {
            let split = &mut self.splits[number as usize];
            split.moved = false;
            if let Some(settled) = split.settled {
                into.insert(self.names[number as usize].clone(), settled);
            }
        }
    }

    fn entry(&mut self, split: u32, position: u64, insert: bool) -> Option<&mut Entry> {
        let entries = &mut self.splits.get_mut(split as usize)?.entries;
        let at = match entries.back() {
            Some(last) if last.position < position => Err(entries.len()),
            None => Err(0),
            Some(_) => entries.binary_search_by_key(&position, |entry| entry.position),
        };
        let at = match at {
            Ok(at) => at,
            Err(at) if insert => {
                entries.insert(at, Entry { position, pending: 0, owed: 0, open: false });
                at
            }
            Err(_) => return None,
        };
        entries.get_mut(at)
    }

    fn settle(&mut self, number: u32) {
        let Some(split) = self.splits.get_mut(number as usize) else { return };
        while let Some(first) = split.entries.front()
            && first.is_settled()
        {
            // A replay of what was settled before does not move it back.
            split.settled = split.settled.max(Some(first.position));
            split.entries.pop_front();
            if !split.moved {
                split.moved = true;
                self.moved.push(number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(positions: &mut Positions) -> Option<u64> {
        let mut moved = BTreeMap::new();
        positions.take_moved(&mut moved);
        moved.remove("a")
    }

    fn with(roots: &[u64]) -> Positions {
        let mut positions = Positions::default();
        let SplitId(split) = positions.split("a");
        for position in roots {
            positions.emitted(split, *position, false);
        }
        positions.next_returned();
        positions
    }

    #[test]
    fn only_the_prefix_counts() {
        let mut positions = with(&[10, 20, 30]);
        positions.acked(0, 20);
        assert_eq!(moved(&mut positions), None);
        positions.acked(0, 10);
        assert_eq!(moved(&mut positions), Some(20));
        positions.acked(0, 30);
        assert_eq!(moved(&mut positions), Some(30));
        assert_eq!(moved(&mut positions), None);
    }

    #[test]
    fn a_failed_root_holds_its_position_until_its_replay_is_acked() {
        let mut positions = with(&[10, 20]);
        positions.failed(0, 10);
        positions.acked(0, 20);
        assert_eq!(moved(&mut positions), None);
        positions.emitted(0, 10, true);
        positions.next_returned();
        assert_eq!(moved(&mut positions), None);
        positions.acked(0, 10);
        assert_eq!(moved(&mut positions), Some(20));
    }

    #[test]
    fn a_position_with_several_roots_needs_them_all() {
        let mut positions = with(&[10, 10]);
        positions.acked(0, 10);
        assert_eq!(moved(&mut positions), None);
        positions.acked(0, 10);
        assert_eq!(moved(&mut positions), Some(10));
    }

    #[test]
    fn a_root_that_is_never_replayed_holds_its_position_and_little_memory() {
        let mut positions = with(&[1]);
        positions.failed(0, 1);
        for position in 2..=50_000 {
            positions.emitted(0, position, false);
            positions.next_returned();
            positions.acked(0, position);
        }
        assert!(positions.splits[0].entries.len() <= COMPACT_AT);
        assert_eq!(moved(&mut positions), None);
        positions.emitted(0, 1, true);
        positions.next_returned();
        positions.acked(0, 1);
        assert_eq!(moved(&mut positions), Some(50_000));
        assert!(positions.splits[0].entries.is_empty());
    }

    #[test]
    fn a_position_does_not_settle_within_the_call_that_emits_at_it() {
        let mut positions = Positions::default();
        positions.split("a");
        positions.emitted(0, 10, false);
        positions.acked(0, 10);
        assert_eq!(moved(&mut positions), None);
        positions.emitted(0, 10, false);
        positions.acked(0, 10);
        positions.next_returned();
        assert_eq!(moved(&mut positions), Some(10));
    }
}
