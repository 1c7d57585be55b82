//! Upgrades of stream managers: whether there is one, and what is seen of the pods.

use super::{
    Seen, Turn,
    roll::{AWAY_MS, hold_ms, statuses},
};
use crate::{
    flow::QUIET_MS,
    leave, names,
    observe::ObservedPod,
    record::{Record, RefusedUpgrade, Stage},
    rollout::Pull,
    upgrade::{PodSeen, Rules, Upgrade, Verdict},
};
use egret_topology::{
    id::{PodId, TaskId},
    logical::Logical,
    plan::{Delivery, PlanIndex},
};
use egret_wire::control::{Phase, TaskStatus};

impl Turn<'_> {
    /// Begins an upgrade, or takes its next step. Rolling changes and upgrades wait for each other.
    pub(super) fn upgrade(&self, record: &mut Record, logical: &Logical, seen: &Seen) {
        let wanted = &self.context.settings.images.stream_manager;
        record.refused_upgrade.take_if(|refused| refused.image != *wanted);
        if record.stage != Stage::Live {
            record.upgrade = None;
            return;
        }
        if record.upgrade.is_none() && self.is_upgradable(record, logical, seen) {
            // After one that did not work, or was given up, some pods may have another one.
            let refused = record.refused_upgrade.as_ref().map(|refused| refused.why.as_str());
            record.upgrade = Some(match refused {
                Some(why) => Upgrade::back(&record.images.stream_manager, why, self.now),
                None => Upgrade::new(wanted, self.now),
            });
        }
        // After a restart nobody has been told of a plan yet.
        let Some(plan) = self.pushed() else { return };
        let Some(mut upgrade) = record.upgrade.take() else { return };
        if self.now.saturating_sub(self.run.looked) > AWAY_MS {
            upgrade.since = self.now;
        }
        let tracked = logical.delivery == Delivery::AtLeastOnce;
        let hold_ms = hold_ms(logical);
        let rules = Rules {
            now: self.now,
            pull_ms: logical.on_cluster.update.progress_deadline_ms,
            drain_ms: hold_ms / 2,
            quiet_ms: if tracked { 0 } else { QUIET_MS },
            paused: logical.on_cluster.update.paused,
        };
        let verdict = {
            let (record, image) = (&*record, upgrade.image.clone());
            let look = |pod| self.pod_to_upgrade(record, &plan, pod, &image, seen);
            let waits = !tracked && seen.flow.as_ref().is_none_or(|flow| flow.queued > 0);
            upgrade.advance(&rules, |pod| {
                let seen = look(pod)?;
                Some(PodSeen { drained: seen.drained && !waits, ..seen })
            })
        };
        match verdict {
            Verdict::Goes => record.upgrade = Some(upgrade),
            Verdict::GivesUp => {}
            Verdict::Done => record.images.stream_manager = upgrade.image,
            // Back to what works: whatever it meets, it goes on to the next pod.
            Verdict::Fails(_) if upgrade.why.is_some() => {
                upgrade.skip(self.now);
                record.upgrade = Some(upgrade);
            }
            Verdict::Fails(why) => {
                let image = upgrade.image;
                let old = &record.images.stream_manager;
                record.upgrade = Some(Upgrade::back(old, &why, self.now));
                record.refused_upgrade = Some(RefusedUpgrade { image, why });
            }
        }
    }

    /// Whether a pod has another stream manager than it shall have, and everything works.
    fn is_upgradable(&self, record: &Record, logical: &Logical, seen: &Seen) -> bool {
        let wanted = match record.refused_upgrade {
            Some(_) => &record.images.stream_manager,
            None => &self.context.settings.images.stream_manager,
        };
        let differs = |pod: &ObservedPod| {
            let image = pod.images.get(names::STREAM_MANAGER);
            self.is_current(record, pod) && image.is_some_and(|image| image != wanted)
        };
        let other = *wanted != record.images.stream_manager || seen.pods.iter().any(differs);
        let rests = record.rollout.is_none()
            && record.leaves.is_empty()
            && record.edit.is_none()
            && !logical.on_cluster.update.paused;
        other && rests && seen.flow.as_ref().is_some_and(|flow| flow.is_linked())
    }

    fn pod_to_upgrade(
        &self,
        record: &Record,
        plan: &PlanIndex,
        id: PodId,
        image: &str,
        seen: &Seen,
    ) -> Option<PodSeen> {
        record.pod(id)?;
        let current = |pod: &&ObservedPod| pod.id == id && self.is_current(record, pod);
        let there = |pod: &&ObservedPod| {
            !pod.terminating && pod.ip.is_some() && !self.hands_over(record, id, seen)
        };
        let Some(pod) = seen.pods.iter().find(current).filter(there) else {
            return Some(PodSeen { gone: true, ..PodSeen::default() });
        };
        let answer = seen.answers.pods.iter().find(|answer| answer.pod == id);
        let works = |task: &TaskStatus| task.connected && task.total.phase != Phase::Starting;
        let tasks = plan.tasks_in(id).count();
        let of = statuses(seen);
        let phase = |task: &TaskId| of.get(task).map(|status| status.total.phase);
        let spouts = leave::spouts(plan, &[id]);
        let over = |task: &TaskId| {
            let ends = matches!(phase(task), Some(Phase::Ended | Phase::Closed));
            ends || plan.is_draining(*task) && phase(task) == Some(Phase::Drained)
        };
        let in_force = seen.flow.as_ref().is_some_and(|flow| flow.in_force);
        Some(PodSeen {
            image: pod.images.get(names::STREAM_MANAGER).cloned().unwrap_or_default(),
            pull: self.pulled(pod, image, seen),
            container: pod.ids.get(names::STREAM_MANAGER).cloned(),
            drained: in_force && spouts.iter().all(over),
            draining: spouts.iter().any(|task| phase(task) == Some(Phase::Drained)),
            works: answer.is_some_and(|answer| {
                let all = answer.tasks.iter().filter(|task| works(task)).count() >= tasks;
                all && seen.answers.are_linked(id)
            }),
            asked: seen.answers.asked,
            gone: false,
        })
    }

    /// Whether the node of a pod has an image.
    pub(super) fn pulled(&self, pod: &ObservedPod, image: &str, seen: &Seen) -> Pull {
        // Without a node it is pulled when there is one.
        let Some(node) = &pod.node else { return Pull::There };
        let name = names::pull(self.owner.name, pod.id, node, image);
        if self.run.unpulled.contains(&name) {
            return Pull::There;
        }
        seen.pulls.get(&name).map_or(Pull::Pending, |(_, pull)| pull.clone())
    }
}
