//! The world as a task half sees it.

use crate::{
    bug::Bug,
    witness::{Life, Observed},
};
use egret_core::{
    batch::{Batch, Completion},
    budget::Budget,
    outlet::Stopping,
};
use egret_sdk::TaskId;

/// Collects what a task hands over during one step, with the time at which it does.
///
/// A real thread waits in an emit until its lane is writable. One step cannot wait, so the emit
/// goes through and the task does not run again before the lane is free; core bounds what that may
/// add.
pub(super) struct Outlet<'a> {
    observed: &'a Observed,
    budget: Budget,
    life: Life,
    pub(super) bug: Option<Bug>,
    pub(super) batches: Vec<(u64, Batch)>,
    /// Data that a bug holds back.
    pub(super) withheld: Batch,
    pub(super) stuck: Option<usize>,
    pub(super) inbox_freed: bool,
}

impl<'a> Outlet<'a> {
    pub(super) fn new(observed: &'a Observed, budget: Budget, life: Life, now: u64) -> Outlet<'a> {
        observed.set_now(now);
        observed.witness().running(life, &budget);
        Outlet {
            observed,
            budget,
            life,
            bug: None,
            batches: Vec::new(),
            withheld: Batch::default(),
            stuck: None,
            inbox_freed: false,
        }
    }

    fn withhold(&mut self, batch: &mut Batch) {
        let (data, acks): (Vec<_>, Vec<_>) =
            batch.frames.drain(..).partition(|frame| frame.lane.is_some());
        let due = std::mem::replace(&mut self.withheld.frames, data);
        batch.frames = due.into_iter().chain(acks).collect();
    }
}

impl egret_core::outlet::Outlet for Outlet<'_> {
    fn now(&mut self) -> u64 {
        self.observed.now()
    }

    fn hand_over(&mut self, batch: &mut Batch) {
        let mut batch = std::mem::take(batch);
        if self.bug == Some(Bug::AckBeforeData) {
            self.withhold(&mut batch);
        }
        self.observed.witness().hands_over(self.life, &batch);
        self.batches.push((self.observed.now(), batch));
    }

    fn wait_writable(&mut self, lane: usize, _: TaskId) -> Result<(), Stopping> {
        if !self.budget.is_writable(lane) {
            self.stuck = Some(lane);
        }
        Ok(())
    }

    fn wait_completion(&mut self) -> Result<Option<Vec<Completion>>, Stopping> {
        Ok(None)
    }

    fn inbox_freed(&mut self) {
        self.inbox_freed = true;
    }

    fn position(&mut self, _: Option<String>) {}

    fn warn(&mut self, _: &str) {}
}
