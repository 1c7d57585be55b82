//! What a task half asks of whoever runs it: a thread of an instance, the simulator, the test kit.

use crate::batch::{Batch, Completion};
use egret_topology::id::TaskId;

/// The task is being stopped while it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopping;

/// The world of a task half.
pub trait Outlet {
    /// The time, in nanoseconds of a monotonic clock.
    fn now(&mut self) -> u64;

    /// Takes everything out of the batch and hands it to the gateway half.
    fn hand_over(&mut self, batch: &mut Batch);

    /// Returns when the lane to this task is writable. One that cannot wait returns at once.
    fn wait_writable(&mut self, lane: usize, dest: TaskId) -> Result<(), Stopping>;

    /// Returns the outcomes of roots that have arrived, when some have. One that cannot wait:
    /// `None`.
    fn wait_completion(&mut self) -> Result<Option<Vec<Completion>>, Stopping>;

    /// Half of the inbox is free again: the gateway half, which had to stop reading, may go on.
    fn inbox_freed(&mut self);

    /// Where a spout stands in its input, in its own words.
    fn position(&mut self, text: Option<String>);

    /// Something went wrong that does not end the task's life.
    fn warn(&mut self, text: &str);
}
