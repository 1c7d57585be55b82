//! The user's thread of an instance, step by step, and its way to the I/O thread.

use super::{Event, World, outlet::Outlet, process::Process};
use crate::{bug::Bug, invariant::Invariant, situation::Situation, trace::Entry, witness::Witness};
use egret_core::task::{Step, Task};
use egret_wire::{control::Phase, preamble::Class};

/// What a step takes even if user code does nothing.
const STEP: u64 = 1_000;

impl World {
    /// The task has something to do.
    pub(super) fn wake(&mut self, process: usize) {
        let bridge = self.scenario.net.bridge;
        let at = self.now + if bridge > 0 { self.rng.below(bridge) } else { 0 };
        self.step_at(process, at);
    }

    fn step_at(&mut self, process: usize, at: u64) {
        let p = &mut self.processes[process];
        let at = at.max(p.busy_until).max(p.stalled_until).max(self.now);
        if p.step_at.is_none_or(|known| at < known) {
            p.step_at = Some(at);
            self.schedule(at, Event::Step { process });
        }
    }

    pub(super) fn step(&mut self, process: usize) {
        let stopped = self.is_stopped() || self.processes[process].closing;
        let (now, p) = (self.now, &mut self.processes[process]);
        if !p.alive || p.closed || p.step_at.is_none_or(|at| at > now) {
            return;
        }
        p.step_at = None;
        if now < p.stalled_until {
            return self.step_at(process, now);
        }
        let Some(mut halves) = p.halves.take() else { return };
        if p.stuck.is_some_and(|lane| !halves.budget.is_writable(lane)) && !stopped {
            p.halves = Some(halves);
            return;
        }
        p.stuck = None;
        let inbox = std::mem::take(&mut p.inbox);
        let (life, withheld) = (p.life, std::mem::take(&mut p.withheld));
        let observed = self.observed.clone();
        let mut outlet = Outlet::new(&observed, halves.budget.clone(), life, now);
        outlet.bug = self.scenario.bug;
        outlet.withheld = withheld;
        let mut stepped = Ok(Step::Again);
        for event in inbox {
            if let Err(error) = halves.task.handle(event, &mut outlet) {
                stepped = Err(error);
            }
        }
        if stepped.is_ok() {
            stepped = halves.task.step(&mut outlet);
        }
        observed.work(STEP);
        let Outlet { batches, withheld, stuck, inbox_freed, .. } = outlet;
        let end = observed.now();
        let p = &mut self.processes[process];
        p.halves = Some(halves);
        p.withheld = withheld;
        p.stuck = stuck;
        if stuck.is_some() {
            self.met.count(Situation::EmitWaited);
        }
        let p = &mut self.processes[process];
        p.busy_until = end;
        for (at, batch) in batches {
            account(&mut self.processes[process], &batch);
            let bridge = self.scenario.net.bridge;
            let late = if bridge > 0 { self.rng.below(bridge) } else { 0 };
            let p = &mut self.processes[process];
            let at = p.batches.back().map_or(0, |(last, _)| *last).max(at + late);
            p.batches.push_back((at, batch));
            self.schedule(at, Event::Batches { process });
        }
        self.judge_step(process, matches!(stepped, Ok(Step::Park(_))));
        if inbox_freed {
            self.read_on(process);
        }
        match stepped {
            Ok(Step::Again) => self.step_at(process, end),
            Ok(Step::Park(until)) => {
                if let Some(until) = until {
                    self.step_at(process, until.max(end));
                }
            }
            Ok(Step::Closed) => self.closes(process, end),
            Err(error) => self.accuse(Invariant::Protocol, error.to_string()),
        }
        self.follow_phase(process);
    }

    fn follow_phase(&mut self, process: usize) {
        let p = &mut self.processes[process];
        let Some(halves) = &p.halves else { return };
        let (phase, task) = (halves.gateway.phase(), p.task);
        let before = std::mem::replace(&mut p.phase, phase);
        if before == Phase::Ended && phase == Phase::Active {
            self.met.count(Situation::EndCancelled);
        }
        if before != phase {
            self.note(Entry::Phase(task, phase));
            if matches!(phase, Phase::Ended | Phase::Closed) {
                self.judge_ended();
            }
            let ending =
                matches!(phase, Phase::Ended | Phase::Closed | Phase::Exhausted | Phase::Drained);
            let news = ending || before == Phase::Starting;
            if news && !self.scenario.changes.is_empty() {
                self.tell(process);
            }
        }
    }

    /// The inbox has room: all that the gateway had to leave is read.
    fn read_on(&mut self, process: usize) {
        let Some(connection) = self.processes[process].connection else { return };
        for stream in self.connections[connection].streams.clone() {
            let s = &self.streams[stream];
            if s.from == 1 && s.key.class == Class::Data {
                self.process_read(process, stream);
            }
        }
        self.follow_up(process);
    }

    /// The I/O thread takes what was handed over.
    pub(super) fn batches(&mut self, process: usize) {
        let now = self.now;
        let p = &mut self.processes[process];
        if !p.alive {
            return;
        }
        let mut taken = false;
        while let Some((_, mut batch)) = p.batches.pop_front_if(|(at, _)| *at <= now) {
            let Some(halves) = &mut p.halves else { return };
            taken = true;
            let roots = Witness::roots_of(&batch);
            if self.scenario.bug == Some(Bug::ForgetRoot) && !self.struck && batch.roots.len() > 1 {
                batch.roots.pop();
                self.struck = true;
            }
            for frame in batch.frames.iter().filter(|frame| frame.lane.is_some()) {
                let Some((header, _)) = super::mischief::header_of(&frame.bytes) else { continue };
                if header.count > 0 {
                    let end = header.base + u64::from(header.count);
                    p.on_the_way.entry(header.dest).or_default().push_back((now, end));
                }
            }
            self.observed.witness().registers(p.life, &roots, batch.untracked);
            halves.gateway.handle_batch(now, &mut batch);
        }
        if taken {
            self.follow_up(process);
            self.follow_phase(process);
        }
    }

    /// Invariants 7 and 23 of an instance.
    fn judge_step(&mut self, process: usize, parked: bool) {
        let most = u64::from(self.scenario.plan.plan().max_pending);
        let p = &mut self.processes[process];
        let Some(halves) = &p.halves else { return };
        let task = p.task;
        while p.done < halves.stats.frames_done() {
            p.lengths.pop_front();
            p.done += 1;
        }
        let (inbox, waits) = (halves.budget.inbox_bytes(), p.lengths.iter().sum::<usize>());
        let lanes = p.lanes.values().map(|(lane, left)| (halves.budget.queued(*lane), *left));
        // Marks may wait in the emitter until the task pauses.
        let differ = |(theirs, ours): &(usize, usize)| theirs < ours || (parked && theirs > ours);
        let wrong = lanes.into_iter().find(differ).filter(|_| p.withheld.is_empty());
        let pending = match &halves.task {
            Task::Spout(spout) => spout.pending().max(halves.gateway.roots().pending),
            Task::Bolt(_) => 0,
        };
        // One call of `next` may emit a root on every stream.
        let streams = self.plan.component_of(task).map_or(1, |c| c.streams.len() as u64);
        if pending > most + streams - 1 {
            let what = format!("task {task} has {pending} roots in flight, of {most}");
            self.accuse(Invariant::MaxPending, what);
        }
        if inbox != waits {
            let what = format!("the inbox of task {task} counts {inbox} bytes, {waits} wait");
            self.accuse(Invariant::Conserved, what);
        }
        if let Some((theirs, ours)) = wrong {
            let what = format!("a lane of task {task} counts {theirs} bytes, {ours} wait");
            self.accuse(Invariant::Conserved, what);
        }
    }
}

/// Counts the bytes of a batch as waiting in their lanes.
fn account(p: &mut Process, batch: &egret_core::batch::Batch) {
    for frame in &batch.frames {
        if let Some(lane) = frame.lane {
            p.lanes.entry(frame.key).or_insert((lane, 0)).1 += frame.bytes.len();
        }
    }
}
