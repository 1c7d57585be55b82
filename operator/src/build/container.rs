//! Containers: the stream manager, and one per task.

use super::{Blueprint, amounts};
use crate::names;
use egret_topology::{
    logical::{EnvFrom, EnvSource, LogicalComponent},
    packing_plan::{PackedPod, PackedTask},
};
use serde_json::{Map, Value, json};

/// Volume with the state of a stream manager.
pub(super) const STATE: &str = "egret-state";
/// Volume with the identity of a stream manager.
pub(super) const IDENTITY: &str = "egret-identity";
/// Volume for scratch files of instances.
pub(super) const SCRATCH: &str = "egret-scratch";

/// Seconds for a stream manager to come up: its image is there, and it reads a few files.
const START_SECONDS: u64 = 60;

/// Volume with the identity of a task.
pub(super) fn task_identity(task: &PackedTask) -> String {
    format!("egret-task-{}", task.task)
}

/// The stream manager: a native sidecar, first up and last down.
pub(super) fn stream_manager(of: &Blueprint<'_>, pod: &PackedPod) -> Value {
    let probe = |path: &str, period: u64, failures: u64| {
        json!({
            "httpGet": {"path": path, "port": "metrics"},
            "periodSeconds": period,
            "failureThreshold": failures,
            "timeoutSeconds": 2,
        })
    };
    let mut container = json!({
        "name": names::STREAM_MANAGER,
        "image": of.record.stream_manager(),
        "args": [
            "--topology", of.owner.name,
            "--uid", of.owner.uid,
            "--pod", pod.id.to_string(),
            "--listen", format!("0.0.0.0:{}", names::LINK_PORT),
            "--admin", format!("0.0.0.0:{}", names::ADMIN_PORT),
            "--dir", names::DIR,
            "--log-json",
        ],
        "env": [
            {"name": "OTEL_RESOURCE_ATTRIBUTES", "value": resource(of, pod)},
            birth(of, pod),
        ],
        "restartPolicy": "Always",
        "ports": [
            {"name": "links", "containerPort": names::LINK_PORT, "protocol": "UDP"},
            {"name": "metrics", "containerPort": names::ADMIN_PORT, "protocol": "TCP"},
        ],
        "resources": amounts::manager(of.logical, pod),
        "securityContext": security_context(),
        "startupProbe": probe("/live", 1, START_SECONDS),
        "livenessProbe": probe("/live", 10, 3),
        "readinessProbe": probe("/ready", 2, 1),
        "volumeMounts": [
            {"name": STATE, "mountPath": names::DIR},
            {"name": IDENTITY, "mountPath": names::IDENTITY_DIR, "readOnly": true},
        ],
    });
    pull_policy(of, &mut container);
    container
}

/// What spans say of where they were made, as OpenTelemetry names it.
fn resource(of: &Blueprint<'_>, pod: &PackedPod) -> String {
    let life = of.record.pod(pod.id).map_or(0, |record| record.life);
    let name = names::pod(of.owner.name, pod.id, life);
    format!("k8s.pod.name={name},k8s.namespace.name={}", of.owner.namespace)
}

/// Which of all pods of the topology this one is. A variable, since binaries of users may be older
/// than the operator, and arguments that they do not know are an error.
fn birth(of: &Blueprint<'_>, pod: &PackedPod) -> Value {
    let birth = of.record.pod(pod.id).map_or(0, |record| record.birth);
    json!({"name": names::BIRTH, "value": birth.to_string()})
}

/// The container of a task.
pub(super) fn instance(
    of: &Blueprint<'_>,
    component: &LogicalComponent,
    pod: &PackedPod,
    task: &PackedTask,
) -> Value {
    let image = of.record.images.of(component);
    let mut container = json!({
        "name": names::container(task),
        "image": image,
        "args": [
            "run",
            "--topology", of.owner.name,
            "--uid", of.owner.uid,
            "--task", task.task.to_string(),
            "--component", task.component,
            "--pod", pod.id.to_string(),
            "--manager", format!("127.0.0.1:{}", names::LINK_PORT),
            "--identity", names::IDENTITY_DIR,
        ],
        "resources": amounts::instance(of.logical, component, task),
        "securityContext": security_context(),
        "volumeMounts": mounts(component, task),
    });
    let (mut env, env_from) = (environment(component), sources(component));
    // Behind those of the user: the last of a name counts.
    env.push(birth(of, pod));
    container["env"] = env.into();
    if !env_from.is_empty() {
        container["envFrom"] = env_from.into();
    }
    pull_policy(of, &mut container);
    container
}

fn pull_policy(of: &Blueprint<'_>, container: &mut Value) {
    if let Some(policy) = of.logical.on_cluster.image_pull_policy {
        container["imagePullPolicy"] = format!("{policy:?}").into();
    }
}

/// As the level `restricted` asks for, and nothing to write to but volumes.
pub(super) fn security_context() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

fn mounts(component: &LogicalComponent, task: &PackedTask) -> Vec<Value> {
    let user = &component.on_cluster.volume_mounts;
    let mut mounts = vec![json!({
        "name": task_identity(task), "mountPath": names::IDENTITY_DIR, "readOnly": true,
    })];
    if !user.iter().any(|mount| mount.mount_path == "/tmp") {
        // Each instance has its own part.
        mounts.push(json!({
            "name": SCRATCH, "mountPath": "/tmp", "subPath": names::container(task),
        }));
    }
    for mount in user {
        let mut value = json!({"name": mount.name, "mountPath": mount.mount_path});
        if let Some(path) = &mount.sub_path {
            value["subPath"] = path.as_str().into();
        }
        if mount.read_only {
            value["readOnly"] = true.into();
        }
        mounts.push(value);
    }
    mounts
}

fn environment(component: &LogicalComponent) -> Vec<Value> {
    // The kubelet would expand `$(NAME)`; a local run does not.
    let literal = |(name, value): &(String, String)| {
        let value = value.replace("$(", "$$(");
        json!({"name": name, "value": value})
    };
    let sourced = |(name, source): &(String, EnvSource)| {
        let mut from = Map::new();
        for (kind, key) in [
            ("secretKeyRef", &source.secret_key_ref),
            ("configMapKeyRef", &source.config_map_key_ref),
        ] {
            let Some(key) = key else { continue };
            let mut reference = json!({"name": key.name, "key": key.key});
            optional(&mut reference, key.optional);
            from.insert(kind.to_owned(), reference);
        }
        json!({"name": name, "valueFrom": from})
    };
    let literals = component.env.iter().map(literal);
    literals.chain(component.on_cluster.env.iter().map(sourced)).collect()
}

fn sources(component: &LogicalComponent) -> Vec<Value> {
    let source = |from: &EnvFrom| {
        let mut value = json!({});
        if !from.prefix.is_empty() {
            value["prefix"] = from.prefix.as_str().into();
        }
        for (kind, named) in
            [("secretRef", &from.secret_ref), ("configMapRef", &from.config_map_ref)]
        {
            let Some(named) = named else { continue };
            value[kind] = json!({"name": named.name});
            optional(&mut value[kind], named.optional);
        }
        value
    };
    component.on_cluster.env_from.iter().map(source).collect()
}

fn optional(reference: &mut Value, optional: bool) {
    if optional {
        reference["optional"] = true.into();
    }
}
