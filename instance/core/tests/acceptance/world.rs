//! The world of a task half that a test steps by hand: a clock, and what was handed over.

use egret_core::{
    batch::{Batch, Completion},
    outlet::{Outlet, Stopping},
};
use egret_sdk::TaskId;

/// Keeps what is handed over; never makes anybody wait.
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) batches: Vec<Batch>,
    pub(crate) warnings: usize,
}

impl Default for World {
    fn default() -> Self {
        World { now: 1_000_000_000, batches: Vec::new(), warnings: 0 }
    }
}

impl Outlet for World {
    fn now(&mut self) -> u64 {
        self.now
    }

    fn hand_over(&mut self, batch: &mut Batch) {
        self.batches.push(std::mem::take(batch));
    }

    fn wait_writable(&mut self, _: usize, _: TaskId) -> Result<(), Stopping> {
        Ok(())
    }

    fn wait_completion(&mut self) -> Result<Option<Vec<Completion>>, Stopping> {
        Ok(None)
    }

    fn inbox_freed(&mut self) {}

    fn position(&mut self, _: Option<String>) {}

    fn warn(&mut self, _: &str) {
        self.warnings += 1;
    }
}
