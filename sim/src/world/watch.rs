//! Looks at everything: accounts, totals, stalls, and whether it has come to its end.

use super::{Event, Stage, WATCH, World, net::READ};
use crate::{
    bug::Bug,
    invariant::Invariant,
    scenario::{MS, SECOND},
};
use egret_core::limits::{INBOX_BYTES, LANE_BYTES};
use egret_flow::Link;
use egret_topology::{
    id::{PodId, TaskId},
    plan::RunState,
};
use egret_wire::{
    control::{Phase, TaskReport},
    header::Header,
};
use std::collections::BTreeMap;

/// Silence that makes sure that everything has really ended.
const SETTLED: u64 = 2 * SECOND;

/// The largest frame of a scenario, and what may wait in a cutter.
const FRAME: usize = 80 << 10;

impl World {
    pub(super) fn watch(&mut self) {
        self.judge_totals();
        self.judge_stalls();
        self.judge_inboxes();
        self.judge_ended();
        self.watch_changes();
        self.go_on();
        if self.now > self.deadline() {
            let who = self.who_is_not_done();
            self.accuse(Invariant::Progress, format!("no end in time: {who}"));
        }
        if self.stage != Stage::Over {
            self.schedule(self.now + WATCH, Event::Watch);
        }
    }

    fn deadline(&self) -> u64 {
        self.scenario.deadline()
    }

    /// From one stage to the next.
    fn go_on(&mut self) {
        let states = self.scenario.states.last().map_or(0, |(at, _)| at + 1000 * MS);
        let disturbed = self.calm_since.max(self.unstalled_since);
        let rests = self.now > self.scenario.heals_at.max(states).max(disturbed);
        let quiet = rests && self.is_at_rest();
        match self.stage {
            Stage::Running if quiet && self.have_all(&[Phase::Ended]) => {
                self.stage = Stage::Ended(self.now);
            }
            Stage::Ended(_) if !self.have_all(&[Phase::Ended]) => self.stage = Stage::Running,
            Stage::Ended(since)
                if self.now >= since.max(disturbed) + SETTLED
                    && self.are_linked()
                    && self.are_reached() =>
            {
                self.judge_end();
                self.stage = Stage::Stopping(self.now);
                self.set_state(RunState::Stopped);
            }
            Stage::Stopping(_) if self.have_all(&[Phase::Closed]) => {
                self.judge_leftovers();
                self.stage = Stage::Over;
            }
            Stage::Stopping(since) if self.now >= since + 5 * SECOND => {
                let who = self.who_is_not_done();
                self.accuse(Invariant::Progress, format!("not stopped in time: {who}"));
            }
            _ => {}
        }
    }

    /// Whether every task is there, registered, in this phase, and has nothing pending.
    fn have_all(&self, phases: &[Phase]) -> bool {
        self.plan.plan().tasks.iter().all(|task| {
            self.running(task.id).is_some_and(|process| {
                let p = &self.processes[process];
                let done = p.halves.as_ref().is_some_and(|halves| {
                    phases.contains(&halves.gateway.phase()) && halves.gateway.roots().pending == 0
                });
                p.alive && p.registered && done
            })
        })
    }

    /// Whether every link is up as its stream managers see it.
    fn are_linked(&self) -> bool {
        let peers = |m: usize| {
            let pods = self.plan.plan().pods.iter().map(|pod| pod.id);
            let flow = &self.managers[m].flow;
            let mut tasks = self.plan.tasks_in(flow.pod());
            tasks.all(|task| flow.is_up(Link::Instance(task.id)))
                && pods.filter(|pod| *pod != flow.pod()).all(|pod| flow.is_up(Link::Peer(pod)))
        };
        self.alive().all(peers)
    }

    fn who_is_not_done(&self) -> String {
        let mut text = String::new();
        for task in &self.plan.plan().tasks {
            let process = self.running(task.id).map(|process| &self.processes[process]);
            let state = match process {
                None => "gone".to_owned(),
                Some(p) => match &p.halves {
                    None => "starting".to_owned(),
                    Some(halves) => format!(
                        "{:?}, {} pending, inbox {}, unacked {}, stuck {:?}, registered {}",
                        halves.gateway.phase(),
                        halves.gateway.roots().pending,
                        halves.budget.inbox_bytes(),
                        halves.stats.unacked(),
                        p.stuck,
                        p.registered
                    ),
                },
            };
            if !state.starts_with("Ended, 0 pending") {
                text += &format!("\n  {}: {state}", self.plan.describe(task.id));
            }
        }
        text
    }

    /// Whenever all have ended, what they did must be whole.
    pub(super) fn judge_ended(&mut self) {
        if self.stage == Stage::Running && self.have_all(&[Phase::Ended]) {
            let all = self.plan.plan().state == RunState::Running;
            self.observed.witness().judge_content(&self.scenario, all);
        }
    }

    fn judge_end(&mut self) {
        let mut reports = BTreeMap::new();
        let processes = self.all_running();
        for process in processes {
            if let Some(report) = self.take_report(process) {
                let p = &self.processes[process];
                self.observed.witness().judge_rest(p.life, &report);
                let inbox = p.halves.as_ref().map_or(0, |halves| halves.budget.inbox_bytes());
                if inbox > 0 {
                    let what = format!("{inbox} bytes wait for task {} at the end", p.task);
                    self.accuse(Invariant::Conserved, what);
                }
                reports.insert(self.processes[process].task, report);
            }
        }
        let queued: usize = self.alive().map(|m| self.managers[m].flow.queued_bytes()).sum();
        if queued > 0 {
            self.accuse(Invariant::Conserved, format!("{queued} bytes are queued at the end"));
        }
        if self.scenario.is_calm() {
            self.observed.witness().judge_edges(&reports);
            self.judge_links();
        }
    }

    /// Invariant 25: all is closed, so nobody waits for anything any more.
    fn judge_leftovers(&mut self) {
        let processes = self.all_running();
        for process in processes {
            self.leave_over(process);
            let p = &mut self.processes[process];
            let (task, Some(halves)) = (p.task, &mut p.halves) else { continue };
            let left = (
                halves.gateway.roots().pending,
                halves.gateway.waiting_streams().len(),
                halves.gateway.next_timeout(),
                halves.budget.inbox_bytes() + halves.budget.outbox_bytes(),
            );
            if left != (0, 0, None, 0) {
                let what = format!("task {task} has left {left:?}: roots, streams, timer, bytes");
                self.accuse(Invariant::NothingLeft, what);
            }
        }
        let managers: Vec<usize> = self.alive().collect();
        for manager in managers {
            let flow = &self.managers[manager].flow;
            let left = (flow.queues().count(), flow.next_timeout());
            if left != (0, None) {
                let what = format!("pod {} has left {left:?}: streams, timer", flow.pod());
                self.accuse(Invariant::NothingLeft, what);
            }
        }
    }

    pub(super) fn all_running(&self) -> Vec<usize> {
        let tasks = self.plan.plan().tasks.iter();
        tasks.filter_map(|task| self.running(task.id)).collect()
    }

    fn alive(&self) -> impl Iterator<Item = usize> + '_ {
        self.place.iter().filter_map(|home| self.pods[*home].manager)
    }

    /// Without faults what left one stream manager has arrived at the other.
    fn judge_links(&mut self) {
        let counts = |a: usize, b: PodId| {
            let mut of = self.managers[a].flow.link_counts();
            of.find(|(link, _)| *link == Link::Peer(b)).map(|(_, counts)| *counts)
        };
        let mut wrong = None;
        for a in self.alive() {
            for b in self.alive().filter(|b| *b != a) {
                let (out, into) =
                    (counts(a, self.managers[b].pod), counts(b, self.managers[a].pod));
                let sent = out.map(|c| (c.data_out, c.ack_out));
                let came = into.map(|c| (c.data_in, c.ack_in));
                if sent != came {
                    wrong = Some(format!("{sent:?} left for a peer, {came:?} came"));
                }
            }
        }
        if let Some(what) = wrong {
            self.accuse(Invariant::Totals, what);
        }
    }

    /// A report; its histogram must have one entry for each acked root.
    pub(super) fn take_report(&mut self, process: usize) -> Option<TaskReport> {
        let (now, tracked) = (self.now, self.scenario.is_tracked());
        let p = &mut self.processes[process];
        let mut report = p.halves.as_mut()?.gateway.report(now, None);
        if self.scenario.bug == Some(Bug::LoseLatency) {
            report.latency.pop();
        }
        p.latencies += report.latency.iter().map(|(_, count)| count).sum::<u64>();
        let (task, latencies, acked) = (p.task, p.latencies, report.roots.acked);
        if tracked && latencies != acked {
            let what = format!("task {task} has {latencies} latencies of {acked} acked roots");
            self.accuse(Invariant::Totals, what);
        }
        Some(report)
    }

    /// Invariants 21 and 23 of a stream manager.
    pub(super) fn judge_accounts(&mut self, manager: usize) {
        let m = &self.managers[manager];
        let limit = self.scenario.net.stream_bytes + 2 * (READ + FRAME);
        let (mut sum, mut over) = (0, None);
        for ((link, key), id) in &m.accounts {
            let queued = m.flow.queued_from(*id);
            sum += queued;
            if queued > limit {
                over = Some(format!("{queued} bytes are queued from {link:?} {key:?}, of {limit}"));
            }
        }
        let queued = m.flow.queued_bytes();
        if let Some(what) = over {
            self.accuse(Invariant::Credit, what);
        }
        if queued != sum {
            let what = format!("{queued} bytes are queued, the accounts say {sum}");
            self.accuse(Invariant::Conserved, what);
        }
    }

    fn judge_inboxes(&mut self) {
        let limit = INBOX_BYTES + 2 * (READ + FRAME);
        let full = self.processes.iter().find_map(|p| {
            let bytes = p.halves.as_ref()?.budget.inbox_bytes();
            (bytes > limit).then(|| format!("{bytes} bytes wait for task {}", p.task))
        });
        if let Some(what) = full {
            self.accuse(Invariant::Credit, what);
        }
    }

    fn judge_totals(&mut self) {
        let of = |m: usize| self.managers[m].kept.totals.iter();
        let wrong = self.alive().flat_map(of).find(|(_, totals)| !totals.add_up());
        if let Some(what) = wrong.map(|(task, totals)| format!("task {task}: {totals:?}")) {
            self.accuse(Invariant::NeverForgotten, what);
        }
    }

    /// A data frame has come to its task.
    pub(super) fn has_arrived(&mut self, header: &Header) {
        let end = header.base + u64::from(header.count);
        let from = self
            .processes
            .iter_mut()
            .rev()
            .find(|p| p.task == header.source && p.incarnation == header.incarnation);
        if let Some(way) = from.and_then(|p| p.on_the_way.get_mut(&header.dest)) {
            while way.pop_front_if(|(_, up_to)| *up_to <= end).is_some() {}
        }
    }

    /// How long a frame may take to a task that reads, whatever others do.
    fn patience(&self) -> u64 {
        let net = self.scenario.net;
        let round = 2 * net.slowest() + net.bridge;
        // Every source may have filled what waits on the way to that task.
        let ahead = self.plan.plan().tasks.len() as u64 * 4 * LANE_BYTES as u64;
        2 * SECOND + round * (ahead / net.window.min(net.stream_bytes as u64) + 10)
    }

    /// Invariant 22: what is on its way to a task that reads arrives in time.
    fn judge_stalls(&mut self) {
        for p in &mut self.processes {
            if p.halves.as_ref().is_some_and(|halves| !halves.gateway.may_read()) {
                p.full_at = self.now;
            }
        }
        let patience = self.patience();
        if self.scenario.noise.lost > 0 || self.now < self.calm_since + patience {
            return;
        }
        let late = self.now - patience;
        let mut blocked = None;
        for p in self.processes.iter().filter(|p| p.alive) {
            for (dest, way) in &p.on_the_way {
                // What was on its way when something was cut may be lost.
                let since = way.iter().map(|(since, _)| since).find(|at| **at > self.calm_since);
                let Some(since) = since.filter(|since| **since < late) else { continue };
                if self.reads_since(*dest, late.min(*since)) {
                    blocked = Some(format!(
                        "task {dest} reads, and what task {} sent it is {} ms late",
                        p.task,
                        (self.now - since) / MS
                    ));
                }
            }
        }
        if let Some(what) = blocked {
            self.accuse(Invariant::StallIsLocal, what);
        }
    }

    fn reads_since(&self, task: TaskId, since: u64) -> bool {
        self.running(task).is_some_and(|process| {
            let p = &self.processes[process];
            p.registered && p.full_at < since
        })
    }

    /// A root times out only if something holds it: losses are told at once.
    pub(super) fn judge_timeout(&mut self, process: usize, seq: u64) {
        let since = self.calm_since.max(self.unstalled_since).max(self.scenario.states_since());
        // Who is told of losses all the time replays all the time, and waits for itself.
        let mut noise = self.scenario.noise.lost + self.scenario.noise.foreign;
        if !self.scenario.changes.is_empty() {
            // Drains count frames: one that comes twice makes them too short.
            noise = self.scenario.noise.sum();
        }
        let sure = !self.scenario.slow && !self.scenario.fat && noise == 0;
        if sure && self.now > since + 2 * SECOND {
            let task = self.processes[process].task;
            let what = format!("root {seq} of task {task} times out, and nothing has stalled");
            self.accuse(Invariant::Progress, what);
        }
    }
}
