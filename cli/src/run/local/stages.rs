//! From one stage of a run to the next.

use super::{Answer, Cause, Local, Stage, manager_names, pods};
use crate::run::children::task_name;
use egret_control::Pushed;
use egret_topology::{
    id::{Epoch, TaskId},
    logical::State,
    physical::Deployment,
    plan::{PhysicalPlan, Rolling, RunState},
};
use egret_wire::control::PodStatus;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Time between questions for the status.
const STATUS_EVERY: Duration = Duration::from_millis(500);
/// The same when the end may be near: in a drain, and at first, because a small input ends at once.
const STATUS_SOON: Duration = Duration::from_millis(100);
/// The same until all links are up.
const STATUS_AT_START: Duration = Duration::from_millis(20);
/// How long spouts wait for all links. Longer, and one task that cannot start would hold up all
/// others.
const LINK_WITHIN: Duration = Duration::from_secs(3);
/// How long a run counts as one that may end at once.
const YOUNG: Duration = Duration::from_secs(3);
/// Time between looks for addresses at the start.
const START_EVERY: Duration = Duration::from_millis(10);
/// A stream manager that is alive answers in milliseconds; one that restarts answers the next
/// question.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Time for all stream managers to start and take the plan over: thirty processes on two cores.
const START_WITHIN: Duration = Duration::from_secs(60);
/// Time for a stream manager to take a plan over.
const PUSH_WITHIN: Duration = Duration::from_secs(5);
/// Time for all tasks to close. User code that hangs in `close` is stopped.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);
/// Time for a stream manager to save its state and exit.
const EXIT_WITHIN: Duration = Duration::from_secs(5);
/// Time without progress beyond the message timeout, after which a drain at the end of `--duration`
/// is given up: nobody is there to interrupt it.
const DRAIN_PATIENCE: Duration = Duration::from_secs(30);

impl Local<'_> {
    pub(super) fn spawn_managers(&mut self) -> Result<(), String> {
        for pod in pods(self.packing) {
            let child = self.family().stream_manager(pod);
            self.parent.spawn(child).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Time has passed.
    pub(super) fn tick(&mut self) -> Result<(), String> {
        let now = Instant::now();
        let soon = self.stage == Stage::Draining || self.is_young(now);
        self.tick_at = now
            + match self.stage {
                Stage::Linking => STATUS_AT_START,
                _ if soon => STATUS_SOON,
                _ => STATUS_EVERY,
            };
        let under_way = !matches!(self.stage, Stage::Closing | Stage::Stopping | Stage::Down);
        let without_progress = now.duration_since(self.progressed.1);
        if under_way && let Some(why) = self.crashes.for_good(without_progress) {
            self.cause = Some(Cause::Failed(why));
            return Ok(());
        }
        match self.stage {
            Stage::Starting => {
                self.tick_at = now + START_EVERY;
                return self.push_first();
            }
            Stage::Pushing | Stage::Stopping | Stage::Down => {}
            Stage::Linking | Stage::Running | Stage::Draining | Stage::Closing => self.ask(),
        }
        match self.stage {
            Stage::Running if self.duration_is_over(now) => self.drain(Cause::Duration),
            Stage::Draining if self.cause == Some(Cause::Duration) => self.give_up_drain(now),
            Stage::Closing if now.duration_since(self.since) > CLOSE_WITHIN => self.stop_tasks(),
            _ => {}
        }
        Ok(())
    }

    fn is_young(&self, now: Instant) -> bool {
        self.began.is_none_or(|began| now.duration_since(began) < YOUNG)
    }

    fn duration_is_over(&self, now: Instant) -> bool {
        let began = self.began.unwrap_or(now);
        self.settings.duration.is_some_and(|duration| now.duration_since(began) >= duration)
    }

    /// As soon as all stream managers have addresses, the first plan.
    fn push_first(&mut self) -> Result<(), String> {
        let addresses: Vec<_> =
            pods(self.packing).map_while(|pod| self.directory.address(pod)).collect();
        if addresses.len() < self.packing.pods.len() {
            return self.check_start("say where they listen");
        }
        for (pod, address) in pods(self.packing).zip(&addresses) {
            self.fleet.set_address(pod, *address);
        }
        let logical = &self.loaded.logical;
        let deployment = Deployment {
            uid: self.uid.clone(),
            revision: 1,
            epoch: Epoch(1),
            // Spouts emit when all links are up, so that no tuple waits for a process to start.
            state: RunState::Paused,
            edge_key: self.edge_key,
            rolling: Rolling::default(),
            addresses,
        };
        let plan = PhysicalPlan::of(logical, self.packing, deployment);
        self.plan = Some(plan.map_err(|error| error.to_string())?);
        self.enter(Stage::Pushing);
        self.push();
        Ok(())
    }

    fn check_start(&self, what: &str) -> Result<(), String> {
        if self.since.elapsed() > START_WITHIN {
            let seconds = START_WITHIN.as_secs();
            return Err(format!("the stream managers did not {what} within {seconds} seconds"));
        }
        Ok(())
    }

    /// Pushes the plan as it stands to all stream managers.
    fn push(&self) {
        let Some(plan) = self.plan.clone().map(Arc::new) else { return };
        let (fleet, answers) = (self.fleet.clone(), self.answers.clone());
        tokio::spawn(async move {
            let pushed = fleet.push(&plan, PUSH_WITHIN).await;
            // Nobody waits for it after the end.
            let _ = answers.send(Answer::Pushed(pushed)).await;
        });
    }

    /// Pushes a plan with another state.
    fn push_state(&mut self, state: RunState) {
        if let Some(plan) = &mut self.plan {
            plan.revision += 1;
            plan.state = state;
        }
        self.push();
    }

    /// Asks all stream managers for their status, unless that is under way.
    fn ask(&mut self) {
        if std::mem::replace(&mut self.asking, true) {
            return;
        }
        let (fleet, answers) = (self.fleet.clone(), self.answers.clone());
        tokio::spawn(async move {
            let statuses = fleet.statuses(ANSWER_WITHIN).await;
            // Nobody waits for it after the end.
            let _ = answers.send(Answer::Statuses(statuses)).await;
        });
    }

    pub(super) fn answer(&mut self, answer: Answer) -> Result<(), String> {
        match answer {
            Answer::Pushed(pushed) if self.stage == Stage::Pushing => self.pushed_first(&pushed),
            // Later plans are pushed again by the fleet until they are taken over.
            Answer::Pushed(_) => Ok(()),
            Answer::Statuses(statuses) => {
                self.asking = false;
                self.take(statuses.pods);
                Ok(())
            }
            Answer::Down(statuses) => {
                self.take(statuses.pods);
                self.enter(Stage::Down);
                Ok(())
            }
        }
    }

    fn pushed_first(&mut self, pushed: &Pushed) -> Result<(), String> {
        if let Some((_, error)) = pushed.failed.first() {
            if matches!(error, egret_control::Error::Refused { .. }) {
                return Err(error.to_string());
            }
            self.check_start("take the plan over")?;
            self.push();
            return Ok(());
        }
        let plan = self.plan.as_ref().map(|plan| plan.pods.clone()).unwrap_or_default();
        for (task, pod) in self.packing.tasks() {
            let Some(pod) = plan.get(pod.0 as usize) else { continue };
            let child = self.family().instance(task, pod.id, pod.address);
            self.parent.spawn(child).map_err(|error| error.to_string())?;
            self.open.insert(task.task);
        }
        let now = Instant::now();
        self.began = Some(now);
        self.progressed.1 = now;
        self.enter(Stage::Linking);
        Ok(())
    }

    /// All links are up, or some take too long: spouts emit, if they shall.
    fn begin(&mut self, now: Instant) {
        self.began = Some(now);
        self.enter(Stage::Running);
        if self.loaded.logical.state != State::Paused {
            self.push_state(RunState::Running);
        }
    }

    /// Whether every task is registered and every stream manager linked to its peers.
    fn is_linked(&self, statuses: &[PodStatus]) -> bool {
        let connected =
            statuses.iter().flat_map(|pod| &pod.tasks).filter(|task| task.connected).count();
        statuses.len() == self.packing.pods.len()
            && statuses.iter().all(|pod| pod.peers_down.is_empty())
            && connected == self.packing.tasks().count()
    }

    /// New statuses: who came forward, what to show, whether all is done.
    fn take(&mut self, statuses: Vec<PodStatus>) {
        let now = Instant::now();
        if self.stage == Stage::Linking
            && (self.is_linked(&statuses) || now.duration_since(self.since) > LINK_WITHIN)
        {
            self.begin(now);
        }
        let delivery = self.loaded.logical.delivery;
        for pod in &statuses {
            self.forward(&super::pod_name(pod.pod));
        }
        let forward = self.tally.take(statuses, delivery);
        for task in forward {
            if let Some(name) = self.name(task) {
                self.forward(&name);
            }
        }
        let progress = self.tally.progress(delivery);
        if progress != self.progressed.0 {
            self.progressed = (progress, now);
        }
        let what = match self.stage {
            Stage::Draining => "draining",
            Stage::Closing | Stage::Stopping | Stage::Down => "closing",
            _ => "running",
        };
        let running = self.began.map_or(Duration::ZERO, |began| now.duration_since(began));
        let look = (&self.loaded.logical, self.packing, &self.tally);
        let (table, line) = self.progress.look(now, running, what, look);
        self.display.progress(now, &table, &line);
        if matches!(self.stage, Stage::Running | Stage::Draining)
            && self.tally.all_ended(self.packing)
        {
            self.close(now);
        }
    }

    fn forward(&mut self, name: &str) {
        self.parent.note_progress(name);
        self.crashes.forgive(name);
    }

    fn name(&self, task: TaskId) -> Option<String> {
        let found = self.packing.tasks().find(|(packed, _)| packed.task == task);
        found.map(|(packed, _)| task_name(packed))
    }

    /// Spouts off; what is in flight goes on.
    pub(super) fn drain(&mut self, cause: Cause) {
        self.cause = Some(cause);
        self.progressed.1 = Instant::now();
        self.enter(Stage::Draining);
        self.push_state(RunState::Finishing);
    }

    fn give_up_drain(&mut self, now: Instant) {
        let timeout = Duration::from_millis(self.loaded.logical.message_timeout_ms);
        if now.duration_since(self.progressed.1) > timeout + DRAIN_PATIENCE {
            let pending = self.tally.roots().pending;
            let why = format!("the drain does not end: {pending} tuple trees are pending");
            self.cause = Some(Cause::Failed(why));
        }
    }

    /// Every task has ended: they close and exit.
    fn close(&mut self, now: Instant) {
        self.ended = Some(now);
        self.cause.get_or_insert(Cause::Completed);
        for (task, _) in self.packing.tasks() {
            self.parent.expect_exit(&task_name(task));
        }
        self.enter(Stage::Closing);
        self.push_state(RunState::Stopped);
    }

    /// Tasks that do not exit by themselves.
    fn stop_tasks(&mut self) {
        self.since = Instant::now();
        let names: Vec<String> = self.open.iter().filter_map(|task| self.name(*task)).collect();
        self.display.warn(&format!("{} did not close and will be stopped", names.join(", ")));
        for name in names {
            let parent = self.parent.clone();
            tokio::spawn(async move {
                // It may have exited by now.
                let _ = parent.stop(&name, Duration::from_secs(1)).await;
            });
        }
    }

    /// All tasks have exited: a last look at what they have done, then the stream managers go down.
    pub(super) fn go_down(&mut self) {
        self.enter(Stage::Stopping);
        let (fleet, parent, answers) =
            (self.fleet.clone(), self.parent.clone(), self.answers.clone());
        let managers = manager_names(self.packing);
        tokio::spawn(async move {
            let statuses = fleet.statuses(ANSWER_WITHIN).await;
            let mut stopping = JoinSet::new();
            for manager in managers {
                let parent = parent.clone();
                stopping.spawn(async move { parent.stop(&manager, EXIT_WITHIN).await.is_ok() });
            }
            stopping.join_all().await;
            // Nobody waits for it after an interrupt.
            let _ = answers.send(Answer::Down(statuses)).await;
        });
    }
}
