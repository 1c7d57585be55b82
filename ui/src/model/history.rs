//! What was seen in the last seconds, so that two looks make a rate.

use crate::seen::Seen;
use egret_topology::id::TaskId;
use egret_wire::{
    control::TaskStatus,
    inspect::{EdgeCount, Look, PastError},
};
use std::collections::{BTreeMap, VecDeque};

/// The time that rates are means over: short enough to show a change, long enough to be calm.
pub(super) const WINDOW_MS: u64 = 5_000;
/// A longer time between two looks starts a new history.
const PAUSE_MS: u64 = 2 * WINDOW_MS;
/// Looks that are kept, however often somebody looks.
const LOOKS: usize = 16;
/// The least time between two looks that make a rate.
const LEAST_MS: u64 = 400;

/// The last looks, the newest last.
#[derive(Debug, Default)]
pub(super) struct History {
    looks: VecDeque<Seen>,
}

impl History {
    pub(super) fn add(&mut self, seen: Seen) {
        // Nobody has looked for long: what was then says nothing of now.
        if self.newest().is_some_and(|last| last.at_ms + PAUSE_MS < seen.at_ms) {
            self.looks.clear();
        }
        // The oldest look that stays is the youngest of before the window: what others are
        // compared with.
        let outdated = |next: &Seen| next.at_ms + WINDOW_MS <= seen.at_ms;
        while self.looks.len() >= LOOKS || self.looks.get(1).is_some_and(outdated) {
            self.looks.pop_front();
        }
        self.looks.push_back(seen);
    }

    pub(super) fn newest(&self) -> Option<&Seen> {
        self.looks.back()
    }

    /// What the newest look is compared with.
    fn base(&self) -> Option<&Seen> {
        let newest = self.newest()?;
        let base = self.looks.front()?;
        (base.at_ms + LEAST_MS <= newest.at_ms).then_some(base)
    }

    /// The time between the two looks that make rates.
    pub(super) fn seconds(&self) -> Option<f64> {
        let (newest, base) = (self.newest()?, self.base()?);
        Some((newest.at_ms - base.at_ms) as f64 / 1e3)
    }

    /// A task as it is, and as it was.
    pub(super) fn of(&self, task: TaskId) -> Option<(&TaskStatus, Option<&TaskStatus>)> {
        let newest = status(self.newest()?, task)?;
        Some((newest, self.base().and_then(|base| status(base, task))))
    }

    /// Whom a task waited for, look by look.
    pub(super) fn waited_for(&self, task: TaskId) -> impl Iterator<Item = TaskId> + '_ {
        let on = move |seen: &Seen| status(seen, task)?.total.blocked_on;
        self.looks.iter().filter_map(on)
    }

    /// What was sent in the window: of each pair of tasks and stream the count now and before.
    pub(super) fn sent(&self) -> Option<Vec<(EdgeCount, EdgeCount)>> {
        let counts = |seen: &Seen| {
            let counts = looks(seen).flat_map(|look| look.edges.iter().cloned());
            let key = |count: &EdgeCount| (count.source, count.stream, count.dest);
            counts.map(|count| (key(&count), count)).collect::<BTreeMap<_, _>>()
        };
        let before = counts(self.base()?);
        let now = counts(self.newest()?);
        let pair = |(key, now): (_, EdgeCount)| {
            // If counting began anew, what came since is all there is.
            let before = before.get(&key).filter(|before| before.tuples <= now.tuples);
            (now, before.cloned().unwrap_or_default())
        };
        Some(now.into_iter().map(pair).collect())
    }

    /// Whether every pod has counted what was sent, in both looks.
    pub(super) fn counts_edges(&self) -> bool {
        let all =
            |seen: &Seen| !seen.pods.is_empty() && seen.pods.iter().all(|pod| pod.look.is_some());
        self.newest().is_some_and(all) && self.base().is_some_and(all)
    }

    /// The last errors of a task, as they were told last: its pod may not answer now.
    pub(super) fn errors(&self, task: TaskId) -> Vec<PastError> {
        let told = |seen: &Seen| {
            let of = looks(seen).flat_map(|look| &look.errors).find(|of| of.task == task)?;
            Some(of.errors.clone())
        };
        self.looks.iter().rev().find_map(told).unwrap_or_default()
    }
}

pub(super) fn looks(seen: &Seen) -> impl Iterator<Item = &Look> {
    seen.pods.iter().filter_map(|pod| pod.look.as_ref())
}

fn status(seen: &Seen, task: TaskId) -> Option<&TaskStatus> {
    looks(seen).flat_map(|look| &look.status.tasks).find(|status| status.task == task)
}

#[cfg(test)]
impl History {
    pub(super) fn len(&self) -> usize {
        self.looks.len()
    }
}
