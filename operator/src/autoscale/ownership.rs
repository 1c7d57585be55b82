//! Whose number it is: who manages the field `parallelism` of a bolt, and what it is where nobody
//! does.

use crate::{context::Guarded, names};
use egret_crd::Topology;
use egret_topology::resource::Spec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

/// Who else than the autoscaler manages the number of a bolt's tasks, as the API server tells.
#[must_use]
pub fn other_manager(metadata: &ObjectMeta, bolt: &str) -> Option<String> {
    let mut theirs = managers(metadata, bolt).filter(|manager| *manager != names::AUTOSCALER);
    theirs.next().map(str::to_owned)
}

/// Whether the autoscaler manages that number, and nobody else.
#[must_use]
pub fn is_ours(metadata: &ObjectMeta, bolt: &str) -> bool {
    let mut managers = managers(metadata, bolt).peekable();
    managers.peek().is_some() && managers.all(|manager| manager == names::AUTOSCALER)
}

fn managers<'a>(metadata: &'a ObjectMeta, bolt: &str) -> impl Iterator<Item = &'a str> {
    let key = format!("k:{}", json!({"name": bolt}));
    metadata.managed_fields.iter().flatten().filter_map(move |entry| {
        let bolts = entry.fields_v1.as_ref()?.0.pointer("/f:spec/f:bolts")?;
        bolts.get(&key)?.get("f:parallelism")?;
        Some(entry.manager.as_deref().unwrap_or("somebody"))
    })
}

/// What is kept of a topology that is watched: who manages its fields, only if that may matter
/// here. In memory it is many maps of one entry each: with it, 10,000 topologies do not fit into
/// what manifests give the operator.
pub fn keep(topology: &mut Guarded) {
    let scaled = topology.0.as_ref().is_ok_and(|topology| any(&topology.spec));
    let metadata = match &mut topology.0 {
        Ok(topology) => &mut topology.metadata,
        Err(invalid) => &mut invalid.metadata,
    };
    let mut managers =
        metadata.managed_fields.iter().flatten().filter_map(|entry| entry.manager.as_deref());
    if !scaled && managers.all(|manager| manager != names::AUTOSCALER) {
        metadata.managed_fields = None;
    }
}

/// The topology with a number of tasks where the manifest leaves it out; `None` if it is whole.
#[must_use]
pub fn filled(topology: &Topology, given: impl Fn(&str) -> Option<u32>) -> Option<Topology> {
    let mut filled = None;
    for (at, bolt) in topology.spec.bolts.iter().enumerate() {
        if bolt.autoscale.is_none() || bolt.parallelism.is_some() {
            continue;
        }
        if let Some(tasks) = given(&bolt.name) {
            let topology = filled.get_or_insert_with(|| topology.clone());
            topology.spec.bolts[at].parallelism = Some(tasks.into());
        }
    }
    filled
}

/// Whether any bolt is autoscaled.
#[must_use]
pub fn any(spec: &Spec) -> bool {
    spec.bolts.iter().any(|bolt| bolt.autoscale.is_some())
}

/// What is applied: the numbers of all bolts that the autoscaler sets, and nothing else. One that
/// it has set before and leaves out now is let go: it is taken away from the resource.
#[must_use]
pub fn applied(name: &str, uid: &str, bolts: &[(String, u32)]) -> Value {
    let bolt = |(name, tasks): &(String, u32)| json!({"name": name, "parallelism": tasks});
    let mut object = json!({
        "apiVersion": egret_topology::resource::API_VERSION,
        "kind": egret_topology::resource::KIND,
        // A namesake that came meanwhile is another topology.
        "metadata": {"name": name, "uid": uid},
    });
    // An empty list would be managed too.
    if !bolts.is_empty() {
        object["spec"] = json!({"bolts": bolts.iter().map(bolt).collect::<Vec<_>>()});
    }
    object
}
