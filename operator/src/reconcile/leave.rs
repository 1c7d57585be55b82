//! Pods that are asked to end, as they are seen, and what the plan says of them.

use super::{
    Seen, Turn,
    decide::LEAVES_MS,
    roll::{hold_ms, statuses},
};
use crate::{
    flow::QUIET_MS,
    leave::{self, Leave, PodSeen, Rules},
    observe::ObservedPod,
    record::Record,
    stages::LINK_WITHIN_MS,
};
use egret_topology::{
    id::{PodId, TaskId},
    logical::Logical,
    plan::{Delivery, PlanIndex, Rolling},
};
use egret_wire::control::{Phase, TaskStatus};
use std::{collections::BTreeMap, net::SocketAddr};

/// For how long the stream manager of a pod that goes may be unlinked, in milliseconds. Twice as
/// long as tasks there wait for an operator: when others take their place they have ended.
pub(super) const SILENT_MS: u64 = 10_000;

impl Turn<'_> {
    /// Whether the current life of a pod is asked to end, by whomever: the API server need not know
    /// of it where a node shuts down.
    pub(super) fn is_asked_to_end(&self, record: &Record, pod: &ObservedPod, seen: &Seen) -> bool {
        let birth = record.pod(pod.id).map_or(0, |record| record.birth);
        let rollout = record.rollout.as_ref();
        let says = |task: &TaskStatus| {
            // One that gets another image is asked to end too, and the pod is not.
            let replaced = rollout.is_some_and(|rollout| rollout.is_moving(task.task));
            task.connected && task.total.leaving && task.incarnation.is_of(birth) && !replaced
        };
        let answer = seen.answers.pods.iter().find(|answer| answer.pod == pod.id);
        pod.terminating || answer.is_some_and(|answer| answer.tasks.iter().any(says))
    }

    /// A pod that is asked to end works on, if it can be told when it may.
    pub(super) fn begin_to_leave(&self, record: &mut Record, pod: &ObservedPod) {
        let address = record.pod(pod.id).and_then(|pod| pod.address);
        let speaks = self.is_linked(pod.id) && address.is_some_and(|at| Some(at.ip()) == pod.ip);
        if speaks {
            record.leave(Leave::new(pod.id, self.now));
        }
    }

    /// Remembers which pods that go were linked now.
    pub(super) fn hear_leaves(&mut self, record: &Record) {
        let linked = record.leaves.iter().map(|leave| leave.pod);
        let linked: Vec<PodId> = linked.filter(|pod| self.is_linked(*pod)).collect();
        self.run.heard.retain(|pod, _| record.leaves.iter().any(|leave| leave.pod == *pod));
        self.run.heard.extend(linked.into_iter().map(|pod| (pod, self.now)));
    }

    /// Takes the next steps of all pods that go.
    pub(super) fn advance_leaves(&self, record: &mut Record, logical: &Logical, seen: &Seen) {
        let mut leaves = std::mem::take(&mut record.leaves);
        let rules = Rules {
            now: self.now,
            drain_ms: hold_ms(logical) / 2,
            start_ms: LINK_WITHIN_MS,
            revision: record.revision.saturating_add(1),
        };
        let known = record.replaces_pods();
        leaves.retain_mut(|leave| {
            let it = self.pod_seen(record, leave, logical, seen);
            match record.pod(leave.pod) {
                None => false,
                Some(_) if known => leave.advance(&rules, &it),
                // The whole topology drains and closes.
                Some(_) => leave.keeps_place() && it.speaks,
            }
        });
        record.leaves = leaves;
    }

    /// What a plan says of pods that go. Nobody waits for what those have that are replaced because
    /// the spec is another, or that were deleted without a grace period.
    pub(super) fn leaving(&self, record: &Record, seen: &Seen, rolling: &mut Rolling) {
        for (pod, _) in record.pods() {
            if let Some(edit) = record.edit.as_ref().filter(|edit| edit.takes(pod)) {
                let list = match edit.closes(pod) {
                    true => &mut rolling.released,
                    false => &mut rolling.leaving,
                };
                list.push(pod);
                continue;
            }
            let leave = record.leaves.iter().find(|leave| leave.pod == pod);
            let goes = |it: &ObservedPod| it.id == pod && it.terminating;
            match leave.map(|leave| leave.step) {
                Some(leave::Step::Working | leave::Step::Draining) => rolling.leaving.push(pod),
                Some(leave::Step::Closing) => rolling.released.push(pod),
                Some(leave::Step::Starting) => {}
                None if self.hands_over(record, pod, seen) || self.haunts(record, pod, seen) => {
                    rolling.released.push(pod);
                }
                // It is not replaced: the whole topology drains.
                None if !record.replaces_pods() && seen.pods.iter().any(goes) => {
                    rolling.leaving.push(pod);
                }
                None => {}
            }
        }
    }

    /// Whether the stream manager of a pod is linked that the API server does not know any more.
    fn haunts(&self, record: &Record, pod: PodId, seen: &Seen) -> bool {
        let address = record.pod(pod).and_then(|pod| pod.address);
        let there = |at: SocketAddr| {
            seen.pods.iter().any(|other| other.id == pod && other.ip == Some(at.ip()))
        };
        self.is_linked(pod) && address.is_some_and(|at| !there(at))
    }

    fn pod_seen(&self, record: &Record, leave: &Leave, logical: &Logical, seen: &Seen) -> PodSeen {
        let pod = leave.pod;
        let successor = seen.pods.iter().find(|it| it.id == pod && self.is_current(record, it));
        let leaver = self.predecessor(record, pod, seen);
        // It may have begun anew, and so may this operator.
        let heard = self.run.heard.get(&pod).copied().unwrap_or(leave.since).max(self.run.began);
        let silent = self.now >= heard.saturating_add(SILENT_MS);
        let plan = self.pushed();
        let pods = vec![pod];
        let told = plan.as_ref().map(|plan| Told { plan, pods, seen, statuses: statuses(seen) });
        PodSeen {
            speaks: leaver.is_some_and(|pod| !pod.over) && (self.is_linked(pod) || !silent),
            gone_by: leaver.and_then(|pod| pod.gone_by),
            successor: successor.is_some_and(|pod| pod.started && !pod.terminating),
            fresh: told.as_ref().is_some_and(Told::is_fresh),
            drained: told.as_ref().is_some_and(|told| match logical.delivery {
                Delivery::AtLeastOnce => told.has_drained(),
                Delivery::AtMostOnce => {
                    let elapsed = self.now.saturating_sub(leave.since);
                    told.has_drained() && told.is_empty() && elapsed >= QUIET_MS
                }
            }),
            closed: told.as_ref().is_some_and(Told::has_closed),
            works: told.as_ref().is_some_and(|told| told.works(pod, leave.revision, successor)),
        }
    }

    /// The pod that still has the place of the current one, if its time is not over.
    pub(super) fn predecessor<'a>(
        &self,
        record: &Record,
        pod: PodId,
        seen: &'a Seen,
    ) -> Option<&'a ObservedPod> {
        let address = record.pod(pod)?.address?;
        seen.pods.iter().find(|other| {
            let overdue = other.gone_by.is_some_and(|by| self.now > by.saturating_add(LEAVES_MS));
            let same = other.id == pod && other.ip == Some(address.ip());
            same && !overdue && !self.is_current(record, other)
        })
    }

    /// Whether the stream manager of a pod is linked.
    pub(super) fn is_linked(&self, pod: PodId) -> bool {
        self.run.channel.as_ref().is_some_and(|channel| channel.is_linked(pod))
    }
}

/// What stream managers tell of pods under the plan that was pushed last.
pub(super) struct Told<'a> {
    pub(super) plan: &'a PlanIndex,
    pub(super) pods: Vec<PodId>,
    pub(super) seen: &'a Seen,
    pub(super) statuses: BTreeMap<TaskId, &'a TaskStatus>,
}

impl Told<'_> {
    fn status(&self, task: TaskId) -> Option<&TaskStatus> {
        self.statuses.get(&task).copied()
    }

    fn spouts(&self) -> impl Iterator<Item = (TaskId, Option<&TaskStatus>)> {
        let spouts = leave::spouts(self.plan, &self.pods).into_iter();
        spouts.map(|task| (task, self.status(task)))
    }

    /// No spout is still told to have drained that goes on by now.
    pub(super) fn is_fresh(&self) -> bool {
        let drained = |status: &TaskStatus| status.total.phase == Phase::Drained;
        self.spouts()
            .all(|(task, status)| self.plan.is_draining(task) || !status.is_some_and(drained))
    }

    /// No spout has anything in flight that could pass through the pods. One that is away has lost
    /// what it had, and one that starts has had nothing.
    pub(super) fn has_drained(&self) -> bool {
        self.spouts().all(|(task, status)| {
            let Some(status) = status else { return false };
            let phase = status.total.phase;
            let rests = !status.connected || phase == Phase::Drained || phase == Phase::Starting;
            // One that nobody has told to hold back may begin at any time.
            rests && self.plan.is_draining(task)
        })
    }

    /// Nothing waits anywhere, and nothing at all in the pods.
    pub(super) fn is_empty(&self) -> bool {
        let pods = &self.seen.answers.pods;
        let here =
            pods.iter().filter(|pod| self.pods.contains(&pod.pod)).flat_map(|pod| &pod.tasks);
        let idle = here.into_iter().all(|task| task.total.inbox_bytes == 0);
        idle && pods.iter().all(|pod| pod.queued_bytes == 0)
    }

    pub(super) fn has_closed(&self) -> bool {
        self.pods.iter().all(|pod| {
            let answer = self.seen.answers.pods.iter().find(|answer| answer.pod == *pod);
            answer.is_some_and(|answer| answer.tasks.iter().all(|task| !task.connected))
        })
    }

    /// Whether the tasks of a pod's successor work, which the plan has since this revision.
    fn works(&self, pod: PodId, revision: u64, successor: Option<&ObservedPod>) -> bool {
        let place = self.plan.plan().pods.get(pod.0 as usize).map(|pod| pod.address.ip());
        let there =
            successor.is_some_and(|successor| successor.ip.is_some() && successor.ip == place);
        let answer = self.seen.answers.pods.iter().find(|answer| answer.pod == pod);
        let linked = answer.is_some_and(|answer| {
            let in_force = answer.revision >= revision && answer.peers_down.is_empty();
            in_force && self.seen.answers.are_linked(pod)
        });
        let works = |status: &TaskStatus| status.connected && status.total.phase != Phase::Starting;
        let mut tasks = self.plan.tasks_in(pod);
        there && linked && tasks.all(|task| self.status(task.id).is_some_and(works))
    }
}
