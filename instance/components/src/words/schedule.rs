//! When words are due: fixed beforehand, however late they go out.

use egret_sdk::Nanos;

/// One task's part of a rate.
#[derive(Debug)]
pub(super) struct Schedule {
    /// Between two words of this task.
    interval: f64,
    /// Of the task's first word behind the start, so that tasks alternate.
    offset: f64,
    /// When it started, and with which word.
    started: Option<(Nanos, u64)>,
}

impl Schedule {
    /// Words per second of all tasks together, for one of them.
    pub(super) fn new(rate: f64, index: u64, tasks: u64) -> Schedule {
        let between_all = 1e9 / rate;
        Schedule {
            interval: between_all * tasks as f64,
            offset: between_all * index as f64,
            started: None,
        }
    }

    /// Starts with word `n`, unless it has started; returns the time.
    pub(super) fn start(&mut self, n: u64, now: Nanos) -> Nanos {
        self.started.get_or_insert((now, n));
        now
    }

    /// Starts anew at the next word.
    pub(super) fn stop(&mut self) {
        self.started = None;
    }

    /// When word `n` is due. Every time is counted from the start, so that no rounding adds up.
    pub(super) fn due(&self, n: u64) -> Nanos {
        let (at, first) = self.started.unwrap_or((0, n));
        let since_first = (n - first) as f64 * self.interval + self.offset;
        at.saturating_add(since_first as Nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_take_turns_at_the_rate_of_all() {
        let mut due: Vec<Nanos> = (0..3)
            .flat_map(|index| {
                let mut schedule = Schedule::new(300.0, index, 3);
                schedule.start(0, 0);
                (0..100).map(|n| schedule.due(n)).collect::<Vec<_>>()
            })
            .collect();
        due.sort_unstable();
        for (n, due) in due.into_iter().enumerate() {
            let exact = n as f64 * 1e9 / 300.0;
            assert!((due as f64 - exact).abs() < 2.0, "word {n} at {due}");
        }
    }

    #[test]
    fn a_rate_below_one_is_kept() {
        let mut schedule = Schedule::new(0.5, 0, 1);
        schedule.start(0, 7);
        assert_eq!(schedule.due(3), 6_000_000_007);
    }
}
