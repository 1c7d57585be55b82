//! Secrets: the identities of a pod and its tasks, and the CA that they come from.

use super::Owner;
use crate::names;
use base64::{Engine, engine::general_purpose::STANDARD};
use egret_link::{Kept, Pem};
use egret_topology::{
    id::{PodId, TaskId},
    packing_plan::PackedPod,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Key of a CA's certificate in its Secret.
pub const CA: &str = "ca.pem";
/// Key of a CA's private key in its Secret.
pub const CA_KEY: &str = "ca-key.pem";

/// The identities of one pod.
#[derive(Clone)]
pub struct Identities {
    /// The pod.
    pub pod: PodId,
    /// Its stream manager's.
    pub manager: Pem,
    /// Its tasks'.
    pub tasks: BTreeMap<TaskId, Pem>,
    /// When they are to be renewed, in seconds since 1970.
    pub renew_at: u64,
}

impl Identities {
    /// Whether they are those of a packed pod: its own, and of its tasks and no others.
    pub fn are_of(&self, pod: &PackedPod) -> bool {
        self.pod == pod.id && pod.tasks.iter().map(|task| &task.task).eq(self.tasks.keys())
    }
}

/// The Secret with the identities of a pod. Each container mounts its own part of it only.
pub fn identity(owner: &Owner<'_>, identities: &Identities) -> Value {
    let mut metadata = owner.metadata(&names::identity(owner.name, identities.pod));
    metadata["annotations"] = json!({names::RENEW_AT: identities.renew_at.to_string()});
    let manager = ("pod".to_owned(), &identities.manager);
    let tasks = identities.tasks.iter().map(|(task, pem)| (format!("task-{task}"), pem));
    let parts = std::iter::once(manager).chain(tasks).flat_map(|(who, pem)| {
        [(format!("{who}.cert.pem"), pem.cert.as_str()), (format!("{who}.key.pem"), &pem.key)]
    });
    let ca = std::iter::once((CA.to_owned(), identities.manager.ca.as_str()));
    secret(metadata, ca.chain(parts))
}

/// The Secret with the CA of a topology. It lives with the operator and is mounted nowhere; being
/// in another namespace it cannot be owned by the topology.
pub fn authority(owner: &Owner<'_>, operator_namespace: &str, kept: &Kept) -> Value {
    let mut labels = owner.labels();
    labels.insert(names::CA_OF.to_owned(), owner.uid.into());
    let metadata = json!({
        "name": names::authority(owner.uid),
        "namespace": operator_namespace,
        "labels": labels,
        "annotations": {names::NAMESPACE: owner.namespace},
    });
    let data = [(CA, kept.ca.as_str()), (CA_KEY, &kept.key)];
    secret(metadata, data.map(|(key, text)| (key.to_owned(), text)))
}

fn secret<'a>(metadata: Value, data: impl IntoIterator<Item = (String, &'a str)>) -> Value {
    // Not as `stringData`: what is left out of that later would stay.
    let data: Map<String, Value> =
        data.into_iter().map(|(key, text)| (key, STANDARD.encode(text).into())).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "data": data,
    })
}
