//! Executing the tuples of a data frame, one by one.

use super::{
    BoltTask,
    collector::{BoltCollector, Call},
};
use crate::{
    anchors::{CURRENT, Held},
    limits,
    outlet::Outlet,
    task::{TaskCore, UserError},
};
use egret_sdk::{Acking, BoltOutput, EmitError, Encoded, Tuple};
use egret_wire::{ack::Lane, cut::Frame, data::DataReader, edge_id::EdgeIds, header::Header};

impl BoltTask {
    pub(super) fn execute_frame(
        &mut self,
        frame: &Frame,
        arrived: u64,
        outlet: &mut dyn Outlet,
    ) -> Result<(), UserError> {
        let payload = frame.payload();
        let header = frame.header;
        let mut reader = match DataReader::new(&header, &payload) {
            Ok(reader) if self.is_sound(&header, &reader) => reader,
            _ => {
                self.malformed(&header, outlet);
                return Ok(());
            }
        };
        let edge_key = self.core.plan.plan().edge_key;
        let (source, incarnation) = (header.source, header.incarnation);
        let ids = EdgeIds::new(edge_key, source, incarnation, self.core.task);
        let lane = Lane { source, incarnation, ids };
        let mut at = std::mem::take(&mut self.at);
        let mut pace = Pace::default();
        let mut now = outlet.now();
        let mut run = Run::begin(&self.core);
        self.core.stats.busy(now);
        let mut counter = header.base;
        loop {
            let mut roots = std::mem::take(&mut self.anchors.current.roots);
            let read = reader.next(&mut roots, &mut at);
            self.anchors.current.roots = roots;
            match read {
                Ok(Some(bytes)) => {
                    self.anchors.current.become_tuple();
                    let (tuple, place) = (Encoded { bytes, at: &at }, (&lane, counter));
                    if self.core.trace.samples(&self.anchors.current.roots) {
                        self.execute_traced(&header, tuple, place, arrived, outlet);
                    } else {
                        self.execute_one(&header, tuple, place, now, outlet);
                    }
                    counter = counter.wrapping_add(1);
                }
                Ok(None) => break,
                Err(_) => {
                    self.malformed(&header, outlet);
                    break;
                }
            }
            if pace.is_due() {
                let before = std::mem::replace(&mut now, outlet.now());
                pace.took(now - before);
                self.core.stats.busy_again(before, now);
                self.note(run, now - before);
                self.core.stats.publish(&mut self.core.counts, self.anchors.held() as u64);
                run = Run::begin(&self.core);
                self.flush_if_due(now, outlet);
            }
        }
        self.at = at;
        self.unflushed = true;
        let before = std::mem::replace(&mut now, outlet.now());
        self.core.stats.idle(now);
        self.note(run, now - before);
        self.flush_if_due(now, outlet);
        Ok(())
    }

    /// What is open waits no longer than that for a task that is busy.
    fn flush_if_due(&mut self, now: u64, outlet: &mut dyn Outlet) {
        if self.core.is_flush_due(now, self.acks_since, limits::FLUSH_AFTER_NS) {
            self.core.close_and_hand_over(outlet);
            self.acks_since = None;
        }
    }

    /// The tuples of a run have taken so long together. Under automatic acking that is also what
    /// passed until they were acked.
    fn note(&mut self, run: Run, took: u64) {
        let (executed, acked) = run.end(&self.core);
        let TaskCore { timing, stats, .. } = &mut self.core;
        timing.execute.took(took, executed, stats.execute());
        if self.acking == Acking::Auto && executed > 0 {
            // None has failed, as a rule: that saves a division.
            let share =
                if acked == executed { took } else { took.saturating_mul(acked) / executed };
            timing.process.took(share, acked, stats.process());
        }
    }

    #[inline]
    pub(super) fn execute_one(
        &mut self,
        header: &Header,
        encoded: Encoded<'_>,
        place: (&Lane, u64),
        now: u64,
        outlet: &mut dyn Outlet,
    ) {
        let Some(source) = self.sources.get(&header.source) else { return };
        let Some((stream, fields)) = source.streams.get(usize::from(header.stream)) else { return };
        self.core.counts.executed += 1;
        let manual = self.acking == Acking::Manual;
        let anchor = if manual {
            let (lane, counter) = place;
            let edge = lane.ids.id(counter);
            let held = Held { edge, since: now, ..self.anchors.current.clone() };
            let anchor = self.anchors.hold(held);
            self.core.trace.held(anchor);
            anchor
        } else {
            CURRENT
        };
        let tuple = Tuple::new(&source.component, stream, header.source, fields, encoded, anchor);
        let call = if manual { Call::Manual } else { Call::Auto };
        let mut collector = BoltCollector {
            core: &mut self.core,
            anchors: &mut self.anchors,
            unsettled: &mut self.unsettled,
            resend: &mut self.resend,
            acks_since: &mut self.acks_since,
            call,
            outlet,
            now,
        };
        let mut out = BoltOutput::new(&mut collector, &mut self.scratch);
        let executed = self.bolt.execute(&tuple, &mut out);
        match executed {
            Ok(()) if manual => {}
            Ok(()) => collector.ack_current(place),
            Err(error) if matches!(error.downcast_ref(), Some(EmitError::Stopping)) => {}
            Err(error) => collector.fail_tuple(anchor, &error),
        }
        self.core.hand_over_closed(outlet);
    }

    /// Whether a frame is of a stream as its source declares it, and its roots are of tasks that
    /// send here: an ack to anybody else would cost this task its link.
    fn is_sound(&self, header: &Header, reader: &DataReader<'_>) -> bool {
        let stream = self
            .sources
            .get(&header.source)
            .and_then(|source| source.streams.get(usize::from(header.stream)));
        stream.is_some_and(|(_, fields)| fields.len() == usize::from(header.arity))
            && reader.root_tasks().all(|task| self.root_tasks.contains(&task))
    }

    /// A frame that no task of ours makes: what was executed of it stays executed.
    fn malformed(&mut self, header: &Header, outlet: &mut dyn Outlet) {
        self.core.counts.discarded += 1;
        outlet.warn(&format!(
            "a frame of {} does not decode and was discarded",
            self.core.plan.describe(header.source)
        ));
    }
}

/// The tuples between two readings of the clock, by the counts at the first.
#[derive(Clone, Copy, Debug)]
struct Run {
    executed: u64,
    acked: u64,
}

impl Run {
    fn begin(core: &TaskCore) -> Run {
        Run { executed: core.counts.executed, acked: core.counts.acked }
    }

    /// How many were executed, and how many acked.
    fn end(self, core: &TaskCore) -> (u64, u64) {
        (core.counts.executed - self.executed, core.counts.acked - self.acked)
    }
}

/// Reads the clock rarely while tuples are quick, at each tuple while they are slow.
#[derive(Debug)]
struct Pace {
    every: u32,
    left: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { every: 1, left: 1 }
    }
}

impl Pace {
    #[inline]
    fn is_due(&mut self) -> bool {
        self.left -= 1;
        self.left == 0
    }

    fn took(&mut self, ns: u64) {
        let quick = ns < limits::FLUSH_AFTER_NS / 16;
        self.every = if quick { (self.every * 2).min(64) } else { (self.every / 2).max(1) };
        self.left = self.every;
    }
}
