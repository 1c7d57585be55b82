//! The bridge between the user's thread and the I/O thread: two mailboxes and a wake-up for each
//! side.
//!
//! Both mailboxes are bounded by what may be in flight: input by the inbox budget, outcomes by
//! `maxPending`, frames by the lanes' budgets.

use egret_core::batch::{Batch, Completion, ToTask};
use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// Shared by the two threads of an instance.
#[derive(Debug, Default)]
pub(crate) struct Bridge {
    task: Mutex<TaskSide>,
    task_wake: Condvar,
    /// A hint that spares the lock: something came in that was not taken.
    has_events: AtomicBool,
    gateway: Mutex<GatewaySide>,
    gateway_wake: Notify,
}

#[derive(Debug, Default)]
struct TaskSide {
    events: Vec<ToTask>,
    waiting: bool,
    /// The user's waker was used.
    woken: bool,
    /// A lane became writable.
    freed: bool,
    stopping: bool,
}

#[derive(Debug, Default)]
struct GatewaySide {
    batches: Vec<Batch>,
    spare: Vec<Batch>,
    position: Option<String>,
    inbox_freed: bool,
}

/// Batches that are kept for reuse, each with its buffers.
const SPARE: usize = 8;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bridge {
    // === the task's side ===

    /// Whether something has come in; cheap enough for every step.
    pub(crate) fn has_events(&self) -> bool {
        self.has_events.load(Ordering::Acquire)
    }

    /// Takes what has come in.
    pub(crate) fn take_events(&self) -> Vec<ToTask> {
        let mut task = lock(&self.task);
        self.has_events.store(false, Ordering::Release);
        std::mem::take(&mut task.events)
    }

    /// Whether the user's waker was used since somebody last asked.
    pub(crate) fn take_woken(&self) -> bool {
        std::mem::take(&mut lock(&self.task).woken)
    }

    /// Waits until something comes in, a lane becomes writable, the user's waker is used, or the
    /// time is up. Whether the waker was used.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        let task = lock(&self.task);
        let mut task = self
            .wait_while(task, timeout, |task| task.events.is_empty() && !task.woken && !task.freed);
        task.freed = false;
        std::mem::take(&mut task.woken)
    }

    /// Waits until `ready`; `false` if the task is being stopped.
    pub(crate) fn wait_until(&self, ready: impl Fn() -> bool) -> bool {
        let task = lock(&self.task);
        let task = self.wait_while(task, None, |task| !ready() && !task.stopping);
        !task.stopping || ready()
    }

    /// Waits for outcomes and takes them, leaving the rest; `None` if the task is being stopped.
    pub(crate) fn wait_completions(&self) -> Option<Vec<Completion>> {
        let completed = |event: &ToTask| matches!(event, ToTask::Completed(_));
        let task = lock(&self.task);
        let mut task = self
            .wait_while(task, None, |task| !task.events.iter().any(completed) && !task.stopping);
        if task.stopping {
            return None;
        }
        let (outcomes, rest) = std::mem::take(&mut task.events).into_iter().partition(completed);
        task.events = rest;
        let outcomes: Vec<ToTask> = outcomes;
        Some(
            outcomes
                .into_iter()
                .flat_map(|event| match event {
                    ToTask::Completed(completions) => completions,
                    _ => Vec::new(),
                })
                .collect(),
        )
    }

    /// Hands a batch to the I/O thread and leaves an empty one with used buffers.
    pub(crate) fn hand_over(&self, batch: &mut Batch) {
        let mut gateway = lock(&self.gateway);
        let spare = gateway.spare.pop().unwrap_or_default();
        let first = gateway.batches.is_empty();
        gateway.batches.push(std::mem::replace(batch, spare));
        drop(gateway);
        if first {
            self.gateway_wake.notify_one();
        }
    }

    /// Half of the inbox is free again.
    pub(crate) fn inbox_freed(&self) {
        lock(&self.gateway).inbox_freed = true;
        self.gateway_wake.notify_one();
    }

    /// Where the spout stands.
    pub(crate) fn set_position(&self, position: Option<String>) {
        lock(&self.gateway).position = position;
    }

    fn wait_while<'a>(
        &self,
        mut task: MutexGuard<'a, TaskSide>,
        timeout: Option<Duration>,
        condition: impl Fn(&TaskSide) -> bool,
    ) -> MutexGuard<'a, TaskSide> {
        task.waiting = true;
        let mut condition = |task: &mut TaskSide| condition(task);
        let mut task = match timeout {
            None => self
                .task_wake
                .wait_while(task, &mut condition)
                .unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                let waited = self.task_wake.wait_timeout_while(task, timeout, &mut condition);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        task.waiting = false;
        task
    }

    // === the I/O thread's side ===

    /// Hands events to the user's thread.
    pub(crate) fn push_events(&self, events: Vec<ToTask>) {
        if events.is_empty() {
            return;
        }
        let mut task = lock(&self.task);
        if task.events.is_empty() {
            task.events = events;
        } else {
            task.events.extend(events);
        }
        self.has_events.store(true, Ordering::Release);
        if task.waiting {
            self.task_wake.notify_one();
        }
    }

    /// A lane became writable. A task may wait for that in an emit, or between two calls.
    pub(crate) fn lane_freed(&self) {
        let mut task = lock(&self.task);
        task.freed = true;
        if task.waiting {
            self.task_wake.notify_one();
        }
    }

    /// The user's waker.
    pub(crate) fn wake_task(&self) {
        let mut task = lock(&self.task);
        task.woken = true;
        // A task that is never idle does not wait.
        self.has_events.store(true, Ordering::Release);
        if task.waiting {
            self.task_wake.notify_one();
        }
    }

    /// The task is to be stopped: whoever waits in an emit returns.
    pub(crate) fn stop(&self) {
        lock(&self.task).stopping = true;
        self.task_wake.notify_one();
    }

    /// Waits until the user's thread has handed something over.
    pub(crate) async fn handed_over(&self) {
        self.gateway_wake.notified().await;
    }

    /// Takes the batches that were handed over.
    pub(crate) fn take_batches(&self) -> Vec<Batch> {
        std::mem::take(&mut lock(&self.gateway).batches)
    }

    /// Gives emptied batches back for reuse.
    pub(crate) fn give_back(&self, batches: Vec<Batch>) {
        let mut gateway = lock(&self.gateway);
        let room = SPARE.saturating_sub(gateway.spare.len());
        gateway.spare.extend(batches.into_iter().take(room));
    }

    /// Whether half of the inbox was freed since the last call.
    pub(crate) fn take_inbox_freed(&self) -> bool {
        std::mem::take(&mut lock(&self.gateway).inbox_freed)
    }

    /// Where the spout stands.
    pub(crate) fn position(&self) -> Option<String> {
        lock(&self.gateway).position.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_rests_between_two_calls_hears_of_a_lane_that_became_writable() {
        let bridge = Bridge::default();
        bridge.lane_freed();
        assert!(!bridge.wait(None), "the user's waker was not used");
        assert!(!bridge.wait(Some(Duration::ZERO)));
    }

    #[test]
    fn a_use_of_the_waker_reaches_a_task_that_never_waits() {
        let bridge = Bridge::default();
        assert!(!bridge.has_events());
        bridge.wake_task();
        assert!(bridge.has_events());
        bridge.take_events();
        assert!(bridge.take_woken() && !bridge.take_woken());
    }

    #[test]
    fn a_use_of_the_waker_is_told_once_also_if_nobody_waited() {
        let bridge = Bridge::default();
        bridge.wake_task();
        bridge.push_events(vec![ToTask::Completed(Vec::new())]);
        assert!(bridge.wait(None));
        bridge.take_events();
        assert!(!bridge.wait(Some(Duration::ZERO)));
    }
}
