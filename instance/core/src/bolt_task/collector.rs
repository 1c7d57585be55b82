//! The bolt's output during one call.

use super::Copied;
use crate::{
    anchors::{Anchors, CURRENT, Charges, Held},
    outlet::Outlet,
    task::TaskCore,
    tracker,
};
use egret_sdk::{
    Anchor, BoltOutput, Collector, Emission, EmitError, EmitOptions, Encoded, Fields, Nanos,
    Origin, SplitId, TaskId,
};
use egret_wire::{ack::Lane, data::Roots};
use std::collections::{BTreeMap, VecDeque};

/// Which call is running: it decides what an emit without anchors descends from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// `execute` under automatic acking: from the tuple.
    Auto,
    /// `finish`: it is a root of this task.
    Finish,
    /// `tick` or `flush`: from nothing.
    Loose,
    /// `execute` under manual acking: from nothing.
    Manual,
}

pub(super) struct BoltCollector<'a> {
    pub(super) core: &'a mut TaskCore,
    pub(super) anchors: &'a mut Anchors,
    pub(super) unsettled: &'a mut BTreeMap<u64, Copied>,
    pub(super) resend: &'a mut VecDeque<Copied>,
    pub(super) acks_since: &'a mut Option<u64>,
    pub(super) call: Call,
    pub(super) outlet: &'a mut dyn Outlet,
    pub(super) now: u64,
}

impl BoltCollector<'_> {
    /// Acks the tuple that was executed, which has this place in this lane.
    #[inline]
    pub(super) fn ack_current(&mut self, (lane, counter): (&Lane, u64)) {
        self.core.counts.acked += 1;
        let current = &self.anchors.current;
        if current.roots.is_empty() {
            return;
        }
        self.acks_since.get_or_insert(self.now);
        if let ([root], [0]) = (&current.roots[..], &current.grown[..]) {
            return self.core.acks.leaf(*root, lane, counter);
        }
        self.anchors.current.edge = lane.ids.id(counter);
        for (root, xor) in self.anchors.current.acks() {
            self.core.acks.ack(root, xor);
        }
    }

    /// Fails a tuple because `execute` returned an error.
    pub(super) fn fail_tuple(&mut self, anchor: Anchor, error: &egret_sdk::Error) {
        let cause = format!("`{}` failed: {error:#}", self.core.component);
        self.outlet.warn(&cause);
        if anchor == CURRENT {
            let held = self.anchors.current.clone();
            self.core.trace.failed(&cause);
            self.fail_held(&held, &cause);
        } else if let Some(held) = self.anchors.release(anchor) {
            self.trace_released(anchor, Some(&cause));
            self.fail_held(&held, &cause);
        }
    }

    /// A held tuple is acked, or fails for this cause.
    #[inline]
    fn trace_released(&mut self, anchor: Anchor, cause: Option<&str>) {
        if self.core.trace.holds(anchor) {
            self.core.trace.released(anchor, self.outlet.now(), cause);
        }
    }

    fn fail_held(&mut self, held: &Held, cause: &str) {
        self.core.counts.failed += 1;
        self.acks_since.get_or_insert(self.now);
        for root in &held.roots {
            self.core.acks.fail(*root, cause);
        }
    }

    /// A tuple that `finish` emits: a root of this task, kept until it is acked.
    fn emit_root(&mut self, emission: &Emission<'_>) -> Result<(), EmitError> {
        self.wait_for_room()?;
        let id = self.core.next_root();
        let xor = self.core.send(self.now, emission, std::slice::from_ref(&id), self.outlet)?;
        if xor == 0 {
            // It went nowhere: nobody will ack it, nothing can be lost.
            return Ok(());
        }
        self.core.next_seq += 1;
        self.core.pending += 1;
        self.core.batch.track(id.seq, tracker::Root { xor, since: self.now });
        self.core.trace.emitted(id, self.now, false);
        let copied = Copied {
            stream: emission.stream.to_owned(),
            direct: emission.direct,
            bytes: emission.encoded.bytes.to_vec(),
            at: emission.encoded.at.to_vec(),
        };
        self.unsettled.insert(id.seq, copied);
        Ok(())
    }

    /// `finish` may emit any number of tuples; not more than `maxPending` are kept.
    fn wait_for_room(&mut self) -> Result<(), EmitError> {
        while self.core.pending >= self.core.max_pending() {
            self.core.close_and_hand_over(self.outlet);
            // Sinks hold back what nobody asks them to write.
            self.core.flush_downstream(self.outlet.now());
            self.core.hand_over_closed(self.outlet);
            let Some(completions) =
                self.outlet.wait_completion().map_err(|_| EmitError::Stopping)?
            else {
                return Ok(());
            };
            for completion in completions {
                super::complete(completion, self.core, self.unsettled, self.resend);
            }
        }
        Ok(())
    }

    fn anchored(
        &mut self,
        anchors: &[Anchor],
        stream: &str,
    ) -> Result<(Roots, Charges), EmitError> {
        self.anchors.union(anchors).ok_or_else(|| EmitError::StaleAnchor {
            component: self.core.component.clone(),
            stream: stream.to_owned(),
        })
    }
}

impl Collector for BoltCollector<'_> {
    #[inline]
    fn emit(&mut self, emission: Emission<'_>) -> Result<&[TaskId], EmitError> {
        match (emission.origin, self.call) {
            (Origin::Input, Call::Auto) => {
                // They stay where they are: a custom grouping may panic.
                let roots = &self.anchors.current.roots;
                let xor = self.core.send(self.now, &emission, roots, self.outlet)?;
                self.anchors.current.grown.iter_mut().for_each(|grown| *grown ^= xor);
            }
            (Origin::Anchors(anchors), _) => {
                let (roots, charges) = self.anchored(anchors, emission.stream)?;
                let xor = self.core.send(self.now, &emission, &roots, self.outlet)?;
                self.anchors.charge(&charges, xor);
            }
            (Origin::Input, Call::Finish) if self.core.is_tracked() => {
                self.emit_root(&emission)?;
            }
            (Origin::Input | Origin::Root(_), _) => {
                self.core.send(self.now, &emission, &[], self.outlet)?;
            }
        }
        self.core.hand_over_closed(self.outlet);
        Ok(self.core.emitter.chosen_tasks())
    }

    fn ack(&mut self, anchor: Anchor) {
        let Some(held) = self.anchors.release(anchor) else { return };
        self.trace_released(anchor, None);
        self.core.counts.acked += 1;
        let took = self.now.saturating_sub(held.since);
        self.core.timing.process.took(took, 1, self.core.stats.process());
        self.acks_since.get_or_insert(self.now);
        for (root, xor) in held.acks() {
            self.core.acks.ack(root, xor);
        }
    }

    fn fail(&mut self, anchor: Anchor, cause: &str) {
        if let Some(held) = self.anchors.release(anchor) {
            let cause = format!("`{}` failed a tuple: {cause}", self.core.component);
            self.outlet.warn(&cause);
            self.trace_released(anchor, Some(&cause));
            self.fail_held(&held, &cause);
        }
    }

    fn reset_timeout(&mut self, anchor: Anchor) {
        let Some(held) = self.anchors.get(anchor) else { return };
        let roots = held.roots.clone();
        self.acks_since.get_or_insert(self.now);
        for root in roots {
            self.core.acks.reset(root);
        }
    }

    fn split(&mut self, _: &str) -> SplitId {
        SplitId(0)
    }

    fn now(&mut self) -> Nanos {
        self.now = self.outlet.now();
        self.now
    }
}

impl Copied {
    /// Emits it once more, as a new root.
    pub(super) fn emit_again(&self, out: &mut BoltOutput<'_>) -> Result<(), EmitError> {
        let options = EmitOptions { stream: &self.stream, direct: self.direct, anchors: None };
        out.emit_with(options, self).map(drop)
    }

    /// The bytes it takes.
    pub(super) fn encoded(&self) -> Encoded<'_> {
        Encoded { bytes: &self.bytes, at: &self.at }
    }
}

impl Fields for Copied {
    fn encode(&self, out: &mut Vec<u8>, at: &mut Vec<u32>) -> usize {
        let Encoded { bytes, at: offsets } = self.encoded();
        let base = out.len() as u32;
        at.extend(offsets.iter().map(|offset| base + offset));
        out.extend_from_slice(bytes);
        0
    }
}
