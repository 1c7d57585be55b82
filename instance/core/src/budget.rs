//! Bytes that the two halves of an instance hold for each other: the only state that they share.

use crate::limits;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// Bytes on their way between the task half and the gateway half. Cheap to clone.
///
/// The half that hands over adds, the half that passes on subtracts. Relaxed order suffices: the
/// bytes themselves travel through a queue that orders them, the counts only say when to stop.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lanes: Box<[AtomicUsize]>,
    /// Lanes that were added when the plan got other tasks: each block is as long as all before it.
    more: [OnceLock<Box<[AtomicUsize]>>; BLOCKS],
    inbox: AtomicUsize,
    /// The gateway has found it full, and half has not been free since.
    full: AtomicBool,
}

/// From one lane to more than there can be tasks.
const BLOCKS: usize = 16;
/// Lanes of the first added block, at least.
const FEW: usize = 8;

const _: () = assert!(FEW << (BLOCKS - 1) > 8 * egret_topology::limits::MAX_TASKS as usize);

fn block(lanes: usize) -> Box<[AtomicUsize]> {
    (0..lanes).map(|_| AtomicUsize::new(0)).collect()
}

impl Budget {
    /// Nothing is held; `lanes` is the number of destination tasks.
    pub fn new(lanes: usize) -> Budget {
        let more = [const { OnceLock::new() }; BLOCKS];
        let (inbox, full) = (AtomicUsize::new(0), AtomicBool::new(false));
        Budget(Arc::new(Inner { lanes: block(lanes), more, inbox, full }))
    }

    /// Makes room for so many lanes in all. Whoever shares the budget sees them too.
    pub fn grow(&self, lanes: usize) {
        let mut room = self.0.lanes.len();
        for more in &self.0.more {
            if room >= lanes {
                return;
            }
            room += more.get_or_init(|| block(room.max(FEW))).len();
        }
    }

    #[inline]
    fn lane(&self, lane: usize) -> &AtomicUsize {
        self.0.lanes.get(lane).unwrap_or_else(|| self.added(lane))
    }

    #[cold]
    fn added(&self, lane: usize) -> &AtomicUsize {
        let mut from = self.0.lanes.len();
        for more in self.0.more.iter().map_while(OnceLock::get) {
            if let Some(found) = more.get(lane - from) {
                return found;
            }
            from += more.len();
        }
        // No peer and no user code names lanes: the emitter does, and makes room first.
        unreachable!("lane {lane} of {from}")
    }

    fn lanes(&self) -> impl Iterator<Item = &AtomicUsize> {
        let more = self.0.more.iter().map_while(OnceLock::get);
        self.0.lanes.iter().chain(more.flatten())
    }

    /// Whether another frame may be handed over for this lane.
    #[inline]
    pub fn is_writable(&self, lane: usize) -> bool {
        self.lane(lane).load(Ordering::Relaxed) < limits::LANE_BYTES
    }

    /// Bytes that wait for this lane.
    pub fn queued(&self, lane: usize) -> usize {
        self.lane(lane).load(Ordering::Relaxed)
    }

    /// Bytes that wait for all lanes.
    pub fn outbox_bytes(&self) -> usize {
        self.lanes().map(|lane| lane.load(Ordering::Relaxed)).sum()
    }

    /// A frame was handed over.
    pub fn add(&self, lane: usize, bytes: usize) {
        self.lane(lane).fetch_add(bytes, Ordering::Relaxed);
    }

    /// A frame left. Whether that made the lane writable again.
    pub fn subtract(&self, lane: usize, bytes: usize) -> bool {
        let before = self.lane(lane).fetch_sub(bytes, Ordering::Relaxed);
        before >= limits::LANE_BYTES && before - bytes < limits::LANE_BYTES
    }

    /// Whether more input may be read; for the gateway half only. Once it is full nothing is read
    /// until half is free: those streams that had to stop are woken then, and others that went on
    /// meanwhile could keep it from ever coming.
    pub fn inbox_open(&self) -> bool {
        let bytes = self.inbox_bytes();
        if bytes >= limits::INBOX_BYTES {
            self.0.full.store(true, Ordering::Relaxed);
        } else if bytes < limits::INBOX_BYTES / 2 {
            self.0.full.store(false, Ordering::Relaxed);
        }
        !self.0.full.load(Ordering::Relaxed)
    }

    /// Input was queued for the task.
    pub fn inbox_add(&self, bytes: usize) {
        self.0.inbox.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Input was executed. Whether the gateway, which had to stop, may read again: half is free.
    pub fn inbox_subtract(&self, bytes: usize) -> bool {
        let before = self.0.inbox.fetch_sub(bytes, Ordering::Relaxed);
        before >= limits::INBOX_BYTES / 2 && before - bytes < limits::INBOX_BYTES / 2
    }

    /// Bytes of input that wait.
    pub fn inbox_bytes(&self) -> usize {
        self.0.inbox.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_goes_on_does_not_starve_those_that_had_to_stop() {
        const PART: usize = limits::INBOX_BYTES / 10;
        let budget = Budget::new(0);
        budget.inbox_add(9 * PART);
        assert!(budget.inbox_open());
        budget.inbox_add(limits::INBOX_BYTES - 9 * PART);
        assert!(!budget.inbox_open(), "a stream has to stop");
        assert!(!budget.inbox_subtract(4 * PART));
        assert!(!budget.inbox_open(), "and all others with it");
        assert!(budget.inbox_subtract(2 * PART), "it is woken");
        assert!(budget.inbox_open());
        budget.inbox_add(4 * PART);
        assert!(budget.inbox_open(), "until it is full again");
    }

    #[test]
    fn lanes_that_are_added_are_shared_and_those_before_keep_what_they_hold() {
        for first in [0, 1, 3] {
            let ours = Budget::new(first);
            let theirs = ours.clone();
            for lanes in 1..200 {
                ours.grow(lanes);
                ours.add(lanes - 1, lanes);
            }
            for lane in 0..199 {
                assert_eq!(theirs.queued(lane), lane + 1, "lane {lane} after {first}");
            }
            assert_eq!(theirs.outbox_bytes(), (1..200).sum::<usize>());
        }
    }
}
