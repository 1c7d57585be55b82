//! So many per second, and no more.

/// A bucket that refills evenly. Holds what one second brings.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: u32,
    /// Billionths of one permit.
    left: u64,
    last: u64,
}

const ONE: u64 = 1_000_000_000;

impl Rate {
    pub(crate) fn new(per_second: u32) -> Rate {
        Rate { per_second, left: u64::from(per_second) * ONE, last: 0 }
    }

    /// Whether one more is allowed at `now` (nanoseconds).
    pub(crate) fn allow(&mut self, now: u64) -> bool {
        let full = u64::from(self.per_second) * ONE;
        let gained = now.saturating_sub(self.last).saturating_mul(self.per_second.into());
        self.left = self.left.saturating_add(gained).min(full);
        self.last = now;
        let allowed = self.left >= ONE;
        if allowed {
            self.left -= ONE;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_allows_so_many_and_no_more() {
        let mut rate = Rate::new(5);
        let allowed = |rate: &mut Rate, now| (0..100).filter(|_| rate.allow(now)).count();
        assert_eq!(allowed(&mut rate, 0), 5);
        assert_eq!(allowed(&mut rate, ONE / 5), 1);
        assert_eq!(allowed(&mut rate, 100 * ONE), 5);
        assert_eq!(allowed(&mut rate, u64::MAX), 5);
    }
}
