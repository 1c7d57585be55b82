//! How long a topology waits after a failure: each has a pause of its own, so that a broken one
//! costs little and a healthy one is not kept waiting.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The first pause: most failures are conflicts, or an API server that is restarted.
const FIRST: Duration = Duration::from_millis(500);
/// The longest: a broken topology that was repaired works again within this time.
const LAST: Duration = Duration::from_secs(60);

/// Topologies whose failures are counted. One that was deleted while it failed is not forgotten by
/// itself; beyond this all are, which costs a few attempts that come early.
const MOST: usize = 10_000;

/// Failures in a row, by topology.
#[derive(Debug)]
pub struct Backoff<K> {
    failures: Mutex<HashMap<K, u32>>,
}

impl<K> Default for Backoff<K> {
    fn default() -> Backoff<K> {
        Backoff { failures: Mutex::default() }
    }
}

impl<K: Clone + Eq + Hash> Backoff<K> {
    /// It has failed again: how long to wait.
    pub fn failed(&self, key: &K) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= MOST && !failures.contains_key(key) {
            failures.clear();
        }
        let count = failures.entry(key.clone()).or_default();
        let doublings = (*count).min(LAST.as_millis().ilog2());
        *count = count.saturating_add(1);
        let pause = (FIRST * (1 << doublings)).min(LAST);
        // Those that failed together do not come back together.
        let spread = failures.hasher().hash_one(key) % 256;
        pause.mul_f64(1.0 + spread as f64 / 1024.0)
    }

    /// It works again, or is gone.
    pub fn forget(&self, key: &K) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_no_more_than_so_many_are_counted() {
        let backoff = Backoff::default();
        for key in 0..3 * MOST {
            backoff.failed(&key);
        }
        assert!(backoff.failures.lock().unwrap().len() <= MOST);
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_start_anew() {
        let backoff = Backoff::default();
        let pauses: Vec<Duration> = (0..12).map(|_| backoff.failed(&"a")).collect();
        assert!(pauses.is_sorted());
        assert!(pauses[0] < FIRST * 2 && pauses[11] >= LAST && pauses[11] < LAST * 2);
        assert!(backoff.failed(&"b") < FIRST * 2, "each has its own");
        backoff.forget(&"a");
        assert!(backoff.failed(&"a") < FIRST * 2);
    }
}
