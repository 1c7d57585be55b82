//! What is told: the status, if it has changed, and events when something has happened.

use super::{Error, Refusal, Seen, Turn, carry_out::pod_name, pods_of};
use crate::{
    apply,
    build::Owner,
    context::Context,
    observe::ObservedPod,
    reason::Reason,
    record::{Record, Stage},
    status::{Report, status},
};
use egret_topology::logical::State;
use jiff::{Timestamp, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

impl Turn<'_> {
    pub(super) async fn tell(
        &mut self,
        record: Option<&Record>,
        seen: &Seen,
        refused: Option<Refusal>,
    ) -> Result<(), Error> {
        let shown = |pod: &&ObservedPod| record.is_none_or(|record| self.is_current(record, pod));
        let pods: Vec<_> = seen.pods.iter().filter(shown).cloned().collect();
        // What was told last may not have come back by the watch yet.
        let before = self.run.told.clone().or_else(|| self.topology.status.clone());
        let told = status(&Report {
            owner: self.owner,
            generation: self.topology.metadata.generation,
            now: now(),
            before: before.as_ref(),
            // What was refused may be all that is known of it.
            blind: refused.is_some() && self.run.accepted.is_none(),
            refused: refused.clone(),
            paused: self.topology.spec.state == State::Paused,
            changes_pause: self.topology.spec.update_strategy.paused,
            record,
            ends_again: record.and_then(|record| record.ends_again(self.now)),
            pods: &pods,
            flow: seen.flow.as_ref(),
            plan_refused: seen.answers.refused.as_deref(),
            stuck: self.stuck(seen),
            autoscale: self.run.scaling.told(),
        });
        self.context.metrics.told(&self.owner, &told.conditions);
        let renew_at = self.run.identities.values().map(|issued| issued.renew_at);
        self.context.metrics.certified(self.owner.uid, renew_at);
        if self.run.told.as_ref() == Some(&told) {
            return Ok(());
        }
        // Never compared with what the watch shows if something was told since: that may be older,
        // and equal to the second.
        if before.as_ref() != Some(&told) {
            apply::status(&self.context.client, &self.owner, &told).await?;
        }
        if let Some((reason, words)) = refused {
            self.context.events.warning(self.topology, reason, &words).await;
        }
        self.run.told = Some(told);
        Ok(())
    }

    /// What has been decided, for `kubectl describe`.
    pub(super) async fn tell_events(&self, before: Option<&Record>, after: &Record, seen: &Seen) {
        let events = &self.context.events;
        let stage = before.map_or(Stage::Down, |before| before.stage);
        if stage != after.stage {
            let (reason, note) = words(after.stage, self.deleting);
            match seen.flow.as_ref().filter(|_| after.stage == Stage::Live) {
                Some(flow) if !flow.is_linked() => {
                    let waits = flow.crashed.as_ref().or(flow.missing.as_ref());
                    let waits = waits.or(flow.unlinked.as_ref()).or(flow.unheard.as_ref());
                    let waits = waits.map_or("the newest plan", |waits| waits);
                    let note = format!("spouts start, but not all tasks work: {waits}");
                    events.warning(self.topology, reason, &note).await;
                }
                _ => events.normal(self.topology, reason, note).await,
            }
            let pending = seen.flow.as_ref().map(|flow| flow.pending);
            if stage == Stage::Draining && pending != Some(0) {
                let note = match pending {
                    Some(pending) => format!("the drain has ended with {pending} trees pending"),
                    None => {
                        "the drain has ended, and no stream manager told what is pending".into()
                    }
                };
                events.warning(self.topology, Reason::DrainTimedOut, &note).await;
            }
        }
        let Some(before) = before.filter(|before| before.stage == after.stage) else { return };
        self.tell_rollout(before, after).await;
        self.tell_upgrade(before, after).await;
        self.tell_edit(before, after).await;
        for lost in after.lost.iter().filter(|lost| !before.lost.contains(lost)) {
            let note = format!(
                "node {} is lost: its kubelet renews no lease, and nobody hears of the pod there",
                lost.node
            );
            events.warning(self.topology, Reason::NodeLost, &note).await;
        }
        for (pod, now) in after.pods() {
            let was = before.pod(pod).filter(|was| was.life != now.life);
            let names = was.and_then(|_| {
                let of = |record| pod_name(self.owner.name, record, pod);
                of(before).zip(of(after))
            });
            if let Some((was, is)) = names {
                let note = format!("pod {was} is replaced by {is}");
                events.normal(self.topology, Reason::PodReplaced, &note).await;
            }
        }
    }

    /// How a change of tasks, groupings or pods goes.
    async fn tell_edit(&self, before: &Record, after: &Record) {
        let events = &self.context.events;
        let why = |record: &Record| record.edit.as_ref().and_then(|edit| edit.why.clone());
        match (&before.edit, &after.edit) {
            (None, Some(edit)) => {
                let pods = edit.pods.len();
                let note = format!("{pods} pods start, then tasks and groupings change");
                events.normal(self.topology, Reason::GraphChanging, &note).await;
            }
            (Some(was), None) if was.is_pending() && after.packing != was.packing => {
                let note = "the change is not wanted any more: what ran before runs on";
                events.normal(self.topology, Reason::GraphChanged, note).await;
            }
            (Some(_), None) => {
                let note = "tasks, groupings and pods are those of the spec";
                events.normal(self.topology, Reason::GraphChanged, note).await;
            }
            _ => {}
        }
        if let Some(why) = why(after).filter(|_| why(before).is_none()) {
            let note = format!("pods that are new do not start: {why}");
            events.warning(self.topology, Reason::GraphWaits, &note).await;
        }
    }

    /// How an upgrade of stream managers goes.
    async fn tell_upgrade(&self, before: &Record, after: &Record) {
        let events = &self.context.events;
        match (&before.upgrade, &after.upgrade) {
            (None, Some(upgrade)) => {
                let note = format!("pod after pod gets stream manager {}", upgrade.image);
                events.normal(self.topology, Reason::Upgrading, &note).await;
            }
            (Some(was), Some(is)) if is.why.is_some() && was.why.is_none() => {
                let why = is.why.as_deref().unwrap_or_default();
                let note = format!("stream manager {} does not work here: {why}", was.image);
                events.warning(self.topology, Reason::UpgradeFailed, &note).await;
            }
            (Some(was), None) if after.images.stream_manager == was.image => {
                let note = format!("all pods have stream manager {}", was.image);
                events.normal(self.topology, Reason::Upgraded, &note).await;
            }
            _ => {}
        }
    }

    /// How a rolling change goes.
    async fn tell_rollout(&self, before: &Record, after: &Record) {
        let events = &self.context.events;
        match (&before.rollout, &after.rollout) {
            (None, Some(rollout)) => {
                let tasks = rollout.others().len();
                let note =
                    format!("{tasks} tasks change one after the other to what the spec says");
                events.normal(self.topology, Reason::RollingOut, &note).await;
            }
            (Some(was), Some(is)) if is.back && !was.back => {
                let why = is.why.as_deref().unwrap_or("it was given up");
                let note = format!("what ran before shall run again, because {why}");
                events.warning(self.topology, Reason::RolledBack, &note).await;
            }
            (Some(was), Some(is)) if is.held && !was.held => {
                let why = is.why.as_deref().unwrap_or_default();
                let note = format!("the change has stopped, because {why}");
                events.warning(self.topology, Reason::RolloutHeld, &note).await;
            }
            (Some(was), None) if was.back => {
                events.normal(self.topology, Reason::RolledOut, "what ran before runs again").await;
            }
            (Some(_), None) => {
                events.normal(self.topology, Reason::RolledOut, "all tasks have changed").await;
            }
            _ => {}
        }
    }
}

fn words(stage: Stage, deleting: bool) -> (Reason, &'static str) {
    match stage {
        Stage::Starting => (Reason::Starting, "pods start"),
        Stage::Live => (Reason::Running, "all tasks work, and spouts start"),
        Stage::Draining if deleting => {
            (Reason::Deleted, "spouts are off, and what is in flight is worked off before the end")
        }
        Stage::Draining => {
            (Reason::Draining, "spouts are off, and what is in flight is worked off")
        }
        Stage::Closing => (Reason::Closing, "tasks close and exit"),
        Stage::Down => (Reason::Stopped, "the pods are taken away"),
        Stage::Finishing => (Reason::Closing, "all input has ended; tasks close and exit"),
        Stage::Completed => (Reason::Completed, "all input has ended and every task has exited"),
    }
}

/// The status of a resource that cannot be read.
pub(super) async fn unreadable(
    context: &Context,
    metadata: &ObjectMeta,
    note: &str,
) -> Result<(), Error> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (name, namespace, uid) =
        (text(&metadata.name), text(&metadata.namespace), text(&metadata.uid));
    let owner = Owner { name: &name, namespace: &namespace, uid: &uid };
    let run = context.runs.of(&uid);
    let mut run = run.lock().await;
    let told = status(&Report {
        owner,
        generation: metadata.generation,
        now: now(),
        before: run.told.as_ref(),
        refused: Some((Reason::Unreadable, note.to_owned())),
        blind: true,
        paused: false,
        changes_pause: false,
        record: None,
        ends_again: None,
        pods: &pods_of(context, &owner),
        flow: None,
        plan_refused: None,
        stuck: None,
        autoscale: Vec::new(),
    });
    context.metrics.told(&owner, &told.conditions);
    if run.told.as_ref() != Some(&told) {
        apply::status(&context.client, &owner, &told).await?;
        run.told = Some(told);
    }
    Ok(())
}

/// The time as the API server writes it.
fn now() -> String {
    let now = Timestamp::now();
    now.round(Unit::Second).unwrap_or(now).to_string()
}
