//! Packing: which task runs in which pod. A pure function of the logical plan and the previous
//! packing.
//!
//! Nothing here knows pods that exist or resources that a cluster has left; it never waits and does
//! no I/O. What holds of every packing plan, whatever the policy:
//!
//! 1. every task of the topology is in exactly one pod;
//! 2. pods are numbered from 0 without gaps;
//! 3. a task that was there before keeps its id, and its pod if the policy allows it.

mod first_fit;
mod request;
mod round_robin;

use egret_topology::{
    id::PodId,
    logical::{Logical, Packing},
    packing_plan::{PackedPod, PackedTask, PackingPlan, PodResources, number_tasks},
};
use request::Request;

/// Why a topology cannot be packed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackingError {
    /// One task alone is larger than a pod.
    #[error(
        "a task of `{component}` requests {request}, with {padding} % for the stream manager more \
         than a pod's {capacity}; raise `podCapacity` or lower the requests of `{component}`"
    )]
    TaskTooLarge {
        /// Its component.
        component: String,
        /// What it requests, in words.
        request: String,
        /// Percentage added for the stream manager.
        padding: u64,
        /// What a pod may hold, in words.
        capacity: String,
    },
    /// All pods are full.
    #[error(
        "{unplaced} of {tasks} tasks do not fit into {pods} pods of {capacity} each, the first of \
         them a task of `{component}` that requests {request}; raise `pods` or `podCapacity`, or \
         lower requests or parallelism"
    )]
    TooFewPods {
        /// Component of the first task that does not fit.
        component: String,
        /// What it requests, in words.
        request: String,
        /// Tasks that do not fit.
        unplaced: usize,
        /// Tasks in all.
        tasks: usize,
        /// Pods allowed.
        pods: u32,
        /// What a pod may hold, in words.
        capacity: String,
    },
}

/// Packs a topology; with a previous plan, so that the fewest tasks move.
pub fn pack(
    logical: &Logical,
    previous: Option<&PackingPlan>,
) -> Result<PackingPlan, PackingError> {
    let (numbered, next_task) = number_tasks(logical, previous);
    let before = previous.map(Before::new).unwrap_or_default();
    let tasks: Vec<Task<'_>> = numbered
        .iter()
        .map(|packed| Task {
            packed,
            request: Request::of(logical, packed),
            before: before.pod_of(packed),
        })
        .collect();
    let pods = match logical.packing {
        Packing::FirstFitDecreasing => first_fit::assign(logical, &tasks)?,
        Packing::RoundRobin => round_robin::assign(logical, &tasks),
    };
    let count = pods.iter().map(|pod| pod.0 as usize + 1).max().unwrap_or(0);
    let mut packed: Vec<(Vec<PackedTask>, Request)> = vec![Default::default(); count];
    for (task, pod) in tasks.iter().zip(pods) {
        let (tasks, request) = &mut packed[pod.0 as usize];
        tasks.push(task.packed.clone());
        *request = request.plus(task.request);
    }
    let pods = packed.into_iter().enumerate().map(|(i, (mut tasks, request))| {
        tasks.sort_unstable_by_key(|task| task.task);
        PackedPod { id: PodId(i as u32), tasks, resources: request.padded().into() }
    });
    Ok(PackingPlan { pods: pods.collect(), next_task })
}

/// What a task is counted with: what its component requests, or the default.
pub fn requested(logical: &Logical, task: &PackedTask) -> PodResources {
    Request::of(logical, task).into()
}

/// A task to place.
#[derive(Clone, Copy, Debug)]
struct Task<'a> {
    packed: &'a PackedTask,
    request: Request,
    /// The pod that it is in now.
    before: Option<PodId>,
}

/// Where tasks are now.
#[derive(Default)]
struct Before<'a>(std::collections::BTreeMap<(&'a str, u32), PodId>);

impl<'a> Before<'a> {
    fn new(plan: &'a PackingPlan) -> Before<'a> {
        let place =
            |(task, pod): (&'a PackedTask, PodId)| ((task.component.as_str(), task.index), pod);
        Before(plan.tasks().map(place).collect())
    }

    fn pod_of(&self, task: &PackedTask) -> Option<PodId> {
        self.0.get(&(task.component.as_str(), task.index)).copied()
    }
}

#[cfg(test)]
mod tests;
