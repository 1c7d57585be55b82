//! From counts that only grow to shares of time: what each component did over the last half minute.

use egret_topology::id::{Incarnation, TaskId};
use std::collections::VecDeque;

/// Time over which shares are means: long enough that one slow tuple says nothing.
pub const SPAN_MS: u64 = 30_000;
/// Counts that are further apart are not compared: what happened between them nobody knows.
const APART_MS: u64 = 15_000;
/// Intervals that are kept: looks are seconds apart, and whatever wakes the operator adds some.
const MAX_INTERVALS: usize = 64;

/// What all tasks of a topology had done at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// All tasks, in the same order each time.
    pub tasks: Vec<TaskCounts>,
    /// By component: whether it is a bolt, and the components whose tuples it takes.
    pub components: Vec<Takes>,
    /// Spouts have as many trees in flight as they may.
    pub full: bool,
    /// Complete latency: (microseconds, count), in their order.
    pub latency: Vec<(u64, u64)>,
}

/// Whose tuples a component takes: none, if it is a spout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Takes {
    /// Indexes of components, each once.
    pub from: Vec<usize>,
}

/// What one task had done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// The task.
    pub id: TaskId,
    /// Its life.
    pub life: Incarnation,
    /// Index of its component.
    pub component: usize,
    /// Time in user code, that in which it waits to emit included, in microseconds.
    pub busy_us: u64,
    /// Time in which it waits to emit, in microseconds.
    pub backpressure_us: u64,
    /// Index of the component that it waits for now.
    pub waits_for: Option<usize>,
}

/// What one component did, as shares of the time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// In which its tasks worked, in the mean.
    pub worked: f64,
    /// The same of the task that worked most.
    pub hottest: f64,
    /// In which its tasks waited to emit.
    pub held: f64,
    /// In which tasks that feed it waited for it.
    pub waited_for: f64,
}

/// What a topology did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Means {
    /// By component.
    pub shares: Vec<Share>,
    /// Something held spouts back, so that less was to be done than there might be.
    pub throttled: bool,
    /// The bolt that worked most.
    pub busiest: Option<usize>,
    /// Complete latency of the roots that were acked: (microseconds, count).
    pub latency: Vec<(u64, u64)>,
}

/// Who waits this much of the time is held back.
pub const HELD_BACK: f64 = 0.1;

struct Interval {
    ms: u64,
    shares: Vec<Share>,
    full: bool,
    latency: Vec<(u64, u64)>,
}

/// The counts of the last half minute.
#[derive(Default)]
pub struct Measure {
    last: Option<Counts>,
    intervals: VecDeque<Interval>,
}

impl Measure {
    /// Forgets everything: what comes next is not what was before.
    pub fn clear(&mut self) {
        *self = Measure::default();
    }

    /// When counts were taken last.
    pub fn last(&self) -> Option<u64> {
        self.last.as_ref().map(|last| last.at)
    }

    /// Takes counts. If they do not go on where the last ended, what was before is forgotten.
    pub fn take(&mut self, counts: Counts) {
        let last = self.last.take();
        match last.as_ref().map(|last| interval(last, &counts)) {
            Some(Some(interval)) => self.intervals.push_back(interval),
            Some(None) => self.intervals.clear(),
            None => {}
        }
        // As few as cover the span.
        let mut whole: u64 = self.intervals.iter().map(|interval| interval.ms).sum();
        while let Some(first) = self.intervals.front()
            && (whole - first.ms >= SPAN_MS || self.intervals.len() > MAX_INTERVALS)
        {
            whole -= first.ms;
            self.intervals.pop_front();
        }
        self.last = Some(counts);
    }

    /// What the topology did, once that is known of the whole span.
    #[must_use]
    pub fn means(&self) -> Option<Means> {
        let whole: u64 = self.intervals.iter().map(|interval| interval.ms).sum();
        let last = self.last.as_ref().filter(|_| whole >= SPAN_MS)?;
        let mut shares = vec![Share::default(); last.components.len()];
        let mut latency = Vec::new();
        for interval in &self.intervals {
            let weight = interval.ms as f64 / whole as f64;
            for (mean, share) in shares.iter_mut().zip(&interval.shares) {
                mean.worked += weight * share.worked;
                mean.hottest += weight * share.hottest;
                mean.held += weight * share.held;
                mean.waited_for += weight * share.waited_for;
            }
            latency.extend_from_slice(&interval.latency);
        }
        let bolts = (0..shares.len()).filter(|at| !last.components[*at].from.is_empty());
        Some(Means {
            throttled: self.intervals.iter().any(|interval| interval.full)
                || shares.iter().any(|share| share.held >= HELD_BACK),
            busiest: bolts.max_by(|a, b| shares[*a].worked.total_cmp(&shares[*b].worked)),
            shares,
            latency,
        })
    }
}

/// What happened between two counts of the same lives of the same tasks.
fn interval(before: &Counts, after: &Counts) -> Option<Interval> {
    let ms = after.at.checked_sub(before.at).filter(|ms| (1..=APART_MS).contains(ms))?;
    let same = |(a, b): (&TaskCounts, &TaskCounts)| {
        (a.id, a.life, a.component) == (b.id, b.life, b.component)
            && a.busy_us <= b.busy_us
            && a.backpressure_us <= b.backpressure_us
    };
    if before.tasks.len() != after.tasks.len()
        || before.components != after.components
        || !before.tasks.iter().zip(&after.tasks).all(same)
    {
        return None;
    }
    Some(Interval {
        ms,
        shares: shares(before, after, ms as f64 * 1e3),
        full: after.full,
        latency: since(&before.latency, &after.latency),
    })
}

fn shares(before: &Counts, after: &Counts, us: f64) -> Vec<Share> {
    let count = after.components.len();
    let mut shares = vec![Share::default(); count];
    let mut tasks = vec![0.0; count];
    for (a, b) in before.tasks.iter().zip(&after.tasks) {
        let waited = (b.backpressure_us - a.backpressure_us) as f64 / us;
        let worked = ((b.busy_us - a.busy_us) as f64 / us - waited).clamp(0.0, 1.0);
        let waited = waited.min(1.0);
        if let Some(share) = shares.get_mut(b.component) {
            tasks[b.component] += 1.0;
            share.worked += worked;
            share.hottest = share.hottest.max(worked);
            share.held += waited;
        }
        // Whom it waited for in between is not told: whom it waits for now, or did before.
        if let Some(share) = b.waits_for.or(a.waits_for).and_then(|on| shares.get_mut(on)) {
            share.waited_for += waited;
        }
    }
    for (at, share) in shares.iter_mut().enumerate() {
        let feeding: f64 =
            after.components[at].from.iter().filter_map(|from| tasks.get(*from)).sum();
        share.worked /= tasks[at].max(1.0);
        share.held /= tasks[at].max(1.0);
        share.waited_for /= feeding.max(1.0);
    }
    shares
}

/// What has come since, of a histogram.
fn since(before: &[(u64, u64)], after: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let was = |micros: u64| {
        let found = before.binary_search_by_key(&micros, |(other, _)| *other);
        found.map_or(0, |at| before[at].1)
    };
    let more = |(micros, count): &(u64, u64)| (*micros, count.saturating_sub(was(*micros)));
    after.iter().map(more).filter(|(_, count)| *count > 0).collect()
}

impl Means {
    /// The share of roots that took longer, if there were enough to tell.
    pub fn slower_than(&self, ms: u64) -> Option<f64> {
        const ENOUGH: u64 = 20;
        let sum = |of: &dyn Fn(u64) -> bool| {
            let counts = self.latency.iter().filter(|(micros, _)| of(*micros));
            counts.fold(0u64, |sum, (_, count)| sum.saturating_add(*count))
        };
        let all = sum(&|_| true);
        let slow = sum(&|micros| micros > ms.saturating_mul(1000));
        (all >= ENOUGH).then(|| slow as f64 / all as f64)
    }
}
