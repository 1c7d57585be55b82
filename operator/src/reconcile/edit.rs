//! Changes of tasks, groupings and pods while a topology runs: whether there is one, what of it is
//! seen, and what is in force meanwhile.

use super::{
    Seen, Turn,
    leave::{SILENT_MS, Told},
    roll::{MAX_RECORD, hold_ms, statuses},
};
use crate::{
    edit::{self, Edit, Rules, Successor, spec},
    flow::{Flow, QUIET_MS},
    names,
    observe::ObservedPod,
    pack::Next,
    record::{MAX_ACCEPTED, Record, Stage},
    rollout::definitions,
    stages::LINK_WITHIN_MS,
};
use egret_topology::{
    id::PodId,
    logical::Logical,
    plan::{Delivery, PlanIndex},
};
use egret_wire::control::{Phase, TaskStatus};
use serde_json::Value;
use std::{net::SocketAddr, sync::Arc};

/// What shall be, if it is something else than what is in force.
pub(super) enum Wanted {
    /// What is in force.
    Same,
    /// It is refused, and nobody knows.
    Refused,
    /// Other tasks, groupings or pods.
    Other(Box<Target>),
}

/// A spec with other tasks, groupings or pods.
pub(super) struct Target {
    spec: Value,
    next: Next,
}

impl Target {
    /// Bytes that it adds to a record.
    fn size(&self) -> usize {
        let packing = serde_json::to_string(&self.next.packing).map_or(0, |text| text.len());
        self.spec.to_string().len() + packing
    }
}

impl Turn<'_> {
    /// What of a spec is in force now, and where it leads. While tuples flow other tasks, groupings
    /// and pods wait until what is in flight is worked off.
    pub(super) fn hold_back(
        &mut self,
        before: Option<&Record>,
        spec: Value,
        refused: bool,
    ) -> (Value, Wanted) {
        if refused {
            return (spec, Wanted::Refused);
        }
        match before.and_then(|before| self.other(before, &spec)) {
            Some((kept, in_force, target)) => {
                self.run.accepted = Some(Arc::new(in_force));
                (kept, Wanted::Other(Box::new(target)))
            }
            None => (spec, Wanted::Same),
        }
    }

    /// What is kept in force, and what waits; none if nothing has to wait.
    fn other(&self, before: &Record, spec: &Value) -> Option<(Value, Logical, Target)> {
        use Stage::{Closing, Draining, Finishing, Live};
        let runs = matches!(before.stage, Live | Draining | Closing | Finishing);
        let accepted = before.accepted.as_ref().filter(|_| runs)?;
        let wanted = self.run.accepted.clone()?;
        let mut next = Next::of(before, &wanted).ok()?;
        if !next.changes(before) {
            return None;
        }
        let live = before.stage == Live && before.edit.is_none();
        if live && self.is_silent(before) {
            // Nobody would be told of it.
            return None;
        }
        // Images and configs of tasks that stay change afterwards, one task at a time.
        let spec = definitions::with(spec, &definitions::of(accepted));
        self.judge_spec(&spec)?;
        let kept = spec::kept(accepted, &spec);
        let in_force = self.judge_spec(&kept)?;
        if Next::of(before, &in_force).ok()?.changes(before) {
            return None;
        }
        next.renew_others(before, &in_force, &wanted);
        let target = Target { spec, next };
        let fits = target.spec.to_string().len() <= MAX_ACCEPTED
            && before.write().len() + target.size() <= MAX_RECORD;
        (!live || fits).then_some((kept, in_force, target))
    }

    fn judge_spec(&self, spec: &Value) -> Option<Logical> {
        self.judge_with(spec).ok()?.ok()
    }

    /// Whether no stream manager has been linked for a while.
    fn is_silent(&self, record: &Record) -> bool {
        let linked = record.pods().any(|(pod, _)| self.is_linked(pod));
        !linked && self.now >= self.run.spoke.max(self.run.began).saturating_add(SILENT_MS)
    }

    /// Begins a change, or takes its next steps. What is in force from now on.
    pub(super) fn edit(
        &self,
        record: &mut Record,
        logical: &Arc<Logical>,
        wanted: &Wanted,
        seen: &Seen,
    ) -> Arc<Logical> {
        let waits = record.edit.as_ref().is_none_or(|edit| !edit.holds_spouts());
        match wanted {
            Wanted::Other(target) if waits && may_edit(record) => {
                record.begin_edit(&target.spec, &target.next, self.now);
            }
            // Somebody wants it no more.
            Wanted::Same if waits => record.edit = None,
            _ => {}
        }
        self.renew_successors(record, seen);
        let Some(mut edit) = record.edit.take() else { return logical.clone() };
        let rules = Rules {
            now: self.now,
            pull_ms: logical.on_cluster.update.progress_deadline_ms,
            drain_ms: hold_ms(logical) / 2,
            start_ms: LINK_WITHIN_MS,
            revision: record.revision.saturating_add(1),
        };
        let pending = edit.is_pending();
        let goes = edit.advance(&rules, &self.edit_seen(record, logical, &edit, seen));
        let mut logical = logical.clone();
        if pending && !edit.is_pending() {
            // It was accepted when it began. If it is not by now, what runs goes on.
            let Some(then) = self.judge_spec(&edit.spec) else { return logical };
            let address = |pod| successor(&edit, pod, seen, self.owner.name).and_then(address_of);
            *record = record.edited(&edit, address);
            logical = Arc::new(then);
            let Edit { step, since, revision, .. } = edit;
            edit = Edit { step, since, revision, ..Edit::default() };
        }
        record.edit = goes.then_some(edit);
        logical
    }

    /// Those that are gone, or are about to go, begin anew.
    fn renew_successors(&self, record: &mut Record, seen: &Seen) {
        let name = |it: &Successor| names::pod(self.owner.name, it.pod, it.place.life);
        record.renew_successors(self.now, |successor| {
            let there = seen.pods.iter().find(|pod| pod.name == name(successor));
            let ends = there.is_some_and(|pod| pod.terminating || pod.ended.is_some());
            ends || seen.stillborn.contains(&successor.pod)
        });
        for successor in record.edit.iter_mut().flat_map(|edit| &mut edit.pods) {
            let there = seen.pods.iter().find(|pod| pod.name == name(successor));
            successor.place.unborn &= there.is_none_or(|pod| pod.ip.is_none());
        }
    }

    fn edit_seen(
        &self,
        record: &Record,
        logical: &Logical,
        edit: &Edit,
        seen: &Seen,
    ) -> edit::Seen {
        let of = |it: &Successor| successor(edit, it.pod, seen, self.owner.name);
        let started = |it: &Successor| {
            of(it).is_some_and(|pod| pod.started && pod.ip.is_some() && !pod.terminating)
        };
        let trouble = edit.pods.iter().filter_map(of).find_map(|pod| {
            let trouble = pod.trouble.as_ref()?;
            Some(format!("pod {}: {}", pod.name, trouble.message))
        });
        let plan = self.pushed();
        let all: Vec<PodId> = record.pods().map(|(pod, _)| pod).collect();
        let told =
            |pods| plan.as_ref().map(|plan| Told { plan, pods, seen, statuses: statuses(seen) });
        let (everywhere, there) = (told(all), told(edit.leaving.clone()));
        let elapsed = self.now.saturating_sub(edit.since);
        let idle = self.now.saturating_sub(self.run.worked.max(self.run.began).max(edit.since));
        edit::Seen {
            speaks: !self.is_silent(record),
            started: edit.pods.iter().all(started),
            trouble,
            rests: record.leaves.is_empty(),
            broken: idle >= LINK_WITHIN_MS,
            fresh: everywhere.as_ref().is_some_and(Told::is_fresh),
            drained: everywhere.as_ref().is_some_and(|told| match logical.delivery {
                Delivery::AtLeastOnce => told.has_drained(),
                Delivery::AtMostOnce => {
                    told.has_drained() && told.is_empty() && elapsed >= QUIET_MS
                }
            }),
            closed: there.as_ref().is_some_and(Told::has_closed),
            works: plan.as_ref().is_some_and(|plan| works(plan, edit.revision, seen)),
        }
    }

    /// Remembers when somebody was linked, and when everything worked.
    pub(super) fn hear_edits(&mut self, record: &Record, seen: &Seen) {
        if record.pods().any(|(pod, _)| self.is_linked(pod)) {
            self.run.spoke = self.now;
        }
        if seen.flow.as_ref().is_some_and(Flow::is_linked) {
            self.run.worked = self.now;
        }
    }

    /// The record as it will be, and what runs then, for pods that start now.
    pub(super) fn ahead(&self, record: &Record) -> Option<(Record, Logical)> {
        let edit = record.edit.as_ref().filter(|edit| edit.is_pending())?;
        Some((record.edited(edit, |_| None), self.judge_spec(&edit.spec)?))
    }
}

/// Whether nothing else is under way that replaces tasks or stream managers.
fn may_edit(record: &Record) -> bool {
    let rests = record.rollout.as_ref().is_none_or(|rollout| rollout.held);
    rests && record.upgrade.is_none()
}

/// The pod that is to take a place.
fn successor<'a>(
    edit: &Edit,
    pod: PodId,
    seen: &'a Seen,
    topology: &str,
) -> Option<&'a ObservedPod> {
    let place = edit.pods.iter().find(|successor| successor.pod == pod)?;
    let name = names::pod(topology, pod, place.place.life);
    seen.pods.iter().find(|pod| pod.name == name)
}

fn address_of(pod: &ObservedPod) -> Option<SocketAddr> {
    Some(SocketAddr::new(pod.ip?, names::LINK_PORT))
}

/// Whether all tasks work and all links are up, under a plan of this revision or a later one.
fn works(plan: &PlanIndex, revision: u64, seen: &Seen) -> bool {
    let planned = plan.plan();
    let linked = planned.pods.iter().all(|pod| {
        let answer = seen.answers.pods.iter().find(|answer| answer.pod == pod.id);
        answer.is_some_and(|it| it.revision >= revision && it.peers_down.is_empty())
    });
    let of = statuses(seen);
    let works = |status: &&TaskStatus| status.connected && status.total.phase != Phase::Starting;
    planned.revision >= revision
        && linked
        && planned.tasks.iter().all(|task| of.get(&task.id).is_some_and(works))
}
