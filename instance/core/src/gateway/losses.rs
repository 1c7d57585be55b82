//! Losses: what is pending fails, and what user code has failed at is told apart.

use super::Gateway;
use crate::{
    batch::{Completion, ToTask},
    tracker::Tracker,
};
use egret_sdk::{Failure, TaskId};
use egret_wire::control::{LossScope, Poisoned};

impl Gateway {
    /// Tuples were lost that may belong to any pending root: they all fail.
    pub fn handle_loss(&mut self, now: u64, scope: LossScope, cause: &str) {
        self.lose(cause);
        self.to_task.push(ToTask::Loss(scope));
        self.finish_completions(now);
    }

    /// The same of a task that has ended in user code. The roots of the tuple that it was given
    /// have failed there, and are told last: what is merely lost is then emitted first, and done
    /// before that tuple comes again.
    pub fn handle_poisoned(&mut self, now: u64, task: TaskId, cause: &str, poisoned: &Poisoned) {
        let failed = self.take_poisoned(task, poisoned);
        self.lose(cause);
        self.to_task.push(ToTask::Loss(LossScope::Task { task }));
        self.completions.extend(failed);
        self.finish_completions(now);
    }

    fn take_poisoned(&mut self, task: TaskId, poisoned: &Poisoned) -> Vec<Completion> {
        let Some(tracker) = &mut self.tracker else { return Vec::new() };
        let (own, life) = (self.task, self.incarnation);
        let ours = poisoned.roots.iter().filter(|it| it.task == own && it.incarnation == life);
        let pending = ours.filter(|root| tracker.remove(root.seq));
        let failed = |seq| Completion::failed_by(task, seq, &poisoned.cause);
        let failed: Vec<Completion> = pending.map(|root| failed(root.seq)).collect();
        self.counts.failed += failed.len() as u64;
        failed
    }

    /// All that is pending fails.
    pub(super) fn lose(&mut self, cause: &str) {
        for seq in self.tracker.iter_mut().flat_map(Tracker::drain) {
            self.counts.failed += 1;
            self.counts.lost += 1;
            let failure = Failure::Lost { cause: cause.to_owned() };
            self.completions.push(Completion::failed(seq, failure));
        }
    }
}
