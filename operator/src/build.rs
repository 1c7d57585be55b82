//! From a topology and its record to Kubernetes objects: pure, and the same every time.
//!
//! One file per kind. Objects are JSON, because what a user lays over pods is; a test reads each
//! back through the typed API, so that no misspelt field passes.

mod amounts;
mod container;
mod disruption_budget;
mod identity;
mod network_policy;
mod overlay;
mod pod;
mod positions;
mod pull;
mod record;
mod revision;

pub use disruption_budget::disruption_budget;
pub use identity::{CA, CA_KEY, Identities, authority, identity};
pub use network_policy::network_policy;
pub use pod::pod;
pub use positions::{POSITIONS, positions};
pub use pull::pull;
pub use record::{RECORD, record};
pub use revision::revision;

use crate::{names, record::Record};
use egret_crd::resource::{GROUP, VERSION};
use egret_topology::{
    id::TaskId,
    logical::{Logical, LogicalComponent},
    resource::KIND,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Whose objects are built.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// Name of the topology.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its unique id.
    pub uid: &'a str,
}

/// Everything that pods are built of.
#[derive(Clone, Copy, Debug)]
pub struct Blueprint<'a> {
    /// Whose they are.
    pub owner: Owner<'a>,
    /// What they run.
    pub logical: &'a Logical,
    /// What was decided about them.
    pub record: &'a Record,
    /// What tasks run instead that a rolling change has not reached.
    pub others: &'a BTreeMap<TaskId, LogicalComponent>,
}

/// The images that the containers of a pod run, by their names.
pub fn images(pod: &Value) -> BTreeMap<String, String> {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let image = |container: &Value| {
        Some((container["name"].as_str()?.to_owned(), container["image"].as_str()?.to_owned()))
    };
    containers.filter_map(image).collect()
}

impl Owner<'_> {
    /// Metadata of an object that goes with the topology.
    fn metadata(&self, name: &str) -> Value {
        json!({
            "name": name,
            "namespace": self.namespace,
            "labels": self.labels(),
            "ownerReferences": [{
                "apiVersion": format!("{GROUP}/{VERSION}"),
                "kind": KIND,
                "name": self.name,
                "uid": self.uid,
                "controller": true,
            }],
        })
    }

    /// Labels of everything that belongs to the topology.
    fn labels(&self) -> Map<String, Value> {
        let (part_of, egret) = names::PART_OF;
        let (managed_by, operator) = names::MANAGED_BY;
        let labels = [
            ("app.kubernetes.io/name", self.name),
            (part_of, egret),
            (managed_by, operator),
            (names::TOPOLOGY, self.name),
        ];
        labels.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
    }

    /// Selects the pods of the topology.
    pub fn selector(&self) -> Value {
        json!({"matchLabels": {names::TOPOLOGY: self.name}})
    }
}

#[cfg(test)]
mod tests;
