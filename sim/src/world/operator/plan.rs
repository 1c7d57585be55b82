//! The plan that follows from what is recorded, and what is done with it.

use super::{Operator, World};
use crate::{bug::Bug, scenario::changes::When};
use egret_rolling::leave::{self, Step};
use egret_topology::{
    id::{PodId, TaskId},
    plan::{Other, PhysicalPlan, PlanIndex, Rolling},
};
use std::collections::BTreeMap;

impl World {
    /// Does what is recorded. For how long the operator dies in the middle of it.
    pub(super) fn carry_out(&mut self, operator: &mut Operator) -> Option<u64> {
        let place = self.places(operator);
        let plan = self.planned(operator, &place);
        let other = plan != *self.plan.plan();
        let holds = plan.rolling.draining.iter().any(|task| self.plan.is_spout(*task));
        let mut dies = |at: When| {
            let now = other && holds && operator.memory.dies.is_some_and(|(when, _)| when == at);
            now.then(|| operator.memory.dies.take()).flatten().map(|(_, lasts)| lasts)
        };
        if let Some(lasts) = dies(When::Recorded) {
            return Some(lasts);
        }
        for home in operator.homes.clone() {
            self.make_pod(home);
        }
        if other {
            self.place = place;
            // Whoever is pushed to is linked.
            std::mem::swap(&mut self.operator, operator);
            self.take_new_plan(plan);
            std::mem::swap(&mut self.operator, operator);
            self.note_plan();
        }
        operator.memory.told = true;
        self.change_images(operator);
        let pushed = operator.memory.dies.filter(|(when, _)| *when == When::Pushed);
        if other && holds && pushed.is_some() {
            operator.memory.dies = None;
            return pushed.map(|(_, lasts)| lasts);
        }
        None
    }

    /// Behind the plan: what starts in another container reads there what it shall run.
    fn change_images(&mut self, operator: &Operator) {
        if let Some(rollout) = &operator.rollout {
            for task in self.plan.plan().tasks.clone() {
                let image = operator.version.1[task.component];
                if rollout.is_replacing(task.id) {
                    self.set_image(operator.homes[task.pod.0 as usize], Some(task.id), image);
                }
            }
        }
        if let Some(upgrade) = &operator.upgrade
            && let Some(home) =
                upgrade.replaces().and_then(|pod| operator.homes.get(pod.0 as usize))
        {
            self.set_image(*home, None, upgrade.image.parse().unwrap_or_default());
        }
    }

    /// Lives of pods that have their place: one that goes keeps it until its tasks have closed.
    fn places(&self, operator: &Operator) -> Vec<usize> {
        let at = |(at, home): (usize, &usize)| {
            let starts = self.pods[*home].started;
            let early = self.scenario.bug == Some(Bug::TakeOverEarly);
            if starts && (early || !self.hands_over(operator, PodId(at as u32))) {
                *home
            } else {
                self.place[at]
            }
        };
        operator.homes.iter().enumerate().map(at).collect()
    }

    fn planned(&self, operator: &Operator, place: &[usize]) -> PhysicalPlan {
        let mut plan = self.plan.plan().clone();
        plan.state = operator.state;
        plan.components.clone_from(&operator.version.0);
        for (pod, home) in plan.pods.iter_mut().zip(place) {
            pod.address = World::address(*home);
        }
        let before = std::mem::take(&mut plan.rolling);
        plan.rolling = self.rolling(operator, &plan);
        let holding = operator.leaves.iter().filter(|leave| leave.holds_spouts());
        let upgraded = operator.upgrade.as_ref().and_then(|upgrade| upgrade.holds());
        let pods: Vec<PodId> = holding.map(|leave| leave.pod).chain(upgraded).collect();
        let mut spouts = leave::spouts(&self.plan, &pods);
        if self.scenario.bug == Some(Bug::KeepHolding) {
            spouts.extend(before.draining.iter().filter(|task| self.plan.is_spout(**task)));
        }
        plan.rolling.draining.retain(|task| !spouts.contains(task));
        plan.rolling.draining.extend(spouts);
        plan
    }

    fn rolling(&self, operator: &Operator, plan: &PhysicalPlan) -> Rolling {
        let mut rolling = Rolling::default();
        if let Some(rollout) = &operator.rollout {
            let waits = |task: &TaskId| {
                let pod = self.plan.pod_of(*task);
                pod.is_none_or(|pod| leave::may_hold_input(&operator.leaves, pod))
            };
            rolling.draining = rollout.draining().filter(waits).collect();
            let mut of = BTreeMap::<usize, Vec<TaskId>>::new();
            for task in rollout.others() {
                let component = self.plan.task(task).map_or(0, |task| task.component);
                of.entry(component).or_default().push(task);
            }
            for (component, tasks) in of {
                let definition = plan.definition_of(&operator.ran.0[component]);
                if definition != plan.definition_of(&plan.components[component]) {
                    rolling.others.push(Other { tasks, definition });
                }
            }
        }
        for at in 0..operator.homes.len() {
            let pod = PodId(at as u32);
            match operator.leaves.iter().find(|leave| leave.pod == pod).map(|leave| leave.step) {
                Some(Step::Working | Step::Draining) => rolling.leaving.push(pod),
                Some(Step::Closing) => rolling.released.push(pod),
                Some(Step::Starting) => {}
                None if self.hands_over(operator, pod) => rolling.released.push(pod),
                None => {}
            }
        }
        rolling
    }

    /// Whether a task runs something else than before the change.
    pub(super) fn differs(&self, operator: &Operator, task: TaskId) -> bool {
        let Some(at) = self.plan.task(task).map(|task| task.component) else { return false };
        let (now, before) = (&operator.version, &operator.ran);
        now.0[at] != before.0[at] || now.1[at] != before.1[at]
    }

    /// The plan in force as the operator knows it, after it was told to anybody.
    pub(super) fn pushed(&self, operator: &Operator) -> Option<&PlanIndex> {
        operator.memory.told.then_some(&self.plan)
    }
}
