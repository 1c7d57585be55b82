//! How long calls of user code take: counts by bucket, small enough to travel with every report.

use serde::{Deserialize, Serialize};

/// Upper bounds of the buckets in nanoseconds, 1 µs to 60 s in steps of 1, 2.5 and 5. Longer calls
/// count in one more bucket.
pub const BOUNDS_NS: [u64; 24] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    25_000_000_000,
    60_000_000_000,
];

/// The bounds and what lies beyond them.
pub const BUCKETS: usize = BOUNDS_NS.len() + 1;

/// The bucket of one duration.
#[must_use]
#[inline]
pub fn bucket(ns: u64) -> usize {
    BOUNDS_NS.partition_point(|bound| *bound < ns)
}

/// Durations that were counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Durations {
    /// How many fell into each bucket; empty ones at the end are left out.
    pub counts: Vec<u64>,
    /// Their sum, in nanoseconds.
    pub sum_ns: u64,
}

impl Durations {
    /// Of counts per bucket.
    #[must_use]
    pub fn new(counts: [u64; BUCKETS], sum_ns: u64) -> Durations {
        let used = counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        Durations { counts: counts[..used].to_vec(), sum_ns }
    }

    /// Adds another's. Buckets that there are not are taken for the last one.
    pub fn add(&mut self, other: &Durations) {
        let used = other.counts.len().min(BUCKETS);
        if self.counts.len() < used {
            self.counts.resize(used, 0);
        }
        for (i, count) in other.counts.iter().enumerate() {
            if let Some(sum) = self.counts.get_mut(i.min(BUCKETS - 1)) {
                *sum = sum.saturating_add(*count);
            }
        }
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// How many there are at or below each bound.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        BOUNDS_NS.iter().enumerate().scan(0u64, |sum, (i, bound)| {
            *sum = sum.saturating_add(self.counts.get(i).copied().unwrap_or_default());
            Some((*bound, *sum))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_within_its_bucket() {
        assert_eq!((bucket(0), bucket(1_000), bucket(1_001)), (0, 0, 1));
        assert_eq!(bucket(60_000_000_000), BUCKETS - 2);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn sums_keep_every_duration_whatever_a_peer_sends() {
        let mut sum = Durations { counts: vec![1, 2], sum_ns: 10 };
        sum.add(&Durations { counts: vec![1; BUCKETS + 5], sum_ns: 1 });
        assert_eq!(sum.counts.len(), BUCKETS);
        assert_eq!(sum.count(), 3 + BUCKETS as u64 + 5);
        sum.add(&Durations { counts: vec![u64::MAX], sum_ns: u64::MAX });
        assert_eq!((sum.counts[0], sum.sum_ns), (u64::MAX, u64::MAX));
        let last = sum.cumulative().last();
        assert_eq!(last, Some((60_000_000_000, u64::MAX)));
    }

    #[test]
    fn empty_buckets_at_the_end_take_no_room() {
        let mut counts = [0; BUCKETS];
        counts[3] = 7;
        assert_eq!(Durations::new(counts, 9).counts, [0, 0, 0, 7]);
        assert_eq!(Durations::new([0; BUCKETS], 0), Durations::default());
    }
}
