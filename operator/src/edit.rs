//! Other tasks, groupings or pods for a topology that runs: their pods start first, what is in
//! flight is worked off, and then a new plan begins. A pure function of what was recorded and what
//! is seen.
//!
//! ```text
//! Working ─► Draining ─► Closing ─► Starting ─► done
//! ```
//!
//! Until Draining nothing has changed for anybody: pods that cannot start cost nothing, and another
//! change of the spec takes the place of this one. From then on all spouts hold back, so that
//! nothing of the tasks and groupings before is in flight when those after them begin. Every step
//! but the first ends after a while whatever happens; what was not worked off by then is replayed.

pub mod spec;

use crate::{
    leave::Step,
    pack::Next,
    record::{PodRecord, Record},
};
use egret_topology::{id::PodId, packing_plan::PackingPlan};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::SocketAddr;

/// How long tasks may take to close, in milliseconds: as long as their processes wait for user
/// code, and for the news of it to arrive.
const CLOSE_MS: u64 = 5_000;
/// A pod that ends by itself this soon after its predecessor is not replaced before.
const AGAIN_MS: u64 = 10_000;
/// Characters that are kept of why pods do not start.
const MAX_WHY: usize = 500;

/// A change of tasks, groupings or pods that is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Edit {
    /// How far it is.
    pub step: Step,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
    /// The spec that it leads to; nothing once that is in force.
    pub spec: Value,
    /// Which task runs in which pod then.
    pub packing: PackingPlan,
    /// Digest of tasks and groupings then.
    pub shape: String,
    /// Pods that are new, or take the place of others.
    pub pods: Vec<Successor>,
    /// Pods that go.
    pub leaving: Vec<PodId>,
    /// Revision of the plan in which it has come into force, once it has.
    pub revision: u64,
    /// Why pods do not start, if something is in their way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// It has waited for long.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

/// A pod that has no place yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Successor {
    /// Its index.
    pub pod: PodId,
    /// What it will be.
    pub place: PodRecord,
}

/// What is seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Some stream manager is linked, or was a moment ago.
    pub speaks: bool,
    /// The processes of all pods that are new have started.
    pub started: bool,
    /// Why one of them does not start.
    pub trouble: Option<String>,
    /// No other pod is being replaced.
    pub rests: bool,
    /// The topology has not worked for a while: nothing is won by waiting.
    pub broken: bool,
    /// Whoever says that it has drained says so of this drain.
    pub fresh: bool,
    /// Nothing is in flight.
    pub drained: bool,
    /// No task of the pods that go is registered any more.
    pub closed: bool,
    /// All tasks work under the new plan, and all links are up.
    pub works: bool,
}

/// The time, and how long steps may take.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Milliseconds since 1970.
    pub now: u64,
    /// How long pods may take to start before somebody is told, in milliseconds.
    pub pull_ms: u64,
    /// For how long what is in flight may be worked off, in milliseconds.
    pub drain_ms: u64,
    /// For how long spouts wait for tasks that begin, in milliseconds.
    pub start_ms: u64,
    /// Revision of the next plan.
    pub revision: u64,
}

impl Edit {
    /// Whether spouts are off for it.
    pub fn holds_spouts(&self) -> bool {
        self.step > Step::Working
    }

    /// Whether it is not in force yet.
    pub fn is_pending(&self) -> bool {
        self.step < Step::Starting
    }

    /// Whether a pod goes, and is not replaced by others any more.
    pub fn takes(&self, pod: PodId) -> bool {
        self.taken().any(|taken| taken == pod)
    }

    /// The pods of which that is so.
    pub fn taken(&self) -> impl Iterator<Item = PodId> + '_ {
        let drains = matches!(self.step, Step::Draining | Step::Closing);
        self.leaving.iter().copied().filter(move |_| drains)
    }

    /// Whether the tasks of a pod close.
    pub fn closes(&self, pod: PodId) -> bool {
        self.step == Step::Closing && self.leaving.contains(&pod)
    }

    /// Takes all steps that can be taken now. False: it is over.
    pub fn advance(&mut self, rules: &Rules, seen: &Seen) -> bool {
        // Each step leads on to another.
        for _ in 0..4 {
            match self.next(rules, seen) {
                Onward::Stay => break,
                Onward::Done => return false,
                Onward::Step(step) => {
                    (self.step, self.since) = (step, rules.now);
                    (self.why, self.late) = (None, false);
                    if step == Step::Starting {
                        self.revision = rules.revision;
                        // What is seen is seen under the plan before.
                        break;
                    }
                }
            }
        }
        if self.step == Step::Working {
            let late = rules.now.saturating_sub(self.since) >= rules.pull_ms;
            let slow = || format!("they have not started in {} s", rules.pull_ms / 1000);
            let why = seen.trouble.clone().or_else(|| late.then(slow)).filter(|_| !seen.started);
            self.late = late && why.is_some();
            self.why = why.map(|why| why.chars().take(MAX_WHY).collect());
        }
        true
    }

    fn next(&self, rules: &Rules, seen: &Seen) -> Onward {
        let elapsed = rules.now.saturating_sub(self.since);
        match self.step {
            // Nobody is left who has anything in flight.
            Step::Working | Step::Draining | Step::Closing if !seen.speaks => {
                Onward::Step(Step::Starting)
            }
            Step::Working if seen.rests && (seen.started || seen.broken) && seen.fresh => {
                Onward::Step(Step::Draining)
            }
            Step::Working => Onward::Stay,
            Step::Draining if seen.drained && seen.fresh => Onward::Step(Step::Closing),
            // What is not finished in time is replayed.
            Step::Draining if elapsed >= rules.drain_ms => Onward::Step(Step::Closing),
            Step::Draining => Onward::Stay,
            Step::Closing if seen.closed || elapsed >= CLOSE_MS => Onward::Step(Step::Starting),
            Step::Closing => Onward::Stay,
            Step::Starting if seen.works || !seen.speaks || elapsed >= rules.start_ms => {
                Onward::Done
            }
            Step::Starting => Onward::Stay,
        }
    }
}

enum Onward {
    Stay,
    Step(Step),
    Done,
}

impl Successor {
    /// Another life of it begins, if the last one was not a moment ago.
    fn renew(&mut self, record: &mut Record, now: u64) {
        if now >= self.place.replaced.saturating_add(AGAIN_MS) {
            self.place = record.successor(self.pod, &self.place.definition);
            self.place.replaced = now;
        }
    }
}

impl Record {
    /// The next life of a place, which does not have it yet.
    fn successor(&mut self, pod: PodId, definition: &str) -> PodRecord {
        let at = pod.0 as usize;
        if self.pods.len() <= at {
            self.pods.resize(at + 1, PodRecord::default());
        }
        let mut next = PodRecord { definition: definition.to_owned(), ..PodRecord::default() };
        next.life = self.pods[at].life.max(self.pods[at].spent);
        next.begin(&mut self.births);
        self.pods[at].spent = next.life;
        next
    }

    /// Begins to lead the topology to a spec, unless it is on its way there.
    pub fn begin_edit(&mut self, spec: &Value, next: &Next, now: u64) {
        let before = self.edit.take().unwrap_or_default();
        let mut pods = Vec::new();
        for (packed, definition) in next.packing.pods.iter().zip(&next.definitions) {
            let pod = packed.id;
            let is = self.pod(pod).is_some_and(|place| place.definition == *definition);
            if is && !next.renewed.contains(&pod) {
                continue;
            }
            // One that was begun for a change that this one takes the place of.
            let begun = before.pods.iter().find(|it| it.pod == pod);
            let begun = begun.filter(|it| it.place.definition == *definition).cloned();
            let place = |record: &mut Record| record.successor(pod, definition);
            pods.push(begun.unwrap_or_else(|| Successor { pod, place: place(self) }));
        }
        let count = next.packing.pods.len();
        let goes = |pod: &PodId| pod.0 as usize >= count || pods.iter().any(|it| it.pod == *pod);
        let leaving = self.packing.pods.iter().map(|packed| packed.id).filter(goes).collect();
        let since = if before.pods == pods && before.since > 0 { before.since } else { now };
        self.edit = Some(Edit {
            since,
            spec: spec.clone(),
            packing: next.packing.clone(),
            shape: next.shape.clone(),
            pods,
            leaving,
            why: before.why,
            late: before.late,
            ..Edit::default()
        });
    }

    /// Successors that are gone, or will never work, begin another life.
    pub fn renew_successors(&mut self, now: u64, gone: impl Fn(&Successor) -> bool) {
        let Some(mut edit) = self.edit.take() else { return };
        for successor in edit.pods.iter_mut().filter(|successor| gone(successor)) {
            successor.renew(self, now);
        }
        self.edit = Some(edit);
    }

    /// As it is when an edit has come into force, with the addresses of its pods.
    pub fn edited(&self, edit: &Edit, address: impl Fn(PodId) -> Option<SocketAddr>) -> Record {
        let mut record = self.clone();
        for Successor { pod, place } in &edit.pods {
            let at = pod.0 as usize;
            if record.pods.len() <= at {
                record.pods.resize(at + 1, PodRecord::default());
            }
            record.pods[at] = PodRecord { address: address(*pod), ..place.clone() };
            record.pods[at].unborn &= record.pods[at].address.is_none();
        }
        record.packing = edit.packing.clone();
        record.forget_places();
        record.leaves.retain(|leave| !edit.leaving.contains(&leave.pod));
        record.take_shape(edit.shape.clone());
        record.take_accepted(&edit.spec);
        record.ends = None;
        record
    }
}

#[cfg(test)]
mod tests;
