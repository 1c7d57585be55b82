//! Which tuples are traced: the share of roots that the plan asks for, and where spans go.
//!
//! It is no part of what a topology is: it travels in the plan, and nothing restarts for it.

use serde::{Deserialize, Serialize};

/// What a plan asks for. Without it nothing is traced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tracing {
    /// The share of roots that are traced, above 0 and up to 1.
    pub sample_rate: f64,
    /// Base address of an OTLP/HTTP endpoint; none: what the stream manager's environment says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}
