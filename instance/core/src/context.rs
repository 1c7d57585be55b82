//! What a component is told about itself, taken from the plan.

use crate::task::SetupError;
use egret_sdk::{Context, Input, Metrics, TaskId, Waker};
use egret_topology::plan::PlanIndex;
use std::collections::BTreeMap;

/// The context of a task in its life after `restarts` others.
pub fn context(
    plan: &PlanIndex,
    task: TaskId,
    restarts: u32,
    positions: BTreeMap<String, u64>,
    metrics: &Metrics,
    waker: Waker,
) -> Result<Context, SetupError> {
    let planned = plan.task(task).ok_or(SetupError::NoTask(task))?;
    let component = &plan.plan().components[planned.component];
    let definition = plan.definition(task).ok_or(SetupError::NoTask(task))?;
    let inputs = component.inputs.iter().map(|input| {
        let source = &plan.plan().components[input.from];
        Input { component: source.name.clone(), stream: source.streams[input.stream].clone() }
    });
    Ok(Context {
        topology: plan.plan().topology.clone(),
        component: component.name.clone(),
        task,
        index: planned.index,
        parallelism: plan.tasks_of(planned.component).len() as u32,
        pod: planned.pod.0,
        restarts,
        streams: component.streams.clone(),
        inputs: inputs.collect(),
        positions,
        config: definition.config,
        metrics: metrics.clone(),
        waker,
    })
}
