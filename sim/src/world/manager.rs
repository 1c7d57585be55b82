//! A stream manager: the real flow, and as little around it as there must be.

use super::{
    Event, World,
    net::{End, Message, Writer},
    pods::Pod,
};
use crate::{bug::Bug, invariant::Invariant, scenario::MS, situation::Situation, trace::Entry};
use egret_flow::{Effect, Flow, InId, Limits, Link, LinkId, OutId, Violation};
use egret_topology::{
    id::{Incarnation, PodId, TaskId},
    plan::PlanIndex,
};
use egret_wire::{
    control::{LossScope, Phase, RootCounts, TaskReport},
    preamble::StreamKey,
};
use std::collections::BTreeMap;

/// What a stream manager has written.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) plan: Option<PlanIndex>,
    pub(super) state: Kept,
    /// The newest life of each task, written before it is let in.
    pub(super) lives: BTreeMap<TaskId, Incarnation>,
    /// The last stream manager that has run here.
    pub(super) last: Option<Incarnation>,
}

/// Settled positions by split, per component.
pub(super) type Positions = BTreeMap<usize, BTreeMap<String, u64>>;

/// What is written once a second, and when a task registers or ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// Per component; none before somebody has told where input stands.
    pub(super) positions: Option<Positions>,
    pub(super) totals: BTreeMap<TaskId, Totals>,
}

/// Counts of a task over its lives.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    pub(super) incarnation: Option<Incarnation>,
    pub(super) restarts: u32,
    /// What it has said last, and whether it is linked.
    pub(super) phase: Phase,
    pub(super) leaving: bool,
    pub(super) connected: bool,
    /// What ended its last life.
    pub(super) error: Option<String>,
    past: RootCounts,
    live: RootCounts,
}

impl Totals {
    fn registered(&mut self, incarnation: Incarnation) -> u32 {
        if self.incarnation.is_some_and(|known| known != incarnation) {
            self.restarts += 1;
            let mut over = std::mem::take(&mut self.live);
            over.failed += std::mem::take(&mut over.pending);
            self.past.add(&over);
        }
        if self.incarnation.replace(incarnation) != Some(incarnation) {
            self.phase = Phase::Starting;
            self.error = None;
        }
        self.leaving = false;
        self.connected = true;
        self.restarts
    }

    pub(super) fn add_up(&self) -> bool {
        let mut sum = self.past;
        sum.add(&self.live);
        sum.emitted == sum.acked + sum.failed + sum.timed_out + sum.pending
    }
}

/// One life of a stream manager.
pub(super) struct Manager {
    pub(super) pod: PodId,
    pub(super) home: usize,
    pub(super) incarnation: Incarnation,
    pub(super) alive: bool,
    pub(super) flow: Flow,
    /// Links that are up.
    pub(super) attached: BTreeMap<Link, (LinkId, usize)>,
    pub(super) link_of: BTreeMap<usize, LinkId>,
    pub(super) ins: BTreeMap<InId, usize>,
    pub(super) outs: BTreeMap<OutId, usize>,
    /// The newest handle of each incoming stream there ever was, for its account.
    pub(super) accounts: BTreeMap<(Link, StreamKey), InId>,
    /// Connections to peers that hear of losses.
    pub(super) listeners: Vec<usize>,
    /// Hellos of peers that are not linked yet.
    pub(super) greetings: BTreeMap<usize, (Incarnation, u64, u64)>,
    /// Instances that wait for the first plan.
    pub(super) waiting: Vec<usize>,
    pub(super) dialing: BTreeMap<PodId, usize>,
    pub(super) kept: Kept,
    /// Since when no operator is linked, as it knows: for spouts that hold back, and for tasks that
    /// are to leave.
    pub(super) orphaned: Option<u64>,
    pub(super) alone: Option<u64>,
    timer: Option<u64>,
}

/// Takes over what is further on.
pub(super) fn merge(known: &mut BTreeMap<String, u64>, splits: BTreeMap<String, u64>) {
    for (split, position) in splits {
        let at = known.entry(split).or_default();
        *at = position.max(*at);
    }
}

/// Bytes handed to a stream at once.
const WRITE: usize = 64 << 10;

impl World {
    pub(super) fn boot(&mut self, home: usize) {
        if self.pods[home].manager.is_some() || self.pods[home].gone {
            return;
        }
        let wall = self.wall_ms(home);
        self.change_container(home, None);
        let Pod { id: pod, disk, birth, .. } = &mut self.pods[home];
        let pod = *pod;
        let incarnation = Incarnation::beginning(*birth, wall, disk.last);
        let limits = Limits { stream_bytes: self.scenario.net.stream_bytes, ..Limits::default() };
        let mut flow = Flow::new(pod, incarnation, disk.last.is_some(), limits);
        disk.last = Some(incarnation);
        if let Some(plan) = disk.plan.clone() {
            // It was in force in the last life.
            self.met.count(Situation::ManagerReborn);
            let _ = flow.set_plan(self.now, plan);
        }
        let mut kept = disk.state.clone();
        kept.totals.values_mut().for_each(|totals| totals.connected = false);
        for (task, life) in &disk.lives {
            flow.remember(*task, *life);
        }
        self.managers.push(Manager {
            pod,
            home,
            incarnation,
            alive: true,
            flow,
            attached: BTreeMap::new(),
            link_of: BTreeMap::new(),
            ins: BTreeMap::new(),
            outs: BTreeMap::new(),
            accounts: BTreeMap::new(),
            listeners: Vec::new(),
            greetings: BTreeMap::new(),
            waiting: Vec::new(),
            dialing: BTreeMap::new(),
            kept,
            orphaned: None,
            alone: None,
            timer: None,
        });
        let manager = self.managers.len() - 1;
        self.pods[home].manager = Some(manager);
        self.note(Entry::ManagerUp(pod, incarnation.0));
        self.disturb();
        let late = if self.rng.chance(100) && !self.scenario.is_quiet { 5000 } else { 300 };
        let push = self.now + self.rng.between(1, late) * MS;
        self.schedule(push, Event::Push { manager });
        self.schedule(self.now + 1000 * MS, Event::Save { manager, again: true });
        self.dial_peers(manager);
    }

    /// The operator's newest plan arrives.
    pub(super) fn push(&mut self, manager: usize) {
        if !self.managers[manager].alive || !self.is_operated(manager) {
            // It is pushed again when the operator is linked.
            return;
        }
        let told = match self.scenario.bug {
            Some(Bug::ForgetHandOver) => Positions::default(),
            _ => self.operator.positions.clone(),
        };
        let known = self.managers[manager].kept.positions.get_or_insert_default();
        for (component, splits) in told {
            merge(known.entry(component).or_default(), splits);
        }
        let soon = self.now + MS;
        self.schedule(soon, Event::Save { manager, again: false });
        self.take_plan(manager, self.plan.clone());
        for connection in std::mem::take(&mut self.managers[manager].waiting) {
            self.register(manager, connection);
        }
    }

    pub(super) fn revision(&self, manager: usize) -> u64 {
        self.managers[manager].flow.plan().map_or(0, |plan| plan.plan().revision)
    }

    pub(super) fn take_plan(&mut self, manager: usize, plan: PlanIndex) {
        if plan.plan().revision <= self.revision(manager) {
            return;
        }
        let (now, m) = (self.now, &mut self.managers[manager]);
        let pod = &mut self.pods[m.home];
        if pod.full_until > now {
            // A plan that cannot be written is not in force; the operator pushes it again.
            self.met.count(Situation::PlanNotWritten);
            let later = now + self.rng.between(200, 1000) * MS;
            return self.schedule(later, Event::Push { manager });
        }
        pod.disk.plan = Some(plan.clone());
        if let Err(why) = m.flow.set_plan(now, plan.clone()) {
            return self.accuse(Invariant::Protocol, format!("a plan is refused: {why}"));
        }
        let links: Vec<(Link, usize)> = m.attached.iter().map(|(l, (_, c))| (*l, *c)).collect();
        let waiting = std::mem::take(&mut m.waiting);
        let greetings: Vec<usize> = m.greetings.keys().copied().collect();
        for (link, connection) in links {
            if matches!(link, Link::Instance(_)) {
                self.send(connection, 1, Message::Plan(plan.clone()));
                self.send_old_plan(connection, &plan);
            }
        }
        self.act(manager);
        self.leave_old_addresses(manager);
        for connection in waiting {
            self.register(manager, connection);
        }
        for connection in greetings {
            self.link_peer(manager, connection);
        }
        self.dial_peers(manager);
    }

    /// Does all that the flow asks for.
    pub(super) fn act(&mut self, manager: usize) {
        while let Some(effect) = self.managers[manager].flow.poll_effect() {
            match effect {
                Effect::Wake(out) => self.wake_writer(manager, out),
                Effect::Resume(input) => {
                    if let Some(stream) = self.managers[manager].ins.get(&input).copied() {
                        self.manager_read(manager, stream);
                    }
                }
                Effect::Announce { number, scope } => {
                    self.note(Entry::Announced(self.managers[manager].pod, scope));
                    for connection in self.managers[manager].listeners.clone() {
                        let side = self.side(connection, manager);
                        self.send(connection, side, Message::PeerLoss { number, scope });
                    }
                }
                Effect::TellInstance { task, scope } => self.tell_instance(manager, task, scope),
                Effect::Drain { task, frames } => {
                    let attached = self.managers[manager].attached.get(&Link::Instance(task));
                    if let Some((_, connection)) = attached.copied() {
                        self.send(connection, 1, Message::Drain(frames));
                    }
                }
                Effect::Discarded { .. } => self.met.count(Situation::FramesDiscarded),
            }
        }
        self.arm(manager);
        self.judge_accounts(manager);
    }

    /// Which side of a connection a stream manager is.
    pub(super) fn side(&self, connection: usize, manager: usize) -> usize {
        usize::from(self.connections[connection].ends[0] != End::Manager(manager))
    }

    fn tell_instance(&mut self, manager: usize, task: TaskId, scope: LossScope) {
        self.note(Entry::Loss(task, scope));
        if self.scenario.bug == Some(Bug::SilentLoss) {
            return;
        }
        let attached = self.managers[manager].attached.get(&Link::Instance(task));
        if let Some((_, connection)) = attached.copied() {
            self.send(connection, 1, Message::Loss(scope));
        }
    }

    fn wake_writer(&mut self, manager: usize, out: OutId) {
        let known = self.managers[manager].outs.get(&out).copied();
        let stream = match known {
            Some(stream) => stream,
            None => {
                let m = &self.managers[manager];
                let Some(of) = m.flow.out_stream(out) else { return };
                let Some((_, connection)) = m.attached.get(&of.link).copied() else { return };
                let side = self.side(connection, manager);
                let writer = Writer::Flow(manager, out);
                let stream = self.stream(connection, side, of.key, writer);
                self.managers[manager].outs.insert(out, stream);
                stream
            }
        };
        self.pump_flow(stream, manager, out);
    }

    /// Writes what the flow has for a stream, as far as credit goes. The caller acts on effects.
    pub(super) fn pump_flow(&mut self, stream: usize, manager: usize, out: OutId) {
        let now = self.now;
        loop {
            let sent = self.transmit(stream);
            let (s, flow) = (&mut self.streams[stream], &mut self.managers[manager].flow);
            if s.blocked == sent {
                s.blocked = !sent;
                flow.blocked(now, out, !sent);
                if !sent {
                    self.met.count(Situation::CreditUsedUp);
                }
            }
            if !sent {
                return;
            }
            let mut frames = Vec::new();
            if flow.poll_transmit(now, out, WRITE, &mut frames) == 0 {
                return;
            }
            s.unsent.extend(frames.into_iter().flat_map(|frame| frame.parts));
        }
    }

    /// Reads a stream as far as the flow lets. The caller acts on effects.
    pub(super) fn manager_read(&mut self, manager: usize, stream: usize) {
        let connection = self.streams[stream].connection;
        let m = &mut self.managers[manager];
        // Before the handshake is done nobody accepts streams.
        let Some(link) = m.link_of.get(&connection).copied() else { return };
        let id = match self.streams[stream].input {
            Some(id) => id,
            None => match m.flow.open_in(link, self.streams[stream].key) {
                Ok(id) => {
                    let of = m.flow.in_stream(id).map(|of| (of.link, of.key));
                    m.accounts.extend(of.map(|of| (of, id)));
                    m.ins.insert(id, stream);
                    self.streams[stream].input = Some(id);
                    id
                }
                Err(why) => return self.violated(why),
            },
        };
        while self.managers[manager].flow.may_read(id) {
            let Some(bytes) = self.take_arrived(stream) else { return };
            self.streams[stream].cutter.push(bytes);
            loop {
                match self.streams[stream].cutter.next() {
                    Ok(Some(frame)) => {
                        self.note(Entry::AtManager(self.managers[manager].pod, frame.header));
                        for frame in self.noise(stream, frame) {
                            let flow = &mut self.managers[manager].flow;
                            if let Err(why) = flow.handle_frame(self.now, id, frame) {
                                return self.violated(why);
                            }
                        }
                    }
                    Ok(None) => break,
                    Err(why) => {
                        return self.accuse(Invariant::Protocol, format!("malformed: {why}"));
                    }
                }
            }
        }
        if !self.streams[stream].arrived.is_empty() {
            self.met.count(Situation::AccountFull);
        }
    }

    fn violated(&mut self, why: Violation) {
        if why != Violation::Closed {
            self.accuse(Invariant::Protocol, format!("a stream manager accuses: {why}"));
        }
    }

    /// A connection is gone.
    pub(super) fn manager_lost(&mut self, manager: usize, connection: usize) {
        if !self.managers[manager].alive {
            return;
        }
        self.forget_connection(manager, connection);
        let m = &mut self.managers[manager];
        let redial = m.dialing.iter().find(|(_, c)| **c == connection).map(|(pod, _)| *pod);
        if let Some(peer) = redial {
            m.dialing.remove(&peer);
            let at = self.now + self.rng.between(10, 1000) * MS;
            self.schedule(at, Event::Dial { manager, peer });
        }
        if let Some(link) = self.managers[manager].link_of.remove(&connection) {
            let now = self.now;
            let m = &mut self.managers[manager];
            if let Some(of) = m.flow.link(link) {
                m.attached.remove(&of);
                if let Link::Instance(task) = of {
                    m.kept.totals.entry(task).or_default().connected = false;
                }
                self.note(Entry::Unlinked(self.managers[manager].pod, of));
            }
            self.managers[manager].flow.link_down(now, link);
            self.act(manager);
        }
    }

    fn forget_connection(&mut self, manager: usize, connection: usize) {
        let streams = &self.streams;
        let m = &mut self.managers[manager];
        m.listeners.retain(|other| *other != connection);
        m.waiting.retain(|other| *other != connection);
        m.greetings.remove(&connection);
        m.ins.retain(|_, stream| streams[*stream].connection != connection);
        m.outs.retain(|_, stream| streams[*stream].connection != connection);
    }

    /// A link is up; the connection that it replaces is closed.
    pub(super) fn attach(&mut self, manager: usize, link: Link, id: LinkId, connection: usize) {
        let m = &mut self.managers[manager];
        m.link_of.insert(connection, id);
        let old = m.attached.insert(link, (id, connection));
        self.note(Entry::Linked(self.managers[manager].pod, link));
        self.disturb();
        if let Some((_, old)) = old.filter(|(_, old)| *old != connection) {
            self.met.count(Situation::LinkReplaced);
            let side = self.side(old, manager);
            self.managers[manager].link_of.remove(&old);
            self.close(old, side);
            // The loop that served it ends, and a dialer dials again if this was its own.
            self.manager_lost(manager, old);
        }
        self.act(manager);
        for stream in self.connections[connection].streams.clone() {
            let side = self.side(connection, manager);
            if self.streams[stream].from != side {
                self.manager_read(manager, stream);
            }
        }
        self.act(manager);
    }

    fn arm(&mut self, manager: usize) {
        let next = self.managers[manager].flow.next_timeout();
        if next != self.managers[manager].timer {
            self.managers[manager].timer = next;
            if let Some(at) = next {
                self.schedule(at, Event::ManagerTimer { manager });
            }
        }
    }

    pub(super) fn manager_timer(&mut self, manager: usize) {
        let now = self.now;
        let m = &mut self.managers[manager];
        if m.alive && m.timer.is_some_and(|at| at <= now) {
            m.timer = None;
            m.flow.handle_timeout(now);
            self.act(manager);
        }
    }

    pub(super) fn save(&mut self, manager: usize, again: bool) {
        let m = &self.managers[manager];
        if m.alive {
            let pod = &mut self.pods[m.home];
            if pod.full_until <= self.now {
                pod.disk.state = m.kept.clone();
                for connection in std::mem::take(&mut self.managers[manager].waiting) {
                    self.register(manager, connection);
                }
            }
            if again {
                self.keep_watch(manager);
                self.schedule(self.now + 1000 * MS, Event::Save { manager, again });
            }
        }
    }

    pub(super) fn count_life(&mut self, manager: usize, task: TaskId, life: Incarnation) -> u32 {
        self.managers[manager].kept.totals.entry(task).or_default().registered(life)
    }

    pub(super) fn count_report(&mut self, manager: usize, task: TaskId, report: &TaskReport) {
        let totals = self.managers[manager].kept.totals.entry(task).or_default();
        totals.live = report.roots;
        totals.phase = report.phase;
        totals.leaving = report.leaving;
    }
}
