//! What has passed over the edges of the plan, as far as their ends are in this pod.
//!
//! Counted where frames pass, by number; kept by name, so that a newer plan, which may number
//! streams otherwise and lack tasks, takes nothing away.

use crate::counts::{Counts, EdgeEnd};
use egret_topology::plan::PlanIndex;
use egret_wire::header::{Header, Kind};
use std::collections::BTreeMap;

/// Counts of all ends of edges.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    index: BTreeMap<EdgeEnd, u32>,
    counts: Vec<Counts>,
}

/// Where the frames between two tasks are counted, by the number of their stream in the source's
/// component. Good for one plan.
#[derive(Debug, Default)]
pub(crate) struct Slots(Vec<Option<u32>>);

impl Slots {
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
}

impl Edges {
    /// Counts a frame if it is one with tuples. `sends`: its source is the end that is here.
    #[inline]
    pub(crate) fn count(
        &mut self,
        slots: &mut Slots,
        plan: Option<&PlanIndex>,
        sends: bool,
        header: &Header,
    ) {
        if header.kind != Kind::Data {
            return;
        }
        let slot = match slots.0.get(usize::from(header.stream)) {
            Some(Some(slot)) => Some(*slot),
            _ => plan.and_then(|plan| self.find(slots, plan, sends, header)),
        };
        if let Some(slot) = slot {
            self.counts[slot as usize].add(header);
        }
    }

    /// None: the source's component has no such stream, or the plan no such task.
    #[cold]
    fn find(
        &mut self,
        slots: &mut Slots,
        plan: &PlanIndex,
        sends: bool,
        header: &Header,
    ) -> Option<u32> {
        let from = plan.component_of(header.source)?;
        let to = plan.component_of(header.dest)?;
        let stream = usize::from(header.stream);
        let end = EdgeEnd {
            sends,
            task: if sends { header.source } else { header.dest },
            from: from.name.clone(),
            stream: from.streams.get(stream)?.name.clone(),
            to: to.name.clone(),
        };
        let counts = &mut self.counts;
        let slot = *self.index.entry(end).or_insert_with(|| {
            counts.push(Counts::default());
            counts.len() as u32 - 1
        });
        if slots.0.len() <= stream {
            slots.0.resize(stream + 1, None);
        }
        slots.0[stream] = Some(slot);
        Some(slot)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&EdgeEnd, &Counts)> {
        self.index.iter().map(|(end, slot)| (end, &self.counts[*slot as usize]))
    }
}
