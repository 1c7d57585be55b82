//! Counters of a task that its thread writes and the gateway half reads.

use crate::durations::SharedDurations;
use egret_sdk::TaskId;
use egret_wire::control::Phase;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

/// Counters of one task. Cheap to clone; written once per frame or call, not per tuple.
#[derive(Clone, Debug, Default)]
pub struct Stats(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    phase: AtomicU32,
    emitted: AtomicU64,
    executed: AtomicU64,
    acked: AtomicU64,
    failed: AtomicU64,
    unacked: AtomicU64,
    heard: AtomicU32,
    busy_since: AtomicU64,
    busy_ns: AtomicU64,
    discarded: AtomicU64,
    frames_done: AtomicU64,
    execute: SharedDurations,
    process: SharedDurations,
    /// Locked once per wait, which parks anyway, and once per report.
    waits: Mutex<Waits>,
}

/// Waits for destinations that took nothing.
#[derive(Debug, Default)]
struct Waits {
    /// The one that goes on, and since when.
    current: Option<(TaskId, u64)>,
    /// Nanoseconds of those that have ended.
    ended: BTreeMap<TaskId, u64>,
}

/// What the task half counts between two publications.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Tuples emitted.
    pub emitted: u64,
    /// Tuples executed.
    pub executed: u64,
    /// Input acked.
    pub acked: u64,
    /// Input failed.
    pub failed: u64,
    /// Frames discarded.
    pub discarded: u64,
}

const PHASES: [Phase; 7] = [
    Phase::Starting,
    Phase::Active,
    Phase::Inactive,
    Phase::Drained,
    Phase::Exhausted,
    Phase::Ended,
    Phase::Closed,
];

/// Where a phase stands in that list: one that is new does not compile without a place.
const fn place(phase: Phase) -> usize {
    match phase {
        Phase::Starting => 0,
        Phase::Active => 1,
        Phase::Inactive => 2,
        Phase::Drained => 3,
        Phase::Exhausted => 4,
        Phase::Ended => 5,
        Phase::Closed => 6,
    }
}

impl Stats {
    /// Publishes what was counted, and how many input tuples are held unacked.
    pub fn publish(&self, counts: &mut Counts, unacked: u64) {
        let counts = std::mem::take(counts);
        self.0.emitted.fetch_add(counts.emitted, Relaxed);
        self.0.executed.fetch_add(counts.executed, Relaxed);
        self.0.acked.fetch_add(counts.acked, Relaxed);
        self.0.failed.fetch_add(counts.failed, Relaxed);
        self.0.discarded.fetch_add(counts.discarded, Relaxed);
        self.0.unacked.store(unacked, Relaxed);
    }

    /// The totals published so far.
    pub fn totals(&self) -> Counts {
        Counts {
            emitted: self.0.emitted.load(Relaxed),
            executed: self.0.executed.load(Relaxed),
            acked: self.0.acked.load(Relaxed),
            failed: self.0.failed.load(Relaxed),
            discarded: self.0.discarded.load(Relaxed),
        }
    }

    /// Input tuples held unacked.
    pub fn unacked(&self) -> u64 {
        self.0.unacked.load(Relaxed)
    }

    /// Sources of which anything has come.
    pub fn set_heard(&self, sources: u32) {
        self.0.heard.store(sources, Relaxed);
    }

    /// Sources of which anything has come.
    pub fn heard(&self) -> u32 {
        self.0.heard.load(Relaxed)
    }

    /// Where the task is in its life.
    pub fn set_phase(&self, phase: Phase) {
        self.0.phase.store(place(phase) as u32, Relaxed);
    }

    /// Where the task is in its life.
    pub fn phase(&self) -> Phase {
        PHASES[self.0.phase.load(Relaxed) as usize % PHASES.len()]
    }

    /// The task waits for this destination from now on.
    pub fn blocked(&self, now: u64, on: TaskId) {
        self.waits().current = Some((on, now));
    }

    /// The task waits no more.
    pub fn unblocked(&self, now: u64) {
        let mut waits = self.waits();
        if let Some((on, since)) = waits.current.take() {
            *waits.ended.entry(on).or_default() += now.saturating_sub(since);
        }
    }

    /// Time in backpressure until now, and whom the task waits for.
    pub fn backpressure(&self, now: u64) -> (u64, Option<TaskId>) {
        let on = self.waits().current.map(|(on, _)| on);
        (self.waited_for(now).values().sum(), on)
    }

    /// Until now, in nanoseconds, whom the task has waited for.
    pub fn waited_for(&self, now: u64) -> BTreeMap<TaskId, u64> {
        let waits = self.waits();
        let mut all = waits.ended.clone();
        if let Some((on, since)) = waits.current {
            *all.entry(on).or_default() += now.saturating_sub(since);
        }
        all
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.0.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long `execute` took per tuple.
    pub(crate) fn execute(&self) -> &SharedDurations {
        &self.0.execute
    }

    /// Time from `execute` to the ack of its tuple.
    pub(crate) fn process(&self) -> &SharedDurations {
        &self.0.process
    }

    /// User code is called.
    #[inline]
    pub fn busy(&self, now: u64) {
        self.0.busy_since.store(now.max(1), Relaxed);
    }

    /// User code has returned.
    #[inline]
    pub fn idle(&self, now: u64) {
        let since = self.0.busy_since.swap(0, Relaxed);
        if since > 0 {
            self.0.busy_ns.fetch_add(now.saturating_sub(since), Relaxed);
        }
    }

    /// User code has returned and was called again.
    pub fn busy_again(&self, before: u64, now: u64) {
        self.0.busy_since.store(now.max(1), Relaxed);
        self.0.busy_ns.fetch_add(now.saturating_sub(before), Relaxed);
    }

    /// Total time in user code, and for how long the running call has not returned.
    pub fn busy_time(&self, now: u64) -> (u64, u64) {
        let since = self.0.busy_since.load(Relaxed);
        let current = if since > 0 { now.saturating_sub(since) } else { 0 };
        (self.0.busy_ns.load(Relaxed) + current, current)
    }

    /// A data frame was executed to its end.
    pub fn frame_done(&self) {
        self.0.frames_done.fetch_add(1, Relaxed);
    }

    /// Data frames executed to their end.
    pub fn frames_done(&self) -> u64 {
        self.0.frames_done.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_is_told_as_it_is() {
        let stats = Stats::default();
        for phase in PHASES {
            stats.set_phase(phase);
            assert_eq!(stats.phase(), phase);
        }
    }
}
