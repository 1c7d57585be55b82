//! What shall be: the record as it is to be written before anything is done.

use super::{
    Error, Refusal, Seen, Turn,
    edit::Wanted,
    roll::{Others, planned},
};
use crate::{
    digest,
    edit::Edit,
    flow::Flow,
    leave, names,
    observe::ObservedPod,
    pack,
    reason::Reason,
    record::{Record, Stage},
    recover::recover,
    stages::{self, Situation},
    upgrade::Upgrade,
    validate::{Rejected, validate},
};
use egret_crd::Topology;
use egret_topology::{
    id::{PodId, TaskId},
    logical::{Logical, State},
    physical::Deployment,
    plan::{PhysicalPlan, PlanIndex},
};
use serde_json::Value;
use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

/// Time beyond its grace period in which a pod is gone where its kubelet lives, in milliseconds.
pub(super) const LEAVES_MS: u64 = 10_000;

/// A record that was decided, and the plan that goes with it.
pub(super) struct Decision {
    pub(super) record: Record,
    /// What tasks shall run.
    pub(super) logical: Arc<Logical>,
    /// What some of them still run.
    pub(super) others: Others,
    pub(super) plan: Option<PlanIndex>,
    /// The record and what runs when an edit has come into force, while it is under way.
    pub(super) ahead: Option<(Record, Logical)>,
}

impl Turn<'_> {
    /// Whether the topology is one that can run here.
    pub(super) fn judge(&self, topology: &Topology) -> Result<Logical, Refusal> {
        let context = self.context;
        validate(topology, &context.catalog, &context.settings.allowed).map_err(|rejected| {
            match rejected {
                Rejected::Invalid(words) => (Reason::Invalid, words),
                Rejected::Forbidden(words) => (Reason::Forbidden, words),
            }
        })
    }

    /// The same with another spec.
    pub(super) fn judge_with(&self, spec: &Value) -> Result<Result<Logical, Refusal>, Error> {
        let mut topology = self.topology.clone();
        topology.spec = serde_json::from_value(spec.clone())?;
        Ok(self.judge(&topology))
    }

    /// What runs from now on: the topology as it is, or as it was accepted last, by whomever. Why
    /// it is not the former.
    pub(super) fn accept(
        &mut self,
        judged: Result<Logical, Refusal>,
        before: Option<&Record>,
    ) -> Option<Refusal> {
        let packed = judged.and_then(|logical| match pack::check(before, &logical) {
            Ok(()) => Ok(logical),
            Err(error) => Err((Reason::Unpackable, error.to_string())),
        });
        match packed {
            Ok(logical) => {
                self.run.accepted = Some(Arc::new(logical));
                None
            }
            Err(refusal) => {
                if self.run.accepted.is_none() {
                    let spec = before.and_then(|before| before.accepted.clone());
                    let spec = spec.and_then(|spec| serde_json::from_value(spec).ok());
                    let then = spec.map(|spec| {
                        let mut then = self.topology.clone();
                        then.spec = spec;
                        then
                    });
                    let logical = then.and_then(|then| self.judge(&then).ok());
                    self.run.accepted = logical.map(Arc::new);
                }
                Some(refusal)
            }
        }
    }

    /// The record of a topology that has none: a new one, unless what runs shows that it had one.
    /// True if so.
    pub(super) fn missing(&self, seen: &Seen) -> (Record, bool) {
        let new = || (Record::new(self.owner.uid, self.now), false);
        let Some(logical) = self.run.accepted.as_ref().filter(|_| !self.deleting) else {
            return new();
        };
        let images = &self.context.settings.images;
        let status = self.topology.status.as_ref();
        let newest = status.is_some_and(|told| {
            told.observed_generation.is_some()
                && told.observed_generation == self.topology.metadata.generation
        });
        let components = newest.then(|| digest::components(logical, images));
        let recovered = recover(self.owner.uid, self.now, status, &seen.pods, components);
        let Some(mut record) = recovered else { return new() };
        record.images = images.clone();
        if let Ok(packing) = egret_packing::pack(logical, None) {
            record.packing = packing;
        }
        (record, true)
    }

    /// Decides what comes next. Pure but for what is remembered.
    pub(super) fn decide(
        &self,
        before: &Record,
        recorded: &Record,
        logical: &Arc<Logical>,
        wanted: &Wanted,
        seen: &Seen,
    ) -> Result<Result<Decision, Refusal>, Error> {
        let mut record = before.clone();
        let mut logical = logical.clone();
        if let Some(newest) = seen.answers.pods.iter().map(|pod| pod.revision).max() {
            record.rise_to(newest);
        }
        record.take_authority(self.run.trusted.clone());
        stages::advance(&mut record, &self.situation(before, &logical, seen));
        if record.stage != Stage::Live {
            record.edit = None;
        }
        if record.replaces_pods() {
            let images = &self.context.settings.images;
            let anew = !before.replaces_pods();
            if let Err(error) = pack::take_over(&mut record, &logical, images, anew) {
                return Ok(Err((Reason::Unpackable, error.to_string())));
            }
            if record.stage == Stage::Live && before.stage == Stage::Live {
                logical = self.edit(&mut record, &logical, wanted, seen);
            }
            // One after the other.
            if record.edit.is_none() {
                logical = self.roll(&mut record, recorded, &logical, seen);
                self.upgrade(&mut record, &logical, seen);
            }
            self.replace_dead(before, &mut record, seen);
        } else {
            record.rollout = None;
            record.upgrade = None;
        }
        self.advance_leaves(&mut record, &logical, seen);
        let others = self.others(&record);
        for (pod, address) in self.addresses(&record, seen) {
            record.found(pod, address);
        }
        let plan = match record.addresses() {
            Some(addresses) if record.stage != Stage::Down && !addresses.is_empty() => {
                Some(self.plan(&mut record, &logical, &others, addresses, seen)?)
            }
            _ => None,
        };
        let ahead = self.ahead(&record);
        Ok(Ok(Decision { record, logical, others, plan, ahead }))
    }

    fn situation(&self, record: &Record, logical: &Logical, seen: &Seen) -> Situation {
        let current: Vec<_> = seen.pods.iter().filter(|pod| self.is_current(record, pod)).collect();
        let flow = |holds: &dyn Fn(&Flow) -> bool| seen.flow.as_ref().is_some_and(holds);
        let delivery = logical.delivery;
        Situation {
            now: self.now,
            state: logical.state,
            deleting: self.deleting,
            drain_timeout_ms: logical.on_cluster.drain_timeout_ms,
            components: digest::components(logical, &record.images),
            has_pods: !current.is_empty(),
            linked: flow(&Flow::is_linked),
            drained: flow(&|flow| self.run.watch.is_drained(self.now, flow, delivery)),
            ended: flow(&Flow::has_ended),
            exited: !current.is_empty() && current.iter().all(|pod| pod.exited),
        }
    }

    /// Whether this is the current life of a pod.
    pub(super) fn is_current(&self, record: &Record, pod: &ObservedPod) -> bool {
        let name = |life| names::pod(self.owner.name, pod.id, life);
        record.pod(pod.id).is_some_and(|current| name(current.life) == pod.name)
    }

    /// A pod that will never work again is replaced under a fresh name: at once, unless pods of
    /// that place end by themselves again and again.
    fn replace_dead(&self, before: &Record, record: &mut Record, seen: &Seen) {
        // Also if others have just taken their places.
        let edits = [&before.edit, &record.edit].into_iter().flatten();
        let taken = edits.flat_map(Edit::taken).collect::<BTreeSet<PodId>>();
        let goes = |pod: PodId| taken.contains(&pod);
        for pod in seen.pods.iter().filter(|pod| !goes(pod.id)) {
            let ended = pod.ended.is_some() && record.may_replace(pod.id, self.now);
            if !self.is_current(record, pod) {
                continue;
            }
            let leaves = self.is_asked_to_end(record, pod, seen);
            if leaves || ended {
                let why = pod.ended.as_deref().filter(|_| !leaves);
                if leaves {
                    self.begin_to_leave(record, pod);
                }
                record.replace(pod.id, self.now, why);
            }
        }
        record.forget_lost(self.now);
        for (pod, node) in seen.lost.iter().filter(|(pod, _)| !goes(*pod)) {
            record.lose(*pod, node, self.now);
        }
        // Deleted by force, or with its node: what ran there may still run, under that name.
        for id in seen.vanished.iter().filter(|id| !goes(**id)) {
            record.replace(*id, self.now, None);
        }
    }

    fn addresses(&self, record: &Record, seen: &Seen) -> Vec<(PodId, SocketAddr)> {
        let current = seen.pods.iter().filter(|pod| self.is_current(record, pod));
        current
            .filter(|pod| !self.hands_over(record, pod.id, seen))
            .filter_map(|pod| Some((pod.id, SocketAddr::new(pod.ip?, names::LINK_PORT))))
            .collect()
    }

    /// Whether the life before this one still speaks: where its input stands is known when it has
    /// ended, and only then others may take its place.
    pub(super) fn hands_over(&self, record: &Record, pod: PodId, seen: &Seen) -> bool {
        match record.leaves.iter().find(|leave| leave.pod == pod) {
            Some(leave) => leave.keeps_place(),
            None => self.is_linked(pod) && self.predecessor(record, pod, seen).is_some(),
        }
    }

    fn plan(
        &self,
        record: &mut Record,
        logical: &Logical,
        others: &Others,
        addresses: Vec<SocketAddr>,
        seen: &Seen,
    ) -> Result<PlanIndex, Error> {
        let mut rolling = planned(record, logical, others);
        self.leaving(record, seen, &mut rolling);
        let waits = |task: &TaskId| {
            let of = record.packing.tasks().find(|(packed, _)| packed.task == *task);
            of.is_none_or(|(_, pod)| leave::may_hold_input(&record.leaves, pod))
        };
        rolling.draining.retain(waits);
        let deployment = Deployment {
            uid: self.owner.uid.to_owned(),
            revision: 0,
            epoch: record.epoch,
            state: record.run_state(logical.state == State::Paused),
            edge_key: self.run.edge_key,
            rolling,
            addresses,
        };
        let bad = |error: &dyn std::error::Error| Error::Plan(error.to_string());
        let mut plan =
            PhysicalPlan::of(logical, &record.packing, deployment).map_err(|error| bad(&error))?;
        let holding = record.leaves.iter().filter(|leave| leave.holds_spouts());
        let upgraded = record.upgrade.as_ref().and_then(Upgrade::holds);
        let mut pods: Vec<PodId> = holding.map(|leave| leave.pod).chain(upgraded).collect();
        if record.edit.as_ref().is_some_and(Edit::holds_spouts) {
            pods.extend(record.pods().map(|(pod, _)| pod));
        }
        if !pods.is_empty() {
            let index = PlanIndex::new(plan.clone()).map_err(|error| bad(&error))?;
            let spouts = leave::spouts(&index, &pods);
            plan.rolling.draining.retain(|task| !spouts.contains(task));
            plan.rolling.draining.extend(spouts);
        }
        record.take_plan(digest::plan(&plan));
        plan.revision = record.revision;
        PlanIndex::new(plan).map_err(|error| bad(&error))
    }
}
