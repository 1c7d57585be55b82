//! The ConfigMap with where the input of a topology stands.

use super::Owner;
use crate::{names, positions::Standing};
use serde_json::{Value, json};

/// Key of the positions in their ConfigMap.
pub const POSITIONS: &str = "positions.json";

/// It goes with the topology.
pub fn positions(owner: &Owner<'_>, kept: &Standing) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": owner.metadata(&names::positions(owner.name)),
        "data": {POSITIONS: kept.write()},
    })
}
