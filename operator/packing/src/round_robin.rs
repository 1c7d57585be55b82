//! Round robin: exactly the asked pods, the tasks of each component spread evenly over them.
//!
//! Of `n` tasks of a component every one of `p` pods gets `n / p`, and `n % p` of them one more.
//! Which pods those are is all there is to choose; [`Extras`] chooses so that pods are even in
//! total too, and of all such choices one that moves the fewest tasks.

mod extras;

use crate::Task;
use egret_topology::{id::PodId, logical::Logical};
use extras::Extras;

/// The pod of each task.
pub(crate) fn assign(logical: &Logical, tasks: &[Task<'_>]) -> Vec<PodId> {
    let pods = logical.pods.max(1) as usize;
    // Tasks of a component stand together.
    let components: Vec<&[Task<'_>]> =
        tasks.chunk_by(|a, b| a.packed.component == b.packed.component).collect();
    let extras = Extras::new(&components, pods);
    let mut load = vec![0_usize; pods];
    let mut assigned = Vec::with_capacity(tasks.len());
    for (c, tasks) in components.iter().enumerate() {
        let quota: Vec<usize> =
            (0..pods).map(|pod| tasks.len() / pods + usize::from(extras.has(c, pod))).collect();
        assigned.extend(fill(tasks, &quota, &load));
        load.iter_mut().zip(quota).for_each(|(load, quota)| *load += quota);
    }
    assigned
}

/// The pods of the tasks of one component, as many in each as its quota says.
fn fill(tasks: &[Task<'_>], quota: &[usize], load: &[usize]) -> Vec<PodId> {
    let mut free = quota.to_vec();
    let mut stays = vec![None; tasks.len()];
    for (task, stays) in tasks.iter().zip(&mut stays) {
        let Some(pod) = task.before.filter(|pod| (pod.0 as usize) < free.len()) else { continue };
        if free[pod.0 as usize] > 0 {
            free[pod.0 as usize] -= 1;
            *stays = Some(pod);
        }
    }
    // The others go round: one to each pod with room before any gets a second.
    let mut at = (0..load.len()).min_by_key(|pod| load[*pod]).unwrap_or(0);
    let mut next = || {
        while free[at % free.len()] == 0 {
            at += 1;
        }
        let pod = at % free.len();
        free[pod] -= 1;
        at += 1;
        PodId(pod as u32)
    };
    stays.into_iter().map(|stays| stays.unwrap_or_else(&mut next)).collect()
}
