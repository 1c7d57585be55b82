//! A rolling change: from one definition of tasks to another, one task at a time, and back if it
//! does not work. A pure function of what was recorded and what is seen.
//!
//! ```text
//! todo ─► Pulling ─► Draining ─► Replacing ─► Watching ─► done
//!            │           │           └────┬───────┘
//!            └───────────┴── fails ───────┘──► back to what ran before, or held
//! ```
//!
//! Until a task is Replacing nothing has changed for it: an image that cannot be pulled costs
//! nothing. Its input waits from Draining until another life works; that is shorter than half of
//! `messageTimeout`, so that no tree times out for it.

pub mod definitions;

use egret_topology::{
    id::{Incarnation, TaskId},
    logical::{OnFailure, Update},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// How long a new life is watched before the next task follows, in milliseconds.
const WATCH_MS: u64 = 5_000;
/// For how long a node tries again to pull an image that it did not get, in milliseconds.
pub const PULL_AGAIN_MS: u64 = 60_000;
/// Tasks in the middle of a change, at most: a record has room for so many.
const MAX_MOVING: usize = 512;
/// Characters that are kept of why a change has failed.
const MAX_WHY: usize = 500;

/// A rolling change that is under way, or has stopped halfway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rollout {
    /// What tasks run that it has not reached: images and configs, by component.
    pub from: Value,
    /// Tasks that still run that.
    pub todo: BTreeSet<TaskId>,
    /// Tasks in the middle of it.
    pub moving: Vec<Moving>,
    /// It goes back to what ran before.
    pub back: bool,
    /// Why it goes back, or has stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// It has stopped, and waits for somebody.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
}

/// A task in the middle of a rolling change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving {
    /// The task.
    pub task: TaskId,
    /// How far it is.
    pub step: Step,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
    /// Since when its input waits.
    pub held: u64,
    /// The life that is to end or, while it is watched, the one that has begun.
    pub life: Incarnation,
    /// The container that is to be another, if the image changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// It did not work before either, and proves nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub broken: bool,
    /// Its pod was not there meanwhile. That another one takes its time proves nothing either, but
    /// a process that ends by itself there does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moved: bool,
    /// Nobody told of it at the last look: its times begin anew when somebody does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unseen: bool,
    /// What was watched first was a life that the container which went had begun meanwhile.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub relived: bool,
}

/// How far a task is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Its node pulls the image.
    #[default]
    Pulling,
    /// Its input waits, and it works off what it has.
    Draining,
    /// Another life of it begins; its input still waits.
    Replacing,
    /// It works again, and is watched.
    Watching,
}

/// What is seen of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskSeen {
    /// Somebody has told; else it may well work.
    pub known: bool,
    /// It is registered and has started.
    pub works: bool,
    /// It has nothing left to do.
    pub drained: bool,
    /// Its newest life.
    pub life: Incarnation,
    /// What ended its last life.
    pub error: Option<String>,
    /// For how long it has taken nothing although input waits, in milliseconds.
    pub stalled_ms: u64,
    /// Whether its node has the image.
    pub image: Pull,
    /// Its container, if that has to be another one.
    pub container: Option<String>,
    /// Its process is not linked to its stream manager.
    pub away: bool,
    /// Its pod is not there, or is about to go: whatever it does, it is not because of its version.
    pub gone: bool,
    /// Which component it belongs to.
    pub component: usize,
}

/// Whether a node has an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Pull {
    /// It has, or nobody needs to know.
    #[default]
    There,
    /// It is on its way.
    Pending,
    /// It was not to be had; the node tries again.
    Failing(String),
    /// It can never be had.
    Failed(String),
}

/// The time, and what the user has set.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Milliseconds since 1970.
    pub now: u64,
    /// What the user has set.
    pub update: Update,
    /// How long input may wait, in milliseconds.
    pub hold_ms: u64,
}

/// How it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is more to do.
    Goes,
    /// Every task runs what it shall.
    Done,
    /// It does not work, and shall go back to what ran before.
    Back,
}

impl Rollout {
    /// A change of these tasks.
    pub fn new(from: Value, todo: BTreeSet<TaskId>) -> Rollout {
        Rollout { from, todo, ..Rollout::default() }
    }

    /// Takes all steps that can be taken now.
    pub fn advance(&mut self, rules: &Rules, seen: &dyn Fn(TaskId) -> TaskSeen) -> Verdict {
        if self.held {
            return Verdict::Goes;
        }
        let mut failed = None;
        // Who did not work for a moment only takes its turn like all others.
        let (again, mut moving): (Vec<Moving>, Vec<Moving>) = std::mem::take(&mut self.moving)
            .into_iter()
            .partition(|it| it.step == Step::Pulling && it.broken && seen(it.task).works);
        self.todo.extend(again.iter().map(|moving| moving.task));
        moving.retain_mut(|moving| {
            moving.note(rules.now, &seen(moving.task));
            // There is nothing else to go back to from what ran before.
            moving.moved &= !self.back;
            // Each step leads on to another.
            for _ in 0..4 {
                let next = moving.next(rules, &seen(moving.task));
                match next {
                    Next::Stay => return true,
                    Next::Step(step, life) => {
                        moving.container = seen(moving.task).container;
                        moving.enter(step, life, rules.now);
                    }
                    Next::Done => return false,
                    Next::Failed(why) => {
                        failed.get_or_insert((moving.task, why));
                        return true;
                    }
                }
            }
            true
        });
        self.moving = moving;
        if let Some((task, why)) = failed {
            return self.fail(task, &why, rules);
        }
        self.pick(rules, seen);
        if self.todo.is_empty() && self.moving.is_empty() { Verdict::Done } else { Verdict::Goes }
    }

    /// Nobody has looked for a while: what has waited meanwhile proves nothing.
    pub fn resume(&mut self, now: u64) {
        for moving in &mut self.moving {
            (moving.since, moving.held) = (now, now);
        }
    }

    /// Tasks whose input waits.
    pub fn draining(&self) -> impl Iterator<Item = TaskId> {
        let held = |moving: &&Moving| matches!(moving.step, Step::Draining | Step::Replacing);
        self.moving.iter().filter(held).map(|moving| moving.task)
    }

    /// Tasks that run what ran before.
    pub fn others(&self) -> BTreeSet<TaskId> {
        let before = |moving: &&Moving| matches!(moving.step, Step::Pulling | Step::Draining);
        let moving = self.moving.iter().filter(before).map(|moving| moving.task);
        self.todo.iter().copied().chain(moving).collect()
    }

    /// Whether another life of a task begins now.
    pub fn is_replacing(&self, task: TaskId) -> bool {
        let replacing = |moving: &Moving| moving.task == task && moving.step == Step::Replacing;
        self.moving.iter().any(replacing)
    }

    /// Whether a task is in the middle of it: its container may be another one any moment.
    pub fn is_moving(&self, task: TaskId) -> bool {
        self.moving.iter().any(|moving| moving.task == task)
    }

    /// Tasks whose nodes pull an image.
    pub fn pulling(&self) -> impl Iterator<Item = TaskId> {
        let pulls = |moving: &&Moving| moving.step == Step::Pulling;
        self.moving.iter().filter(pulls).map(|moving| moving.task)
    }

    /// The same change in the other direction, of tasks that it has reached. `from` is what they
    /// run now. Who has just begun with it goes back first, and its input waits on.
    pub fn reversed(
        &self,
        from: Value,
        all: &BTreeSet<TaskId>,
        now: u64,
        seen: &dyn Fn(TaskId) -> TaskSeen,
    ) -> Rollout {
        let begun = |moving: &&Moving| matches!(moving.step, Step::Replacing | Step::Watching);
        let again = |moving: &Moving| {
            let task = moving.task;
            let TaskSeen { life, container, works, .. } = seen(task);
            // Who works has input that it would lose.
            let drains = moving.step == Step::Watching && works;
            let step = if drains { Step::Draining } else { Step::Replacing };
            Moving {
                task,
                step,
                since: now,
                held: now,
                life,
                container,
                broken: true,
                ..Moving::default()
            }
        };
        let moving: Vec<Moving> = self.moving.iter().filter(begun).map(again).collect();
        let mut todo: BTreeSet<TaskId> = all.difference(&self.others()).copied().collect();
        todo.retain(|task| moving.iter().all(|moving| moving.task != *task));
        let why = self.why.clone();
        Rollout { from, todo, moving, back: true, why, ..Rollout::default() }
    }

    /// Forgets tasks that there are no more.
    pub fn keep(&mut self, known: impl Fn(TaskId) -> bool) {
        self.todo.retain(|task| known(*task));
        self.moving.retain(|moving| known(moving.task));
    }

    fn pick(&mut self, rules: &Rules, seen: &dyn Fn(TaskId) -> TaskSeen) {
        if rules.update.paused {
            return;
        }
        let most = rules.update.max_unavailable.max(1) as usize;
        let mut working: Vec<TaskId> = Vec::new();
        let begin = |task: TaskId, todo: &mut BTreeSet<TaskId>, list: &mut Vec<Moving>| {
            todo.remove(&task);
            let (now, TaskSeen { life, works, container, .. }) = (rules.now, seen(task));
            let broken = !works;
            let step = Step::Pulling;
            list.push(Moving {
                task,
                step,
                since: now,
                held: now,
                life,
                container,
                broken,
                ..Moving::default()
            });
        };
        for task in self.todo.clone() {
            // Who does not work can lose nothing.
            let TaskSeen { known, works, .. } = seen(task);
            if works || !known {
                working.extend(known.then_some(task));
            } else if self.moving.len() < MAX_MOVING {
                begin(task, &mut self.todo, &mut self.moving);
            }
        }
        for task in working {
            if self.moving.len() >= most.min(MAX_MOVING) {
                return;
            }
            // Of two that feed each other the one could not drain: its trees wait at the other.
            let component = seen(task).component;
            if self.moving.iter().all(|moving| seen(moving.task).component == component) {
                begin(task, &mut self.todo, &mut self.moving);
            }
        }
    }

    fn fail(&mut self, task: TaskId, why: &str, rules: &Rules) -> Verdict {
        let why: String = why.chars().take(MAX_WHY).collect();
        let why = format!("task {task}: {why}");
        // What went wrong first explains the rest.
        self.why.get_or_insert(why);
        if self.back || rules.update.on_failure == OnFailure::Hold {
            self.hold();
            return Verdict::Goes;
        }
        Verdict::Back
    }

    /// Stops: no input waits any more.
    fn hold(&mut self) {
        let before = self.others();
        self.todo = before;
        self.moving.clear();
        self.held = true;
    }
}

/// What is next for a task.
enum Next {
    Stay,
    Step(Step, Incarnation),
    Done,
    Failed(String),
}

impl Moving {
    /// Whether another life has begun, in another container if need be.
    fn is_another(&self, seen: &TaskSeen) -> bool {
        let same = seen.container.is_none() || seen.container == self.container;
        seen.life != self.life && !(self.container.is_some() && same)
    }

    /// Takes in what says nothing of the version.
    fn note(&mut self, now: u64, seen: &TaskSeen) {
        let begins = matches!(self.step, Step::Replacing | Step::Watching);
        let unseen = !seen.known || seen.gone && begins;
        if std::mem::replace(&mut self.unseen, unseen) && !unseen {
            (self.since, self.held) = (now, now);
        }
        // Another pod proves nothing.
        self.broken |= seen.gone && begins;
        self.moved |= seen.gone;
    }

    fn enter(&mut self, step: Step, life: Incarnation, now: u64) {
        self.relived |= self.step == Step::Watching && step == Step::Watching;
        if step == Step::Draining || self.step == Step::Pulling {
            self.held = now;
        }
        (self.step, self.since, self.life) = (step, now, life);
    }

    fn next(&self, rules: &Rules, seen: &TaskSeen) -> Next {
        let elapsed = rules.now.saturating_sub(self.since);
        let waited = rules.now.saturating_sub(self.held);
        // An error may be of the last life in a container that goes.
        let is_settled = self.container.is_none() || elapsed >= WATCH_MS;
        // Of whom nobody tells nothing is known, least of all that it does not work.
        if self.unseen && elapsed < rules.update.progress_deadline_ms {
            return Next::Stay;
        }
        match self.step {
            Step::Pulling => pulled(rules, seen, elapsed),
            // What it cannot finish in time is replayed.
            Step::Draining if seen.drained || !seen.works || waited >= rules.hold_ms / 2 => {
                Next::Step(Step::Replacing, seen.life)
            }
            Step::Draining => Next::Stay,
            Step::Replacing if self.is_another(seen) && seen.works => {
                Next::Step(Step::Watching, seen.life)
            }
            Step::Replacing | Step::Watching if self.broken && waited >= rules.hold_ms => {
                match self.moved && !seen.works && seen.error.is_some() {
                    true => ended(seen),
                    false => Next::Done,
                }
            }
            Step::Watching if self.broken && seen.life != self.life => {
                Next::Step(Step::Replacing, seen.life)
            }
            Step::Replacing if self.broken => Next::Stay,
            Step::Replacing
                if self.is_another(seen) && seen.away && seen.error.is_some() && is_settled =>
            {
                ended(seen)
            }
            Step::Replacing if waited >= rules.hold_ms => {
                let seconds = waited / 1000;
                Next::Failed(format!(
                    "it has not registered although its input has waited for {seconds} s"
                ))
            }
            Step::Replacing => Next::Stay,
            Step::Watching => self.watched(rules, seen, elapsed),
        }
    }

    /// What is next for a task that works, as it seems.
    fn watched(&self, rules: &Rules, seen: &TaskSeen, elapsed: u64) -> Next {
        // Its input has waited before it began, which is not its fault.
        let stalled = seen.stalled_ms.min(elapsed);
        // A container that goes begins one more life, of which may be told a little later.
        let may_relive = self.container.is_some() && !self.relived && seen.error.is_none();
        match seen.life != self.life {
            true if may_relive => Next::Step(Step::Watching, seen.life),
            true => ended(seen),
            // Its stream manager may have begun anew, and hears of it in a moment.
            false if !seen.works && seen.error.is_none() && elapsed < rules.hold_ms => Next::Stay,
            false if !seen.works => ended(seen),
            false if stalled >= rules.hold_ms => {
                Next::Failed(format!("it has taken no input for {} s", stalled / 1000))
            }
            false if elapsed >= WATCH_MS && stalled < WATCH_MS => Next::Done,
            false => Next::Stay,
        }
    }
}

/// What is next for a task whose node pulls the image.
fn pulled(rules: &Rules, seen: &TaskSeen, elapsed: u64) -> Next {
    match &seen.image {
        Pull::Failed(why) => Next::Failed(format!("the image cannot be had: {why}")),
        Pull::Failing(why) if elapsed >= PULL_AGAIN_MS.min(rules.update.progress_deadline_ms) => {
            Next::Failed(format!("the image cannot be had: {why}"))
        }
        Pull::There if seen.works => Next::Step(Step::Draining, seen.life),
        Pull::There => Next::Step(Step::Replacing, seen.life),
        Pull::Failing(_) => Next::Stay,
        Pull::Pending if elapsed >= rules.update.progress_deadline_ms => {
            Next::Failed(format!("the image is not there after {} s", elapsed / 1000))
        }
        Pull::Pending => Next::Stay,
    }
}

fn ended(seen: &TaskSeen) -> Next {
    let error = seen.error.as_deref().unwrap_or("its process has ended");
    Next::Failed(format!("it has ended: {error}"))
}

#[cfg(test)]
mod tests;
