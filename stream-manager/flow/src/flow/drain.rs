//! A task that is replaced as planned: its input waits here, it works off what it has, and its end
//! is no loss.

use super::Flow;
use crate::{
    effect::Effect,
    stream::{Link, LinkId, OutId},
};
use egret_topology::id::TaskId;
use egret_wire::preamble::Class;
use std::collections::BTreeSet;

impl Flow {
    /// The instance of a link has worked off all that it was sent, and has sent so many frames over
    /// this link itself.
    pub fn drained(&mut self, id: LinkId, frames: u64) {
        if self.link(id).is_some() {
            self.links[id.index as usize].drained = Some(frames);
        }
    }

    /// Whether a task of this pod has worked off its input, and all that it sent is here.
    pub fn is_drained(&self, task: TaskId) -> bool {
        let link = self.link_index.get(&Link::Instance(task));
        link.is_some_and(|index| self.has_drained(*index))
    }

    pub(super) fn has_drained(&self, index: u32) -> bool {
        let state = &self.links[index as usize];
        let Link::Instance(task) = state.link else { return false };
        let draining = self.plan.as_ref().is_some_and(|plan| plan.is_draining(task));
        let (given, taken) = state.counts.passed();
        let (given, taken) = (given - state.before.0, taken - state.before.1);
        // Who has had nothing and has sent nothing has nothing to lose, whether it says so or not.
        let untouched = given == 0 && taken == 0;
        state.up && draining && (untouched || state.drained == Some(taken))
    }

    /// Tasks of this pod that are drained under the plan in force.
    pub(super) fn draining_here(&self) -> BTreeSet<TaskId> {
        let Some(plan) = &self.plan else { return BTreeSet::new() };
        let here = plan.tasks_in(self.pod).map(|task| task.id);
        here.filter(|task| plan.is_draining(*task)).collect()
    }

    /// Holds the input of tasks that the new plan drains, and lets that of others go.
    pub(super) fn hold(&mut self, before: &BTreeSet<TaskId>) {
        let now = self.draining_here();
        for (at, out) in self.outs.iter_mut().enumerate() {
            let Link::Instance(task) = out.link else { continue };
            let held = out.key.class == Class::Data && now.contains(&task);
            let released = std::mem::replace(&mut out.held, held) && !held;
            let link = &self.links[out.link_index as usize];
            if released && link.up && out.queued > 0 {
                out.awake = true;
                let id = OutId { index: at as u32, life: link.life };
                self.effects.push_back(Effect::Wake(id));
            }
        }
        for task in before.difference(&now) {
            if let Some(index) = self.link_index.get(&Link::Instance(*task)) {
                self.links[*index as usize].drained = None;
            }
        }
        for task in now.difference(before) {
            if let Some(index) = self.link_index.get(&Link::Instance(*task)).copied() {
                self.ask_to_drain(index);
            }
        }
    }

    /// Tells an instance whose input is held how much of it is on its way.
    pub(super) fn ask_to_drain(&mut self, index: u32) {
        let state = &self.links[index as usize];
        let Link::Instance(task) = state.link else { return };
        if state.up && self.plan.as_ref().is_some_and(|plan| plan.is_draining(task)) {
            let frames = state.counts.passed().0 - state.before.0;
            self.effects.push_back(Effect::Drain { task, frames });
        }
    }
}
