//! The gateway half of an instance: what its I/O thread does with frames, roots, acks and losses.
//!
//! ```text
//! out:  handle_batch -> tracker.register, frames queue per stream -> poll_transmit -> transport
//! back: transport -> handle_frame -> ack frames: tracker -> outcomes -> take_to_task
//!                                    data: take_to_task, while the inbox has room (may_read)
//! ```
//!
//! Call `poll_event` until it is empty after every other call.

mod drain;
mod holders;
mod losses;
mod traces;
mod waits;

use crate::{
    batch::{Batch, Completion, ToTask},
    budget::Budget,
    limits::{HOLDER_WAIT_NS, POSITION_TEXT},
    stats::Stats,
    tracker::Tracker,
};
use bytes::Bytes;
use drain::Drain;
use egret_sdk::Metrics;
use egret_topology::{
    id::{Incarnation, TaskId},
    plan::{Delivery, PlanIndex},
};
use egret_wire::{
    Malformed,
    ack::{AckReader, Verdict},
    control::{Hold, Holding, Phase, Root, RootCounts, TaskReport, UserMetric},
    cut::Frame,
    header::Kind,
    preamble::StreamKey,
};
use hdrhistogram::Histogram;
use holders::{Holders, contains, timed_out};
use std::collections::{BTreeMap, HashMap, VecDeque};
use traces::Traced;
use waits::Waits;

/// What the gateway half wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A stream has frames to write.
    Wake(StreamKey),
    /// Ask the stream manager who holds a tuple of this root's tree.
    AskHolders(Root),
    /// Tell the stream manager that this task holds one.
    Holds(Hold),
    /// Tell the stream manager where splits stand.
    Positions(BTreeMap<String, u64>),
    /// Tell the stream manager that all is worked off, and how many frames were sent.
    Drained {
        /// Frames of all kinds since the link came up.
        frames: u64,
    },
}

/// The gateway half of one incarnation of a task.
#[derive(Debug)]
pub struct Gateway {
    task: TaskId,
    incarnation: Incarnation,
    is_spout: bool,
    plan: PlanIndex,
    budget: Budget,
    stats: Stats,
    metrics: Metrics,
    tracker: Option<Tracker>,
    counts: RootCounts,
    latency: Histogram<u32>,
    /// Roots of one latency, in microseconds, that are not in the histogram yet: they come in runs.
    latency_run: (u64, u32),
    queues: BTreeMap<StreamKey, Queue>,
    /// Last ack frame applied, per acking task.
    applied: HashMap<TaskId, (Incarnation, u64)>,
    holders: Holders,
    waits: Waits,
    traced: Traced,
    to_task: Vec<ToTask>,
    completions: Vec<Completion>,
    /// Data frames that the task has not executed to their end, to tell what it holds.
    in_task: VecDeque<Frame>,
    in_task_done: u64,
    drain: Drain,
    events: VecDeque<Event>,
    discarded: u64,
    lane_freed: bool,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<(Bytes, Option<usize>)>,
}

/// Complete latency is kept up to this long, in microseconds.
const MAX_LATENCY_US: u64 = 3_600_000_000;

impl Gateway {
    /// Of this life of a task; `budget` and `stats` are those of its task half.
    pub fn new(
        plan: &PlanIndex,
        task: TaskId,
        incarnation: Incarnation,
        budget: Budget,
        stats: Stats,
        metrics: Metrics,
    ) -> Gateway {
        let planned = plan.plan();
        let timeout = planned.message_timeout_ms * 1_000_000;
        let tracked = planned.delivery == Delivery::AtLeastOnce;
        // Three significant digits; the bounds are legal by construction.
        let latency = Histogram::new_with_bounds(1, MAX_LATENCY_US, 3)
            .expect("1 < an hour of microseconds, 3 digits");
        Gateway {
            task,
            incarnation,
            is_spout: plan.is_spout(task),
            plan: plan.clone(),
            budget,
            stats,
            metrics,
            tracker: tracked.then(|| Tracker::new(planned.max_pending as usize, timeout)),
            counts: RootCounts::default(),
            latency,
            latency_run: (1, 0),
            queues: BTreeMap::new(),
            applied: HashMap::new(),
            holders: Holders::default(),
            waits: Waits::default(),
            traced: Traced::default(),
            to_task: Vec::new(),
            completions: Vec::new(),
            in_task: VecDeque::new(),
            in_task_done: 0,
            drain: Drain::default(),
            events: VecDeque::new(),
            discarded: 0,
            lane_freed: false,
        }
    }

    /// Takes in what the task half hands over: first the roots, then the frames.
    pub fn handle_batch(&mut self, now: u64, batch: &mut Batch) {
        self.traced.take_from(&mut batch.spans);
        // Untracked roots are complete when emitted; the task half knows that itself.
        let untracked = std::mem::take(&mut batch.untracked);
        self.counts.emitted += untracked + batch.roots.len() as u64;
        self.counts.acked += untracked;
        self.counts.replayed += std::mem::take(&mut batch.replayed);
        self.counts.dead_letters += std::mem::take(&mut batch.dead_letters);
        for (seq, root) in (batch.first_root..).zip(batch.roots.drain(..)) {
            let Some(tracker) = &mut self.tracker else { continue };
            if tracker.register(now, seq, root) {
                self.acked(now, seq, root.since);
            }
        }
        for frame in batch.frames.drain(..) {
            let queue = self.queues.entry(frame.key).or_default();
            if queue.frames.is_empty() {
                self.events.push_back(Event::Wake(frame.key));
            }
            queue.frames.push_back((frame.bytes, frame.lane));
        }
        if !batch.positions.is_empty() {
            self.events.push_back(Event::Positions(std::mem::take(&mut batch.positions)));
        }
        for hold in batch.holds.drain(..) {
            self.events.push_back(Event::Holds(hold));
        }
        if let Some(phase) = batch.phase.take() {
            self.stats.set_phase(phase);
        }
        if self.is_draining() {
            self.follow_drain();
        }
        self.finish_completions(now);
    }

    /// Takes in a frame from the stream manager. An error closes the link.
    pub fn handle_frame(&mut self, now: u64, frame: Frame) -> Result<(), Malformed> {
        if frame.header.dest != self.task {
            return Err(Malformed::NotAFrame("it is for another task"));
        }
        let kind = frame.header.kind;
        match kind {
            Kind::Ack => self.handle_acks(now, &frame)?,
            Kind::Data => {
                self.budget.inbox_add(frame.len());
                self.forget_executed();
                self.in_task.push_back(frame.clone());
                self.to_task.push(ToTask::Frame(frame, now));
            }
            Kind::End | Kind::Flush => self.to_task.push(ToTask::Frame(frame, now)),
        }
        if kind != Kind::Ack {
            self.drain.received += 1;
            if self.is_draining() {
                self.follow_drain();
            }
        }
        Ok(())
    }

    /// Whether data may be read from the stream manager. Acks always may.
    pub fn may_read(&self) -> bool {
        self.budget.inbox_open()
    }

    /// A newer plan. What is in flight under other tasks and groupings arrives nowhere any more.
    pub fn handle_plan(&mut self, now: u64, plan: PlanIndex) {
        if plan.plan().epoch != self.plan.plan().epoch {
            self.lose("tasks or groupings of the topology have changed");
            self.finish_completions(now);
        }
        if let Some(tracker) = &mut self.tracker {
            tracker.set_timeout(plan.plan().message_timeout_ms * 1_000_000);
        }
        if !plan.is_draining(self.task) {
            self.end_drain();
        }
        self.plan = plan.clone();
        self.to_task.push(ToTask::Plan(plan));
    }

    /// Somebody holds a tuple of a root that timed out here.
    pub fn handle_hold(&mut self, now: u64, hold: &Hold) {
        if hold.root.task == self.task && hold.root.incarnation == self.incarnation {
            self.holders.heard(hold);
        }
        self.release_timed_out(now);
    }

    /// Answers whether this task holds a tuple of the root's tree, as far as this half can see.
    pub fn handle_who_holds(&mut self, now: u64, root: Root) {
        self.forget_executed();
        let (_, busy) = self.stats.busy_time(now);
        for (i, frame) in self.in_task.iter().enumerate() {
            if !contains(frame, root) {
                continue;
            }
            let how = if i == 0 && busy > 0 { Holding::Executing } else { Holding::Queued };
            let for_ms = busy / 1_000_000;
            self.events.push_back(Event::Holds(Hold { root, task: self.task, how, for_ms }));
            return;
        }
        // Who does not come back in time answers nobody, and questions would pile up.
        if busy < HOLDER_WAIT_NS {
            self.to_task.push(ToTask::WhoHolds(root));
        }
    }

    /// Lets roots time out whose time is up.
    pub fn handle_timeout(&mut self, now: u64) {
        let Some(tracker) = &mut self.tracker else { return };
        while let Some(seq) = tracker.expire(now) {
            self.counts.timed_out += 1;
            let name = Root { task: self.task, incarnation: self.incarnation, seq };
            if self.holders.ask(now, seq) {
                self.events.push_back(Event::AskHolders(name));
            } else {
                self.completions.push(timed_out(seq, None));
            }
        }
        self.release_timed_out(now);
    }

    /// When [`Gateway::handle_timeout`] must be called.
    pub fn next_timeout(&mut self) -> Option<u64> {
        let tracker = self.tracker.as_mut().and_then(Tracker::next_timeout);
        [tracker, self.holders.next_timeout()].into_iter().flatten().min()
    }

    /// Moves whole frames of a stream to `out`, up to about `max_bytes`; returns their bytes. What
    /// is handed out here is written whole, or the link is lost.
    pub fn poll_transmit(
        &mut self,
        key: StreamKey,
        max_bytes: usize,
        out: &mut Vec<Bytes>,
    ) -> usize {
        let Some(queue) = self.queues.get_mut(&key) else { return 0 };
        let mut taken = 0;
        while let Some((bytes, _)) = queue.frames.front()
            && (taken == 0 || taken + bytes.len() <= max_bytes)
        {
            let Some((bytes, lane)) = queue.frames.pop_front() else { break };
            taken += bytes.len();
            self.drain.sent += 1;
            if let Some(lane) = lane {
                self.lane_freed |= self.budget.subtract(lane, bytes.len());
            }
            out.push(bytes);
        }
        if self.is_draining() {
            self.follow_drain();
        }
        taken
    }

    /// Streams that have frames to write, after a reconnect.
    pub fn waiting_streams(&self) -> Vec<StreamKey> {
        let waiting = self.queues.iter().filter(|(_, queue)| !queue.frames.is_empty());
        waiting.map(|(key, _)| *key).collect()
    }

    /// What to do next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What the task half is to take in.
    pub fn take_to_task(&mut self) -> Vec<ToTask> {
        std::mem::take(&mut self.to_task)
    }

    /// Source tasks that the task has heard from.
    pub fn heard(&self) -> u32 {
        self.stats.heard()
    }

    /// Whether a lane has become writable since the last call: the task half may wait for it.
    pub fn take_lane_freed(&mut self) -> bool {
        std::mem::take(&mut self.lane_freed)
    }

    /// Everything counted so far. Empties the latency histogram and what was waited for into the
    /// report.
    pub fn report(&mut self, now: u64, position: Option<String>) -> TaskReport {
        let totals = self.stats.totals();
        let (backpressure, blocked_on) = self.stats.backpressure(now);
        let (busy, current) = self.stats.busy_time(now);
        let mut roots = self.roots();
        let unfinished = self.stats.unacked() + if self.is_spout { 0 } else { roots.pending };
        let (acked, failed) = if self.is_spout {
            (roots.acked, roots.failed + roots.timed_out)
        } else {
            roots = RootCounts::default();
            (totals.acked, totals.failed)
        };
        self.record_latency(1);
        let latency = self
            .latency
            .iter_recorded()
            .map(|v| (v.value_iterated_to(), v.count_at_value().into()));
        let latency = latency.collect();
        self.latency.reset();
        let user = self.metrics.snapshot();
        TaskReport {
            phase: self.phase(),
            // The core knows no process.
            leaving: false,
            roots,
            emitted: totals.emitted,
            executed: totals.executed,
            acked,
            failed,
            unfinished,
            heard: self.stats.heard(),
            backpressure_us: backpressure / 1000,
            blocked_on,
            waited_for: self.waits.untold(&self.stats, now),
            busy_ms: current / 1_000_000,
            busy_us: busy / 1000,
            discarded: totals.discarded + self.discarded,
            latency,
            execute: self.stats.execute().read(),
            process: self.stats.process().read(),
            inbox_bytes: self.budget.inbox_bytes() as u64,
            outbox_bytes: self.budget.outbox_bytes() as u64,
            usage: None,
            position: position.map(|mut text| {
                text.truncate(text.floor_char_boundary(POSITION_TEXT));
                text
            }),
            held_by: self.holders.last(now),
            user: user
                .into_iter()
                .map(|(name, gauge, value)| UserMetric { name, gauge, value })
                .collect(),
        }
    }

    /// Counts of this task's roots, those of a finishing bolt included.
    pub fn roots(&self) -> RootCounts {
        let waiting = self.holders.waiting() as u64;
        let pending = self.tracker.as_ref().map_or(0, |tracker| tracker.pending() as u64);
        // Who waits for a name has timed out already.
        debug_assert!(self.counts.timed_out >= waiting);
        RootCounts { pending, ..self.counts }
    }

    /// The tracker, for those who check.
    pub fn tracker(&self) -> Option<&Tracker> {
        self.tracker.as_ref()
    }

    /// Where the task is in its life.
    pub fn phase(&self) -> Phase {
        self.stats.phase()
    }

    fn handle_acks(&mut self, now: u64, frame: &Frame) -> Result<(), Malformed> {
        let header = frame.header;
        let applied = self.applied.entry(header.source).or_insert((header.incarnation, u64::MAX));
        if header.incarnation < applied.0
            || (header.incarnation == applied.0
                && applied.1 != u64::MAX
                && header.base <= applied.1)
        {
            self.discarded += 1;
            return Ok(());
        }
        *applied = (header.incarnation, header.base);
        let payload = frame.payload();
        let mut reader = AckReader::new(&header, &payload, self.plan.plan().edge_key)?;
        if reader.incarnation != self.incarnation || header.epoch != self.plan.plan().epoch {
            // Of roots of an earlier life: booked as failed when it was lost.
            return Ok(());
        }
        while let Some((seq, verdict)) = reader.next()? {
            let Some(tracker) = &mut self.tracker else { continue };
            match verdict {
                Verdict::Ack(xor) => {
                    if let Some(since) = tracker.ack(seq, xor) {
                        self.acked(now, seq, since);
                    }
                }
                Verdict::Fail(cause) => {
                    if tracker.remove(seq) {
                        self.counts.failed += 1;
                        self.completions.push(Completion::failed_by(header.source, seq, cause));
                    }
                }
                Verdict::Reset => tracker.reset(now, seq),
            }
        }
        self.finish_completions(now);
        Ok(())
    }

    #[inline]
    fn acked(&mut self, now: u64, seq: u64, since: u64) {
        self.counts.acked += 1;
        if self.is_spout {
            let us = (now.saturating_sub(since) / 1000).clamp(1, MAX_LATENCY_US);
            if us != self.latency_run.0 {
                self.record_latency(us);
            }
            self.latency_run.1 += 1;
        }
        match self.completions.last_mut() {
            Some(Completion { roots, failure: None, .. }) if roots.end == seq => roots.end += 1,
            _ => self.completions.push(Completion::acked(seq)),
        }
    }

    /// Puts the run of equal latencies into the histogram and begins another.
    fn record_latency(&mut self, next: u64) {
        let (us, roots) = std::mem::replace(&mut self.latency_run, (next, 0));
        self.latency.saturating_record_n(us, roots);
    }

    fn finish_completions(&mut self, now: u64) {
        if !self.completions.is_empty() {
            self.traced.ended(now, &self.completions);
            self.to_task.push(ToTask::Completed(std::mem::take(&mut self.completions)));
        }
    }

    fn forget_executed(&mut self) {
        let done = self.stats.frames_done();
        while self.in_task_done < done && self.in_task.pop_front().is_some() {
            self.in_task_done += 1;
        }
    }
}
