//! A newer plan: what it changes for tasks, links and frames that wait.

use super::{Flow, LinkState, Task, losses::Quiet};
use crate::{
    counts::{LinkCounts, TaskCounts},
    effect::Discard,
    refusal::PlanRefused,
    stream::Link,
};
use egret_topology::{
    id::{Epoch, TaskId},
    plan::PlanIndex,
};

impl Flow {
    /// Takes over a plan. `Ok(false)`: it is not newer than the one in force.
    ///
    /// Frames that wait are discarded, and announced as lost, if they were made in an earlier epoch
    /// or if their destination now lives elsewhere.
    pub fn set_plan(&mut self, now: u64, plan: PlanIndex) -> Result<bool, PlanRefused> {
        if !self.check_plan(&plan)? {
            return Ok(false);
        }
        self.list_tasks(&plan);
        let held = self.draining_here();
        self.plan = Some(plan);
        self.ins.iter_mut().for_each(super::Incoming::forget_routes);
        self.outs.iter_mut().for_each(|out| out.slots.forget());
        self.drop_what_no_longer_fits(now);
        self.hold(&held);
        Ok(true)
    }

    /// What [`set_plan`](Flow::set_plan) would answer.
    pub fn check_plan(&self, plan: &PlanIndex) -> Result<bool, PlanRefused> {
        let new = plan.plan();
        if let Some(ours) = self.plan.as_ref().map(PlanIndex::plan) {
            if ours.uid != new.uid {
                let (got, ours) = (new.uid.clone(), ours.uid.clone());
                return Err(PlanRefused::OtherTopology { got, ours });
            }
            if new.revision <= ours.revision {
                return Ok(false);
            }
            if new.epoch < ours.epoch {
                return Err(PlanRefused::EpochFalls { got: new.epoch, ours: ours.epoch });
            }
        }
        if new.pods.len() <= self.pod.0 as usize {
            return Err(PlanRefused::NoSuchPod(self.pod));
        }
        Ok(true)
    }

    fn list_tasks(&mut self, plan: &PlanIndex) {
        self.tasks.iter_mut().for_each(|task| task.pod = None);
        for planned in &plan.plan().tasks {
            let index = *self.task_index.entry(planned.id).or_insert_with(|| {
                self.tasks.push(Task {
                    id: planned.id,
                    pod: None,
                    counts: TaskCounts::default(),
                    quiet: Quiet::default(),
                });
                self.tasks.len() as u32 - 1
            });
            self.tasks[index as usize].pod = Some(planned.pod);
            if planned.pod == self.pod {
                self.list_link(Link::Instance(planned.id));
            }
        }
        for pod in &plan.plan().pods {
            if pod.id != self.pod {
                self.list_link(Link::Peer(pod.id));
            }
        }
    }

    fn list_link(&mut self, link: Link) {
        self.link_index.entry(link).or_insert_with(|| {
            self.links.push(LinkState {
                link,
                up: false,
                life: 0,
                incarnation: None,
                losses: 0,
                away: None,
                before: (0, 0),
                drained: None,
                left_drained: false,
                counts: LinkCounts::default(),
            });
            self.links.len() as u32 - 1
        });
    }

    /// The link that leads to a task.
    pub(super) fn link_to(&self, task: TaskId) -> Option<Link> {
        let pod = self.plan.as_ref()?.pod_of(task)?;
        Some(if pod == self.pod { Link::Instance(task) } else { Link::Peer(pod) })
    }

    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.plan.as_ref().map(|plan| plan.plan().epoch)
    }

    fn drop_what_no_longer_fits(&mut self, now: u64) {
        let epoch = self.epoch();
        for out in 0..self.outs.len() as u32 {
            let (link, dest) = (self.outs[out as usize].link, self.outs[out as usize].key.dest);
            let moved = self.link_to(dest) != Some(link);
            let mut kept = Vec::new();
            while let Some((input, frame)) = self.outs[out as usize].pop(usize::MAX) {
                let why =
                    if Some(frame.header.epoch) != epoch { Discard::Epoch } else { Discard::Moved };
                if moved || why == Discard::Epoch {
                    self.settle_account(input, frame.len());
                    self.discard(now, dest, why);
                } else {
                    kept.push((input, frame));
                }
            }
            for (input, frame) in kept {
                let stream = &mut self.outs[out as usize];
                let lane = stream.lane(input);
                stream.push(lane, frame);
            }
            if self.outs[out as usize].queued == 0 {
                self.note_moved(now, out);
            }
        }
    }
}
