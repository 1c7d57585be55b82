//! What happens to frames and messages that should not: noise of the network, and deliberate bugs.

use super::World;
use crate::{bug::Bug, situation::Situation};
use bytes::{Bytes, BytesMut};
use egret_core::{
    batch::{Completion, ToTask},
    gateway::Gateway,
};
use egret_topology::plan::PlanIndex;
use egret_wire::{
    ack::{AckReader, AckWriter, Verdict},
    cut::Frame,
    header::{HEADER, Header, Kind},
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
        let quiet = noise.lost + noise.twice + noise.again == 0;
        if quiet || self.now >= self.scenario.heals_at {
            return vec![frame];
        }
        // QUIC loses nothing within a stream; marks are not numbered, so only what is can be
        // missed.
        let counted = matches!(frame.header.kind, Kind::Data | Kind::Ack);
        let chance = self.rng.below(10_000);
        if chance < noise.twice + noise.lost + noise.again {
            self.met.count(Situation::FrameMistreated);
        }
        if chance < noise.twice {
            return vec![frame.clone(), frame];
        }
        if !counted {
            return vec![frame];
        }
        if chance < noise.twice + noise.lost {
            return Vec::new();
        }
        let last = self.streams[stream].last.replace(frame.clone());
        match last {
            Some(last) if chance < noise.twice + noise.lost + noise.again => vec![frame, last],
            _ => vec![frame],
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

    /// A plan with room for more roots than there may be.
    pub(super) fn loosened(&self, plan: &PlanIndex) -> PlanIndex {
        let mut loose = plan.plan().clone();
        loose.max_pending = loose.max_pending.saturating_mul(4);
        match self.scenario.bug {
            Some(Bug::LooseLimit) => PlanIndex::new(loose).unwrap_or_else(|_| plan.clone()),
            _ => plan.clone(),
        }
    }

    /// Positions of a life that may have been replaced, written past its stream manager.
    pub(super) fn write_when_fenced(&mut self, process: usize) {
        let p = &self.processes[process];
        let manager = self.pods[p.pod.0 as usize].manager;
        let at = manager.map(|manager| self.managers[manager].incarnation).unwrap_or_default();
        self.observed.witness().settles(p.life, at, &p.settled);
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
