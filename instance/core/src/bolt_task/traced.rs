//! Executing a tuple whose path is traced.

use super::BoltTask;
use crate::outlet::Outlet;
use egret_sdk::Encoded;
use egret_wire::{ack::Lane, header::Header, trace::Edge};

impl BoltTask {
    /// As `execute_one`, with the clock read before and after.
    pub(super) fn execute_traced(
        &mut self,
        header: &Header,
        encoded: Encoded<'_>,
        (lane, counter): (&Lane, u64),
        arrived: u64,
        outlet: &mut dyn Outlet,
    ) {
        let now = outlet.now();
        let (source, incarnation) = (lane.source, lane.incarnation);
        let edge = Edge { source, incarnation, dest: self.core.task, counter };
        let what = (header.stream, encoded.bytes.len());
        self.core.trace.begin(edge, what, &self.anchors.current.roots, (arrived, now));
        self.execute_one(header, encoded, (lane, counter), now, outlet);
        self.core.trace.end(outlet.now());
    }
}
