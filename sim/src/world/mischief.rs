//! What happens to frames and messages that should not: noise of the network, and deliberate bugs.

use super::{
    World,
    net::{End, Message, Stream},
};
use crate::{bug::Bug, situation::Situation, witness::groupings::regrouped};
use bytes::{Bytes, BytesMut};
use egret_core::{
    batch::{Batch, Completion, OutFrame, ToTask},
    gateway::Gateway,
};
use egret_topology::{grouping::Grouping, id::Epoch, plan::PlanIndex};
use egret_wire::{
    ack::{AckReader, AckWriter, Verdict},
    cut::Frame,
    header::{HEADER, Header, Kind},
    preamble::{Class, StreamKey},
};

/// The header of a frame in one piece, and all of it.
pub(super) fn header_of(bytes: &Bytes) -> Option<(Header, &Bytes)> {
    Header::decode(bytes.first_chunk::<HEADER>()?).ok().map(|header| (header, bytes))
}

/// The same frame under another header.
fn under(frame: &Frame, header: Header) -> Frame {
    let mut bytes = BytesMut::from(&header.encode()[..]);
    bytes.extend_from_slice(&frame.payload());
    Frame { header, parts: [bytes.freeze()].into_iter().collect() }
}

/// What the tracker has of each root that an ack frame names.
pub(super) fn xors(frame: &Frame, gateway: &Gateway, edge_key: u64) -> Vec<(u64, Option<u64>)> {
    let mut xors = Vec::new();
    if frame.header.kind == Kind::Ack
        && let Some(tracker) = gateway.tracker()
    {
        let payload = frame.payload();
        let reader = AckReader::new(&frame.header, &payload, edge_key);
        let Ok(mut reader) = reader else { return xors };
        while let Ok(Some((seq, _))) = reader.next() {
            xors.push((seq, tracker.xor_of(seq)));
        }
    }
    xors
}

impl World {
    /// What arrives instead of a frame: it, nothing, it twice, or an earlier one besides.
    pub(super) fn noise(&mut self, stream: usize, frame: Frame) -> Vec<Frame> {
        let noise = self.scenario.noise;
        if noise.sum() == 0 || self.now >= self.scenario.heals_at {
            return vec![frame];
        }
        // QUIC loses nothing within a stream; marks are not numbered, so only what is can be
        // missed.
        let counted = matches!(frame.header.kind, Kind::Data | Kind::Ack);
        let chance = self.rng.below(10_000);
        if chance < noise.sum() {
            self.met.count(Situation::FrameMistreated);
        }
        if chance < noise.twice {
            self.repeats(stream, &frame);
            return vec![frame.clone(), frame];
        }
        if !counted {
            return vec![frame];
        }
        if chance < noise.twice + noise.lost {
            return Vec::new();
        }
        let foreign = chance >= noise.sum() - noise.foreign && chance < noise.sum();
        if foreign && frame.header.kind == Kind::Data {
            // Acks are numbered through all epochs, so one of another epoch has its own number.
            let epoch = Epoch(frame.header.epoch.0 + 1 - 2 * (chance as u32 & 1));
            return vec![under(&frame, Header { epoch, ..frame.header }), frame];
        }
        let last = self.streams[stream].last.replace(frame.clone());
        match last {
            Some(last) if chance < noise.twice + noise.lost + noise.again => {
                self.repeats(stream, &last);
                vec![frame, last]
            }
            _ => vec![frame],
        }
    }

    /// An instance knows what has been delivered to it. What is repeated before may come to its
    /// next life, which does not: between lives only QUIC keeps a frame from coming twice.
    fn repeats(&mut self, stream: usize, frame: &Frame) {
        let Stream { connection, from, .. } = self.streams[stream];
        let reader = self.connections[connection].ends[1 - from];
        if frame.header.kind == Kind::Data && matches!(reader, End::Manager(_)) {
            self.observed.witness().repeated(frame);
        }
    }

    /// What a bug makes of a frame for an instance.
    pub(super) fn mischief(&mut self, process: usize, stream: usize, frame: Frame) -> Vec<Frame> {
        match (self.scenario.bug, frame.header.kind) {
            (Some(Bug::LoseEnds), Kind::End) => Vec::new(),
            (Some(Bug::TamperAck), Kind::Ack) => {
                let key = self.plan.plan().edge_key;
                vec![tampered(&frame, key)]
            }
            (Some(Bug::AckTwice), Kind::Ack) => self.ack_twice(process, frame),
            (Some(Bug::DeliverTwice), Kind::Data) => {
                let mut header = frame.header;
                header.base += u64::from(header.count);
                vec![frame.clone(), under(&frame, header)]
            }
            (Some(Bug::Swap), Kind::Data) => self.swap(stream, frame),
            (Some(Bug::Disguise), Kind::Data) => self.disguised(process, frame),
            (Some(Bug::Miscount), Kind::Data) => {
                if let Some(halves) = &self.processes[process].halves
                    && !std::mem::replace(&mut self.struck, true)
                {
                    halves.budget.inbox_add(1);
                }
                vec![frame]
            }
            _ => vec![frame],
        }
    }

    /// The witness sees a frame of another epoch, the task one of its own.
    fn disguised(&mut self, process: usize, frame: Frame) -> Vec<Frame> {
        let epoch = Epoch(frame.header.epoch.0 + 1);
        let p = &mut self.processes[process];
        p.lengths.push_back(frame.len());
        let life = p.life;
        let foreign = under(&frame, Header { epoch, ..frame.header });
        self.observed.witness().delivers(life, &foreign);
        if let Some(halves) = &mut self.processes[process].halves {
            let _ = halves.gateway.handle_frame(self.now, frame);
        }
        Vec::new()
    }

    /// Delivers the frame, and again under another number if a root is still pending then.
    fn ack_twice(&mut self, process: usize, frame: Frame) -> Vec<Frame> {
        let mut header = frame.header;
        header.base += 1 << 20;
        let again = under(&frame, header);
        self.deliver(process, frame);
        let halves = self.processes[process].halves.as_ref();
        let pending = halves.is_some_and(|halves| {
            xors(&again, &halves.gateway, self.plan.plan().edge_key)
                .iter()
                .any(|(_, xor)| xor.is_some())
        });
        if pending { vec![again] } else { Vec::new() }
    }

    /// Holds a frame back and delivers it behind the next one, both under fitting counters.
    fn swap(&mut self, stream: usize, frame: Frame) -> Vec<Frame> {
        let Some(first) = self.streams[stream].kept.take() else {
            self.streams[stream].kept = Some(frame);
            return Vec::new();
        };
        let (mut early, mut late) = (frame.header, first.header);
        early.base = late.base;
        late.base = early.base + u64::from(early.count);
        vec![under(&frame, early), under(&first, late)]
    }

    /// Tells a spout of a root that is not acked.
    pub(super) fn ack_early(&mut self, process: usize, events: &mut Vec<ToTask>) {
        let p = &self.processes[process];
        if self.struck || !self.plan.is_spout(p.task) {
            return;
        }
        let pending = self.observed.witness().pending_root(p.life);
        if let Some(seq) = pending {
            self.struck = true;
            events.push(ToTask::Completed(vec![Completion::acked(seq)]));
        }
    }

    /// Another plan than there is, for a task to work by.
    pub(super) fn twisted(&self, plan: &PlanIndex) -> PlanIndex {
        let twisted = match self.scenario.bug {
            Some(Bug::LooseLimit) => {
                let mut loose = plan.plan().clone();
                loose.max_pending = loose.max_pending.saturating_mul(4);
                loose
            }
            Some(Bug::ScatterKeys) => regrouped(plan.plan(), |grouping| {
                if matches!(grouping, Grouping::Fields { .. }) {
                    *grouping = Grouping::Shuffle;
                }
            }),
            Some(Bug::SkipSome) => regrouped(plan.plan(), |grouping| {
                if matches!(grouping, Grouping::All) {
                    *grouping = Grouping::Global;
                }
            }),
            _ => return plan.clone(),
        };
        PlanIndex::new(twisted).unwrap_or_else(|_| plan.clone())
    }

    /// The plan before this one, behind it.
    pub(super) fn send_old_plan(&mut self, connection: usize, plan: &PlanIndex) {
        let mut old = plan.plan().clone();
        old.revision -= 1;
        if self.scenario.bug == Some(Bug::OldPlan)
            && let Ok(old) = PlanIndex::new(old)
        {
            self.send(connection, 1, Message::Plan(old));
        }
    }

    /// A frame that nobody sends any more.
    pub(super) fn leave_over(&mut self, process: usize) {
        let p = &mut self.processes[process];
        if self.scenario.bug == Some(Bug::Leftover)
            && let Some(halves) = &mut p.halves
        {
            let dest = self.plan.plan().tasks[0].id;
            let key = StreamKey { class: Class::Data, source: Some(p.task), dest };
            let frame = OutFrame { key, lane: None, bytes: Bytes::new() };
            let mut batch = Batch { frames: vec![frame], ..Batch::default() };
            halves.gateway.handle_batch(self.now, &mut batch);
        }
    }

    /// Positions of a life that may have been replaced, written past its stream manager.
    pub(super) fn write_when_fenced(&mut self, process: usize) {
        let p = &self.processes[process];
        let manager = self.pods[p.home].manager;
        let at = manager.map(|manager| self.managers[manager].incarnation).unwrap_or_default();
        self.observed.witness().settles(p.life, at, p.home, &p.settled);
    }
}

/// The frame with one bit of its last XOR turned.
fn tampered(frame: &Frame, edge_key: u64) -> Frame {
    let payload = frame.payload();
    let Ok(mut reader) = AckReader::new(&frame.header, &payload, edge_key) else {
        return frame.clone();
    };
    let mut entries = Vec::new();
    while let Ok(Some(entry)) = reader.next() {
        entries.push(entry);
    }
    if let Some((_, Verdict::Ack(xor))) = entries.last_mut() {
        *xor ^= 1;
    }
    let mut writer = AckWriter::new(reader.incarnation);
    entries.iter().for_each(|(seq, verdict)| writer.push(*seq, *verdict));
    let bytes = writer.finish(frame.header);
    Frame::whole(bytes).unwrap_or_else(|_| frame.clone())
}
