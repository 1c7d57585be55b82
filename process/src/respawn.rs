//! When a child that ended is spawned again: pure, times as arguments by way of outcomes.

use std::time::Duration;

/// First delay. Also that after a kill from outside, which says nothing about the child.
pub const FIRST: Duration = Duration::from_millis(100);
/// Last delay: a child that cannot work costs next to nothing, and one that can again is soon back.
pub const LAST: Duration = Duration::from_secs(10);

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As planned: not spawned again.
    Planned,
    /// To begin anew, as planned.
    Again,
    /// SIGKILL from outside.
    Killed,
    /// By itself: an exit, a crash, or a program that could not be started.
    Own,
}

/// Counts own exits without progress of one child.
#[derive(Clone, Debug, Default)]
pub struct Respawn {
    consecutive: u32,
}

impl Respawn {
    /// After a life ended; `progress` says whether it did something useful. The delay until the
    /// next life, if there shall be one.
    pub fn after(&mut self, end: End, progress: bool) -> Option<Duration> {
        if progress {
            self.consecutive = 0;
        }
        match end {
            End::Planned => None,
            End::Again | End::Killed => Some(FIRST),
            End::Own => {
                let doublings = self.consecutive.min(LAST.as_millis().ilog2());
                self.consecutive = self.consecutive.saturating_add(1);
                Some((FIRST * (1 << doublings)).min(LAST))
            }
        }
    }

    /// Own exits without progress in a row.
    pub fn consecutive(&self) -> u32 {
        self.consecutive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spawns at virtual time 0 a child whose every life takes `life`, and returns when its lives
    /// began.
    fn lives(life: Duration, end: End, progress: bool, count: usize) -> Vec<Duration> {
        let mut respawn = Respawn::default();
        let mut now = Duration::ZERO;
        let mut began = Vec::new();
        while began.len() < count {
            began.push(now);
            let Some(delay) = respawn.after(end, progress) else { break };
            now += life + delay;
        }
        began
    }

    #[test]
    fn a_crash_loop_backs_off_to_ten_seconds() {
        let began = lives(Duration::ZERO, End::Own, false, 12);
        let gaps: Vec<_> = began.windows(2).map(|two| (two[1] - two[0]).as_millis()).collect();
        assert_eq!(gaps, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000, 10_000]);
    }

    #[test]
    fn a_crash_after_progress_starts_from_the_first_delay() {
        let life = Duration::from_secs(1);
        let began = lives(life, End::Own, true, 4);
        assert_eq!(began[3], (life + FIRST) * 3);
    }

    #[test]
    fn kills_from_outside_never_count() {
        let mut respawn = Respawn::default();
        for _ in 0..100 {
            assert_eq!(respawn.after(End::Killed, false), Some(FIRST));
        }
        assert_eq!(respawn.consecutive(), 0);
    }

    #[test]
    fn a_kill_between_crashes_does_not_forgive_them() {
        let mut respawn = Respawn::default();
        respawn.after(End::Own, false);
        respawn.after(End::Killed, false);
        assert_eq!(respawn.after(End::Own, false), Some(FIRST * 2));
    }

    #[test]
    fn a_planned_end_is_the_last() {
        assert_eq!(lives(Duration::ZERO, End::Planned, true, 2).len(), 1);
    }

    #[test]
    fn the_delay_never_overflows() {
        let mut respawn = Respawn { consecutive: u32::MAX };
        assert_eq!(respawn.after(End::Own, false), Some(LAST));
    }
}
