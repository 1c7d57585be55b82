//! What QUIC counts per link, over all connections that the link has had.

use egret_flow::Link;
use egret_link::quinn::Connection;
use std::{cell::RefCell, collections::BTreeMap};

/// Counts of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QuicCounts {
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    pub(crate) congestion: u64,
}

impl QuicCounts {
    pub(crate) fn of(connection: &Connection) -> QuicCounts {
        let path = connection.stats().path;
        QuicCounts {
            sent: path.sent_packets,
            lost: path.lost_packets,
            congestion: path.congestion_events,
        }
    }

    pub(crate) fn plus(self, other: QuicCounts) -> QuicCounts {
        QuicCounts {
            sent: self.sent + other.sent,
            lost: self.lost + other.lost,
            congestion: self.congestion + other.congestion,
        }
    }
}

/// Of connections that are gone.
#[derive(Debug, Default)]
pub(crate) struct Gone(RefCell<BTreeMap<Link, QuicCounts>>);

impl Gone {
    /// This connection is the link's no more.
    pub(crate) fn keep(&self, link: Link, connection: &Connection) {
        let mut gone = self.0.borrow_mut();
        let counts = gone.entry(link).or_default();
        *counts = counts.plus(QuicCounts::of(connection));
    }

    pub(crate) fn of(&self, link: Link) -> QuicCounts {
        self.0.borrow().get(&link).copied().unwrap_or_default()
    }
}
