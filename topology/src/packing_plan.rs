//! The packing plan: which task runs in which pod. Task ids are given out here.

use crate::{
    id::{PodId, TaskId},
    logical::Logical,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which task runs in which pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackingPlan {
    /// Pods, `pods[i].id == PodId(i)`.
    pub pods: Vec<PackedPod>,
    /// The id that the next new task gets: ids of tasks that are gone are not given out again.
    pub next_task: TaskId,
}

/// A pod with its tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackedPod {
    /// Its index.
    pub id: PodId,
    /// Its tasks in order of their ids.
    pub tasks: Vec<PackedTask>,
    /// What its tasks request, with the share of the stream manager.
    pub resources: PodResources,
}

/// A task with its place among the tasks of its component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackedTask {
    /// Its id.
    pub task: TaskId,
    /// Name of its component.
    pub component: String,
    /// Its place among the tasks of its component, from 0.
    pub index: u32,
}

/// What a pod needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodResources {
    /// Thousandths of a CPU.
    pub cpu_millis: u64,
    /// Bytes.
    pub memory_bytes: u64,
}

impl PackingPlan {
    /// Every task with its pod.
    pub fn tasks(&self) -> impl Iterator<Item = (&PackedTask, PodId)> {
        self.pods.iter().flat_map(|pod| pod.tasks.iter().map(move |task| (task, pod.id)))
    }

    /// The id that a task of this plan has not been given yet, even if the plan was written by
    /// hand.
    fn unused(&self) -> TaskId {
        let used = self.tasks().map(|(task, _)| task.task.0.saturating_add(1)).max();
        TaskId(used.unwrap_or(0).max(self.next_task.0))
    }
}

/// All tasks of a topology, in order of components and then of indexes, and the next unused id.
///
/// A task that the previous plan has keeps its id; a new one gets an id that no task ever had.
pub fn number_tasks(
    logical: &Logical,
    previous: Option<&PackingPlan>,
) -> (Vec<PackedTask>, TaskId) {
    let known: BTreeMap<(&str, u32), TaskId> = previous
        .into_iter()
        .flat_map(PackingPlan::tasks)
        .map(|(task, _)| ((task.component.as_str(), task.index), task.task))
        .collect();
    let mut next = previous.map_or(TaskId(0), PackingPlan::unused);
    let mut tasks = Vec::new();
    for component in &logical.components {
        for index in 0..component.parallelism {
            let task = known.get(&(component.name.as_str(), index)).copied().unwrap_or_else(|| {
                let new = next;
                next = TaskId(new.0 + 1);
                new
            });
            tasks.push(PackedTask { task, component: component.name.clone(), index });
        }
    }
    (tasks, next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{declaration::Catalog, validate::validate};
    use serde_json::json;

    fn logical(spouts: i64, bolts: i64) -> Logical {
        let resource = json!({
            "apiVersion": "egret.dev/v1alpha1", "kind": "Topology", "metadata": {"name": "t"},
            "spec": {
                "spouts": [{"name": "s", "parallelism": spouts, "streams": [{"fields": ["x"]}]}],
                "bolts": [{"name": "b", "parallelism": bolts, "streams": [],
                           "inputs": [{"from": "s"}]}],
            },
        });
        validate(&serde_json::from_value(resource).unwrap(), &Catalog::default()).unwrap()
    }

    fn ids(tasks: &[PackedTask]) -> Vec<(&str, u32, u32)> {
        tasks.iter().map(|task| (task.component.as_str(), task.index, task.task.0)).collect()
    }

    fn in_one_pod((tasks, next_task): (Vec<PackedTask>, TaskId)) -> PackingPlan {
        let resources = PodResources::default();
        PackingPlan { pods: vec![PackedPod { id: PodId(0), tasks, resources }], next_task }
    }

    #[test]
    fn tasks_are_numbered_by_component_and_index() {
        let (tasks, next) = number_tasks(&logical(1, 2), None);
        assert_eq!(ids(&tasks), [("s", 0, 0), ("b", 0, 1), ("b", 1, 2)]);
        assert_eq!(next, TaskId(3));
    }

    #[test]
    fn a_task_keeps_its_id_and_a_new_one_gets_one_never_used() {
        let first = in_one_pod(number_tasks(&logical(2, 2), None));
        let less = in_one_pod(number_tasks(&logical(2, 1), Some(&first)));
        let (tasks, next) = number_tasks(&logical(3, 2), Some(&less));
        // Task 3 was b[1] before and is not given out again, not even to b[1].
        assert_eq!(ids(&tasks), [("s", 0, 0), ("s", 1, 1), ("s", 2, 4), ("b", 0, 2), ("b", 1, 5)]);
        assert_eq!(next, TaskId(6));
    }
}
