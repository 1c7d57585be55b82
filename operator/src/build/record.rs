//! The ConfigMap with the record of a topology.

use super::Owner;
use crate::{names, record::Record};
use serde_json::{Value, json};

/// Key of the record in its ConfigMap.
pub const RECORD: &str = "record.json";

/// It goes with the topology.
pub fn record(owner: &Owner<'_>, record: &Record) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": owner.metadata(&names::record(owner.name)),
        "data": {RECORD: record.write()},
    })
}
