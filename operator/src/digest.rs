//! Digests: whether something is still what it was. They are recorded, so they never change.

use egret_topology::{
    logical::{Logical, LogicalComponent},
    packing_plan::PackedPod,
    plan::PhysicalPlan,
};
use serde::Serialize;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use crate::record::Images;

/// The digest of anything.
pub fn of(value: &impl Serialize) -> String {
    // Maps are written in the order of their keys.
    let canonical = serde_json::to_value(value).map(|value| value.to_string()).unwrap_or_default();
    format!("{:032x}", xxh3_128(canonical.as_bytes()))
}

/// Tasks and groupings: what an epoch stands for.
pub fn shape(logical: &Logical) -> String {
    let component = |component: &LogicalComponent| {
        json!({
            "name": component.name,
            "kind": component.kind,
            "parallelism": component.parallelism,
            "streams": component.streams,
            "inputs": component.inputs,
        })
    };
    let components: Vec<Value> = logical.components.iter().map(component).collect();
    of(&json!({"components": components, "delivery": logical.delivery}))
}

/// What a pod is made of: its own tasks, and nothing of others. What a task can change while its
/// pod stays is no part of it.
pub fn pod(logical: &Logical, pod: &PackedPod) -> String {
    let components: Vec<Value> = logical
        .components
        .iter()
        .filter(|component| pod.tasks.iter().any(|task| task.component == component.name))
        .map(frame)
        .collect();
    let on_cluster = &logical.on_cluster;
    let mounted = |name: &str| {
        components_of(logical, pod)
            .any(|component| component.on_cluster.volume_mounts.iter().any(|m| m.name == name))
    };
    let volumes: Vec<_> =
        on_cluster.volumes.iter().filter(|volume| mounted(&volume.name)).collect();
    of(&json!({
        "tasks": pod.tasks,
        "components": components,
        "volumes": volumes,
        "template": on_cluster.pod_template,
        "pullPolicy": on_cluster.image_pull_policy,
        "pullSecrets": on_cluster.image_pull_secrets,
    }))
}

/// What all tasks run that they can change while their pods stay.
pub fn definitions(logical: &Logical, images: &Images) -> String {
    of(&logical.components.iter().map(|c| running(c, images)).collect::<Vec<_>>())
}

/// What all tasks run: whether input that has ended may be read again.
pub fn components(logical: &Logical, images: &Images) -> String {
    let all: Vec<Value> = logical.components.iter().map(|c| definition(c, images)).collect();
    of(&json!({"shape": shape(logical), "components": all}))
}

/// A plan, whatever its revision.
pub fn plan(plan: &PhysicalPlan) -> String {
    of(&PhysicalPlan { revision: 0, ..plan.clone() })
}

/// The components that have a task in a pod.
pub fn components_of<'a>(
    logical: &'a Logical,
    pod: &'a PackedPod,
) -> impl Iterator<Item = &'a LogicalComponent> {
    logical
        .components
        .iter()
        .filter(|component| pod.tasks.iter().any(|task| task.component == component.name))
}

fn definition(component: &LogicalComponent, images: &Images) -> Value {
    let mut definition = frame(component);
    definition["component"] = component.component.as_str().into();
    definition["image"] = images.of(component).into();
    definition["config"] = component.config.clone();
    definition["tick"] = component.tick_ms.into();
    definition
}

/// The same, as it runs now.
fn running(component: &LogicalComponent, images: &Images) -> Value {
    let mut definition = definition(component, images);
    definition["restartedAt"] = component.restarted_at.as_deref().into();
    definition
}

/// What of a component can only change with its pod.
fn frame(component: &LogicalComponent) -> Value {
    let amounts = |amounts: &egret_topology::logical::Amounts| {
        let (cpu, memory) = (amounts.cpu_millis, amounts.memory_bytes);
        json!({"cpu": cpu, "memory": memory})
    };
    json!({
        "name": component.name,
        "requests": amounts(&component.requests),
        "limits": amounts(&component.limits),
        "env": component.env,
        "envSources": component.on_cluster.env,
        "envFrom": component.on_cluster.env_from,
        "mounts": component.on_cluster.volume_mounts,
    })
}
