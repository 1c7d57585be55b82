//! How long to wait before the next attempt to connect.

use std::time::Duration;

/// First delay: a restarted process is back within tens of milliseconds.
const FIRST: Duration = Duration::from_millis(10);
/// Last delay: after an outage of any length a link is back within about a second.
const LAST: Duration = Duration::from_secs(1);

/// Delays that double from 10 ms to 1 s, each shortened by up to half so that many who lost the
/// same peer do not come back in step. Depends on its seed only.
#[derive(Clone, Debug)]
pub struct Backoff {
    next: Duration,
    random: u64,
}

impl Backoff {
    /// Starts at the first delay.
    pub fn new(seed: u64) -> Backoff {
        Backoff { next: FIRST, random: seed }
    }

    /// The delay before the next attempt.
    pub fn delay(&mut self) -> Duration {
        let full = self.next;
        self.next = (full * 2).min(LAST);
        let half = full / 2;
        half + half.mul_f64(self.fraction())
    }

    /// The attempt succeeded.
    pub fn reset(&mut self) {
        self.next = FIRST;
    }

    /// SplitMix64, mapped to `0.0..1.0`.
    fn fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_a_second_and_start_again_after_a_success() {
        let mut backoff = Backoff::new(7);
        let mut full = FIRST;
        for _ in 0..20 {
            let delay = backoff.delay();
            assert!(delay >= full / 2 && delay <= full, "{delay:?} of {full:?}");
            full = (full * 2).min(LAST);
        }
        backoff.reset();
        assert!(backoff.delay() <= FIRST);
    }

    #[test]
    fn the_same_seed_gives_the_same_delays() {
        let (mut one, mut same, mut other) = (Backoff::new(1), Backoff::new(1), Backoff::new(2));
        let of = |backoff: &mut Backoff| (0..8).map(|_| backoff.delay()).collect::<Vec<_>>();
        let first = of(&mut one);
        assert_eq!(first, of(&mut same));
        assert_ne!(first, of(&mut other));
    }
}
