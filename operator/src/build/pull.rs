//! A short-lived pod that makes a node pull an image before a task needs it: the kubelet stops the
//! container that runs before it pulls another.

use super::Owner;
use crate::names;
use egret_topology::{id::PodId, logical::OnCluster};
use serde_json::{Value, json};

/// A pod on this node with that image. What it runs ends by itself and does not matter.
pub fn pull(
    owner: &Owner<'_>,
    on_cluster: &OnCluster,
    pod: PodId,
    node: &str,
    image: &str,
) -> Value {
    let mut metadata = owner.metadata(&names::pull(owner.name, pod, node, image));
    // It is none of the topology's pods: no budget counts it, and no policy is for it.
    if let Some(labels) = metadata["labels"].as_object_mut() {
        labels.remove(names::TOPOLOGY);
        labels.insert(names::PULLS_FOR.to_owned(), owner.name.into());
    }
    let secrets = &on_cluster.image_pull_secrets;
    let secrets: Vec<Value> = secrets.iter().map(|name| json!({"name": name})).collect();
    let mut container = json!({
        "name": "pull",
        "image": image,
        "args": ["describe"],
        "resources": {
            "requests": {"cpu": "1m", "memory": "16Mi"},
            "limits": {"cpu": "100m", "memory": "64Mi"},
        },
        "securityContext": super::container::security_context(),
    });
    if let Some(policy) = on_cluster.image_pull_policy {
        container["imagePullPolicy"] = format!("{policy:?}").into();
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "nodeName": node,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "imagePullSecrets": secrets,
            "securityContext": super::pod::security_context(),
            "containers": [container],
        },
    })
}
