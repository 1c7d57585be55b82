//! Kubernetes, as far as a topology sees it: pods that start and are asked to end, and containers
//! that get another image.

use super::{Event, World, manager::Disk, net::End};
use crate::scenario::MS;
use egret_topology::{
    id::{PodId, TaskId},
    plan::PlanIndex,
};
use std::collections::BTreeMap;

/// A life of a pod: what outlives its stream manager's processes.
#[derive(Default)]
pub(super) struct Pod {
    pub(super) id: PodId,
    pub(super) manager: Option<usize>,
    pub(super) disk: Disk,
    /// Among all pods of the topology that there ever were.
    pub(super) birth: u32,
    /// Seconds by which the wall clock of its node is wrong.
    pub(super) clock: i64,
    /// Until when nothing can be written to its disk.
    pub(super) full_until: u64,
    /// Its containers were started.
    pub(super) started: bool,
    /// Somebody has made it: it will start.
    pub(super) made: bool,
    /// It is asked to end, and killed then.
    pub(super) gone_by: Option<u64>,
    pub(super) gone: bool,
    /// Containers of tasks and of the stream manager: number, image, and the image that it shall
    /// have.
    pub(super) containers: BTreeMap<Option<TaskId>, Container>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Container {
    pub(super) number: u32,
    pub(super) image: u32,
    pub(super) wanted: u32,
}

impl Pod {
    /// One that is there from the beginning.
    pub(super) fn first(id: PodId) -> Pod {
        Pod { id, started: true, made: true, ..Pod::default() }
    }
}

/// Port of the first pod.
const PORT: u16 = 4000;

impl World {
    /// The life of a pod that a plan has.
    pub(super) fn at(&self, plan: &PlanIndex, pod: PodId) -> Option<usize> {
        let address = plan.plan().pods.get(pod.0 as usize)?.address;
        let home = usize::from(address.port().checked_sub(PORT)?);
        (home < self.pods.len()).then_some(home)
    }

    /// Where a life of a pod is.
    pub(super) fn address(home: usize) -> std::net::SocketAddr {
        ([127, 0, 0, 1], PORT + home as u16).into()
    }

    /// Links to pods that the plan has elsewhere by now are closed, and dialed anew.
    pub(super) fn leave_old_addresses(&mut self, manager: usize) {
        let m = &self.managers[manager];
        let Some(plan) = m.flow.plan().cloned() else { return };
        let moved = |(peer, connection): (&PodId, &usize)| {
            let End::Manager(other) = self.connections[*connection].ends[1] else { return None };
            (self.at(&plan, *peer) != Some(self.managers[other].home)).then_some(*connection)
        };
        let moved: Vec<usize> = m.dialing.iter().filter_map(moved).collect();
        for connection in moved {
            self.close(connection, 0);
            self.manager_lost(manager, connection);
        }
    }

    /// A pod that is to take the place of another; it is made later.
    pub(super) fn successor(&mut self, of: usize) -> usize {
        let birth = 1 + self.pods.iter().map(|pod| pod.birth).max().unwrap_or(0);
        let Pod { id, clock, .. } = self.pods[of];
        let mut containers = self.pods[of].containers.clone();
        containers.values_mut().for_each(|of| of.image = of.wanted);
        self.pods.push(Pod { id, clock, birth, containers, ..Pod::default() });
        self.pods.len() - 1
    }

    /// Its containers start after a while.
    pub(super) fn make_pod(&mut self, home: usize) {
        if !std::mem::replace(&mut self.pods[home].made, true) {
            let at = self.now + self.rng.between(50, 3000) * MS;
            self.schedule(at, Event::Started { home });
        }
    }

    pub(super) fn started(&mut self, home: usize) {
        self.pods[home].started = true;
        self.schedule(self.now, Event::Boot { home });
        let tasks: Vec<TaskId> =
            self.plan.tasks_in(self.pods[home].id).map(|task| task.id).collect();
        for task in tasks {
            let at = self.now + self.rng.below(50 * MS);
            self.schedule(at, Event::Spawn { home, task });
        }
    }

    /// Somebody deletes a pod, or drains its node.
    pub(super) fn ask_to_end(&mut self, pod: PodId, grace: u64) {
        let home = self.here(pod);
        let it = &mut self.pods[home];
        if it.gone_by.is_some() || !it.started {
            return;
        }
        it.gone_by = Some(self.now + grace);
        if self.plan.tasks_in(pod).any(|task| self.plan.is_draining(task.id)) {
            // It takes SIGTERM for the end of its container, and trees that need it do not end.
            self.observed.witness().excuse();
        }
        self.schedule(self.now + grace, Event::Gone { home });
        for process in self.processes_in(home) {
            let at = self.now + self.rng.below(50 * MS);
            self.schedule(at, Event::Terminate { process });
        }
        self.pod_empties(home);
    }

    fn processes_in(&self, home: usize) -> Vec<usize> {
        let all = self.processes.iter().enumerate();
        all.filter(|(_, p)| p.alive && p.home == home).map(|(at, _)| at).collect()
    }

    /// The stream manager goes last, and then the pod is gone.
    pub(super) fn pod_empties(&mut self, home: usize) {
        if self.pods[home].gone_by.is_some() && self.processes_in(home).is_empty() {
            let at = self.now + self.rng.between(20, 300) * MS;
            self.schedule(at, Event::Gone { home });
        }
    }

    pub(super) fn gone(&mut self, home: usize) {
        if std::mem::replace(&mut self.pods[home].gone, true) {
            return;
        }
        for process in self.processes_in(home) {
            self.kill_process(process, MS);
        }
        self.end_manager(home, 0, MS);
        self.look_soon();
    }

    /// A kubelet hears that a container shall have another image.
    pub(super) fn set_image(&mut self, home: usize, task: Option<TaskId>, image: u32) {
        let of = self.pods[home].containers.entry(task).or_default();
        if std::mem::replace(&mut of.wanted, image) != image {
            let at = self.now + self.rng.between(20, 600) * MS;
            self.schedule(at, Event::Container { home, task });
        }
    }

    pub(super) fn end_container(&mut self, home: usize, task: Option<TaskId>) {
        let of = self.container(home, task);
        // A kubelet only ends what is left of a pod that goes.
        if of.image == of.wanted || self.pods[home].gone_by.is_some() {
            return;
        }
        match task {
            Some(task) => {
                if let Some(process) = self.current.get(&(home, task)).copied() {
                    self.terminate(process);
                }
            }
            None => {
                let back = self.rng.between(50, 1000) * MS;
                self.end_manager(home, back, MS);
            }
        }
    }

    /// A container begins, with another image if it shall have one.
    pub(super) fn change_container(&mut self, home: usize, task: Option<TaskId>) {
        let of = self.pods[home].containers.entry(task).or_default();
        if of.image != of.wanted {
            of.image = of.wanted;
            of.number += 1;
        }
    }

    pub(super) fn container(&self, home: usize, task: Option<TaskId>) -> Container {
        self.pods[home].containers.get(&task).copied().unwrap_or_default()
    }
}
