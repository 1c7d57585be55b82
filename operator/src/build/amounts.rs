//! What containers request and may use.

use egret_topology::{
    logical::{Logical, LogicalComponent},
    packing_plan::{PackedPod, PackedTask},
};
use serde_json::{Value, json};

const MEBI: u64 = 1 << 20;

/// The least that a stream manager requests: idle, with links to a few peers.
const MANAGER_CPU_MILLIS: u64 = 25;
const MANAGER_MEMORY: u64 = 48 * MEBI;
/// What a stream manager may use at least: its queues are bounded, but many links have windows.
const MANAGER_LIMIT: u64 = 512 * MEBI;
/// What an instance may use if its component says nothing: a leak shall end it, and not its
/// machine.
const INSTANCE_LIMIT: u64 = 1024 * MEBI;

const _: () = assert!(MANAGER_MEMORY < MANAGER_LIMIT);

/// Resources of an instance.
pub(super) fn instance(
    logical: &Logical,
    component: &LogicalComponent,
    task: &PackedTask,
) -> Value {
    let requested = egret_packing::requested(logical, task);
    let memory = component.limits.memory_bytes;
    let memory = memory.unwrap_or(INSTANCE_LIMIT.max(requested.memory_bytes.saturating_mul(2)));
    let mut resources = json!({
        "requests": amounts(requested.cpu_millis, requested.memory_bytes),
        "limits": {"memory": bytes(memory)},
    });
    // Without a limit of its own a task may use what is idle: throttling costs latency.
    if let Some(millis) = component.limits.cpu_millis {
        resources["limits"]["cpu"] = cpu(millis);
    }
    resources
}

/// Resources of a pod's stream manager: its share of what the pod was packed with.
pub(super) fn manager(logical: &Logical, pod: &PackedPod) -> Value {
    let (mut millis, mut memory) = (pod.resources.cpu_millis, pod.resources.memory_bytes);
    for task in &pod.tasks {
        let requested = egret_packing::requested(logical, task);
        millis = millis.saturating_sub(requested.cpu_millis);
        memory = memory.saturating_sub(requested.memory_bytes);
    }
    let (millis, memory) = (millis.max(MANAGER_CPU_MILLIS), memory.max(MANAGER_MEMORY));
    let limit = MANAGER_LIMIT.max(memory.saturating_mul(2));
    json!({"requests": amounts(millis, memory), "limits": {"memory": bytes(limit)}})
}

fn amounts(millis: u64, memory: u64) -> Value {
    json!({"cpu": cpu(millis), "memory": bytes(memory)})
}

/// As the API server writes it, so that nothing looks changed.
fn cpu(millis: u64) -> Value {
    match millis % 1000 {
        0 => (millis / 1000).to_string().into(),
        _ => format!("{millis}m").into(),
    }
}

fn bytes(bytes: u64) -> Value {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")];
    let unit = UNITS.iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    match unit {
        Some((unit, name)) => format!("{}{name}", bytes / unit).into(),
        None => bytes.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_the_api_server_does() {
        assert_eq!(cpu(2000), "2");
        assert_eq!(cpu(1500), "1500m");
        assert_eq!(bytes(3 << 30), "3Gi");
        assert_eq!(bytes(1536 << 20), "1536Mi");
        assert_eq!(bytes(1000), "1000");
    }
}
