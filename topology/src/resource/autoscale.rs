//! How many tasks a bolt may be given by what is measured of it, as written in the resource.

use crate::duration::Duration;
use serde::{Deserialize, Serialize};

/// How many tasks a bolt may be given by what is measured of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Autoscale {
    /// Tasks that it has at least, and at first.
    #[serde(default = "super::one")]
    pub min: i64,
    /// Tasks that it has at most.
    pub max: i64,
    /// Share of the time that its tasks shall work; the rest is room for more.
    #[serde(default = "default_target_utilization")]
    pub target_utilization: f64,
    /// Complete latency that 99 of 100 tuple trees shall keep within; left out, it does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Duration>,
    /// Time after a change before tasks are added; before some are taken away it is three times
    /// that, and more if it was a mistake before.
    #[serde(default = "default_cooldown")]
    pub cooldown: Duration,
    /// Only the status says how many tasks it would have; nothing is changed.
    #[serde(default)]
    pub dry_run: bool,
}

fn default_target_utilization() -> f64 {
    0.7
}

fn default_cooldown() -> Duration {
    Duration::new("3m")
}
