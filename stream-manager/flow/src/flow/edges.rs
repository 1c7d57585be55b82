//! What has passed over the edges of the plan, as far as their ends are in this pod.

use super::Flow;
use crate::{
    counts::{ByStream, Counts, EdgeEnd},
    incoming::Incoming,
    outgoing::Outgoing,
    stream::Link,
};
use egret_topology::{id::TaskId, plan::PlanIndex};
use std::collections::BTreeMap;

impl Flow {
    /// Data over the edges that begin or end in this pod, by that end.
    ///
    /// Counted per stream between two tasks, which costs an addition per frame; summed up here.
    pub fn edge_counts(&self) -> BTreeMap<EdgeEnd, Counts> {
        let mut sums = self.edges_before.clone();
        if let Some(plan) = &self.plan {
            let sent = self.ins.iter().filter_map(|i| Some((pair_in(i)?, i.sent.iter())));
            sent.for_each(|(pair, counts)| add(&mut sums, plan, pair, counts));
            let received = self.outs.iter().filter_map(|o| Some((pair_out(o)?, o.received.iter())));
            received.for_each(|(pair, counts)| add(&mut sums, plan, pair, counts));
        }
        sums
    }

    /// A newer plan may number streams otherwise and lack tasks: what was counted is kept by name.
    pub(super) fn keep_edges(&mut self) {
        let Some(plan) = &self.plan else { return };
        let sums = &mut self.edges_before;
        for input in &mut self.ins {
            if let Some(pair) = pair_in(input) {
                add(sums, plan, pair, ByStream::take(&mut input.sent));
            }
        }
        for out in &mut self.outs {
            if let Some(pair) = pair_out(out) {
                add(sums, plan, pair, ByStream::take(&mut out.received));
            }
        }
    }
}

/// Whether its source is the end that is here, the source, and the destination.
type Pair = (bool, TaskId, TaskId);

fn pair_in(input: &Incoming) -> Option<Pair> {
    let here = matches!(input.link, Link::Instance(_));
    input.key.source.filter(|_| here).map(|source| (true, source, input.key.dest))
}

fn pair_out(out: &Outgoing) -> Option<Pair> {
    let here = matches!(out.link, Link::Instance(_));
    out.key.source.filter(|_| here).map(|source| (false, source, out.key.dest))
}

fn add(
    sums: &mut BTreeMap<EdgeEnd, Counts>,
    plan: &PlanIndex,
    (sends, source, dest): Pair,
    counts: impl Iterator<Item = (usize, Counts)>,
) {
    let (Some(from), Some(to)) = (plan.component_of(source), plan.component_of(dest)) else {
        return;
    };
    for (stream, counts) in counts.filter(|(_, counts)| counts.frames > 0) {
        let Some(stream) = from.streams.get(stream) else { continue };
        let end = EdgeEnd {
            sends,
            task: if sends { source } else { dest },
            from: from.name.clone(),
            stream: stream.name.clone(),
            to: to.name.clone(),
        };
        sums.entry(end).or_default().merge(&counts);
    }
}
