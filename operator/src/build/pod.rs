//! A pod: one stream manager and its instances.

use super::{
    Blueprint,
    container::{self, IDENTITY, SCRATCH, STATE, task_identity},
    overlay,
};
use crate::{digest, names, record::PodRecord};
use egret_topology::packing_plan::{PackedPod, PackedTask};
use serde_json::{Value, json};

/// Who runs in our images: nobody in particular, but not root.
const USER: u32 = 65_532;
/// Seconds from the request to end until the kill.
const GRACE_SECONDS: u32 = 60;
/// What a stream manager keeps: a plan, positions and totals, each a few hundred kilobytes at most.
const STATE_SIZE: &str = "64Mi";
/// Scratch files of all instances of a pod.
const SCRATCH_SIZE: &str = "256Mi";
/// Files of Secrets are read by their owner's group, which is the pod's.
const SECRET_MODE: u32 = 0o440;

/// A pod of the packing plan in its current life, and nothing if the packing plan is another's.
pub fn pod(of: &Blueprint<'_>, packed: &PackedPod) -> Option<Value> {
    let record = of.record.pod(packed.id)?;
    let mut containers = Vec::new();
    for task in &packed.tasks {
        let component = match of.others.get(&task.task) {
            Some(other) => other,
            None => of.logical.component(&task.component)?,
        };
        containers.push(container::instance(of, component, packed, task));
    }
    let on_cluster = &of.logical.on_cluster;
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(of, packed, record),
        "spec": {
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            // A task that has ended as planned stays ended.
            "restartPolicy": "OnFailure",
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "securityContext": security_context(),
            "topologySpreadConstraints": [{
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": of.owner.selector(),
            }],
            "initContainers": [container::stream_manager(of, packed)],
            "containers": containers,
            "volumes": volumes(of, packed),
        },
    });
    let lost: Vec<&str> = of.record.lost.iter().map(|lost| lost.node.as_str()).collect();
    if !lost.is_empty() {
        // The scheduler does not know yet, and would spread pods to where nothing is any more.
        pod["spec"]["topologySpreadConstraints"] = json!([]);
        pod["spec"]["affinity"] = elsewhere(&lost);
    }
    if !on_cluster.image_pull_secrets.is_empty() {
        let secrets: Vec<Value> =
            on_cluster.image_pull_secrets.iter().map(|name| json!({"name": name})).collect();
        pod["spec"]["imagePullSecrets"] = secrets.into();
    }
    overlay::lay_over(&mut pod, &on_cluster.pod_template);
    tell_grace(&mut pod, packed);
    Some(pod)
}

/// Tells instances how long they have to end, which the pod template may say.
fn tell_grace(pod: &mut Value, packed: &PackedPod) {
    let grace = pod["spec"]["terminationGracePeriodSeconds"].as_u64();
    let grace = grace.unwrap_or(GRACE_SECONDS.into()).to_string();
    let ours = |container: &Value| {
        let name = container["name"].as_str().unwrap_or_default();
        packed.tasks.iter().any(|task| names::container(task) == name)
    };
    let containers = pod["spec"]["containers"].as_array_mut().into_iter().flatten();
    for container in containers.filter(|container| ours(container)) {
        // Behind those of the user: the last of a name counts.
        if let Some(env) = container["env"].as_array_mut() {
            env.push(json!({"name": names::GRACE, "value": grace}));
        }
    }
}

/// On these nodes only if there are no others.
fn elsewhere(nodes: &[&str]) -> Value {
    let is_not =
        |node: &&str| json!({"key": "metadata.name", "operator": "NotIn", "values": [node]});
    let fields: Vec<Value> = nodes.iter().map(is_not).collect();
    json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 100, "preference": {"matchFields": fields}},
    ]}})
}

/// As the level `restricted` asks for.
pub(super) fn security_context() -> Value {
    json!({
        "runAsNonRoot": true,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

fn metadata(of: &Blueprint<'_>, packed: &PackedPod, record: &PodRecord) -> Value {
    let name = names::pod(of.owner.name, packed.id, record.life);
    let mut metadata = of.owner.metadata(&name);
    metadata["labels"][names::POD] = packed.id.to_string().into();
    metadata["annotations"] = json!({
        names::LIFE: record.life.to_string(),
        names::DEFINITION: record.definition,
        // For a Prometheus without an operator of its own.
        "prometheus.io/scrape": "true",
        "prometheus.io/port": names::ADMIN_PORT.to_string(),
        "prometheus.io/path": "/metrics",
    });
    if let Some(first) = packed.tasks.first() {
        metadata["annotations"]["kubectl.kubernetes.io/default-container"] =
            names::container(first).into();
    }
    metadata
}

fn volumes(of: &Blueprint<'_>, packed: &PackedPod) -> Vec<Value> {
    let secret = names::identity(of.owner.name, packed.id);
    let identity = |volume: &str, who: &str| {
        let item = |key: String, path: &str| json!({"key": key, "path": path});
        json!({
            "name": volume,
            "secret": {
                "secretName": secret,
                "defaultMode": SECRET_MODE,
                "items": [
                    item("ca.pem".to_owned(), "ca.pem"),
                    item(format!("{who}.cert.pem"), "cert.pem"),
                    item(format!("{who}.key.pem"), "key.pem"),
                ],
            },
        })
    };
    let task = |task: &PackedTask| identity(&task_identity(task), &format!("task-{}", task.task));
    let mut volumes = vec![
        json!({"name": STATE, "emptyDir": {"sizeLimit": STATE_SIZE}}),
        json!({"name": SCRATCH, "emptyDir": {"sizeLimit": SCRATCH_SIZE}}),
        identity(IDENTITY, "pod"),
    ];
    volumes.extend(packed.tasks.iter().map(task));
    let mounted = |name: &str| {
        digest::components_of(of.logical, packed)
            .any(|component| component.on_cluster.volume_mounts.iter().any(|m| m.name == name))
    };
    // A pod that mounts nothing of a volume is not bound to where that volume is.
    for volume in of.logical.on_cluster.volumes.iter().filter(|volume| mounted(&volume.name)) {
        let mut value = Value::Object(volume.source.clone());
        value["name"] = volume.name.as_str().into();
        volumes.push(value);
    }
    volumes
}
