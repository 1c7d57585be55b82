//! Bytes that the two halves of an instance hold for each other: the only state that they share.

use crate::limits;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Bytes on their way between the task half and the gateway half. Cheap to clone.
///
/// The half that hands over adds, the half that passes on subtracts. Relaxed order suffices: the
/// bytes themselves travel through a queue that orders them, the counts only say when to stop.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lanes: Vec<AtomicUsize>,
    inbox: AtomicUsize,
}

impl Budget {
    /// Nothing is held; `lanes` is the number of destination tasks.
    pub fn new(lanes: usize) -> Budget {
        let lanes = (0..lanes).map(|_| AtomicUsize::new(0)).collect();
        Budget(Arc::new(Inner { lanes, inbox: AtomicUsize::new(0) }))
    }

    /// Whether another frame may be handed over for this lane.
    #[inline]
    pub fn is_writable(&self, lane: usize) -> bool {
        self.0.lanes[lane].load(Ordering::Relaxed) < limits::LANE_BYTES
    }

    /// Bytes that wait for this lane.
    pub fn queued(&self, lane: usize) -> usize {
        self.0.lanes[lane].load(Ordering::Relaxed)
    }

    /// Bytes that wait for all lanes.
    pub fn outbox_bytes(&self) -> usize {
        self.0.lanes.iter().map(|lane| lane.load(Ordering::Relaxed)).sum()
    }

    /// A frame was handed over.
    pub fn add(&self, lane: usize, bytes: usize) {
        self.0.lanes[lane].fetch_add(bytes, Ordering::Relaxed);
    }

    /// A frame left. Whether that made the lane writable again.
    pub fn subtract(&self, lane: usize, bytes: usize) -> bool {
        let before = self.0.lanes[lane].fetch_sub(bytes, Ordering::Relaxed);
        before >= limits::LANE_BYTES && before - bytes < limits::LANE_BYTES
    }

    /// Whether more input may be read.
    pub fn inbox_open(&self) -> bool {
        self.0.inbox.load(Ordering::Relaxed) < limits::INBOX_BYTES
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
