//! Makes happen what the scenario says goes wrong.

use super::{
    Event, World,
    net::{Connection, End, Message, Stream},
    pods::Pod,
};
use crate::{
    bug::Bug,
    scenario::{
        MS,
        faults::{Fault, IDLE},
    },
    situation::Situation,
    trace::Entry,
};
use egret_topology::id::{PodId, TaskId};
use egret_wire::control::TaskReport;

impl World {
    pub(super) fn fault(&mut self, fault: usize) {
        let fault = self.scenario.faults[fault].1;
        if !matches!(self.stage, super::Stage::Running | super::Stage::Ended(_)) {
            return;
        }
        self.note(Entry::Fault(fault));
        match fault {
            Fault::CutPeers { a, b, notice } => self.cut_peers(a, b, notice),
            Fault::CutInstance { task, notice } => {
                if let Some(process) = self.running(task)
                    && let Some(connection) = self.processes[process].connection
                {
                    self.cut(connection, [notice.0, notice.1]);
                }
            }
            Fault::Partition { a, b, lasts } => self.part(a, b, lasts),
            Fault::KillTask { task, back_after, notice } => {
                self.kill_task(task, back_after, notice);
            }
            Fault::KillManager { pod, back_after, notice } => {
                self.kill_manager(pod, back_after, notice);
            }
            Fault::KillPod { pod, back_after, notice } => self.kill_pod(pod, back_after, notice),
            Fault::OneWay { from, to, lasts } => self.part_one_way(from, to, lasts),
            Fault::ReplacePod { pod, back_after, notice, clock } => {
                self.replace_pod(pod, back_after, notice, clock);
            }
            Fault::MoveClock { pod, by } => {
                let home = self.here(pod);
                self.pods[home].clock = by;
            }
            Fault::FillDisk { pod, lasts } => {
                let home = self.here(pod);
                self.pods[home].full_until = self.now + lasts;
                self.calm_since = self.calm_since.max(self.now + lasts + 1000 * MS);
            }
            Fault::Twin { task } => {
                let home = self.home_of(task);
                if self.current.contains_key(&(home, task)) {
                    let process = self.start_process(home, task);
                    self.current.insert((home, task), process);
                }
            }
            Fault::FreezeTask { task, lasts } => {
                if let Some(process) = self.running(task) {
                    self.freeze(End::Process(process), lasts);
                }
            }
            Fault::FreezeManager { pod, lasts } => {
                if let Some(manager) = self.pods[self.here(pod)].manager {
                    self.freeze(End::Manager(manager), lasts);
                }
            }
            Fault::Stall { task, lasts } => {
                let until = self.now + lasts;
                if let Some(process) = self.running(task) {
                    self.processes[process].stalled_until = until;
                    self.unstalled_since = self.unstalled_since.max(until);
                    self.step_again(process);
                }
            }
        }
    }

    /// Nothing happens in a process until it thaws; whoever it is linked to gives up a silent link.
    fn freeze(&mut self, end: End, lasts: u64) {
        let until = self.now + lasts;
        self.frozen.push((end, until));
        self.disturb();
        self.unstalled_since = self.unstalled_since.max(until + IDLE);
        self.calm_since = self.calm_since.max(until);
        if lasts < IDLE {
            return;
        }
        self.met.count(Situation::FrozenOut);
        for connection in 0..self.connections.len() {
            let Connection { ends, alive, .. } = self.connections[connection];
            if alive && let Some(side) = ends.iter().position(|other| *other == end) {
                let mut notice = [IDLE; 2];
                notice[side] = lasts;
                self.cut(connection, notice);
            }
        }
    }

    /// Until when the process stands still that this is about.
    pub(super) fn thaws(&self, event: &Event) -> Option<u64> {
        if self.frozen.is_empty() {
            return None;
        }
        let of = |connection: usize, side: usize| self.connections[connection].ends[side];
        let end = match *event {
            Event::Arrive { stream, .. } => {
                let Stream { connection, from, .. } = self.streams[stream];
                of(connection, 1 - from)
            }
            Event::Credit { stream, .. } => {
                let Stream { connection, from, .. } = self.streams[stream];
                of(connection, from)
            }
            Event::Control { connection, side, .. } | Event::Notice { connection, side } => {
                of(connection, side)
            }
            Event::Dial { manager, .. }
            | Event::ManagerTimer { manager }
            | Event::Ask { manager }
            | Event::Save { manager, .. }
            | Event::Push { manager } => End::Manager(manager),
            Event::Connect { process }
            | Event::Step { process }
            | Event::Batches { process }
            | Event::GatewayTimer { process }
            | Event::Terminate { process }
            | Event::MayEnd { process }
            | Event::Exit { process }
            | Event::Report { process } => End::Process(process),
            _ => return None,
        };
        let until =
            self.frozen.iter().filter(|(frozen, _)| *frozen == end).map(|(_, at)| *at).max();
        until.filter(|until| *until > self.now)
    }

    /// A stalled task goes on when its call returns.
    fn step_again(&mut self, process: usize) {
        self.processes[process].step_at = None;
        self.wake(process);
    }

    /// Every connection between two stream managers, whatever its state.
    fn between(&self, a: PodId, b: PodId) -> Vec<usize> {
        let of = |pod: PodId| self.pods[self.here(pod)].manager.map(End::Manager);
        let (a, b) = (of(a), of(b));
        let alive = self.connections.iter().enumerate().filter(|(_, c)| c.alive);
        alive
            .filter(|(_, c)| {
                let ends = c.ends.map(Some);
                (ends[0] == a && ends[1] == b) || (ends[0] == b && ends[1] == a)
            })
            .map(|(at, _)| at)
            .collect()
    }

    fn cut_peers(&mut self, a: PodId, b: PodId, notice: (u64, u64)) {
        for connection in self.between(a, b) {
            self.cut(connection, [notice.0, notice.1]);
        }
    }

    /// A short partition delays, a long one ends links.
    fn part(&mut self, a: PodId, b: PodId, lasts: u64) {
        let until = self.now + lasts;
        self.partitions.insert((a.min(b), a.max(b)), until);
        if lasts >= IDLE {
            self.cut_peers(a, b, (IDLE, IDLE));
        }
        self.disturb();
        self.calm_since = self.calm_since.max(until);
    }

    /// The other hears, is not heard, and so gives the link up after a while; nobody dials.
    fn part_one_way(&mut self, from: PodId, to: PodId, lasts: u64) {
        let until = self.now + lasts;
        self.one_way.insert((from, to), until);
        if lasts >= IDLE {
            self.schedule(self.now + IDLE, Event::GiveUp(from, to));
        }
        self.disturb();
        self.calm_since = self.calm_since.max(until + IDLE);
        self.unstalled_since = self.unstalled_since.max(until);
    }

    pub(super) fn give_up(&mut self, a: PodId, b: PodId) {
        if self.one_way.get(&(a, b)).is_some_and(|until| *until > self.now) {
            let late = self.rng.below(IDLE);
            self.cut_peers(a, b, (0, late));
        }
    }

    fn kill_pod(&mut self, pod: PodId, back_after: u64, notice: u64) {
        self.kill_manager(pod, back_after, notice);
        let plan = self.plan.clone();
        for task in plan.tasks_in(pod) {
            let late = self.rng.between(0, 300) * MS;
            self.kill_task(task.id, back_after + late, notice);
        }
    }

    /// What was on the disk of the pod is gone, positions too.
    fn replace_pod(&mut self, pod: PodId, back_after: u64, notice: u64, clock: i64) {
        let home = self.here(pod);
        if self.pods[home].manager.is_none() || self.pods[home].gone_by.is_some() {
            // It is about to come back, and would find the disk of the next; or another takes its
            // place anyway.
            return;
        }
        self.kill_pod(pod, back_after, notice);
        self.met.count(Situation::PodReplaced);
        let born = 1 + self.pods.iter().map(|pod| pod.birth).max().unwrap_or(0);
        let birth = if self.scenario.bug == Some(Bug::ForgetBirth) { 0 } else { born };
        let containers = self.pods[home].containers.clone();
        self.pods[home] = Pod { birth, clock, containers, ..Pod::first(pod) };
        self.observed.witness().disk_lost();
    }

    fn kill_task(&mut self, task: TaskId, back_after: u64, notice: u64) {
        let Some(process) = self.running(task) else { return };
        self.kill_process(process, notice);
        let home = self.processes[process].home;
        self.schedule(self.now + back_after, Event::Spawn { home, task });
    }

    pub(super) fn kill_process(&mut self, process: usize, notice: u64) {
        let (home, task) = (self.processes[process].home, self.processes[process].task);
        if self.current.get(&(home, task)) == Some(&process) {
            self.current.remove(&(home, task));
        }
        self.note(Entry::Killed(task));
        let p = &mut self.processes[process];
        p.alive = false;
        p.halves = None;
        p.inbox.clear();
        p.batches.clear();
        let (life, connection) = (p.life, p.connection);
        self.observed.witness().killed(life);
        if let Some(connection) = connection {
            self.dead_end(connection, 0, notice);
        }
        self.disturb();
        self.pod_empties(home);
    }

    fn kill_manager(&mut self, pod: PodId, back_after: u64, notice: u64) {
        self.end_manager(self.here(pod), back_after, notice);
    }

    pub(super) fn end_manager(&mut self, home: usize, back_after: u64, notice: u64) {
        let Some(manager) = self.pods[home].manager.take() else { return };
        let pod = self.pods[home].id;
        self.note(Entry::ManagerDown(pod));
        self.managers[manager].alive = false;
        for connection in 0..self.connections.len() {
            for side in 0..2 {
                if self.connections[connection].ends[side] == End::Manager(manager) {
                    // Whoever writes to the next life at the same port is told at once.
                    let noticed = notice.min(back_after + 10 * MS);
                    self.dead_end(connection, side, noticed);
                }
            }
        }
        self.disturb();
        self.schedule(self.now + back_after, Event::Boot { home });
    }

    /// The process at one side is gone; the other side notices after a while.
    fn dead_end(&mut self, connection: usize, side: usize, notice: u64) {
        let link = &mut self.connections[connection];
        link.closed[side] = true;
        if std::mem::take(&mut link.alive) {
            self.calm_since = self.calm_since.max(self.now + IDLE + 1200 * MS);
            let at = self.now + notice.min(IDLE);
            self.schedule(at, Event::Notice { connection, side: 1 - side });
        }
    }

    /// An instance tells what it has counted, now and then.
    pub(super) fn report(&mut self, process: usize) {
        if self.processes[process].alive {
            self.tell(process);
            self.schedule(self.now + self.scenario.net.report, Event::Report { process });
        }
    }

    pub(super) fn tell(&mut self, process: usize) {
        let p = &self.processes[process];
        let (connection, registered, leaving) = (p.connection, p.registered, p.asked.is_some());
        if let Some(report) = self.take_report(process)
            && let Some(connection) = connection.filter(|_| registered)
        {
            self.send(connection, 0, Message::Report(Box::new(TaskReport { leaving, ..report })));
        }
    }
}
