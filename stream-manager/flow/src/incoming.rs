//! One incoming stream: its account of queued bytes and the routes of its frames.

use crate::{
    edges::Slots,
    stream::{InId, Link},
};
use egret_topology::id::{Incarnation, TaskId};
use egret_wire::preamble::StreamKey;

/// Where frames of one source on one incoming stream go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    pub(crate) source: TaskId,
    /// Index of the outgoing stream.
    pub(crate) out: u32,
    /// This stream's queue in the outgoing one.
    pub(crate) lane: u32,
    /// The newest life of the source that the stream has brought.
    pub(crate) newest: Incarnation,
}

/// The account lives as long as the plan has a use for the stream: bytes that a closed stream left
/// behind count against the one that takes its place, so reconnecting gains nobody more memory.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) life: u32,
    pub(crate) open: bool,
    pub(crate) link: Link,
    pub(crate) link_index: u32,
    pub(crate) key: StreamKey,
    /// On an instance's link: the only life that its frames may claim.
    pub(crate) only: Option<Incarnation>,
    pub(crate) queued: usize,
    pub(crate) paused: bool,
    /// Of an instance: where what it sends is counted.
    pub(crate) slots: Slots,
    /// In order of their sources.
    routes: Vec<Route>,
    last: usize,
}

impl Incoming {
    pub(crate) fn new(link: Link, link_index: u32, key: StreamKey) -> Incoming {
        Incoming {
            life: 0,
            open: false,
            link,
            link_index,
            key,
            only: None,
            queued: 0,
            paused: false,
            slots: Slots::default(),
            routes: Vec::new(),
            last: 0,
        }
    }

    pub(crate) fn is(&self, id: InId) -> bool {
        self.open && self.life == id.life
    }

    /// The route of this source's frames. Most frames come from the same source as the one before.
    #[inline]
    pub(crate) fn route(&mut self, source: TaskId) -> Option<Route> {
        match self.routes.get(self.last) {
            Some(route) if route.source == source => Some(*route),
            _ => {
                self.last = self.routes.binary_search_by_key(&source, |r| r.source).ok()?;
                self.routes.get(self.last).copied()
            }
        }
    }

    /// Whether a frame of the source that was asked for last is of its newest life here. Other
    /// streams may still bring what an earlier life has left behind: it was there first.
    #[inline]
    pub(crate) fn is_newest(&mut self, incarnation: Incarnation) -> bool {
        let Some(route) = self.routes.get_mut(self.last) else { return true };
        route.newest = incarnation.max(route.newest);
        route.newest == incarnation
    }

    pub(crate) fn add_route(&mut self, route: Route) {
        let at = self.routes.partition_point(|r| r.source < route.source);
        self.routes.insert(at, route);
        self.last = at;
    }

    pub(crate) fn forget_routes(&mut self) {
        self.routes.clear();
        self.slots.forget();
    }

    #[inline]
    pub(crate) fn enqueued(&mut self, bytes: usize, limit: usize) {
        self.queued += bytes;
        self.paused |= self.queued >= limit;
    }

    /// Returns whether the stream may be read again.
    #[inline]
    pub(crate) fn dequeued(&mut self, bytes: usize, limit: usize) -> bool {
        self.queued -= bytes;
        let resumed = self.paused && self.queued <= limit / 2;
        self.paused &= !resumed;
        resumed && self.open
    }
}
