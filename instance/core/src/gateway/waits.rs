//! Whom the task has waited for, as far as it was not told yet.

use crate::stats::Stats;
use egret_sdk::TaskId;
use std::collections::BTreeMap;

/// Microseconds that were told, per destination.
#[derive(Debug, Default)]
pub(super) struct Waits(BTreeMap<TaskId, u64>);

impl Waits {
    /// Microseconds per destination since the last call, that of a wait that goes on included.
    pub(super) fn untold(&mut self, stats: &Stats, now: u64) -> Vec<(TaskId, u64)> {
        let mut untold = Vec::new();
        for (task, ns) in stats.waited_for(now) {
            let told = self.0.entry(task).or_default();
            let micros = (ns / 1000).saturating_sub(*told);
            if micros > 0 {
                *told += micros;
                untold.push((task, micros));
            }
        }
        untold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: u64 = 1000;

    #[test]
    fn what_was_waited_is_told_once_and_in_all_it_is_the_backpressure() {
        let (stats, mut waits) = (Stats::default(), Waits::default());
        let (a, b) = (TaskId(1), TaskId(2));
        stats.blocked(10 * US, a);
        assert_eq!(waits.untold(&stats, 15 * US), [(a, 5)]);
        stats.unblocked(20 * US);
        assert_eq!(waits.untold(&stats, 30 * US), [(a, 5)]);
        stats.blocked(40 * US, b);
        stats.unblocked(43 * US + 500);
        stats.blocked(50 * US, a);
        stats.unblocked(51 * US);
        assert_eq!(waits.untold(&stats, 60 * US), [(a, 1), (b, 3)]);
        assert_eq!(waits.untold(&stats, 70 * US), []);
        assert_eq!(stats.backpressure(70 * US).0, 14 * US + 500);
    }
}
