//! The ControllerRevision with a spec that was asked for.

use super::Owner;
use crate::names;
use serde_json::{Value, json};

/// It goes with the topology, and is never changed.
pub fn revision(owner: &Owner<'_>, number: i64, version: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": owner.metadata(&names::revision(owner.name, number)),
        "data": {"spec": version},
        "revision": number,
    })
}
