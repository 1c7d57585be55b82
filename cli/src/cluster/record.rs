//! What the operator has decided: which task runs in which pod, also of pods that are not there.
//!
//! The record is the operator's own; only what is shown is read, and whatever cannot be read is
//! not shown.

use egret_topology::{id::PodId, packing_plan::PackingPlan};
use serde::Deserialize;

/// Key of the record in its ConfigMap.
pub(super) const KEY: &str = "record.json";

/// ConfigMap with the record of a topology.
pub(super) fn name(topology: &str) -> String {
    format!("{topology}-plan")
}

/// The part of a record that is shown.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Record {
    uid: String,
    packing: PackingPlan,
    pods: Vec<Pod>,
    stage: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Pod {
    life: u32,
}

/// A task and where it shall run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) task: u32,
    pub(super) component: String,
    pub(super) index: u32,
    pub(super) pod: String,
}

impl Record {
    /// Reads what an operator wrote for this topology, and not for a namesake that is gone.
    pub(super) fn read(text: &str, uid: &str) -> Option<Record> {
        let record: Record = serde_json::from_str(text).ok()?;
        Some(record).filter(|record| record.uid == uid)
    }

    /// Every task that shall have a pod.
    pub(super) fn tasks(&self, topology: &str) -> Vec<Planned> {
        if self.stage == "Down" {
            return Vec::new();
        }
        let pod = |PodId(id): PodId| {
            let life = self.pods.get(id as usize).map_or(1, |pod| pod.life);
            format!("{topology}-{id}-{life}")
        };
        let planned = |(task, id): (&egret_topology::packing_plan::PackedTask, PodId)| Planned {
            task: task.task.0,
            component: task.component.clone(),
            index: task.index,
            pod: pod(id),
        };
        self.packing.tasks().map(planned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"uid": "u", "revision": 3, "stage": "Live", "pods": [{"life": 4}],
        "packing": {"nextTask": 2, "pods": [{"id": 0,
            "resources": {"cpuMillis": 1, "memoryBytes": 1},
            "tasks": [{"task": 1, "component": "count", "index": 0}]}]}}"#;

    #[test]
    fn a_record_tells_the_pod_of_each_task() {
        let tasks = Record::read(TEXT, "u").unwrap().tasks("wc");
        let pod = "wc-0-4".to_owned();
        assert_eq!(tasks, [Planned { task: 1, component: "count".into(), index: 0, pod }]);
    }

    #[test]
    fn a_record_of_a_namesake_or_of_nothing_that_runs_tells_nothing() {
        assert!(Record::read(TEXT, "v").is_none());
        assert!(Record::read("{}", "u").is_none());
        let down = TEXT.replace("Live", "Down");
        assert_eq!(Record::read(&down, "u").unwrap().tasks("wc"), []);
    }
}
