//! How often each value came: a table that is larger than the processor's caches.

use super::key::{Key, Parts};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::{cmp::Ordering, hash::BuildHasher as _};

/// Values that are looked up together. A lookup in a large table waits for memory; of reads in one
/// short loop the processor has several under way at once. More gain no more.
const TOGETHER: usize = 32;

/// A value and how often it came. Highest first; equally frequent ones in order of their values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) count: u64,
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        other.count.cmp(&self.count).then_with(|| self.key.cmp(&other.key))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// How often each value came.
#[derive(Debug, Default)]
pub(super) struct Table {
    counts: HashTable<Entry>,
    hasher: DefaultHashBuilder,
    /// Values with their hashes that came and are not in `counts` yet.
    waiting: Vec<(u64, Key)>,
}

impl Table {
    /// Counts a value, unless it were one more than `max` different ones.
    #[inline]
    pub(super) fn add(&mut self, parts: &Parts<'_>, max: usize) -> bool {
        if self.waiting.len() >= TOGETHER {
            self.settle();
        }
        if self.counts.len() + self.waiting.len() >= max && !self.has_room(parts, max) {
            return false;
        }
        self.waiting.push((self.hasher.hash_one(parts.bytes()), Key::new(parts)));
        true
    }

    /// Whether one of the few places that are left, or its own, is there for a value.
    #[cold]
    fn has_room(&mut self, parts: &Parts<'_>, max: usize) -> bool {
        self.settle();
        let hash = self.hasher.hash_one(parts.bytes());
        self.counts.len() < max || self.counts.find(hash, |entry| entry.key.is(parts)).is_some()
    }

    fn settle(&mut self) {
        let Table { counts, hasher, waiting } = self;
        // Only reads, and nothing depends on them: all of them are under way at once.
        let near = |hash: u64| {
            let mut count = 0;
            counts.find(hash, |entry| {
                count = entry.count;
                true
            });
            count
        };
        std::hint::black_box(waiting.iter().fold(0, |sum, (hash, _)| sum ^ near(*hash)));
        for (hash, key) in waiting.drain(..) {
            match counts.find_mut(hash, |entry| entry.key == key) {
                Some(entry) => entry.count += 1,
                None => {
                    let hash_of = |entry: &Entry| hasher.hash_one(entry.key.bytes());
                    counts.insert_unique(hash, Entry { key, count: 1 }, hash_of);
                }
            }
        }
    }

    /// All values that came, in no order.
    pub(super) fn entries(&mut self) -> impl Iterator<Item = &Entry> {
        self.settle();
        self.counts.iter()
    }
}
