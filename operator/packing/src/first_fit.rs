//! First fit decreasing: as few pods as the requested resources allow, the largest task first.
//!
//! Tasks stay where they are while they fit there; only the others and new ones are placed, into
//! the first pod with room. If that needs more pods than are allowed, all are placed anew: better
//! many moves than none. Emptied pods are filled by whole pods from the end, because pods are
//! numbered without gaps.

use crate::{
    PackingError, Task,
    request::{PADDING, Request},
};
use egret_topology::{id::PodId, logical::Logical};
use std::cmp::Reverse;

/// The pod of each task.
pub(crate) fn assign(logical: &Logical, tasks: &[Task<'_>]) -> Result<Vec<PodId>, PackingError> {
    let capacity = Request::capacity(logical);
    if let Some(task) = tasks.iter().find(|task| !task.request.fits(capacity)) {
        return Err(PackingError::TaskTooLarge {
            component: task.packed.component.clone(),
            request: task.request.to_string(),
            padding: PADDING,
            capacity: capacity.to_string(),
        });
    }
    let mut order: Vec<usize> = (0..tasks.len()).collect();
    order.sort_by_key(|i| {
        let Request { cpu_millis, memory_bytes } = tasks[*i].request;
        (Reverse((memory_bytes, cpu_millis)), tasks[*i].packed.task)
    });
    let bins = Bins { capacity, most: logical.pods.max(1) as usize, bins: Vec::new() };
    place(tasks, &order, bins.clone(), true)
        .or_else(|_| place(tasks, &order, bins.clone(), false))
        .map_err(|unplaced| {
            let first = tasks[unplaced[0]];
            PackingError::TooFewPods {
                component: first.packed.component.clone(),
                request: first.request.to_string(),
                unplaced: unplaced.len(),
                tasks: tasks.len(),
                pods: logical.pods,
                capacity: capacity.to_string(),
            }
        })
}

/// Places all tasks, or says which ones found no room.
fn place(
    tasks: &[Task<'_>],
    order: &[usize],
    mut bins: Bins,
    keep: bool,
) -> Result<Vec<PodId>, Vec<usize>> {
    let mut pods: Vec<Option<usize>> = vec![None; tasks.len()];
    for i in order.iter().copied().filter(|_| keep) {
        pods[i] = tasks[i]
            .before
            .map(|pod| pod.0 as usize)
            .filter(|pod| bins.add(*pod, tasks[i].request));
    }
    let mut unplaced = Vec::new();
    for i in order.iter().copied() {
        if pods[i].is_none() {
            pods[i] = bins.add_first(tasks[i].request);
        }
        if pods[i].is_none() {
            unplaced.push(i);
        }
    }
    if !unplaced.is_empty() {
        return Err(unplaced);
    }
    let numbers = without_gaps(&bins.bins);
    Ok(pods.into_iter().flatten().map(|pod| numbers[pod]).collect())
}

/// Pods while they are filled; an empty one has no request.
#[derive(Clone)]
struct Bins {
    capacity: Request,
    most: usize,
    bins: Vec<Request>,
}

impl Bins {
    /// Adds to this pod if there is room.
    fn add(&mut self, pod: usize, request: Request) -> bool {
        if pod >= self.most {
            return false;
        }
        if pod >= self.bins.len() {
            self.bins.resize(pod + 1, Request::default());
        }
        let sum = self.bins[pod].plus(request);
        let fits = sum.fits(self.capacity);
        if fits {
            self.bins[pod] = sum;
        }
        fits
    }

    /// Adds to the first pod with room; pods in use come before empty ones.
    fn add_first(&mut self, request: Request) -> Option<usize> {
        let used = |pod: &usize| self.bins[*pod] != Request::default();
        let (used, empty): (Vec<usize>, Vec<usize>) = (0..self.bins.len()).partition(used);
        let end = self.bins.len();
        used.into_iter().chain(empty).chain([end]).find(|pod| self.add(*pod, request))
    }
}

/// The number of each pod when the empty ones are gone: pods from the end take their places.
fn without_gaps(bins: &[Request]) -> Vec<PodId> {
    let used = |pod: &usize| bins[*pod] != Request::default();
    let count = (0..bins.len()).filter(used).count();
    let mut gaps = (0..count).filter(|pod| !used(pod));
    let number = |pod: usize| match pod < count || !used(&pod) {
        true => PodId(pod as u32),
        false => PodId(gaps.next().unwrap_or(pod) as u32),
    };
    (0..bins.len()).map(number).collect()
}
