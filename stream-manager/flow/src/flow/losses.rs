//! Losses: who announces them, who must hear of them.
//!
//! Whoever notices a loss announces it to all peers, numbered, and tells the instances of its own
//! pod whose tuples can have been lost. A receiver may fail more than was lost: duplicates, never
//! loss.

use super::{Deadline, Flow};
use crate::{
    effect::{Discard, Effect},
    stream::Link,
};
use egret_topology::{id::TaskId, plan::PlanIndex};
use egret_wire::control::LossScope;

/// Frames discarded for one task, so that a flood of them makes few announcements.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    /// Announce nothing before this.
    until: u64,
    /// Frames discarded since the last announcement.
    waiting: u64,
    why: Option<Discard>,
}

impl Flow {
    /// To all peers, and to those of this pod whom it concerns.
    pub(super) fn announce(&mut self, scope: LossScope) {
        self.losses += 1;
        self.effects.push_back(Effect::Announce { number: self.losses, scope });
        self.tell(scope);
    }

    /// To those of this pod whom it concerns. An instance that is away is told when it is back,
    /// since its own return is a loss.
    pub(super) fn tell(&mut self, scope: LossScope) {
        let Some(plan) = &self.plan else { return };
        for state in self.links.iter().filter(|state| state.up) {
            if let Link::Instance(task) = state.link
                && concerns(plan, task, scope)
            {
                self.effects.push_back(Effect::TellInstance { task, scope });
            }
        }
    }

    /// Counts a frame that will not be delivered, and sees to it that the loss is announced.
    pub(super) fn discard(&mut self, now: u64, dest: TaskId, why: Discard) {
        self.discards.add(why);
        let Some(index) = self.task_index.get(&dest).copied() else { return };
        let task = &mut self.tasks[index as usize];
        task.counts.discarded += 1;
        task.quiet.waiting += 1;
        task.quiet.why = Some(why);
        if now >= task.quiet.until {
            self.announce_discards(now, index);
        } else {
            self.deadlines.insert((task.quiet.until, Deadline::Discards(index)));
        }
    }

    pub(super) fn announce_discards(&mut self, now: u64, index: u32) {
        let task = &mut self.tasks[index as usize];
        let (dest, frames) = (task.id, std::mem::take(&mut task.quiet.waiting));
        let Some(why) = task.quiet.why.take() else { return };
        task.quiet.until = now + self.limits.discard_ns;
        self.effects.push_back(Effect::Discarded { dest, why, frames });
        self.announce(LossScope::Task { task: dest });
    }
}

/// Whether roots of `task` can be among what was lost.
fn concerns(plan: &PlanIndex, task: TaskId, scope: LossScope) -> bool {
    match scope {
        // Nobody knows any more who could reach a task that the plan has dropped.
        LossScope::Task { task: lost } => plan.task(lost).is_none() || plan.reaches(task, lost),
        LossScope::Link { a, b } => plan.touches(task, a) && plan.touches(task, b),
        LossScope::Pod { pod } => plan.touches(task, pod),
    }
}
