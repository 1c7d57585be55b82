//! What is told: the status, if it has changed, and events when something has happened.

use super::{Error, Refusal, Seen, Turn, carry_out::pod_name};
use crate::{
    apply,
    build::Owner,
    context::Context,
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
        let pods: Vec<_> = seen
            .pods
            .iter()
            .filter(|pod| record.is_some_and(|record| self.is_current(record, pod)))
            .cloned()
            .collect();
        // What was told last may not have come back by the watch yet.
        let before = self.run.told.clone().or_else(|| self.topology.status.clone());
        let told = status(&Report {
            owner: self.owner,
            generation: self.topology.metadata.generation,
            now: now(),
            before: before.as_ref(),
            refused: refused.clone(),
            paused: self.topology.spec.state == State::Paused,
            record,
            pods: &pods,
            flow: seen.flow.as_ref(),
            plan_refused: seen.answers.refused.as_deref(),
            stuck: self.stuck(seen),
        });
        if self.run.told.as_ref() == Some(&told) {
            return Ok(());
        }
        let known = self.topology.status.as_ref() == Some(&told);
        if !known {
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
            events.normal(self.topology, reason, note).await;
            if stage == Stage::Draining && seen.flow.as_ref().is_none_or(|flow| flow.pending > 0) {
                let pending = seen.flow.as_ref().map_or(0, |flow| flow.pending);
                let note = format!("the drain has ended with {pending} tuple trees pending");
                events.warning(self.topology, Reason::DrainTimedOut, &note).await;
            }
        }
        let Some(before) = before.filter(|before| before.stage == after.stage) else { return };
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
}

fn words(stage: Stage, deleting: bool) -> (Reason, &'static str) {
    match stage {
        Stage::Starting => (Reason::Starting, "pods start"),
        Stage::Live => (Reason::Running, "all tasks work, or were waited for long enough"),
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
    let told = status(&Report {
        owner,
        generation: metadata.generation,
        now: now(),
        before: None,
        refused: Some((Reason::Unreadable, note.to_owned())),
        paused: false,
        record: None,
        pods: &[],
        flow: None,
        plan_refused: None,
        stuck: None,
    });
    apply::status(&context.client, &owner, &told).await?;
    Ok(())
}

/// The time as the API server writes it.
fn now() -> String {
    let now = Timestamp::now();
    now.round(Unit::Second).unwrap_or(now).to_string()
}
