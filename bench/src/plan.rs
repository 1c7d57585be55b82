//! How long everything is measured.

use crate::scenario::Subject;
use std::time::Duration;

/// Times and counts of one run of the bench.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Plan {
    /// Before the first window.
    pub(crate) warm_up: Duration,
    /// The same for what is compiled while it runs.
    pub(crate) java_warm_up: Duration,
    pub(crate) window: Duration,
    pub(crate) windows: u32,
}

impl Plan {
    /// For figures that are published.
    pub(crate) const FULL: Plan = Plan {
        warm_up: Duration::from_secs(4),
        java_warm_up: Duration::from_secs(20),
        window: Duration::from_secs(4),
        windows: 5,
    };

    /// For a first look.
    pub(crate) const QUICK: Plan = Plan {
        warm_up: Duration::from_secs(2),
        java_warm_up: Duration::from_secs(10),
        window: Duration::from_secs(2),
        windows: 3,
    };

    /// The warm-up of one subject.
    pub(crate) fn warm_up(&self, subject: &Subject) -> Duration {
        if subject.is_java() { self.java_warm_up } else { self.warm_up }
    }
}
