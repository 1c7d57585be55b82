//! How long calls took, written by the task's thread and read by the gateway half.

use egret_wire::durations::{BUCKETS, Durations, bucket};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts by bucket. Written once per run of tuples, not per tuple.
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
    /// So many took so long together: each counts as their mean.
    pub(crate) fn took(&self, together_ns: u64, calls: u64) {
        let Some(mean) = together_ns.checked_div(calls) else { return };
        self.counts[bucket(mean)].fetch_add(calls, Relaxed);
        self.sum_ns.fetch_add(together_ns, Relaxed);
    }

    pub(crate) fn read(&self) -> Durations {
        let counts = std::array::from_fn(|i| self.counts[i].load(Relaxed));
        Durations::new(counts, self.sum_ns.load(Relaxed))
    }
}

/// Durations that come in runs of equal ones.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    ns: u64,
    calls: u64,
}

impl Runs {
    #[inline]
    pub(crate) fn add(&mut self, ns: u64, into: &SharedDurations) {
        if ns != self.ns {
            self.settle(into);
            self.ns = ns;
        }
        self.calls += 1;
    }

    /// Puts the run into the counts.
    pub(crate) fn settle(&mut self, into: &SharedDurations) {
        into.took(self.ns.saturating_mul(self.calls), self.calls);
        self.calls = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_counts_every_call_at_the_mean() {
        let shared = SharedDurations::default();
        shared.took(64_000, 64);
        shared.took(6_000, 2);
        shared.took(0, 0);
        assert_eq!(shared.read(), Durations { counts: vec![64, 0, 2], sum_ns: 70_000 });
    }

    #[test]
    fn runs_of_equal_durations_lose_none() {
        let (shared, mut runs) = (SharedDurations::default(), Runs::default());
        for ns in [500, 500, 2_000, 500] {
            runs.add(ns, &shared);
        }
        runs.settle(&shared);
        runs.settle(&shared);
        assert_eq!(shared.read(), Durations { counts: vec![3, 1], sum_ns: 3_500 });
    }
}
