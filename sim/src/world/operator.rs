//! The operator: its own machines for rolling changes, pods that leave and upgrades, and around
//! them what `operator/src/reconcile` does, without Kubernetes.

mod answers;
mod plan;
mod seen;

use super::{
    Event, World,
    manager::{Manager, Positions},
};
use crate::{
    invariant::Invariant,
    scenario::{
        MS, SECOND,
        changes::{Change, When},
    },
    situation::Situation,
    trace::Entry,
};
pub(super) use answers::{Answer, TaskAnswer};
use egret_rolling::{
    leave::Leave,
    rollout::{self, Rollout},
    upgrade::{self, Upgrade},
};
use egret_topology::{
    id::{PodId, TaskId},
    logical::Update,
    plan::{PlanIndex, PlannedComponent, RunState},
};
use std::collections::{BTreeMap, VecDeque};

/// Who has not looked for so long does not know what has happened meanwhile, in milliseconds.
const AWAY_MS: u64 = 15_000;
/// A stream manager that is alive answers within this time.
const ANSWER_WITHIN: u64 = 2 * SECOND;

/// What tasks run, in the order of components: definitions and images.
type Version = (Vec<PlannedComponent>, Vec<u32>);

/// The operator. The record outlives its process, the rest does not.
#[derive(Default)]
pub(super) struct Operator {
    pub(super) state: RunState,
    pub(super) positions: Positions,
    version: Version,
    ran: Version,
    rollout: Option<Rollout>,
    update: Update,
    leaves: Vec<Leave>,
    upgrade: Option<Upgrade>,
    /// Lives of pods that there shall be, in the order of their places.
    homes: Vec<usize>,
    /// What is asked for and has not begun.
    waiting: VecDeque<Change>,
    memory: Memory,
}

/// What an operator knows that the next one does not.
#[derive(Default)]
struct Memory {
    up: bool,
    /// Pods that it does not reach, and until when.
    parted: BTreeMap<usize, u64>,
    answers: BTreeMap<usize, Answer>,
    /// When each pod that goes was linked last, in milliseconds.
    heard: BTreeMap<PodId, u64>,
    began: u64,
    looked: u64,
    /// Nodes have an image from then on.
    pulled: BTreeMap<Option<usize>, u64>,
    dies: Option<(When, u64)>,
    looks: bool,
    /// A plan was pushed.
    told: bool,
}

impl Operator {
    pub(super) fn new(plan: &PlanIndex) -> Operator {
        let components = plan.plan().components.clone();
        let images = vec![0; components.len()];
        Operator {
            state: plan.plan().state,
            version: (components, images),
            homes: (0..plan.plan().pods.len()).collect(),
            memory: Memory { up: true, told: true, ..Memory::default() },
            ..Operator::default()
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.memory.up
    }

    fn reaches(&self, home: usize, now: u64) -> bool {
        self.memory.up && self.memory.parted.get(&home).is_none_or(|until| *until <= now)
    }

    fn is_busy(&self) -> bool {
        let rolls = self.rollout.as_ref().is_some_and(|rollout| !rollout.held);
        rolls || self.upgrade.is_some() || !self.leaves.is_empty() || !self.waiting.is_empty()
    }
}

impl World {
    /// Whether nothing changes, and somebody could change something.
    pub(super) fn is_at_rest(&self) -> bool {
        self.operator.is_up() && !self.is_changing()
    }

    /// Whether the operator hears of every pod: else it does not know that all have ended, and a
    /// pod would not hear of Stopped.
    pub(super) fn are_reached(&self) -> bool {
        self.place.iter().all(|home| self.operator.reaches(*home, self.now))
    }

    /// Whether every stream manager that runs has the newest plan.
    fn is_plan_everywhere(&self) -> bool {
        let newest = self.plan.plan().revision;
        let managers = self.place.iter().filter_map(|home| self.pods[*home].manager);
        managers.into_iter().all(|manager| self.revision(manager) >= newest)
    }

    fn is_changing(&self) -> bool {
        let goes = self.place.iter().any(|home| self.pods[*home].gone_by.is_some());
        self.operator.is_busy() || goes || self.operator.homes != self.place
    }

    /// Whether an operator is linked to a stream manager.
    pub(super) fn is_operated(&self, manager: usize) -> bool {
        let Manager { home, pod, alive, .. } = self.managers[manager];
        alive && self.here(pod) == home && self.operator.reaches(home, self.now)
    }

    pub(super) fn change(&mut self, change: Change) {
        if !matches!(self.stage, super::Stage::Running | super::Stage::Ended(_)) {
            return;
        }
        match change {
            Change::Leave { pod, grace } => self.ask_to_end(pod, grace),
            Change::OperatorDown { when: When::Now, lasts } => self.operator_dies(lasts),
            Change::OperatorDown { when, lasts } => self.operator.memory.dies = Some((when, lasts)),
            Change::OperatorParted { pod, lasts } => {
                let (home, until) = (self.here(pod), self.now + lasts);
                self.operator.memory.parted.insert(home, until);
                self.schedule(until, Event::OperatorBack);
            }
            change => self.operator.waiting.push_back(change),
        }
        self.look_soon();
    }

    fn operator_dies(&mut self, lasts: u64) {
        if self.operator.is_up() {
            self.met.count(Situation::OperatorDied);
            self.operator.memory = Memory::default();
            self.schedule(self.now + lasts, Event::OperatorBack);
        }
    }

    /// Another process takes over, or a link is back: everybody is told again.
    pub(super) fn operator_back(&mut self) {
        let memory = &mut self.operator.memory;
        if !memory.up {
            let began = self.now / MS;
            *memory = Memory { up: true, began, ..Memory::default() };
        }
        self.push_to_all();
        self.look_soon();
    }

    pub(super) fn look_soon(&mut self) {
        let memory = &mut self.operator.memory;
        if memory.up && !std::mem::replace(&mut memory.looks, true) {
            let at = self.now + self.rng.between(5, 50) * MS;
            self.schedule(at, Event::Look);
        }
    }

    /// A turn, and questions for the next one.
    pub(super) fn look(&mut self) {
        self.operator.memory.looks = false;
        if !self.operator.is_up() || self.stage == super::Stage::Over {
            return;
        }
        let mut operator = std::mem::take(&mut self.operator);
        let dies = self.turn(&mut operator);
        self.operator = operator;
        if let Some(lasts) = dies {
            return self.operator_dies(lasts);
        }
        if !self.is_changing() {
            return;
        }
        for home in self.place.clone() {
            if let Some(manager) = self.pods[home].manager.filter(|it| self.is_operated(*it)) {
                let at = self.now + self.rng.between(1, 10) * MS;
                self.schedule(at, Event::Ask { manager });
            }
        }
        self.operator.memory.looks = true;
        let at = self.now + self.rng.between(100, 300) * MS;
        self.schedule(at, Event::Look);
    }

    /// Takes all steps that can be taken. For how long the operator dies in the middle of it.
    fn turn(&mut self, operator: &mut Operator) -> Option<u64> {
        let now = self.now / MS;
        self.begin_what_waits(operator, now);
        self.roll(operator, now);
        self.upgrade(operator, now);
        self.replace_pods(operator, now);
        self.leave(operator, now);
        operator.memory.looked = now;
        self.carry_out(operator)
    }

    /// Begins what was asked for, when nothing else is in its way.
    fn begin_what_waits(&mut self, operator: &mut Operator, now: u64) {
        if operator.rollout.as_ref().is_some_and(|rollout| !rollout.held)
            || operator.upgrade.is_some()
        {
            return;
        }
        match operator.waiting.front().cloned() {
            Some(Change::Roll { components, config, image, broken, at_once }) => {
                operator.waiting.pop_front();
                operator.update.max_unavailable = at_once;
                operator.ran = operator.version.clone();
                let revision = self.plan.plan().revision;
                for at in &components {
                    let (definitions, images) = &mut operator.version;
                    if config {
                        definitions[*at].config["version"] = revision.into();
                        definitions[*at].config["broken"] = broken.into();
                    }
                    images[*at] += u32::from(image);
                }
                let tasks = components.iter().flat_map(|at| self.plan.tasks_of(*at)).copied();
                operator.rollout = Some(Rollout::new(serde_json::Value::Null, tasks.collect()));
                operator.memory.pulled.clear();
            }
            Some(Change::Upgrade) if operator.leaves.is_empty() && self.is_linked(operator) => {
                operator.waiting.pop_front();
                let newest = self.place.iter().map(|home| self.container(*home, None).wanted).max();
                let image = (newest.unwrap_or_default() + 1).to_string();
                operator.upgrade = Some(Upgrade::new(&image, now));
                operator.memory.pulled.clear();
            }
            _ => {}
        }
    }

    fn roll(&mut self, operator: &mut Operator, now: u64) {
        let Some(mut rollout) = operator.rollout.take() else { return };
        if now.saturating_sub(operator.memory.looked) > AWAY_MS {
            rollout.resume(now);
        }
        let mut update = operator.update;
        update.paused |= !operator.leaves.is_empty();
        let rules = rollout::Rules { now, update, hold_ms: self.hold_ms() };
        let before: Vec<TaskId> =
            rollout.draining().filter(|task| !rollout.is_replacing(*task)).collect();
        let look = |task: TaskId| self.task_seen(operator, task);
        let verdict = rollout.advance(&rules, &look);
        let cut = |task: &TaskId| {
            let seen = look(*task);
            rollout.is_replacing(*task) && !seen.drained && seen.works
        };
        let (cut, tasks) = (before.iter().any(cut), rollout.pulling().collect::<Vec<_>>());
        let reversed = match verdict {
            rollout::Verdict::Back => {
                let differs = |task: &TaskId| self.differs(operator, *task);
                let all = self.plan.plan().tasks.iter().map(|task| task.id).filter(differs);
                Some(rollout.reversed(serde_json::Value::Null, &all.collect(), now, &look))
            }
            _ => None,
        };
        if cut {
            self.cut_short();
        }
        for task in tasks {
            let home = self.home_of(task);
            self.pull(operator, Some(home));
        }
        match (verdict, reversed) {
            (_, Some(reversed)) => {
                self.met.count(Situation::VersionFailed);
                std::mem::swap(&mut operator.version, &mut operator.ran);
                operator.rollout = Some(reversed);
            }
            (rollout::Verdict::Done, _) => self.met.count(Situation::TasksReplaced),
            _ => operator.rollout = Some(rollout),
        }
    }

    fn upgrade(&mut self, operator: &mut Operator, now: u64) {
        if !operator.memory.told {
            return;
        }
        let Some(mut upgrade) = operator.upgrade.take() else { return };
        if now.saturating_sub(operator.memory.looked) > AWAY_MS {
            upgrade.since = now;
        }
        let tracked = self.scenario.is_tracked();
        let rules = upgrade::Rules {
            now,
            pull_ms: 600_000,
            drain_ms: self.hold_ms() / 2,
            quiet_ms: if tracked { 0 } else { QUIET_MS },
            paused: false,
        };
        let drains = upgrade.step == upgrade::Step::Draining;
        let seen = |pod: PodId| self.pod_to_upgrade(operator, pod);
        let was = seen(upgrade.pod).unwrap_or_default();
        let verdict = upgrade.advance(&rules, seen);
        if drains && upgrade.replaces().is_some() && !was.drained {
            self.cut_short();
        }
        if let Some(pod) = upgrade.pulls().filter(|pod| (pod.0 as usize) < self.place.len()) {
            let home = self.here(pod);
            self.pull(operator, Some(home));
        }
        match verdict {
            upgrade::Verdict::Goes => operator.upgrade = Some(upgrade),
            upgrade::Verdict::Done => self.met.count(Situation::ManagersUpgraded),
            // It begins anew when everything works.
            upgrade::Verdict::GivesUp => operator.waiting.push_back(Change::Upgrade),
            upgrade::Verdict::Fails(why) => {
                // Another version of it is not modelled: one that fails so is skipped.
                if upgrade.why.is_none() {
                    upgrade.why = Some(why);
                }
                upgrade.skip(now);
                operator.upgrade = Some(upgrade);
            }
        }
    }

    /// Nodes take their time for an image.
    fn pull(&mut self, operator: &mut Operator, home: Option<usize>) {
        let at = self.now + self.rng.between(0, 1500) * MS;
        operator.memory.pulled.entry(home).or_insert(at);
    }

    fn cut_short(&mut self) {
        self.met.count(Situation::DrainCutShort);
        if self.observed.witness().is_quiet() {
            self.accuse(Invariant::NoReplay, "a drain does not end, and nothing is slow");
        }
        self.observed.witness().excuse();
    }

    /// Pods that were asked to end, or are gone, have successors.
    fn replace_pods(&mut self, operator: &mut Operator, now: u64) {
        for at in 0..operator.homes.len() {
            let home = operator.homes[at];
            let pod = &self.pods[home];
            if pod.gone_by.is_none() && !pod.gone {
                continue;
            }
            let (id, gone) = (pod.id, pod.gone);
            if !gone && self.speaks_to(operator, home) {
                operator.leaves.retain(|leave| leave.pod != id);
                operator.leaves.push(Leave::new(id, now));
            }
            operator.homes[at] = self.successor(home);
        }
    }

    fn leave(&mut self, operator: &mut Operator, now: u64) {
        let linked = |leave: &Leave| self.speaks_to(operator, self.here(leave.pod));
        let heard: Vec<PodId> =
            operator.leaves.iter().filter(|it| linked(it)).map(|it| it.pod).collect();
        operator.memory.heard.extend(heard.into_iter().map(|pod| (pod, now)));
        let rules = egret_rolling::leave::Rules {
            now,
            drain_ms: self.hold_ms() / 2,
            start_ms: START_MS,
            revision: self.plan.plan().revision + 1,
        };
        let mut leaves = std::mem::take(&mut operator.leaves);
        let (mut cut, count) = (false, leaves.len());
        leaves.retain_mut(|leave| {
            let seen = self.pod_that_goes(operator, leave);
            let before = leave.step;
            let goes = leave.advance(&rules, &seen);
            let drained = seen.drained && seen.fresh;
            let late = before <= egret_rolling::leave::Step::Draining && leave.step > before;
            cut |= late && leave.step > egret_rolling::leave::Step::Draining && !drained;
            goes
        });
        if leaves.len() < count {
            self.met.count(Situation::PodLeft);
        }
        operator.leaves = leaves;
        if cut {
            self.cut_short();
        }
    }

    /// Spouts do not hold back for ever where no operator is.
    pub(super) fn watch_changes(&mut self) {
        if self.scenario.changes.is_empty() {
            return;
        }
        let rolling = &self.plan.plan().rolling;
        if !rolling.draining.is_empty() || !self.is_at_rest() || !self.is_plan_everywhere() {
            // What waits is meant to; and who has not heard of the newest plan, because the
            // operator is parted from it, may not know where another pod is by now.
            self.disturb();
            self.unstalled_since = self.unstalled_since.max(self.now + 5 * SECOND);
        }
        self.judge_holding();
    }

    fn judge_holding(&mut self) {
        // A stream manager notices after a while, and looks once a second.
        let most = super::leave::ORPHANED + 10 * SECOND;
        for process in self.all_running() {
            let p = &self.processes[process];
            let manager = self.pods[p.home].manager;
            let alone = manager.is_none_or(|manager| !self.is_operated(manager));
            let holds = p.registered && alone && self.holds_back(process, p.task);
            let (task, p) = (p.task, &mut self.processes[process]);
            let since = match holds {
                true => *p.holds_since.get_or_insert(self.now),
                false => {
                    p.holds_since = None;
                    continue;
                }
            };
            if self.now > since + most {
                let seconds = (self.now - since) / SECOND;
                let what =
                    format!("spout {task} has held back for {seconds} s, and there is no operator");
                self.accuse(Invariant::HoldEnds, what);
            }
        }
    }

    fn note_plan(&mut self) {
        let rolling = &self.plan.plan().rolling;
        let counts = [
            rolling.draining.len(),
            rolling.others.iter().map(|other| other.tasks.len()).sum(),
            rolling.leaving.len(),
            rolling.released.len(),
        ];
        self.note(Entry::Rolling(counts.map(|count| count as u32)));
    }
}

/// For how long spouts wait for the tasks of a successor, in milliseconds.
const START_MS: u64 = 60_000;
/// Without acks, how long what is in flight is given at least, in milliseconds.
const QUIET_MS: u64 = 2_000;
