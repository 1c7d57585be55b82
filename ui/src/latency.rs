//! Complete latency as a histogram, and what it says.

use std::collections::BTreeMap;

/// Microseconds to counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latency(BTreeMap<u64, u64>);

impl Latency {
    /// A histogram of (microseconds, count).
    pub fn of<'a>(counts: impl IntoIterator<Item = &'a (u64, u64)>) -> Latency {
        let mut latency = Latency::default();
        for (micros, count) in counts {
            let known = latency.0.entry(*micros).or_default();
            *known = known.saturating_add(*count);
        }
        latency
    }

    /// What has come since an earlier one of the same.
    pub fn since(&self, earlier: &Latency) -> Latency {
        let more = |(micros, count): (&u64, &u64)| {
            let before = earlier.0.get(micros).copied().unwrap_or(0);
            (count > &before).then(|| (*micros, count - before))
        };
        Latency(self.0.iter().filter_map(more).collect())
    }

    /// How many roots it counts.
    pub fn count(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// In seconds, `None` if nothing was measured.
    pub fn max(&self) -> Option<f64> {
        self.0.keys().next_back().map(|micros| seconds(*micros))
    }

    /// The latency in seconds that this share of all roots kept within.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let rank = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0u64;
        self.0.iter().find_map(|(micros, count)| {
            seen = seen.saturating_add(*count);
            (seen >= rank).then(|| seconds(*micros))
        })
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_least_that_enough_roots_kept_within() {
        let latency = Latency::of(&[(1000, 50), (2000, 49), (5000, 1)]);
        assert_eq!(latency.count(), 100);
        assert_eq!(latency.quantile(0.5), Some(0.001));
        assert_eq!(latency.quantile(0.51), Some(0.002));
        assert_eq!(latency.quantile(0.99), Some(0.002));
        assert_eq!(latency.quantile(0.999), Some(0.005));
        assert_eq!(latency.max(), Some(0.005));
        assert_eq!(Latency::default().quantile(0.5), None);
    }

    #[test]
    fn what_came_since_is_the_difference() {
        let earlier = Latency::of(&[(1, 2), (3, 1)]);
        let later = Latency::of(&[(1, 5), (3, 1), (9, 1)]);
        assert_eq!(later.since(&earlier), Latency::of(&[(1, 3), (9, 1)]));
    }
}
