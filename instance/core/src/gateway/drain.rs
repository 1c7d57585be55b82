//! A task that is about to be replaced: when all its input has come, and when all that it has sent
//! has left.

use super::{Event, Gateway};
use crate::batch::ToTask;
use egret_wire::control::Phase;

/// What has passed over the link that is up, and what was asked.
#[derive(Debug, Default)]
pub(super) struct Drain {
    /// Frames of data streams that came.
    pub(super) received: u64,
    /// Frames of all kinds that were handed out.
    pub(super) sent: u64,
    /// How many frames were sent to the task, if it shall work them off.
    asked: Option<u64>,
    /// The task half knows.
    passed: bool,
    /// What was sent when the stream manager was told that all is done.
    told: Option<u64>,
}

impl Gateway {
    /// A new link: both ends count from here.
    pub fn handle_link(&mut self) {
        self.drain = Drain::default();
    }

    /// The task shall work off what it was sent, so many frames: it is about to be replaced.
    pub fn handle_drain(&mut self, frames: u64) {
        self.drain.asked = Some(frames);
        self.follow_drain();
    }

    /// Whether the task is about to be replaced.
    pub fn is_draining(&self) -> bool {
        self.drain.asked.is_some()
    }

    /// Another plan has let the task go on.
    pub(super) fn end_drain(&mut self) {
        (self.drain.asked, self.drain.passed, self.drain.told) = (None, false, None);
        if self.stats.phase() == Phase::Drained {
            self.stats.set_phase(Phase::Active);
        }
    }

    /// Tells both sides what they wait for.
    pub(super) fn follow_drain(&mut self) {
        let drain = &mut self.drain;
        let Some(frames) = drain.asked else { return };
        if drain.received >= frames && !std::mem::replace(&mut drain.passed, true) {
            self.to_task.push(ToTask::Drain);
        }
        let done = drain.passed
            && self.stats.phase() == Phase::Drained
            && self.queues.values().all(|queue| queue.frames.is_empty());
        if done && drain.told != Some(drain.sent) {
            drain.told = Some(drain.sent);
            self.events.push_back(Event::Drained { frames: drain.sent });
        }
    }
}
