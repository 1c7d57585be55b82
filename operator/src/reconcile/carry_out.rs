//! What is to be done: the record first, then what pods need, then pods, then the plan.

use super::{Error, Refusal, Seen, Turn, decide::Decision, edit::Wanted};
use crate::{
    apply,
    build::{self, Blueprint},
    channel::{self, Channel},
    context::Issued,
    digest,
    edit::{Edit, Successor},
    fetch, identities, names,
    observe::ObservedPod,
    record::{Record, Stage},
    rollout::Rollout,
};
use egret_link::Authority;
use egret_topology::{id::PodId, logical::Logical, packing_plan::PackedPod, plan::PlanIndex};
use kube::{ResourceExt, runtime::reflector::ObjectRef};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use xxhash_rust::xxh3::xxh3_64;

/// What goes with the pods is applied again after this time, should somebody have changed it.
const APPLY_AGAIN: Duration = Duration::from_secs(600);

impl Turn<'_> {
    /// Decides and does what comes next. Why not, if the topology cannot be run as it is.
    pub(super) async fn go_on(
        &mut self,
        record: &mut Record,
        before: Option<&Record>,
        logical: &Arc<Logical>,
        wanted: &Wanted,
        seen: &Seen,
    ) -> Result<Option<Refusal>, Error> {
        if let Err(error) = self.authority().await {
            return error.refusal().map(Some);
        }
        self.hear_leaves(record);
        self.hear_edits(record, seen);
        let recorded = before.unwrap_or(record);
        let decision = match self.decide(record, recorded, logical, wanted, seen)? {
            Ok(decision) => decision,
            Err(refusal) => return Ok(Some(refusal)),
        };
        // What is decided is written first: whoever comes after a crash does the same. Where a
        // whole namespace goes nothing new can be written, and nobody will come to read it.
        let gone = self.deleting && before.is_none();
        let decided = before != Some(&decision.record);
        if let Err(error) = self.keep_positions(decision.record.run, decided).await {
            return error.refusal().map(Some);
        }
        if decided && !gone {
            self.write(&decision.record).await?;
            self.tell_events(before, &decision.record, seen).await;
        }
        self.run.looked = self.now;
        self.run.lived = seen.pods.iter().map(|pod| pod.name.clone()).collect();
        *record = decision.record.clone();
        self.run.accepted = Some(decision.logical.clone());
        match self.carry_out(&decision, seen).await {
            Ok(()) => Ok(None),
            Err(error) => error.refusal().map(Some),
        }
    }

    async fn write(&mut self, record: &Record) -> Result<(), Error> {
        let version = self.run.record.as_ref().and_then(|versioned| versioned.version.clone());
        let written = apply::record(&self.context.client, &self.owner, record, version.as_deref());
        match written.await {
            Ok(versioned) => self.run.record = Some(versioned),
            Err(error) => {
                // Whether it was written is not known.
                self.run.record = None;
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// The CA of the topology, from memory, from its Secret, or a new one.
    async fn authority(&mut self) -> Result<(), Error> {
        if self.run.authority.is_some() {
            return Ok(());
        }
        let (client, namespace) = (&self.context.client, &self.context.settings.namespace);
        let authority = match fetch::authority(client, namespace, self.owner.uid).await? {
            Some(authority) => authority,
            None => {
                let authority = Authority::new(self.owner.uid)?;
                if !self.keep(&authority).await? {
                    let what = "the CA of the topology".to_owned();
                    return Err(apply::Error::Stale { what }.into());
                }
                authority
            }
        };
        let kept = authority.keep();
        // Whoever knows the key of the CA may know that of edge ids, and nobody else does.
        self.run.edge_key = xxh3_64(kept.key.as_bytes());
        self.run.trusted = digest::of(&kept.ca);
        self.run.authority = Some(authority);
        Ok(())
    }

    /// Writes a CA to its Secret. False: there is one already.
    async fn keep(&self, authority: &Authority) -> Result<bool, Error> {
        let namespace = &self.context.settings.namespace;
        let secret = build::authority(&self.owner, namespace, &authority.keep());
        Ok(apply::create_authority(&self.context.client, secret).await?)
    }

    async fn carry_out(&mut self, decision: &Decision, seen: &Seen) -> Result<(), Error> {
        let record = &decision.record;
        let mut made = Ok(());
        if record.replaces_pods() {
            self.surroundings().await?;
            made = self.make_pods(decision, seen).await;
        }
        // New pods first: of what goes down nothing is missed for longer than needed.
        if made.is_ok() {
            self.delete_pods(record, seen).await?;
        }
        match (&decision.plan, record.stage) {
            (_, Stage::Down | Stage::Completed) => self.run.channel = None,
            (Some(plan), stage) => self.push(plan, stage)?,
            (None, _) => {}
        }
        // Those that there are hear of the plan although no other may be made.
        made?;
        // Behind the plan: what starts in another container reads there what it shall run.
        if record.replaces_pods() {
            self.change_images(decision, seen).await?;
            self.upgrade_stream_manager(&decision.record, seen).await?;
        }
        self.pull_images(decision, seen).await
    }

    /// What goes with the pods and must be there before them.
    async fn surroundings(&mut self) -> Result<(), Error> {
        let settings = &self.context.settings;
        let metrics = settings.metrics_namespace.as_deref();
        let objects = [
            build::network_policy(&self.owner, &settings.namespace, metrics),
            build::disruption_budget(&self.owner),
        ];
        let digest = digest::of(&objects);
        if let Some((applied, at)) = &self.run.applied
            && *applied == digest
            && at.elapsed() < APPLY_AGAIN
        {
            return Ok(());
        }
        for object in &objects {
            apply::apply(&self.context.client, &self.owner, object).await?;
        }
        // Lost with this process, it would be lost for good.
        if let Some(authority) = &self.run.authority
            && self.keep(authority).await?
        {
            tracing::warn!(topology = self.owner.name, "its CA was gone, and is there again");
        }
        self.run.applied = Some((digest, Instant::now()));
        Ok(())
    }

    async fn make_pods(&mut self, decision: &Decision, seen: &Seen) -> Result<(), Error> {
        let Decision { record, logical, others, .. } = decision;
        let goes = |pod| record.edit.as_ref().is_some_and(|edit| edit.takes(pod));
        for packed in record.packing.pods.iter().filter(|packed| !goes(packed.id)) {
            let exists =
                seen.pods.iter().any(|pod| pod.id == packed.id && self.is_current(record, pod));
            if !exists {
                self.run.identities.remove(&packed.id);
            }
            // A pod does not start without its identity.
            self.identities(&with_tasks_of(record.edit.as_ref(), packed)).await?;
            let of = Blueprint { owner: self.owner, logical, record, others };
            if let Some(pod) = build::pod(&of, packed).filter(|_| !exists) {
                apply::create_pod(&self.context.client, &self.owner, &pod).await?;
            }
        }
        self.make_successors(decision, seen).await
    }

    /// Makes pods of an edit, which have no place yet.
    async fn make_successors(&mut self, decision: &Decision, seen: &Seen) -> Result<(), Error> {
        let Decision { record, others, ahead: Some((then, logical)), .. } = decision else {
            return Ok(());
        };
        for Successor { pod, .. } in record.edit.iter().flat_map(|edit| &edit.pods) {
            let exists = seen.pods.iter().any(|it| it.id == *pod && self.is_current(then, it));
            let packed = then.packing.pods.get(pod.0 as usize).filter(|_| !exists);
            let Some(packed) = packed else { continue };
            if record.pod(*pod).is_none() {
                self.identities(packed).await?;
            }
            let of = Blueprint { owner: self.owner, logical, record: then, others };
            if let Some(pod) = build::pod(&of, packed) {
                apply::create_pod(&self.context.client, &self.owner, &pod).await?;
            }
        }
        Ok(())
    }

    /// Gives tasks another image where they are, once they have drained.
    async fn change_images(&self, decision: &Decision, seen: &Seen) -> Result<(), Error> {
        let Decision { record, logical, others, .. } = decision;
        let Some(rollout) = &record.rollout else { return Ok(()) };
        let of = Blueprint { owner: self.owner, logical, record, others };
        for packed in &record.packing.pods {
            let there = seen.pods.iter().find(|pod| {
                pod.id == packed.id && !pod.terminating && self.is_current(record, pod)
            });
            let replaced: Vec<String> = packed
                .tasks
                .iter()
                .filter(|task| rollout.is_replacing(task.task))
                .map(names::container)
                .collect();
            let Some(pod) = there.filter(|_| !replaced.is_empty()) else { continue };
            let wanted = build::pod(&of, packed).map(|pod| build::images(&pod));
            let mut wanted = wanted.unwrap_or_default();
            wanted.retain(|name, image| {
                replaced.contains(name) && pod.images.get(name) != Some(image)
            });
            if !wanted.is_empty() {
                let (client, namespace) = (&self.context.client, self.owner.namespace);
                let tasks = apply::Containers::Tasks;
                apply::images(client, namespace, &pod.name, tasks, &wanted).await?;
            }
        }
        Ok(())
    }

    /// Gives a stream manager another image where it is, once nothing is in flight through it.
    async fn upgrade_stream_manager(&self, record: &Record, seen: &Seen) -> Result<(), Error> {
        let Some((upgrade, id)) =
            record.upgrade.as_ref().and_then(|upgrade| Some((upgrade, upgrade.replaces()?)))
        else {
            return Ok(());
        };
        let there = |pod: &&ObservedPod| pod.id == id && !pod.terminating;
        let mut pods = seen.pods.iter().filter(there);
        let Some(pod) = pods.find(|pod| self.is_current(record, pod)) else { return Ok(()) };
        let name = names::STREAM_MANAGER;
        if pod.images.get(name) == Some(&upgrade.image) {
            return Ok(());
        }
        let (client, namespace) = (&self.context.client, self.owner.namespace);
        let image = [(name.to_owned(), upgrade.image.clone())].into();
        let sidecars = apply::Containers::Sidecars;
        Ok(apply::images(client, namespace, &pod.name, sidecars, &image).await?)
    }

    /// Makes nodes pull images for tasks that are next, and takes away what has pulled them.
    async fn pull_images(&mut self, decision: &Decision, seen: &Seen) -> Result<(), Error> {
        let Decision { record, logical, .. } = decision;
        let (client, namespace) = (&self.context.client, self.owner.namespace);
        if record.rollout.is_none() && record.upgrade.is_none() {
            self.run.unpulled.clear();
            for (name, (uid, _)) in &seen.pulls {
                apply::delete_pod(client, namespace, name, uid).await?;
            }
            return Ok(());
        }
        let next = record.upgrade.as_ref().and_then(|it| Some((it.pulls()?, it.image.clone())));
        let mut wanted: Vec<(PodId, String)> = next.into_iter().collect();
        let pulling: Vec<_> = record.rollout.iter().flat_map(Rollout::pulling).collect();
        for (task, pod) in record.packing.tasks().filter(|(task, _)| pulling.contains(&task.task)) {
            let component = logical.component(&task.component);
            wanted.extend(component.map(|component| (pod, record.images.of(component))));
        }
        for (pod, image) in &wanted {
            let there =
                seen.pods.iter().find(|seen| seen.id == *pod && self.is_current(record, seen));
            let Some(node) = there.and_then(|pod| pod.node.as_deref()) else { continue };
            let name = names::pull(self.owner.name, *pod, node, image);
            if seen.pulls.contains_key(&name) || self.run.unpulled.contains(&name) {
                continue;
            }
            let pod = build::pull(&self.owner, &logical.on_cluster, *pod, node, image);
            match apply::create_pod(client, &self.owner, &pod).await {
                // A quota, or a policy of somebody: it is pulled when the task needs it.
                Err(apply::Error::Refused { why, .. }) => {
                    tracing::warn!(topology = self.owner.name, why, "an image is not pulled ahead");
                    self.run.unpulled.insert(name);
                }
                created => created?,
            }
        }
        Ok(())
    }

    /// Makes or renews the identities of a pod.
    async fn identities(&mut self, packed: &PackedPod) -> Result<(), Error> {
        let now = self.now / 1000;
        let tasks = || packed.tasks.iter().map(|task| task.task);
        if let Some(known) = self.run.identities.get(&packed.id)
            && tasks().eq(known.tasks.iter().copied())
            && now < known.renew_at
            && known.seen.elapsed() < APPLY_AGAIN
        {
            return Ok(());
        }
        let Some(authority) = &self.run.authority else { return Ok(()) };
        let before = fetch::identities(&self.context.client, &self.owner, packed).await?;
        // When they end is told above all if they cannot be renewed.
        if let Some(late) = before.as_ref().filter(|before| now >= before.renew_at) {
            let (tasks, renew_at) = (late.tasks.keys().copied().collect(), late.renew_at);
            self.run.identities.insert(packed.id, Issued { tasks, renew_at, seen: Instant::now() });
        }
        let identities = match before {
            Some(before) if identities::suffice(&before, authority, packed, now) => before,
            before => {
                let uid = self.owner.uid;
                let issued = identities::issue(authority, uid, packed, before.as_ref(), now)?;
                let secret = build::identity(&self.owner, &issued);
                apply::apply(&self.context.client, &self.owner, &secret).await?;
                issued
            }
        };
        let (tasks, renew_at) = (tasks().collect(), identities.renew_at);
        self.run.identities.insert(packed.id, Issued { tasks, renew_at, seen: Instant::now() });
        Ok(())
    }

    /// Deletes pods of earlier lives and of earlier plans, and all once there shall be none.
    async fn delete_pods(&self, record: &Record, seen: &Seen) -> Result<(), Error> {
        for pod in seen.pods.iter().filter(|pod| !pod.terminating) {
            let closes = record.edit.as_ref().is_some_and(|edit| edit.closes(pod.id));
            if record.wants_pods() && self.is_current(record, pod) && !closes {
                continue;
            }
            if record.edit.as_ref().is_some_and(|edit| is_of(edit, self.owner.name, &pod.name)) {
                continue;
            }
            let (client, namespace) = (&self.context.client, self.owner.namespace);
            apply::delete_pod(client, namespace, &pod.name, &pod.uid).await?;
        }
        Ok(())
    }

    fn push(&mut self, plan: &PlanIndex, stage: Stage) -> Result<(), Error> {
        let addresses: BTreeMap<PodId, SocketAddr> =
            plan.plan().pods.iter().map(|pod| (pod.id, pod.address)).collect();
        if self.run.channel.is_none() {
            let (Some(authority), Some(toward)) =
                (&self.run.authority, addresses.values().next().copied())
            else {
                return Ok(());
            };
            let topology = ObjectRef::new(&self.topology.name_any()).within(self.owner.namespace);
            let wake = self.context.wake.clone();
            // If the queue is full the controller has enough to do, and looks again anyway.
            let wake = move || drop(wake.try_send(topology.clone()));
            let sockets = &self.context.sockets;
            let channel = Channel::open(authority, self.owner.uid, sockets, toward, wake)?;
            if let Some(kept) = &self.run.positions {
                channel.positions().take(kept.value.positions.clone());
            }
            self.run.positions_written = (self.now, channel.positions().version());
            self.run.channel = Some(channel);
        }
        if let Some(channel) = &mut self.run.channel {
            channel.set_addresses(addresses);
            channel.push(plan);
            channel.ask_every(match stage {
                Stage::Live if plan.plan().rolling.is_empty() => channel::STEADY,
                _ => channel::SOON,
            });
        }
        Ok(())
    }
}

/// A pod with the tasks that it has, and those that its successor will have.
fn with_tasks_of(edit: Option<&Edit>, packed: &PackedPod) -> PackedPod {
    let mut with = packed.clone();
    let next = edit.and_then(|edit| edit.packing.pods.get(packed.id.0 as usize));
    let more = next.iter().flat_map(|next| &next.tasks).filter(|task| !packed.tasks.contains(task));
    with.tasks.extend(more.cloned());
    with.tasks.sort_unstable_by_key(|task| task.task);
    with
}

/// Whether this is the name of a pod that is to take a place.
fn is_of(edit: &Edit, topology: &str, name: &str) -> bool {
    edit.pods.iter().any(|it| names::pod(topology, it.pod, it.place.life) == name)
}

/// Name of a pod in its current life.
pub(super) fn pod_name(topology: &str, record: &Record, pod: PodId) -> Option<String> {
    Some(names::pod(topology, pod, record.pod(pod)?.life))
}
