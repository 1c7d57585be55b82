//! Quantiles of a latency, in seconds.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// What a histogram says.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
    pub(crate) count: u64,
}

/// A minute in nanoseconds: what takes longer has timed out.
const LONGEST_NS: u64 = 60_000_000_000;

/// A histogram of nanoseconds with three significant digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("1 < a minute of nanoseconds, 3 digits")
}

impl Latency {
    /// What a histogram of nanoseconds says.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Latency {
        let at = |share| histogram.value_at_quantile(share) as f64 / 1e9;
        Latency {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64 / 1e9,
            count: histogram.len(),
        }
    }
}
