//! How long calls took, counted by the task's thread and read by the gateway half.

use egret_wire::durations::{BUCKETS, Durations, bucket};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Runs of tuples after which a task that is never idle hands its counts over: every few
/// milliseconds at most, and rarely enough to cost nothing.
const HAND_OVER: u32 = 256;

/// Counts by bucket.
#[derive(Debug)]
pub(crate) struct SharedDurations {
    counts: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

impl Default for SharedDurations {
    fn default() -> Self {
        let counts = std::array::from_fn(|_| AtomicU64::new(0));
        SharedDurations { counts, sum_ns: AtomicU64::new(0) }
    }
}

impl SharedDurations {
    pub(crate) fn read(&self) -> Durations {
        let counts = std::array::from_fn(|i| self.counts[i].load(Relaxed));
        Durations::new(counts, self.sum_ns.load(Relaxed))
    }

    fn add(&self, counts: &mut [u64; BUCKETS], sum_ns: &mut u64) {
        for (shared, count) in self.counts.iter().zip(counts) {
            if *count > 0 {
                shared.fetch_add(std::mem::take(count), Relaxed);
            }
        }
        self.sum_ns.fetch_add(std::mem::take(sum_ns), Relaxed);
    }
}

/// What was counted since it was last handed over.
#[derive(Debug, Default)]
pub(crate) struct LocalDurations {
    counts: [u64; BUCKETS],
    sum_ns: u64,
    runs: u32,
}

impl LocalDurations {
    /// So many took so long together: each counts as their mean.
    #[inline]
    pub(crate) fn took(&mut self, together_ns: u64, calls: u64, into: &SharedDurations) {
        let Some(mean) = together_ns.checked_div(calls) else { return };
        self.counts[bucket(mean)] += calls;
        self.sum_ns = self.sum_ns.wrapping_add(together_ns);
        self.runs += 1;
        if self.runs == HAND_OVER {
            self.hand_over(into);
        }
    }

    /// Before a pause, so that nothing stays behind.
    pub(crate) fn hand_over(&mut self, into: &SharedDurations) {
        if std::mem::take(&mut self.runs) > 0 {
            into.add(&mut self.counts, &mut self.sum_ns);
        }
    }
}

/// How long `execute` took per tuple, and how long until its ack.
#[derive(Debug, Default)]
pub(crate) struct Timing {
    pub(crate) execute: LocalDurations,
    pub(crate) process: LocalDurations,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_counts_every_call_at_the_mean() {
        let (shared, mut local) = (SharedDurations::default(), LocalDurations::default());
        local.took(64_000, 64, &shared);
        local.took(6_000, 2, &shared);
        local.took(0, 0, &shared);
        assert_eq!(shared.read(), Durations::default());
        local.hand_over(&shared);
        local.hand_over(&shared);
        assert_eq!(shared.read(), Durations { counts: vec![64, 0, 2], sum_ns: 70_000 });
    }

    #[test]
    fn a_task_that_never_pauses_hands_over_all_the_same() {
        let (shared, mut local) = (SharedDurations::default(), LocalDurations::default());
        (0..1000).for_each(|_| local.took(10, 1, &shared));
        let told = shared.read().count();
        assert!((1000 - u64::from(HAND_OVER)..=1000).contains(&told), "{told}");
        local.hand_over(&shared);
        assert_eq!(shared.read().count(), 1000);
    }
}
