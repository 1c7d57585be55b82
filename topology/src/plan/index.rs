//! Questions about a physical plan that must be answered without searching it.

use super::{ComponentKind, Definition, PhysicalPlan, PlannedComponent, PlannedTask};
use crate::{
    grouping::Grouping,
    id::{PodId, TaskId},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// One edge as its source sees it: a stream, and the tasks of one destination component.
#[derive(Clone, Debug, PartialEq)]
pub struct Downstream {
    /// Index of the source's stream.
    pub stream: usize,
    /// Index of the destination component.
    pub component: usize,
    /// How its tasks are chosen.
    pub grouping: Grouping,
    /// The destination's tasks in order of their ids.
    pub tasks: Vec<TaskId>,
}

/// A physical plan with its answers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PlanIndex(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    plan: PhysicalPlan,
    tasks: BTreeMap<TaskId, usize>,
    tasks_of: Vec<Vec<TaskId>>,
    /// Per component, the components that its tuples can reach over any number of edges.
    reach: Vec<BTreeSet<usize>>,
}

/// Why a plan cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plan of topology `{topology}` (revision {revision}) is unusable: {why}")]
pub struct BadPlan {
    /// Topology of the plan.
    pub topology: String,
    /// Revision of the plan.
    pub revision: u64,
    /// What is wrong with it.
    pub why: String,
}

impl PlanIndex {
    /// Checks every reference in the plan and prepares the answers.
    pub fn new(plan: PhysicalPlan) -> Result<PlanIndex, BadPlan> {
        let bad =
            |why: String| BadPlan { topology: plan.topology.clone(), revision: plan.revision, why };
        for (i, pod) in plan.pods.iter().enumerate() {
            if pod.id != PodId(i as u32) {
                return Err(bad(format!("pods[{i}] has id {}", pod.id)));
            }
        }
        let mut tasks_of = vec![Vec::new(); plan.components.len()];
        let mut tasks = BTreeMap::new();
        for (i, task) in plan.tasks.iter().enumerate() {
            if task.component >= plan.components.len() || task.pod.0 as usize >= plan.pods.len() {
                return Err(bad(format!("task {} names an unknown component or pod", task.id)));
            }
            if tasks.insert(task.id, i).is_some() {
                return Err(bad(format!("task {} is listed twice", task.id)));
            }
            tasks_of[task.component].push(task.id);
        }
        tasks_of.iter_mut().for_each(|tasks| tasks.sort_unstable());
        for component in &plan.components {
            for input in &component.inputs {
                let source = plan.components.get(input.from);
                let stream = source.and_then(|source| source.streams.get(input.stream));
                let Some(stream) = stream else {
                    return Err(bad(format!("an input of `{}` is unknown", component.name)));
                };
                for field in input.grouping.key_fields() {
                    if stream.field(field).is_none() {
                        return Err(bad(format!(
                            "an input of `{}` groups by unknown field `{field}`",
                            component.name
                        )));
                    }
                }
            }
        }
        let reach = reach(&plan).ok_or_else(|| bad("its components form a cycle".into()))?;
        Ok(PlanIndex(Arc::new(Inner { plan, tasks, tasks_of, reach })))
    }

    /// The plan itself.
    pub fn plan(&self) -> &PhysicalPlan {
        &self.0.plan
    }

    /// A task of the plan.
    pub fn task(&self, task: TaskId) -> Option<&PlannedTask> {
        self.0.tasks.get(&task).map(|i| &self.0.plan.tasks[*i])
    }

    /// The pod that a task runs in.
    pub fn pod_of(&self, task: TaskId) -> Option<PodId> {
        self.task(task).map(|task| task.pod)
    }

    /// The component of a task.
    pub fn component_of(&self, task: TaskId) -> Option<&PlannedComponent> {
        self.task(task).map(|task| &self.0.plan.components[task.component])
    }

    /// The tasks of a component, in order of their ids.
    pub fn tasks_of(&self, component: usize) -> &[TaskId] {
        self.0.tasks_of.get(component).map_or(&[], Vec::as_slice)
    }

    /// The tasks of a pod, in order of their ids.
    pub fn tasks_in(&self, pod: PodId) -> impl Iterator<Item = &PlannedTask> {
        self.0.tasks.values().map(|i| &self.0.plan.tasks[*i]).filter(move |task| task.pod == pod)
    }

    /// Everything that a component's tuples are sent to, in the order of the plan.
    pub fn downstream(&self, component: usize) -> Vec<Downstream> {
        let mut edges = Vec::new();
        for (destination, planned) in self.0.plan.components.iter().enumerate() {
            for input in planned.inputs.iter().filter(|input| input.from == component) {
                edges.push(Downstream {
                    stream: input.stream,
                    component: destination,
                    grouping: input.grouping.clone(),
                    tasks: self.tasks_of(destination).to_vec(),
                });
            }
        }
        edges
    }

    /// Every task that sends tuples to a component, in order of their ids.
    pub fn sources_of(&self, component: usize) -> BTreeSet<TaskId> {
        let inputs = self.0.plan.components.get(component).map_or(&[][..], |c| &c.inputs);
        inputs.iter().flat_map(|input| self.tasks_of(input.from)).copied().collect()
    }

    /// Whether tuples emitted by `from` can reach `to` over any number of edges; a task reaches
    /// itself.
    pub fn reaches(&self, from: TaskId, to: TaskId) -> bool {
        let (Some(a), Some(b)) = (self.task(from), self.task(to)) else { return false };
        from == to || self.0.reach[a.component].contains(&b.component)
    }

    /// Whether any tuple of `from` can pass through the pod, counting the task's own pod.
    pub fn touches(&self, from: TaskId, pod: PodId) -> bool {
        self.tasks_in(pod).any(|task| self.reaches(from, task.id))
    }

    /// Whether a task is about to be replaced: its input waits, and it works off what it has.
    pub fn is_draining(&self, task: TaskId) -> bool {
        self.0.plan.rolling.draining.contains(&task)
    }

    /// What a task reads when its process starts.
    pub fn definition(&self, task: TaskId) -> Option<Definition> {
        let component = self.component_of(task)?;
        let plan = &self.0.plan;
        Some(plan.rolling.other(task).cloned().unwrap_or_else(|| plan.definition_of(component)))
    }

    /// Whether the component is a spout.
    pub fn is_spout(&self, task: TaskId) -> bool {
        self.component_of(task).is_some_and(|c| c.kind == ComponentKind::Spout)
    }

    /// A task in words: `count[2] (task 7)`.
    pub fn describe(&self, task: TaskId) -> String {
        match (self.task(task), self.component_of(task)) {
            (Some(planned), Some(component)) => {
                format!("{}[{}] (task {task})", component.name, planned.index)
            }
            _ => format!("task {task}"),
        }
    }
}

/// Per component all that it reaches; `None` if there is a cycle.
fn reach(plan: &PhysicalPlan) -> Option<Vec<BTreeSet<usize>>> {
    let n = plan.components.len();
    let mut reach: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); n];
    for (to, component) in plan.components.iter().enumerate() {
        for input in &component.inputs {
            reach[input.from].insert(to);
        }
    }
    // At most n rounds: each lengthens the paths considered by one edge.
    for _ in 0..n {
        let before: usize = reach.iter().map(BTreeSet::len).sum();
        for c in 0..n {
            let further: Vec<usize> = reach[c].iter().flat_map(|d| reach[*d].clone()).collect();
            reach[c].extend(further);
        }
        if before == reach.iter().map(BTreeSet::len).sum::<usize>() {
            break;
        }
    }
    (0..n).all(|c| !reach[c].contains(&c)).then_some(reach)
}
