//! Connections as QUIC makes them: streams in order and with credit each, independent of each
//! other.

use super::{Event, World};
use crate::{
    bug::Bug,
    invariant::Invariant,
    scenario::{MS, faults::IDLE},
};
use bytes::Bytes;
use egret_flow::{InId, OutId};
use egret_topology::{
    id::{Incarnation, PodId},
    plan::PlanIndex,
};
use egret_wire::{
    control::{Hold, LossScope, Root, TaskReport},
    cut::{Cutter, Frame},
    preamble::StreamKey,
};
use std::collections::{BTreeMap, VecDeque};

/// What a connection ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Manager(usize),
    Process(usize),
}

/// A control message; what `egret_wire::control` writes as JSON.
#[derive(Clone, Debug)]
pub(super) enum Message {
    // From an instance.
    Hello,
    Report(Box<TaskReport>),
    Positions(BTreeMap<String, u64>),
    Drained(u64),
    Broken,
    AskHolders(Root),
    // From a stream manager to an instance.
    Assign {
        plan: PlanIndex,
        positions: BTreeMap<String, u64>,
        restarts: u32,
    },
    /// With the newest life that is known.
    Refused(Incarnation),
    Drain(u64),
    Loss(LossScope),
    // Both ways between instances and stream managers, and between peers.
    Holds(Hold),
    WhoHolds(Root),
    Plan(PlanIndex),
    // Between peers.
    PeerHello {
        incarnation: Incarnation,
        revision: u64,
        losses: u64,
    },
    PeerLoss {
        number: u64,
        scope: LossScope,
    },
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) ends: [End; 2],
    /// Packets pass.
    pub(super) alive: bool,
    /// The side has closed it, or has noticed that it is dead.
    pub(super) closed: [bool; 2],
    /// Pods at its ends, if they are two.
    between: Option<(PodId, PodId)>,
    last_control: [u64; 2],
    pub(super) streams: Vec<usize>,
}

/// Who fills a stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Writer {
    Flow(usize, OutId),
    Gateway(usize),
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) connection: usize,
    /// The side that writes.
    pub(super) from: usize,
    pub(super) key: StreamKey,
    pub(super) writer: Writer,
    pub(super) unsent: VecDeque<Bytes>,
    sent: u64,
    limit: u64,
    pub(super) blocked: bool,
    last_arrival: u64,
    pub(super) arrived: VecDeque<Bytes>,
    /// Bytes sent that have not arrived.
    air: u64,
    received: u64,
    read: u64,
    granted: u64,
    pub(super) cutter: Cutter,
    pub(super) input: Option<InId>,
    /// The last data or ack frame, which noise may repeat, and one that a bug holds back.
    pub(super) last: Option<Frame>,
    pub(super) kept: Option<Frame>,
}

/// Bytes of one read.
pub(super) const READ: usize = 16 << 10;

impl World {
    /// A new connection; side 0 has dialed.
    pub(super) fn connection(&mut self, ends: [End; 2]) -> usize {
        let between = match ends.map(|end| self.pod_of(end)) {
            [a, b] if a != b => Some((a.min(b), a.max(b))),
            _ => None,
        };
        self.connections.push(Connection {
            ends,
            alive: true,
            closed: [false; 2],
            between,
            last_control: [0; 2],
            streams: Vec::new(),
        });
        self.connections.len() - 1
    }

    fn pod_of(&self, end: End) -> PodId {
        match end {
            End::Manager(manager) => self.managers[manager].pod,
            End::Process(process) => self.processes[process].pod,
        }
    }

    pub(super) fn stream(
        &mut self,
        connection: usize,
        from: usize,
        key: StreamKey,
        writer: Writer,
    ) -> usize {
        let window = self.scenario.net.window;
        self.streams.push(Stream {
            connection,
            from,
            key,
            writer,
            unsent: VecDeque::new(),
            sent: 0,
            limit: window,
            blocked: false,
            last_arrival: 0,
            arrived: VecDeque::new(),
            air: 0,
            received: 0,
            read: 0,
            granted: window,
            cutter: Cutter::default(),
            input: None,
            last: None,
            kept: None,
        });
        let stream = self.streams.len() - 1;
        self.connections[connection].streams.push(stream);
        stream
    }

    /// When a packet that a side sends now arrives; after `last`.
    fn arrival(&mut self, connection: usize, from: usize, last: u64) -> u64 {
        let net = self.scenario.net;
        let mut at = self.now + net.latency + self.rng.below(net.jitter + 1);
        let Connection { ends, between, .. } = self.connections[connection];
        if let Some(pods) = between {
            while net.loss > 0 && self.rng.chance(net.loss) {
                at += net.resend();
            }
            let way = (self.pod_of(ends[from]), self.pod_of(ends[1 - from]));
            let both = self.partitions.get(&pods).into_iter();
            let until = both.chain(self.one_way.get(&way)).copied().max();
            if let Some(until) = until.filter(|until| *until > self.now) {
                // What was lost meanwhile is sent again.
                at = at.max(until + self.rng.below(20 * MS));
            }
        }
        at.max(last + 1)
    }

    pub(super) fn send(&mut self, connection: usize, from: usize, message: Message) {
        let link = &self.connections[connection];
        if !link.alive || link.closed[from] {
            return;
        }
        let at = self.arrival(connection, from, link.last_control[from]);
        self.connections[connection].last_control[from] = at;
        self.schedule(at, Event::Control { connection, side: 1 - from, message });
    }

    /// Sends what credit allows. Returns whether all is sent.
    pub(super) fn transmit(&mut self, stream: usize) -> bool {
        let connection = self.streams[stream].connection;
        let link = &self.connections[connection];
        let dead = !link.alive || link.closed[self.streams[stream].from];
        while !self.streams[stream].unsent.is_empty() {
            let room = self.room(stream);
            let Stream { unsent, sent, last_arrival, .. } = &mut self.streams[stream];
            let Some(front) = unsent.front_mut() else { break };
            let take = front.len().min(room as usize);
            if take == 0 {
                return false;
            }
            let bytes = front.split_to(take);
            if front.is_empty() {
                unsent.pop_front();
            }
            *sent += take as u64;
            let last = *last_arrival;
            if !dead {
                let from = self.streams[stream].from;
                let at = self.arrival(connection, from, last);
                self.streams[stream].last_arrival = at;
                self.streams[stream].air += bytes.len() as u64;
                self.schedule(at, Event::Arrive { stream, bytes });
            }
        }
        true
    }

    /// Bytes that may be sent now.
    fn room(&self, stream: usize) -> u64 {
        let Stream { connection, from, sent, limit, .. } = self.streams[stream];
        match self.scenario.bug {
            Some(Bug::IgnoreWindow) => u64::MAX >> 1,
            Some(Bug::SharedWindow) => {
                let of = self.connections[connection].streams.iter().map(|s| &self.streams[*s]);
                let used: u64 = of.filter(|s| s.from == from).map(|s| s.sent - s.read).sum();
                (limit - sent).min(self.scenario.net.window.saturating_sub(used))
            }
            _ => limit - sent,
        }
    }

    pub(super) fn arrive(&mut self, stream: usize, bytes: Bytes) {
        let Stream { connection, from, .. } = self.streams[stream];
        let link = &self.connections[connection];
        if !link.alive || link.closed[1 - from] {
            return;
        }
        let end = link.ends[1 - from];
        let s = &mut self.streams[stream];
        s.received += bytes.len() as u64;
        s.air -= bytes.len() as u64;
        s.arrived.push_back(bytes);
        self.judge_credit(stream);
        self.read(stream, end);
    }

    fn read(&mut self, stream: usize, end: End) {
        match end {
            End::Manager(manager) => {
                self.manager_read(manager, stream);
                self.act(manager);
            }
            End::Process(process) => {
                self.process_read(process, stream);
                self.follow_up(process);
            }
        }
    }

    /// Takes bytes off a stream, gives credit for them, and returns them; `None` if there are none.
    pub(super) fn take_arrived(&mut self, stream: usize) -> Option<Bytes> {
        let s = &mut self.streams[stream];
        let front = s.arrived.front_mut()?;
        let bytes = front.split_to(front.len().min(READ));
        if front.is_empty() {
            s.arrived.pop_front();
        }
        s.read += bytes.len() as u64;
        let limit = s.read + self.scenario.net.window;
        // As QUIC does: not for every byte, and soon enough that the writer need not wait.
        if limit - s.granted >= self.scenario.net.window / 4 {
            s.granted = limit;
            let (connection, reader) = (s.connection, 1 - s.from);
            if self.connections[connection].alive {
                let at = self.arrival(connection, reader, 0);
                self.schedule(at, Event::Credit { stream, limit });
            }
        }
        Some(bytes)
    }

    pub(super) fn credited(&mut self, stream: usize, limit: u64) {
        let Stream { connection, from, .. } = self.streams[stream];
        let link = &self.connections[connection];
        if !link.alive || link.closed[from] {
            return;
        }
        // Packets overtake each other; credit never falls.
        let s = &mut self.streams[stream];
        s.limit = s.limit.max(limit);
        let shared = self.scenario.bug == Some(Bug::SharedWindow);
        let others =
            if shared { self.connections[connection].streams.clone() } else { vec![stream] };
        for stream in others {
            if self.streams[stream].from == from {
                self.pump(stream);
            }
        }
    }

    /// Invariants 21 and 23 of one stream: nothing beyond its credit, and no byte appears or is
    /// lost.
    fn judge_credit(&mut self, stream: usize) {
        let window = self.scenario.net.window;
        let Stream { key, sent, received, read, granted, limit, air, .. } = self.streams[stream];
        if sent > read + window || received > granted {
            let what = format!("{} bytes are on their way in {key:?}, of {window}", sent - read);
            self.accuse(Invariant::Credit, what);
        }
        if sent != received + air || limit > granted {
            let what = format!("{key:?}: {sent} bytes were sent, {received} came, {air} fly");
            self.accuse(Invariant::Conserved, what);
        }
    }

    /// A side closes its end; the other hears of it unless packets do not pass.
    pub(super) fn close(&mut self, connection: usize, side: usize) {
        let link = &mut self.connections[connection];
        if std::mem::replace(&mut link.closed[side], true) {
            return;
        }
        if std::mem::take(&mut link.alive) {
            let at = self.arrival(connection, side, 0);
            self.schedule(at, Event::Notice { connection, side: 1 - side });
        }
    }

    /// Packets pass no more. Each side notices after a while.
    pub(super) fn cut(&mut self, connection: usize, notice: [u64; 2]) {
        let link = &mut self.connections[connection];
        if !std::mem::take(&mut link.alive) {
            return;
        }
        for (side, after) in notice.into_iter().enumerate() {
            let at = self.now + after;
            self.schedule(at, Event::Notice { connection, side });
        }
        // Until the last has noticed and has dialed again.
        self.disturb();
        self.calm_since = self.calm_since.max(self.now + IDLE + 1200 * MS);
    }

    pub(super) fn notice(&mut self, connection: usize, side: usize) {
        let link = &mut self.connections[connection];
        link.alive = false;
        if std::mem::replace(&mut link.closed[side], true) {
            return;
        }
        let end = link.ends[side];
        self.disturb();
        match end {
            End::Manager(manager) => self.manager_lost(manager, connection),
            End::Process(process) => self.process_lost(process, connection),
        }
    }

    pub(super) fn control(&mut self, connection: usize, side: usize, message: Message) {
        let link = &self.connections[connection];
        if !link.alive || link.closed[side] {
            return;
        }
        match link.ends[side] {
            End::Manager(manager) => self.manager_hears(manager, connection, side, message),
            End::Process(process) => self.process_hears(process, connection, message),
        }
    }
}
