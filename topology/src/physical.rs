//! From a packing plan to the physical plan that is pushed.

use crate::{
    id::{Epoch, PodId},
    logical::Logical,
    packing_plan::PackingPlan,
    plan::{PhysicalPlan, PlannedComponent, PlannedPod, PlannedTask, Rolling, RunState},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

/// What only the one who deploys knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Unique id of the topology.
    pub uid: String,
    /// Revision of the plan.
    pub revision: u64,
    /// Epoch of its tasks and groupings.
    pub epoch: Epoch,
    /// What all tasks should be doing.
    pub state: RunState,
    /// Key of the edge id hash.
    pub edge_key: u64,
    /// Tasks that are being replaced.
    pub rolling: Rolling,
    /// Where the stream managers of the pods listen, in order of pods.
    pub addresses: Vec<SocketAddr>,
}

/// Why a packing plan is not one of this topology.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Not as many addresses as pods.
    #[error(
        "topology `{topology}` is packed into {pods} pods, but {addresses} addresses are known"
    )]
    Addresses {
        /// The topology.
        topology: String,
        /// Pods of the packing plan.
        pods: usize,
        /// Addresses given.
        addresses: usize,
    },
    /// The pods are not numbered from 0 without gaps.
    #[error("topology `{topology}` has pod {pod} in place {place} of its packing plan")]
    Pods {
        /// The topology.
        topology: String,
        /// The pod's id.
        pod: PodId,
        /// Its place.
        place: usize,
    },
    /// The tasks are not those of the topology.
    #[error(
        "topology `{topology}` has no task {component}[{index}], or its packing plan has it not \
         exactly once"
    )]
    Tasks {
        /// The topology.
        topology: String,
        /// Component of the task.
        component: String,
        /// Index of the task.
        index: u32,
    },
}

impl PhysicalPlan {
    /// The plan of a topology that is packed and deployed like this.
    pub fn of(
        logical: &Logical,
        packing: &PackingPlan,
        deployment: Deployment,
    ) -> Result<PhysicalPlan, Mismatch> {
        let topology = logical.name.clone();
        let Deployment { uid, revision, epoch, state, edge_key, rolling, addresses } = deployment;
        if addresses.len() != packing.pods.len() {
            let (pods, addresses) = (packing.pods.len(), addresses.len());
            return Err(Mismatch::Addresses { topology, pods, addresses });
        }
        if let Some((place, pod)) =
            packing.pods.iter().enumerate().find(|(i, pod)| pod.id.0 as usize != *i)
        {
            return Err(Mismatch::Pods { topology, pod: pod.id, place });
        }
        let pods = packing.pods.iter().zip(addresses);
        Ok(PhysicalPlan {
            tasks: tasks(logical, packing)?,
            topology,
            uid,
            revision,
            epoch,
            state,
            delivery: logical.delivery,
            max_pending: logical.max_pending,
            message_timeout_ms: logical.message_timeout_ms,
            edge_key,
            log_levels: logical.log_levels.clone(),
            tracing: logical.tracing.clone(),
            rolling,
            restarted_at: logical.components.iter().find_map(|of| of.restarted_at.clone()),
            max_rates: logical
                .components
                .iter()
                .filter_map(|of| Some((of.name.clone(), of.max_rate?)))
                .collect(),
            max_tries: logical
                .components
                .iter()
                .filter_map(|of| Some((of.name.clone(), of.max_tries?)))
                .collect(),
            components: components(logical),
            pods: pods.map(|(pod, address)| PlannedPod { id: pod.id, address }).collect(),
        })
    }
}

fn components(logical: &Logical) -> Vec<PlannedComponent> {
    let planned = |component: &crate::logical::LogicalComponent| PlannedComponent {
        name: component.name.clone(),
        kind: component.kind,
        component: component.component.clone(),
        config: component.config.clone(),
        tick_ms: component.tick_ms,
        streams: component.streams.clone(),
        inputs: component.inputs.clone(),
    };
    logical.components.iter().map(planned).collect()
}

/// The tasks in order of their ids: each of the topology's, once.
fn tasks(logical: &Logical, packing: &PackingPlan) -> Result<Vec<PlannedTask>, Mismatch> {
    let by_name: BTreeMap<&str, usize> =
        logical.components.iter().enumerate().map(|(i, c)| (c.name.as_str(), i)).collect();
    let wrong = |component: &str, index| Mismatch::Tasks {
        topology: logical.name.clone(),
        component: component.to_owned(),
        index,
    };
    let (mut seen, mut ids, mut tasks) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for (task, pod) in packing.tasks() {
        let known = by_name.get(task.component.as_str()).copied();
        let component = known
            .filter(|component| task.index < logical.components[*component].parallelism)
            .filter(|component| seen.insert((*component, task.index)) && ids.insert(task.task))
            .ok_or_else(|| wrong(&task.component, task.index))?;
        tasks.push(PlannedTask { id: task.task, component, index: task.index, pod });
    }
    for (i, component) in logical.components.iter().enumerate() {
        if let Some(index) = (0..component.parallelism).find(|index| !seen.contains(&(i, *index))) {
            return Err(wrong(&component.name, index));
        }
    }
    tasks.sort_unstable_by_key(|task| task.id);
    Ok(tasks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        declaration::Catalog,
        id::TaskId,
        packing_plan::{PackedPod, PodResources, number_tasks},
        plan::PlanIndex,
        validate::validate,
    };
    use serde_json::json;

    fn logical() -> Logical {
        let resource = json!({
            "apiVersion": "egret.dev/v1alpha1", "kind": "Topology",
            "metadata": {"name": "t", "annotations": {"egret.dev/log-level": "b=debug"}},
            "spec": {
                "spouts": [{"name": "s", "streams": [{"fields": ["x"]}], "config": {"a": 1}}],
                "bolts": [{"name": "b", "parallelism": 2, "streams": [], "tick": "1s",
                           "inputs": [{"from": "s", "grouping": "All"}]}],
            },
        });
        validate(&serde_json::from_value(resource).unwrap(), &Catalog::default()).unwrap()
    }

    fn packed(logical: &Logical) -> PackingPlan {
        let (mut tasks, next_task) = number_tasks(logical, None);
        let other = tasks.split_off(2);
        let pod = |id, tasks| PackedPod { id, tasks, resources: PodResources::default() };
        PackingPlan { pods: vec![pod(PodId(0), other), pod(PodId(1), tasks)], next_task }
    }

    fn deployment(pods: u16) -> Deployment {
        Deployment {
            uid: "u".to_owned(),
            revision: 1,
            epoch: Epoch(1),
            state: RunState::Running,
            edge_key: 7,
            rolling: Rolling::default(),
            addresses: (0..pods).map(|i| SocketAddr::from(([127, 0, 0, 1], 4000 + i))).collect(),
        }
    }

    #[test]
    fn a_packed_topology_is_a_usable_plan() {
        let logical = logical();
        let plan = PhysicalPlan::of(&logical, &packed(&logical), deployment(2)).unwrap();
        assert_eq!(plan.pods[1].address.port(), 4001);
        assert_eq!(plan.components[0].config, json!({"a": 1}));
        assert_eq!(plan.components[1].tick_ms, Some(1000));
        assert_eq!(plan.log_levels.to_string(), "b=debug");
        let tasks: Vec<(u32, u32)> = plan.tasks.iter().map(|t| (t.id.0, t.pod.0)).collect();
        assert_eq!(tasks, [(0, 1), (1, 1), (2, 0)]);
        let index = PlanIndex::new(plan).unwrap();
        assert!(index.reaches(TaskId(0), TaskId(2)));
    }

    #[test]
    fn a_packing_plan_of_another_topology_is_refused() {
        let logical = logical();
        let mut less = packed(&logical);
        less.pods[0].tasks.clear();
        let error = PhysicalPlan::of(&logical, &less, deployment(2)).unwrap_err();
        assert!(error.to_string().contains("has no task b[1]"), "{error}");
        let mut twice = packed(&logical);
        let task = twice.pods[0].tasks[0].clone();
        twice.pods[1].tasks.push(task);
        assert!(PhysicalPlan::of(&logical, &twice, deployment(2)).is_err());
        let error = PhysicalPlan::of(&logical, &packed(&logical), deployment(1)).unwrap_err();
        assert!(error.to_string().contains("2 pods, but 1 addresses"), "{error}");
    }
}
