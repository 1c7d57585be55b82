//! What the operator has decided for a topology, written before it is done.
//!
//! The record lives in a ConfigMap beside the topology and is replaced by compare-and-set only, so
//! an operator with an old copy can decide nothing. Everything here is pure: a decision is a new
//! record, and whoever reads it again does the same.

use crate::{autoscale::Scaled, edit::Edit, leave::Leave, rollout::Rollout, upgrade::Upgrade};
use egret_topology::{
    id::{Epoch, PodId, TaskId},
    logical::LogicalComponent,
    packing_plan::PackingPlan,
    plan::RunState,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, net::SocketAddr};

/// Where a topology is on its way through a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// There are no pods, and shall be none.
    #[default]
    Down,
    /// Pods start and link up; spouts wait.
    Starting,
    /// Tuples flow, or could.
    Live,
    /// Spouts are off for good; what is in flight is worked off.
    Draining,
    /// Tasks close and exit; then the pods go.
    Closing,
    /// All input has ended; tasks close and exit, and the pods stay for their logs.
    Finishing,
    /// All input has ended and every task has exited.
    Completed,
}

/// One pod of the packing plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodRecord {
    /// Which of its lives this is, from 1.
    pub life: u32,
    /// Which of all pods of the topology this life is, from 1: what its processes are counted by,
    /// since the clocks of nodes differ.
    #[serde(default)]
    pub birth: u32,
    /// Digest of what it is made of.
    pub definition: String,
    /// Where its stream manager listens, or did in the life before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// This life has not been seen to have an address yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unborn: bool,
    /// When this life took the place of one that had ended, in milliseconds since 1970; 0 if it has
    /// not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replaced: u64,
    /// The greatest life that was ever given out for this place, if that never had it.
    #[serde(default, skip_serializing_if = "is_none_yet")]
    pub spent: u32,
}

impl PodRecord {
    pub(crate) fn begin(&mut self, births: &mut u32) {
        self.life = self.life.max(self.spent).saturating_add(1);
        *births = births.saturating_add(1);
        self.birth = *births;
        self.unborn = true;
    }
}

/// A pod whose lives end by themselves soon after each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ends {
    /// The pod.
    pub pod: PodId,
    /// Why its last life did.
    pub why: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

/// Characters that are kept of why a pod ended.
const MAX_ENDED: usize = 120;
/// A life that is shorter than that was too short; and what happened longer ago explains nothing of
/// what is missing now.
const LATELY_MS: u64 = 120_000;

/// Bytes of a spec that a record keeps, as JSON: with the packing plan of the largest topology a
/// ConfigMap, which ends at 1 MiB, has room for that much.
pub(crate) const MAX_ACCEPTED: usize = 60 << 10;

/// Lost nodes that are remembered, and for how long: by then Kubernetes knows.
const MAX_LOST: usize = 8;
const LOST_FOR_MS: u64 = 600_000;

/// A pod that ends by itself this soon after its predecessor is not replaced before: where a node
/// refuses each of them there would be a new one every second.
const REPLACED_EVERY_MS: u64 = 10_000;

fn is_none_yet(count: &u32) -> bool {
    *count == 0
}

fn is_zero(time: &u64) -> bool {
    *time == 0
}

/// The images of the data plane: pinned, so that a newer operator restarts nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Images {
    /// Of stream managers.
    pub stream_manager: String,
    /// Of instances of built-in components.
    pub instance: String,
}

impl Images {
    /// What a component runs: its own image, or that of built-in components.
    pub fn of(&self, component: &LogicalComponent) -> String {
        component.image.as_ref().unwrap_or(&self.instance).clone()
    }
}

/// What has been decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The topology; a namesake that came later starts anew.
    pub uid: String,
    /// Revision of the physical plan that was made last.
    pub revision: u64,
    /// Digest of that plan, whatever its revision.
    pub plan: String,
    /// Epoch of tasks and groupings.
    pub epoch: Epoch,
    /// Digest of tasks and groupings.
    pub shape: String,
    /// Which task runs in which pod.
    pub packing: PackingPlan,
    /// The pods of the packing plan, in their order; those of earlier plans behind them keep their
    /// lives, so that no name is used twice.
    pub pods: Vec<PodRecord>,
    /// How many lives of pods have begun.
    #[serde(default)]
    pub births: u32,
    /// Nodes that were lost lately, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LostNode>,
    /// Images of the data plane.
    pub images: Images,
    /// Where the topology is.
    pub stage: Stage,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
    /// Digest of the components whose input has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<String>,
    /// Digest of the CA that the pods trust.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub authority: String,
    /// Digest of what tasks run, or shall run when a rolling change has reached them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub definitions: String,
    /// A rolling change that is under way or has stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// Another stream manager for each pod, while that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Upgrade>,
    /// A stream manager that did not work, and is not tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_upgrade: Option<RefusedUpgrade>,
    /// Pods that are asked to end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaves: Vec<Leave>,
    /// Other tasks, groupings or pods, while that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
    /// What did not work, and is not tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejected>,
    /// How many tasks bolts were given by what is measured, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub autoscale: BTreeMap<String, Scaled>,
    /// How often all input has ended.
    #[serde(default, skip_serializing_if = "is_none_yet")]
    pub run: u32,
    /// The spec that was accepted last: it goes on while a change of it is refused, whoever leads.
    /// None if it is too long to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Value>,
    /// A pod that ends by itself again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Ends>,
}

/// A node that was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostNode {
    /// Its name.
    pub node: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

/// Definitions that did not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Digest of them.
    pub definitions: String,
    /// Why.
    pub why: String,
}

/// An image of stream managers that did not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedUpgrade {
    /// The image.
    pub image: String,
    /// Why.
    pub why: String,
}

/// Why a record cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It was written by a newer operator, or by hand.
    #[error("what the operator has decided cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
}

impl Record {
    /// The record of a topology that was never seen before.
    pub fn new(uid: &str, now: u64) -> Record {
        Record { uid: uid.to_owned(), since: now, ..Record::default() }
    }

    /// Reads a record; one of a namesake that is gone counts as none.
    pub fn read(text: &str, uid: &str) -> Result<Option<Record>, Unreadable> {
        let record: Record = serde_json::from_str(text)?;
        Ok(Some(record).filter(|record| record.uid == uid))
    }

    /// As it is written.
    pub fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Goes on to another stage.
    pub fn enter(&mut self, stage: Stage, now: u64) {
        if self.stage != stage {
            self.stage = stage;
            self.since = now;
        }
    }

    /// Whether pods shall exist. Completed ones stay for their logs but are not made again.
    pub fn wants_pods(&self) -> bool {
        !matches!(self.stage, Stage::Down)
    }

    /// Whether a pod that is missing or dead is made again.
    pub fn replaces_pods(&self) -> bool {
        matches!(self.stage, Stage::Starting | Stage::Live)
    }

    /// What all tasks should be doing.
    pub fn run_state(&self, paused: bool) -> RunState {
        match self.stage {
            Stage::Starting => RunState::Paused,
            Stage::Live if paused => RunState::Paused,
            Stage::Live => RunState::Running,
            Stage::Draining => RunState::Draining,
            Stage::Closing | Stage::Finishing | Stage::Completed | Stage::Down => RunState::Stopped,
        }
    }

    /// The pods of the packing plan with their lives.
    pub fn pods(&self) -> impl Iterator<Item = (PodId, &PodRecord)> {
        let count = self.packing.pods.len();
        self.pods.iter().take(count).enumerate().map(|(i, pod)| (PodId(i as u32), pod))
    }

    /// The current life of a pod, if the packing plan has it.
    pub fn pod(&self, pod: PodId) -> Option<&PodRecord> {
        self.pods.get(pod.0 as usize).filter(|_| (pod.0 as usize) < self.packing.pods.len())
    }

    /// Takes a packing plan over. A pod begins a new life if what it is made of has changed.
    pub fn take_packing(&mut self, packing: PackingPlan, definitions: Vec<String>) {
        self.packing = packing;
        for (i, definition) in definitions.into_iter().enumerate() {
            match self.pods.get_mut(i) {
                Some(pod) if pod.definition == definition => {}
                Some(pod) => {
                    pod.begin(&mut self.births);
                    pod.definition = definition;
                    self.ends = None;
                }
                None => {
                    let mut pod = PodRecord { definition, ..PodRecord::default() };
                    pod.begin(&mut self.births);
                    self.pods.push(pod);
                }
            }
        }
        self.forget_places();
    }

    /// A pod that comes back in a later plan is another one.
    pub(crate) fn forget_places(&mut self) {
        let count = self.packing.pods.len();
        for gone in self.pods.iter_mut().skip(count) {
            gone.definition.clear();
            gone.address = None;
        }
    }

    /// A pod has an address.
    pub fn found(&mut self, pod: PodId, address: SocketAddr) {
        if let Some(pod) = self.pods.get_mut(pod.0 as usize) {
            pod.address = Some(address);
            pod.unborn = false;
        }
    }

    /// Where all stream managers listen, if that is known of each.
    pub fn addresses(&self) -> Option<Vec<SocketAddr>> {
        self.pods().map(|(_, pod)| pod.address).collect()
    }

    /// A pod is gone for good: its place is taken by a new one under a fresh name.
    pub fn replace(&mut self, id: PodId, now: u64, ended: Option<&str>) {
        if let Some(pod) = self.pods.get_mut(id.0 as usize) {
            let again = now < pod.replaced.saturating_add(LATELY_MS);
            pod.begin(&mut self.births);
            pod.replaced = now;
            if let Some(why) = ended.filter(|_| again) {
                let why = why.chars().filter(|c| !c.is_control()).take(MAX_ENDED).collect();
                self.ends = Some(Ends { pod: id, why, at: now });
            }
        }
    }

    /// A pod is asked to end. If its predecessor still has its place it never had it.
    pub fn leave(&mut self, leave: Leave) {
        match self.leaves.iter_mut().find(|before| before.pod == leave.pod) {
            Some(before) if before.keeps_place() => {}
            Some(before) => *before = leave,
            None => self.leaves.push(leave),
        }
    }

    /// A pod that ends by itself again and again, and why.
    pub fn ends_again(&self, now: u64) -> Option<&Ends> {
        let lately = |ends: &&Ends| now < ends.at.saturating_add(LATELY_MS);
        self.ends.as_ref().filter(lately)
    }

    /// Whether a pod that has ended by itself may be replaced by now.
    pub fn may_replace(&self, pod: PodId, now: u64) -> bool {
        let last = self.pod(pod).map_or(0, |pod| pod.replaced);
        now >= last.saturating_add(REPLACED_EVERY_MS)
    }

    /// The image that the stream manager of a pod gets that begins now.
    pub fn stream_manager(&self) -> &str {
        self.upgrade.as_ref().map_or(&self.images.stream_manager, |upgrade| &upgrade.image)
    }

    /// Pods with a task like that begin a new life.
    pub fn renew(&mut self, task: impl Fn(TaskId) -> bool) {
        let pods = self.packing.pods.iter();
        let pods = pods.filter(|pod| pod.tasks.iter().any(|packed| task(packed.task)));
        let pods: Vec<PodId> = pods.map(|pod| pod.id).collect();
        self.renew_pods(|pod| pods.contains(&pod));
    }

    /// Pods like that begin a new life.
    pub(crate) fn renew_pods(&mut self, renews: impl Fn(PodId) -> bool) {
        for (packed, pod) in self.packing.pods.iter().zip(&mut self.pods) {
            if renews(packed.id) {
                pod.begin(&mut self.births);
                self.ends = None;
            }
        }
    }

    /// A pod is lost with its node: others are not put there for a while.
    pub fn lose(&mut self, id: PodId, node: &str, now: u64) {
        self.replace(id, now, None);
        self.lost.retain(|lost| lost.node != node);
        if self.lost.len() == MAX_LOST {
            self.lost.remove(0);
        }
        self.lost.push(LostNode { node: node.to_owned(), at: now });
    }

    /// Forgets nodes that were lost long ago.
    pub fn forget_lost(&mut self, now: u64) {
        self.lost.retain(|lost| now < lost.at.saturating_add(LOST_FOR_MS));
    }

    /// All pods begin a new life.
    pub fn replace_all(&mut self) {
        for pod in &mut self.pods {
            pod.begin(&mut self.births);
            pod.address = None;
        }
        self.leaves.clear();
        self.edit = None;
        self.ends = None;
    }

    /// Takes tasks and groupings over: others are a new epoch.
    pub fn take_shape(&mut self, shape: String) {
        if self.shape != shape {
            self.shape = shape;
            self.epoch = Epoch(self.epoch.0.saturating_add(1));
        }
    }

    /// Takes a plan over: another one is a new revision.
    pub fn take_plan(&mut self, plan: String) {
        if self.plan != plan {
            self.plan = plan;
            self.revision = self.revision.saturating_add(1);
        }
    }

    /// Somebody has a plan of this revision: the next one that is made here is newer.
    pub fn rise_to(&mut self, revision: u64) {
        if self.revision < revision {
            self.revision = revision;
            self.plan.clear();
        }
    }

    /// Takes a CA over. Pods read whom they trust when they start, so another CA needs other pods.
    pub fn take_authority(&mut self, authority: String) {
        if self.authority == authority {
            return;
        }
        if !self.authority.is_empty() && self.replaces_pods() {
            self.replace_all();
        }
        self.authority = authority;
    }

    /// Takes the spec over that was accepted.
    pub fn take_accepted(&mut self, spec: &Value) {
        if self.accepted.as_ref() != Some(spec) {
            self.accepted =
                Some(spec).filter(|spec| spec.to_string().len() <= MAX_ACCEPTED).cloned();
        }
    }
}

#[cfg(test)]
mod tests;
