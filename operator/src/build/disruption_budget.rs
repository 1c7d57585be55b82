//! How many pods of a topology may be evicted at once: one.

use super::Owner;
use serde_json::{Value, json};

/// One at a time, and those that are not ready anyhow at any time.
pub fn disruption_budget(owner: &Owner<'_>) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": owner.metadata(owner.name),
        "spec": {
            "maxUnavailable": 1,
            "selector": owner.selector(),
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    })
}
