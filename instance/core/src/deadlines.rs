//! When which root times out.
//!
//! Roots that are registered at one time have one deadline, so it is kept once for all of them:
//! as a run from its first number on. A root whose timeout was reset, or that outlives those around
//! it by far, gets a deadline of its own. Timeouts are exact, and cost nothing while nothing times
//! out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The deadlines of pending roots.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    /// First number and deadline of each run.
    runs: VecDeque<(u64, u64)>,
    /// No root before it is pending, but those with a deadline of their own.
    oldest: u64,
    own: BTreeMap<u64, u64>,
    own_in_time: BTreeSet<(u64, u64)>,
}

impl Deadlines {
    /// A root with a greater number than all before.
    #[inline]
    pub(crate) fn register(&mut self, root: u64, deadline: u64) {
        if self.runs.back().is_none_or(|(_, last)| *last != deadline) {
            self.trim();
            self.runs.push_back((root, deadline));
        }
    }

    /// Gives a root a deadline of its own.
    pub(crate) fn set(&mut self, root: u64, deadline: u64) {
        if let Some(before) = self.own.insert(root, deadline) {
            self.own_in_time.remove(&(before, root));
        }
        self.own_in_time.insert((deadline, root));
    }

    /// Gives a root the deadline that it has as its own, so that its run may be forgotten.
    pub(crate) fn keep(&mut self, root: u64) {
        if self.own.contains_key(&root) {
            return;
        }
        let later = self.runs.partition_point(|(first, _)| *first <= root);
        if let Some((_, deadline)) = self.runs.get(later.saturating_sub(1)) {
            self.set(root, *deadline);
        }
    }

    /// A root is pending no longer.
    #[inline]
    pub(crate) fn settle(&mut self, root: u64) {
        // Most trees end in the order in which they began: then nobody has to look for the oldest.
        self.oldest += u64::from(root == self.oldest);
        if !self.own.is_empty()
            && let Some(deadline) = self.own.remove(&root)
        {
            self.own_in_time.remove(&(deadline, root));
        }
    }

    /// No root is pending.
    pub(crate) fn clear(&mut self) {
        *self = Deadlines { oldest: self.oldest, ..Deadlines::default() };
    }

    /// The next deadline and its root, of roots before `next`.
    pub(crate) fn first(
        &mut self,
        next: u64,
        is_pending: impl Fn(u64) -> bool,
    ) -> Option<(u64, u64)> {
        while self.oldest < next
            && (!is_pending(self.oldest) || self.own.contains_key(&self.oldest))
        {
            self.oldest += 1;
        }
        self.trim();
        let of_runs = self.runs.front().filter(|_| self.oldest < next);
        let of_runs = of_runs.map(|(_, deadline)| (*deadline, self.oldest));
        [of_runs, self.own_in_time.first().copied()].into_iter().flatten().min()
    }

    /// Forgets runs without pending roots.
    fn trim(&mut self) {
        while self.runs.get(1).is_some_and(|(first, _)| *first <= self.oldest) {
            self.runs.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_of_one_time_share_a_run_and_runs_are_forgotten() {
        let mut deadlines = Deadlines::default();
        for root in 0..1_000_000 {
            deadlines.register(root, root / 100);
            deadlines.settle(root);
        }
        assert!(deadlines.runs.len() <= 2);
    }

    #[test]
    fn a_root_keeps_its_deadline_when_its_run_is_forgotten() {
        let mut deadlines = Deadlines::default();
        deadlines.register(0, 10);
        deadlines.register(1, 10);
        deadlines.register(2, 20);
        deadlines.keep(1);
        let pending = |root| root > 0;
        assert_eq!(deadlines.first(3, pending), Some((10, 1)));
        assert_eq!(deadlines.runs.len(), 1);
        deadlines.set(1, 30);
        assert_eq!(deadlines.first(3, pending), Some((20, 2)));
        deadlines.settle(2);
        assert_eq!(deadlines.first(3, |root| root == 1), Some((30, 1)));
        deadlines.settle(1);
        assert_eq!(deadlines.first(3, |_| false), None);
    }
}
