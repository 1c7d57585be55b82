//! Which pods get one task more of a component than its even share.
//!
//! An extra at a pod that has one more already saves a move. The choice starts with the one that
//! saves the most, and then evens out the pods: an extra wanders from a full pod to an empty one,
//! if need be in a chain over other pods and components, always on the way that costs the fewest
//! moves. That is the shortest augmenting path of a minimum-cost flow, so no other even choice
//! moves fewer tasks.

use crate::Task;

/// The choice.
pub(super) struct Extras {
    pods: usize,
    /// `[component][pod]`: it gets one more.
    extra: Vec<Vec<bool>>,
    /// `[component][pod]`: it has one more already.
    saves: Vec<Vec<bool>>,
}

impl Extras {
    pub(super) fn new(components: &[&[Task<'_>]], pods: usize) -> Extras {
        let saves = components.iter().map(|tasks| has_more(tasks, pods)).collect();
        let mut extras = Extras { pods, extra: vec![vec![false; pods]; components.len()], saves };
        let mut load = vec![0_usize; pods];
        for (c, tasks) in components.iter().enumerate() {
            let mut order: Vec<usize> = (0..pods).collect();
            order.sort_by_key(|pod| (!extras.saves[c][*pod], load[*pod], *pod));
            for pod in order.into_iter().take(tasks.len() % pods) {
                extras.extra[c][pod] = true;
                load[pod] += 1;
            }
        }
        while extras.improve(&mut load) {}
        extras
    }

    /// Whether the pod gets one more of the component.
    pub(super) fn has(&self, component: usize, pod: usize) -> bool {
        self.extra[component][pod]
    }

    /// One step towards even pods, or among even ones towards fewer moves; false if there is none.
    ///
    /// It ends: each step lowers the sum of squared loads, or leaves it and lowers the moves.
    fn improve(&mut self, load: &mut [usize]) -> bool {
        let most = load.iter().max().copied().unwrap_or(0);
        let least = load.iter().min().copied().unwrap_or(0);
        if most == least {
            return false;
        }
        let Some((cost, path)) = self.cheapest(load, most, least) else { return false };
        if most - least == 1 && cost >= 0 {
            return false;
        }
        for Step { component, from, to } in path {
            self.extra[component][from] = false;
            self.extra[component][to] = true;
            load[from] -= 1;
            load[to] += 1;
        }
        true
    }

    /// The cheapest chain from a fullest to an emptiest pod, with its cost in moves.
    fn cheapest(&self, load: &[usize], most: usize, least: usize) -> Option<(i32, Vec<Step>)> {
        // Pods are left by way of a component that has its extra there, which enters where it has
        // none.
        let components = self.extra.len();
        let mut to_pod: Vec<Option<i32>> =
            load.iter().map(|load| (*load == most).then_some(0)).collect();
        let mut to_component: Vec<Option<i32>> = vec![None; components];
        let mut pod_from = vec![None; self.pods];
        let mut component_from = vec![0; components];
        // A shortest chain visits no pod twice.
        for _ in 0..=self.pods {
            let mut changed = false;
            for c in 0..components {
                for pod in (0..self.pods).filter(|pod| self.extra[c][*pod]) {
                    let Some(cost) = to_pod[pod].map(|cost| cost + i32::from(self.saves[c][pod]))
                    else {
                        continue;
                    };
                    if to_component[c].is_none_or(|known| cost < known) {
                        (to_component[c], component_from[c]) = (Some(cost), pod);
                    }
                }
                let Some(cost) = to_component[c] else { continue };
                for pod in (0..self.pods).filter(|pod| !self.extra[c][*pod]) {
                    let cost = cost - i32::from(self.saves[c][pod]);
                    if to_pod[pod].is_none_or(|known| cost < known) {
                        (to_pod[pod], pod_from[pod]) = (Some(cost), Some(c));
                        changed = true;
                    }
                }
            }
            if !changed {
                break;
            }
        }
        let ends = (0..self.pods).filter(|pod| load[*pod] == least);
        let (cost, end) = ends.filter_map(|pod| Some((to_pod[pod]?, pod))).min()?;
        let (mut path, mut at) = (Vec::new(), end);
        while let Some(component) = pod_from[at] {
            let from = component_from[component];
            path.push(Step { component, from, to: at });
            at = from;
            if path.len() > self.pods {
                return None;
            }
        }
        Some((cost, path))
    }
}

/// An extra of this component goes from one pod to another.
struct Step {
    component: usize,
    from: usize,
    to: usize,
}

/// Of each pod whether it has more of these tasks than the even share.
fn has_more(tasks: &[Task<'_>], pods: usize) -> Vec<bool> {
    let mut have = vec![0_usize; pods];
    for pod in tasks.iter().filter_map(|task| task.before) {
        if let Some(have) = have.get_mut(pod.0 as usize) {
            *have += 1;
        }
    }
    have.into_iter().map(|have| have > tasks.len() / pods).collect()
}
