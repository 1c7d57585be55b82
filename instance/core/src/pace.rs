//! How fast a spout may emit: a limit that can change while it runs.

use egret_topology::{id::TaskId, plan::PlanIndex};

/// What was not used of the rate can be made up for, for that long.
const BURST_NS: u64 = 100_000_000;

/// When the next root may be emitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Between two roots, in nanoseconds; 0: there is no limit.
    every: u64,
    /// The next root may come then.
    due: u64,
    /// Roots that were emitted by the last look.
    emitted: u64,
}

impl Pace {
    /// As the plan has it for a task: tasks of a component share its rate evenly.
    pub(crate) fn follow(&mut self, plan: &PlanIndex, task: TaskId) {
        let plan = plan.plan();
        let planned = plan.tasks.iter().find(|planned| planned.id == task);
        let rate = planned.and_then(|planned| {
            let name = &plan.components.get(planned.component)?.name;
            let tasks = plan.tasks.iter().filter(|it| it.component == planned.component).count();
            Some((*plan.max_rates.get(name)?, tasks as u64))
        });
        let every = rate.map_or(0, |(rate, tasks)| {
            tasks.saturating_mul(1_000_000_000) / u64::from(rate.max(1))
        });
        // What was emitted under another rate owes nothing to this one.
        if every != self.every {
            (self.every, self.due) = (every, 0);
        }
    }

    /// Whether another root may be emitted now.
    #[inline]
    pub(crate) fn allows(&self, now: u64) -> bool {
        now >= self.due
    }

    /// When another one may be emitted, if not now.
    pub(crate) fn wait(&self, now: u64) -> Option<u64> {
        Some(self.due).filter(|due| now < *due)
    }

    /// So many roots were emitted in all. When the next may come, if that is later.
    #[inline]
    pub(crate) fn emitted(&mut self, now: u64, emitted: u64) -> Option<u64> {
        let new = emitted.saturating_sub(std::mem::replace(&mut self.emitted, emitted));
        if self.every == 0 {
            return None;
        }
        let from = self.due.max(now.saturating_sub(BURST_NS));
        self.due = from.saturating_add(new.saturating_mul(self.every));
        self.wait(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Roots that a spout emits in some seconds if each call emits so many.
    fn emits(every: u64, at_once: u64, seconds: u64) -> u64 {
        let (mut pace, mut emitted) = (Pace { every, ..Pace::default() }, 0);
        let mut now = 10 * SECOND;
        pace.due = now;
        while now < (10 + seconds) * SECOND {
            if pace.allows(now) {
                emitted += at_once;
                pace.emitted(now, emitted);
            }
            now += 50_000;
        }
        emitted
    }

    #[test]
    fn a_rate_is_kept_however_many_roots_a_call_emits() {
        for at_once in [1, 7, 100] {
            let emitted = emits(SECOND / 1000, at_once, 10);
            assert!((10_000..=10_000 + at_once).contains(&emitted), "{emitted} by {at_once}");
        }
    }

    #[test]
    fn what_was_not_used_is_made_up_for_a_little() {
        let mut pace = Pace { every: SECOND / 1000, ..Pace::default() };
        pace.emitted(SECOND, 0);
        let (mut now, mut emitted) = (60 * SECOND, 0);
        while pace.allows(now) {
            emitted += 1;
            pace.emitted(now, emitted);
        }
        assert!((100..=101).contains(&emitted), "a tenth of a second, not a minute: {emitted}");
        now += SECOND / 1000;
        assert!(pace.allows(now));
    }

    #[test]
    fn without_a_rate_there_is_no_limit() {
        let mut pace = Pace::default();
        assert_eq!(pace.emitted(5, 1_000_000), None);
        assert!(pace.allows(5));
    }
}
