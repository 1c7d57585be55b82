//! Handshakes: how peers and instances come to be linked, and what is said over a link.

use super::{
    Event, World,
    manager::{Manager, merge},
    net::{End, Message},
};
use crate::{
    invariant::Invariant,
    scenario::{MS, faults::IDLE},
    situation::Situation,
    trace::Entry,
};
use egret_flow::{Link, Refused};
use egret_topology::id::{PodId, TaskId};
use egret_wire::control::{Hold, Holding, Root};

impl World {
    /// Of two pods the one with the lower index dials.
    pub(super) fn dial_peers(&mut self, manager: usize) {
        let m = &self.managers[manager];
        let Some(plan) = m.flow.plan() else { return };
        let peers: Vec<PodId> =
            plan.plan().pods.iter().map(|pod| pod.id).filter(|pod| *pod > m.pod).collect();
        for peer in peers {
            let at = self.now + self.rng.below(MS);
            self.schedule(at, Event::Dial { manager, peer });
        }
    }

    pub(super) fn dial(&mut self, manager: usize, peer: PodId) {
        let m = &self.managers[manager];
        if !m.alive || m.dialing.contains_key(&peer) {
            return;
        }
        let lasts = |until: Option<&u64>| until.is_some_and(|until| *until > self.now);
        let pods = (m.pod, peer);
        let parted = lasts(self.partitions.get(&pods))
            || lasts(self.one_way.get(&pods))
            || lasts(self.one_way.get(&(peer, m.pod)));
        let there = m.flow.plan().and_then(|plan| self.at(plan, peer));
        let there = there.and_then(|home| self.pods[home].manager);
        match there.filter(|_| !parted) {
            Some(other) => {
                let connection = self.connection([End::Manager(manager), End::Manager(other)]);
                self.managers[manager].dialing.insert(peer, connection);
                self.greet(manager, connection);
            }
            None => {
                let at = self.now + self.rng.between(10, 1000) * MS;
                self.schedule(at, Event::Dial { manager, peer });
            }
        }
    }

    /// Says hello, and from that moment on tells of every loss that the hello does not count.
    fn greet(&mut self, manager: usize, connection: usize) {
        let revision = self.revision(manager);
        let m = &mut self.managers[manager];
        m.listeners.push(connection);
        let (incarnation, losses) = (m.incarnation, m.flow.losses());
        let side = self.side(connection, manager);
        self.send(connection, side, Message::PeerHello { incarnation, revision, losses });
    }

    /// A control message for a stream manager.
    pub(super) fn manager_hears(
        &mut self,
        manager: usize,
        connection: usize,
        side: usize,
        message: Message,
    ) {
        let from = self.connections[connection].ends[1 - side];
        match (from, message) {
            (End::Process(_), Message::Hello) => self.register(manager, connection),
            (End::Process(process), message) => {
                if self.managers[manager].link_of.contains_key(&connection) {
                    self.hears_instance(manager, process, message);
                }
            }
            (End::Manager(_), Message::PeerHello { incarnation, revision, losses }) => {
                if side == 1 {
                    self.greet(manager, connection);
                }
                let plan = self.managers[manager].flow.plan().cloned();
                if let Some(plan) = plan.filter(|plan| plan.plan().revision > revision) {
                    self.send(connection, side, Message::Plan(plan));
                }
                let hello = (incarnation, revision, losses);
                self.managers[manager].greetings.insert(connection, hello);
                self.link_peer(manager, connection);
            }
            (End::Manager(peer), message) => self.hears_peer(manager, connection, peer, message),
        }
    }

    /// Links a peer that has said hello, once our plan is as new as the peer's.
    pub(super) fn link_peer(&mut self, manager: usize, connection: usize) {
        let ours = self.revision(manager);
        let (now, side) = (self.now, self.side(connection, manager));
        let End::Manager(peer) = self.connections[connection].ends[1 - side] else { return };
        let pod = self.managers[peer].pod;
        let m = &mut self.managers[manager];
        let Some((incarnation, revision, losses)) = m.greetings.get(&connection).copied() else {
            return;
        };
        if ours == 0 || ours < revision {
            return;
        }
        m.greetings.remove(&connection);
        match m.flow.peer_up(now, pod, incarnation, losses) {
            Ok(up) => self.attach(manager, Link::Peer(pod), up.link, connection),
            Err(Refused::Outlived { .. }) => {
                self.close(connection, side);
                self.manager_lost(manager, connection);
            }
            Err(why) => self.accuse(Invariant::Protocol, format!("a peer is refused: {why}")),
        }
    }

    fn hears_peer(&mut self, manager: usize, connection: usize, peer: usize, message: Message) {
        let pod = self.managers[peer].pod;
        match message {
            Message::Plan(plan) => {
                if plan.plan().revision > self.revision(manager) {
                    self.met.count(Situation::PlanFromPeer);
                }
                self.take_plan(manager, plan);
            }
            Message::PeerLoss { number, scope } => {
                let m = &mut self.managers[manager];
                if let Some(link) = m.link_of.get(&connection).copied() {
                    m.flow.peer_loss(link, number, scope);
                    self.act(manager);
                } else if let Some((_, _, losses)) = m.greetings.get_mut(&connection) {
                    *losses = number.max(*losses);
                }
            }
            Message::WhoHolds(root) => {
                self.ask_instances(manager, root);
                for hold in self.stalled(manager, root) {
                    self.send_to_peer(manager, pod, Message::Holds(hold));
                }
            }
            Message::Holds(hold) => {
                self.send_to_instance(manager, hold.root.task, Message::Holds(hold));
            }
            _ => {}
        }
    }

    /// An instance has said hello.
    pub(super) fn register(&mut self, manager: usize, connection: usize) {
        let End::Process(process) = self.connections[connection].ends[0] else { return };
        let p = &self.processes[process];
        let (now, task, incarnation, life) = (self.now, p.task, p.incarnation, p.life);
        let m = &mut self.managers[manager];
        if m.flow.plan().is_none() {
            return m.waiting.push(connection);
        }
        if m.kept.positions.is_none() && self.plan.is_spout(task) {
            // It would be read from its beginning: only the operator knows where it stands.
            return m.waiting.push(connection);
        }
        let pod = &mut self.pods[m.home];
        if pod.disk.lives.get(&task) < Some(&incarnation) {
            if pod.full_until > now {
                self.met.count(Situation::LifeNotWritten);
                return m.waiting.push(connection);
            }
            pod.disk.lives.insert(task, incarnation);
        }
        match m.flow.instance_up(now, task, incarnation) {
            Ok(up) => {
                self.note(Entry::Registered(task, incarnation.0));
                let Manager { incarnation: at, home, .. } = self.managers[manager];
                self.observed.witness().registered(life, at, home);
                let restarts = self.count_life(manager, task, incarnation);
                let m = &self.managers[manager];
                if let Some(plan) = m.flow.plan().cloned() {
                    let component = plan.task(task).map_or(usize::MAX, |task| task.component);
                    let positions = m.kept.positions.as_ref().and_then(|of| of.get(&component));
                    let positions = positions.cloned().unwrap_or_default();
                    self.send(connection, 1, Message::Assign { plan, positions, restarts });
                }
                let soon = now + self.rng.between(1, 20) * MS;
                self.schedule(soon, Event::Save { manager, again: false });
                self.attach(manager, Link::Instance(task), up.link, connection);
            }
            Err(Refused::Outlived { newest, .. }) => {
                self.met.count(Situation::LifeRefused);
                self.send(connection, 1, Message::Refused(newest));
            }
            Err(why) => self.accuse(Invariant::Protocol, format!("refused: {why}")),
        }
    }

    fn hears_instance(&mut self, manager: usize, process: usize, message: Message) {
        let task = self.processes[process].task;
        match message {
            Message::Report(report) => self.count_report(manager, task, &report),
            Message::Positions(splits) => {
                let Manager { incarnation: at, home, .. } = self.managers[manager];
                self.observed.witness().settles(self.processes[process].life, at, home, &splits);
                let component = self.plan.task(task).map_or(usize::MAX, |task| task.component);
                if let Some(known) = &mut self.managers[manager].kept.positions {
                    merge(known.entry(component).or_default(), splits);
                }
            }
            Message::Drained(frames) => {
                let m = &mut self.managers[manager];
                if let Some((link, _)) = m.attached.get(&Link::Instance(task)).copied() {
                    m.flow.drained(link, frames);
                }
            }
            Message::Broken => {
                let totals = self.managers[manager].kept.totals.entry(task).or_default();
                totals.error = Some("it does not work".to_owned());
            }
            Message::AskHolders(root) => {
                let peers: Vec<Link> = self.managers[manager].attached.keys().copied().collect();
                for link in peers {
                    if let Link::Peer(pod) = link {
                        self.send_to_peer(manager, pod, Message::WhoHolds(root));
                    }
                }
                self.ask_instances(manager, root);
                for hold in self.stalled(manager, root) {
                    self.send_to_instance(manager, task, Message::Holds(hold));
                }
            }
            Message::Holds(hold) => {
                let pod = self.plan.pod_of(hold.root.task);
                match pod {
                    Some(pod) if pod == self.managers[manager].pod => {
                        self.send_to_instance(manager, hold.root.task, Message::Holds(hold));
                    }
                    Some(pod) => self.send_to_peer(manager, pod, Message::Holds(hold)),
                    None => {}
                }
            }
            _ => {}
        }
    }

    fn ask_instances(&mut self, manager: usize, root: Root) {
        let links: Vec<Link> = self.managers[manager].attached.keys().copied().collect();
        for link in links {
            if let Link::Instance(task) = link
                && task != root.task
                && self.plan.reaches(root.task, task)
            {
                self.send_to_instance(manager, task, Message::WhoHolds(root));
            }
        }
    }

    fn stalled(&self, manager: usize, root: Root) -> Vec<Hold> {
        let stalls = self.managers[manager].flow.stalls(self.now);
        let long = stalls.filter(|stall| stall.for_ns >= IDLE / 30);
        long.map(|stall| (stall.stream.key.dest, stall.for_ns / MS))
            .filter(|(task, _)| self.plan.reaches(root.task, *task))
            .map(|(task, for_ms)| Hold { root, task, how: Holding::Stalled, for_ms })
            .collect()
    }

    fn send_to_instance(&mut self, manager: usize, task: TaskId, message: Message) {
        let attached = self.managers[manager].attached.get(&Link::Instance(task)).copied();
        if let Some((_, connection)) = attached {
            self.send(connection, 1, message);
        }
    }

    fn send_to_peer(&mut self, manager: usize, pod: PodId, message: Message) {
        if let Some((_, connection)) =
            self.managers[manager].attached.get(&Link::Peer(pod)).copied()
        {
            let side = self.side(connection, manager);
            self.send(connection, side, message);
        }
    }
}
