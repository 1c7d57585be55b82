//! What the operator sees of tasks and pods, in the words of its machines: as
//! `operator/src/reconcile` looks at a cluster.

use super::{ANSWER_WITHIN, Answer, Operator, QUIET_MS, TaskAnswer, World};
use crate::{bug::Bug, scenario::MS};
use egret_rolling::{
    leave::{self, Leave},
    rollout::{Pull, TaskSeen},
    upgrade,
};
use egret_topology::{
    id::{PodId, TaskId},
    plan::PlanIndex,
};
use egret_wire::control::Phase;
use std::collections::BTreeSet;

/// For how long input waits at least, in milliseconds.
const HOLD_AT_LEAST_MS: u64 = 10_000;
/// For how long the stream manager of a pod that goes may be unlinked, in milliseconds.
const SILENT_MS: u64 = 10_000;

impl World {
    /// For how long the input of a task may wait, in milliseconds.
    pub(super) fn hold_ms(&self) -> u64 {
        (self.plan.plan().message_timeout_ms / 2).max(HOLD_AT_LEAST_MS)
    }

    fn answer<'a>(&self, operator: &'a Operator, pod: PodId) -> Option<&'a Answer> {
        let answer = operator.memory.answers.get(&self.here(pod))?;
        (self.now <= answer.at + ANSWER_WITHIN).then_some(answer)
    }

    fn status<'a>(&self, operator: &'a Operator, task: TaskId) -> Option<&'a TaskAnswer> {
        self.answer(operator, self.plan.pod_of(task)?)?.tasks.get(&task)
    }

    pub(super) fn speaks_to(&self, operator: &Operator, home: usize) -> bool {
        let there = self.place.contains(&home) && self.pods[home].manager.is_some();
        there && operator.reaches(home, self.now)
    }

    /// Whether the life before still has the place of a pod.
    pub(super) fn hands_over(&self, operator: &Operator, pod: PodId) -> bool {
        let here = self.here(pod);
        match operator.leaves.iter().find(|leave| leave.pod == pod) {
            Some(leave) => leave.keeps_place(),
            None => {
                let other = operator.homes[pod.0 as usize] != here;
                other && !self.pods[here].gone && self.speaks_to(operator, here)
            }
        }
    }

    /// Whether every pod has the newest plan and all its links.
    pub(super) fn is_linked(&self, operator: &Operator) -> bool {
        self.is_in_force(operator)
            && (0..self.place.len()).all(|pod| {
                let answer = self.answer(operator, PodId(pod as u32));
                answer.is_some_and(|it| {
                    it.down.is_empty() && it.tasks.values().all(|task| task.connected)
                })
            })
    }

    /// Whether the links of a pod to all others that answer are up, as both ends see it.
    fn are_links_up(&self, operator: &Operator, pod: PodId) -> bool {
        let answers = (0..self.place.len() as u32)
            .filter_map(|other| Some((PodId(other), self.answer(operator, PodId(other))?)));
        let down = |a: PodId, b: PodId| {
            self.answer(operator, a).is_some_and(|answer| answer.down.contains(&b))
        };
        answers.into_iter().all(|(other, _)| !down(pod, other) && !down(other, pod))
    }

    fn is_in_force(&self, operator: &Operator) -> bool {
        let revision = self.plan.plan().revision;
        let pods = 0..self.place.len() as u32;
        pods.into_iter()
            .all(|pod| self.answer(operator, PodId(pod)).is_some_and(|it| it.revision == revision))
    }

    pub(super) fn task_seen(&self, operator: &Operator, task: TaskId) -> TaskSeen {
        let Some(planned) = self.plan.task(task) else { return TaskSeen::default() };
        let pod = operator.homes[planned.pod.0 as usize];
        let it = &self.pods[pod];
        let image = operator.version.1[planned.component];
        let changes = image != operator.ran.1[planned.component];
        let from = TaskSeen {
            component: planned.component,
            gone: !it.started || it.gone_by.is_some() || self.hands_over(operator, planned.pod),
            image: if changes { self.pulled(operator, pod) } else { Pull::There },
            container: changes.then(|| self.container(pod, Some(task)).number.to_string()),
            known: !it.started,
            ..TaskSeen::default()
        };
        let Some(status) = self.status(operator, task) else { return from };
        let early = self.scenario.bug == Some(Bug::DrainEarly);
        TaskSeen {
            known: true,
            works: status.connected && status.phase != Phase::Starting,
            away: !status.connected,
            drained: status.connected && (early || status.phase == Phase::Drained),
            life: status.life,
            error: status.error.clone(),
            stalled_ms: status.stalled_ms,
            ..from
        }
    }

    fn pulled(&self, operator: &Operator, home: usize) -> Pull {
        let at = operator.memory.pulled.get(&Some(home));
        if at.is_some_and(|at| *at <= self.now) { Pull::There } else { Pull::Pending }
    }

    pub(super) fn pod_to_upgrade(
        &self,
        operator: &Operator,
        pod: PodId,
    ) -> Option<upgrade::PodSeen> {
        let home = *operator.homes.get(pod.0 as usize)?;
        let it = &self.pods[home];
        if !it.started || it.gone_by.is_some() || self.hands_over(operator, pod) {
            return Some(upgrade::PodSeen { gone: true, ..upgrade::PodSeen::default() });
        }
        let plan = self.pushed(operator)?;
        let container = self.container(home, None);
        let spouts = leave::spouts(plan, &[pod]);
        let phase = |task: &TaskId| self.status(operator, *task).map(|status| status.phase);
        let over = |task: &TaskId| {
            let ends = matches!(phase(task), Some(Phase::Ended | Phase::Closed));
            ends || plan.is_draining(*task) && phase(task) == Some(Phase::Drained)
        };
        let works = |task: &TaskAnswer| task.connected && task.phase != Phase::Starting;
        let answer = self.answer(operator, pod);
        let waits = !self.scenario.is_tracked() && self.queued(operator) > 0;
        Some(upgrade::PodSeen {
            image: container.wanted.to_string(),
            pull: self.pulled(operator, home),
            container: Some(container.number.to_string()),
            drained: !waits && self.is_in_force(operator) && spouts.iter().all(over),
            draining: spouts.iter().any(|task| phase(task) == Some(Phase::Drained)),
            works: answer.is_some_and(|answer| answer.tasks.values().all(works))
                && self.are_links_up(operator, pod),
            asked: answer.map_or(0, |answer| answer.at / MS),
            gone: false,
        })
    }

    fn queued(&self, operator: &Operator) -> usize {
        let pods = 0..self.place.len() as u32;
        let of = |pod| self.answer(operator, PodId(pod)).map_or(0, |answer| answer.queued);
        pods.map(of).sum()
    }

    pub(super) fn pod_that_goes(&self, operator: &Operator, leave: &Leave) -> leave::PodSeen {
        let (pod, now) = (leave.pod, self.now / MS);
        let (here, home) = (self.here(pod), operator.homes[pod.0 as usize]);
        let leaver = (here != home && !self.pods[here].gone).then(|| &self.pods[here]);
        let heard = operator.memory.heard.get(&pod).copied().unwrap_or(leave.since);
        let heard = heard.max(operator.memory.began);
        let silent = now >= heard + SILENT_MS;
        let successor = &self.pods[home];
        let told = self.pushed(operator);
        let spouts = told.map_or_else(BTreeSet::new, |plan| leave::spouts(plan, &[pod]));
        let drained = told.is_some_and(|plan| {
            let untracked = !self.scenario.is_tracked();
            let quiet = self.queued(operator) == 0 && now >= leave.since + QUIET_MS;
            self.have_drained(operator, plan, &spouts) && (!untracked || quiet)
        });
        leave::PodSeen {
            speaks: leaver.is_some() && (self.speaks_to(operator, here) || !silent),
            gone_by: leaver.and_then(|pod| pod.gone_by).map(|by| by / MS),
            successor: successor.started && successor.gone_by.is_none(),
            fresh: told.is_some_and(|plan| {
                let status = |task: &TaskId| self.status(operator, *task);
                let drained = |it: &TaskAnswer| it.phase == Phase::Drained;
                spouts.iter().all(|it| plan.is_draining(*it) || !status(it).is_some_and(drained))
            }),
            drained,
            closed: told.is_some()
                && self
                    .answer(operator, pod)
                    .is_some_and(|answer| answer.tasks.values().all(|task| !task.connected)),
            works: told.is_some() && here == home && self.works(operator, leave),
        }
    }

    /// No spout has anything in flight that could pass through the pod.
    fn have_drained(
        &self,
        operator: &Operator,
        plan: &PlanIndex,
        spouts: &BTreeSet<TaskId>,
    ) -> bool {
        spouts.iter().all(|task| {
            let Some(status) = self.status(operator, *task) else { return false };
            let rests = matches!(status.phase, Phase::Drained | Phase::Starting);
            (rests || !status.connected) && plan.is_draining(*task)
        })
    }

    /// Whether the tasks of a successor work, which the plan has since this revision.
    fn works(&self, operator: &Operator, leave: &Leave) -> bool {
        let answer = self.answer(operator, leave.pod);
        let works = |it: &TaskAnswer| it.connected && it.phase != Phase::Starting;
        answer.is_some_and(|answer| {
            let linked = answer.revision >= leave.revision && answer.down.is_empty();
            linked && self.are_links_up(operator, leave.pod) && answer.tasks.values().all(works)
        })
    }
}
