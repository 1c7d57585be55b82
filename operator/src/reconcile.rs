//! One look at one topology: what is, what shall be, what is to be done, what is told.
//!
//! Nothing here waits for a stream manager, and nothing keeps another topology waiting.

mod carry_out;
mod decide;
mod edit;
mod history;
mod keep;
mod leave;
mod lost;
mod roll;
mod scale;
mod tell;
mod upgrade;

pub use scale::Scaling;

use crate::{
    apply,
    build::Owner,
    context::{Context, Guarded, Run},
    fetch,
    flow::{self, Answers, Flow},
    metrics::Outcome,
    names,
    observe::{self, ObservedPod},
    reason::Reason,
    record::{Record, Stage},
    rollout::Pull,
    stages,
};
use egret_crd::Topology;
use egret_topology::{
    id::PodId,
    logical::{DeletionPolicy, Logical},
    plan::PlanIndex,
};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Resource, ResourceExt, core::error_boundary::InvalidObject, runtime::controller::Action,
};
use scale::Scaled;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::time;

/// Time until the next look while things move; what moves also wakes the controller.
const SOON: Duration = Duration::from_secs(1);
/// The same while a topology runs: what is stuck is found out by looking.
const STEADY: Duration = Duration::from_secs(5);
/// The same if nothing is to be done: what somebody else has changed is put right.
const RARELY: Duration = Duration::from_secs(600);
/// The same if the API server refuses something for what it is: a quota may be raised.
const REFUSED: Duration = Duration::from_secs(30);

/// For one look: a request that never ends must not hold a topology up. What a look has done is
/// seen by the next one.
const LOOK_WITHIN: Duration = Duration::from_secs(60);

/// Time beyond drain and close after which a deleted topology is let go, in milliseconds: an API
/// server that was away may be back by then.
const OVERDUE_MS: u64 = 30_000;

/// Why a look has failed; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something could not be read.
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
    /// Something could not be written.
    #[error(transparent)]
    Apply(#[from] apply::Error),
    /// Certificates or the channel could not be made.
    #[error(transparent)]
    Link(#[from] egret_link::Error),
    /// A plan could not be made; a mistake of this program.
    #[error("no plan can be made: {0}")]
    Plan(String),
    /// A spec could not be kept; a mistake of this program.
    #[error("the spec cannot be written: {0}")]
    Spec(#[from] serde_json::Error),
    /// The API server has taken a request and does not answer it.
    #[error("a look at it did not end within {LOOK_WITHIN:?}: the API server is slow or gone")]
    Late,
}

/// Why a topology is not accepted.
type Refusal = (Reason, String);

impl Error {
    /// What somebody has to do something about, and trying again does not help.
    fn refusal(self) -> Result<Refusal, Error> {
        let reason = match &self {
            Error::Apply(apply::Error::Refused { .. }) => Reason::ApiRefused,
            Error::Apply(apply::Error::Foreign { .. })
            | Error::Fetch(fetch::Error::Foreign { .. }) => Reason::NameTaken,
            Error::Fetch(fetch::Error::Record { .. } | fetch::Error::Authority { .. }) => {
                Reason::Unreadable
            }
            _ => return Err(self),
        };
        Ok((reason, self.to_string()))
    }
}

/// One look at one topology.
pub async fn reconcile(guarded: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    let began = Instant::now();
    let looked = match &guarded.0 {
        Ok(topology) => match time::timeout(LOOK_WITHIN, look(topology, &context)).await {
            Ok(looked) => looked,
            Err(_) => {
                // Whether the record was written is not known.
                if let Some(run) = context.runs.known(&topology.uid().unwrap_or_default()) {
                    run.lock().await.record = None;
                }
                Err(Error::Late)
            }
        },
        Err(invalid) => unreadable(invalid, &guarded, &context).await,
    };
    let outcome = match &looked {
        Ok((_, outcome)) => *outcome,
        Err(error) => {
            context.metrics.failed(error);
            Outcome::Error
        }
    };
    context.metrics.reconciled(outcome, began.elapsed());
    looked.map(|(action, _)| action)
}

/// A resource that a newer release has written, or nobody of ours.
async fn unreadable(
    invalid: &InvalidObject,
    guarded: &Guarded,
    context: &Context,
) -> Result<(Action, Outcome), Error> {
    let note = format!("the resource cannot be read: {}", invalid.error);
    context.events.unreadable(&guarded.object_ref(&()), &note).await;
    if invalid.metadata.deletion_timestamp.is_some() {
        // Whatever it was, it shall not hang.
        apply::finalizer(&context.client, &invalid.metadata, false).await?;
    } else {
        tell::unreadable(context, &invalid.metadata, &note).await?;
    }
    Ok((Action::await_change(), Outcome::Refused))
}

async fn look(topology: &Topology, context: &Context) -> Result<(Action, Outcome), Error> {
    let deleting = topology.metadata.deletion_timestamp.is_some();
    let hands_off = topology.annotations().get(names::HANDS_OFF).is_some_and(|off| off == "true");
    let (name, uid) = (topology.name_any(), topology.uid().unwrap_or_default());
    let namespace = topology.namespace().unwrap_or_default();
    let owner = Owner { name: &name, namespace: &namespace, uid: &uid };
    let run = context.runs.of(&uid);
    let mut run = run.lock().await;
    let hands_off = hands_off && !deleting;
    let told = std::mem::replace(&mut run.hands_off, hands_off);
    if run.began == 0 {
        run.began = now_ms();
    }
    if hands_off {
        // Pods go on having news: it is told once.
        if !told {
            let note = format!("{} is set: nothing is done until it is gone", names::HANDS_OFF);
            context.events.normal(topology, Reason::HandsOff, &note).await;
        }
        return Ok((Action::await_change(), Outcome::Ok));
    }
    let now = now_ms();
    let mut turn = Turn { context, topology, owner, run: &mut run, now, deleting };
    let filled = turn.filled().await;
    if let Some(filled) = &filled {
        turn.topology = filled;
    }
    let outcome = turn.take(topology).await;
    if matches!(outcome, Err(Error::Apply(apply::Error::Stale { .. }))) {
        // Somebody else has decided something: read it before anything else is done.
        run.record = None;
    }
    outcome
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// One look, with everything that it needs.
struct Turn<'a> {
    context: &'a Context,
    topology: &'a Topology,
    owner: Owner<'a>,
    run: &'a mut Run,
    now: u64,
    deleting: bool,
}

/// What is seen.
#[derive(Default)]
struct Seen {
    /// All pods of the topology, also of earlier lives.
    pods: Vec<ObservedPod>,
    /// Pods that pull an image, with their uids.
    pulls: BTreeMap<String, (String, Pull)>,
    /// What the stream managers say, if there is a plan.
    flow: Option<Flow>,
    answers: Answers,
    /// Pods that are lost with their nodes, and those nodes.
    lost: Vec<(PodId, String)>,
    /// Pods that lived and are not there any more.
    vanished: Vec<PodId>,
    /// The same of pods that have no place yet.
    stillborn: Vec<PodId>,
}

impl Turn<'_> {
    /// Takes one look. `asked` is the topology as somebody wants it, without what is filled in.
    async fn take(&mut self, asked: &Topology) -> Result<(Action, Outcome), Error> {
        let judged = self.judge(self.topology);
        let valid = judged.is_ok();
        if self.is_overdue(judged.as_ref().ok().or(self.run.accepted.as_deref())) {
            return self.let_go().await;
        }
        let before = match self.record().await {
            Ok(before) => before,
            Err(error) => return self.take_blindly(error.refusal()?).await,
        };
        let mut seen = self.see();
        let spec = self.taken(before.as_ref())?;
        let judged = match spec == serde_json::to_value(&self.topology.spec)? {
            true => judged,
            false => self.judge_with(&spec)?,
        };
        let mut refused = self.accept(judged, before.as_ref());
        let (spec, wanted) = self.hold_back(before.as_ref(), spec, refused.is_some());
        let accepted = self.run.accepted.clone();
        let (mut record, lost) = match &before {
            Some(before) => (before.clone(), false),
            None => self.missing(&seen),
        };
        if lost {
            let note = "what was decided is gone, and is made again from what runs";
            self.context.events.warning(self.topology, Reason::RecordLost, note).await;
        }
        if let Err(error) = self.positions(record.run).await {
            return self.take_blindly(error.refusal()?).await;
        }
        let run = self.run.positions.as_ref().map_or(0, |kept| kept.value.run);
        // Greater only if the record was lost.
        record.run = record.run.max(run);
        seen.lost = self.lost(&record, &seen).await;
        seen.vanished = self.vanished(&record, &seen).await?;
        seen.stillborn = self.stillborn(&record, &seen).await?;
        if let Some(logical) = &accepted {
            let mut scaled = Scaled::default();
            if refused.is_none() {
                record.take_accepted(&spec);
                scaled = self.scale(asked, &mut record, logical, &seen);
            }
            let outcome = self.go_on(&mut record, before.as_ref(), logical, &wanted, &seen).await?;
            if refused.is_none() && outcome.is_none() {
                self.carry_out_scaled(scaled).await?;
            }
            refused = refused.or(outcome);
        }
        // What is told is told of the plan that goes with this generation, which may be new.
        (seen.flow, seen.answers) = self.hear();
        let stage = record.stage;
        self.context.metrics.staged(self.owner.uid, Some(stage));
        if self.deleting && (stage == Stage::Down || accepted.is_none()) {
            return self.let_go().await;
        }
        self.keep_finalizer(stage, accepted.as_deref()).await?;
        let known = before.is_some() || accepted.is_some();
        self.tell(known.then_some(&record), &seen, refused.clone()).await?;
        if valid && refused.is_none() {
            self.keep_history().await?;
        }
        let outcome = if refused.is_some() { Outcome::Refused } else { Outcome::Ok };
        let moves = is_moving(&record, &seen);
        // What has begun goes on although a change of the spec is refused.
        let rests = refused.is_some() && !moves;
        Ok((next_look(stage, rests, if moves { SOON } else { STEADY }), outcome))
    }

    /// What was decided cannot be read: what runs is left alone.
    async fn take_blindly(&mut self, refused: Refusal) -> Result<(Action, Outcome), Error> {
        if self.deleting {
            return self.let_go().await;
        }
        let seen = self.see();
        self.tell(None, &seen, Some(refused)).await?;
        Ok((Action::requeue(REFUSED), Outcome::Refused))
    }

    /// Whether a deleted topology is still there long after its drain should have ended, for
    /// whatever reason: nothing is worth a namespace that hangs.
    fn is_overdue(&self, logical: Option<&Logical>) -> bool {
        let drain = logical.map_or(0, |logical| logical.on_cluster.drain_timeout_ms);
        let within = drain.saturating_add(stages::CLOSE_WITHIN_MS).saturating_add(OVERDUE_MS);
        let asked = self.topology.metadata.deletion_timestamp.as_ref();
        let asked = asked.and_then(|asked| u64::try_from(asked.0.as_millisecond()).ok());
        asked.is_some_and(|asked| self.now > asked.saturating_add(within))
    }

    /// The record, from memory if nobody else can have changed it.
    async fn record(&mut self) -> Result<Option<Record>, Error> {
        if self.run.record.is_none() {
            self.run.record = Some(fetch::record(&self.context.client, &self.owner).await?);
        }
        Ok(self.run.record.as_ref().and_then(|versioned| versioned.value.clone()))
    }

    fn see(&mut self) -> Seen {
        let (flow, answers) = self.hear();
        if let Some(flow) = &flow {
            self.run.watch.look(self.now, flow);
        }
        let pulls = pulls_of(self.context, &self.owner);
        let pods = pods_of(self.context, &self.owner);
        Seen { pods, pulls, flow, answers, lost: Vec::new(), ..Seen::default() }
    }

    /// The last answers, and what they say of the newest plan.
    fn hear(&self) -> (Option<Flow>, Answers) {
        let channel = self.run.channel.as_ref();
        let answers = channel.and_then(|channel| channel.answers());
        let plan = self.pushed();
        let flow = plan.zip(answers.as_ref()).map(|(plan, answers)| Flow::of(&plan, answers));
        (flow, answers.unwrap_or_default())
    }

    /// The plan that was pushed last.
    fn pushed(&self) -> Option<PlanIndex> {
        self.run.channel.as_ref().and_then(|channel| channel.plan())
    }

    /// Who holds up what does not move.
    fn stuck(&self, seen: &Seen) -> Option<String> {
        let flow = seen.flow.as_ref()?;
        if !self.run.watch.is_stuck(self.now, flow) {
            return None;
        }
        let plan = self.pushed()?;
        let seconds = self.run.watch.still_ms(self.now) / 1000;
        let holder = flow::holder(&plan, &seen.answers);
        Some(holder.unwrap_or_else(|| format!("nothing has moved for {seconds} s")))
    }

    /// Puts the finalizer where a deletion has something to drain.
    async fn keep_finalizer(&self, stage: Stage, logical: Option<&Logical>) -> Result<(), Error> {
        let runs = !matches!(stage, Stage::Down | Stage::Completed);
        let drains = logical
            .is_some_and(|logical| logical.on_cluster.deletion_policy == DeletionPolicy::Drain);
        if self.deleting {
            // One may be taken away then, but not put there.
            return Ok(());
        }
        apply::finalizer(&self.context.client, &self.topology.metadata, runs && drains).await?;
        Ok(())
    }

    /// A deleted topology has drained, or has nothing to drain.
    async fn let_go(&mut self) -> Result<(Action, Outcome), Error> {
        apply::finalizer(&self.context.client, &self.topology.metadata, false).await?;
        self.run.channel = None;
        self.context.runs.forget(self.owner.uid);
        self.context.metrics.staged(self.owner.uid, None);
        apply::forget_authority(
            &self.context.client,
            &self.context.settings.namespace,
            self.owner.uid,
        )
        .await?;
        Ok((Action::await_change(), Outcome::Ok))
    }
}

/// All pods of a topology, also of earlier lives, by name.
fn pods_of(context: &Context, owner: &Owner<'_>) -> Vec<ObservedPod> {
    let ours = |pod: &Pod| {
        pod.metadata.namespace.as_deref() == Some(owner.namespace)
            && pod.owner_references().iter().any(|other| other.uid == owner.uid)
    };
    let pods = context.pods.state();
    let pods = pods.iter().filter(|pod| ours(pod)).filter_map(|pod| observe::pod(pod));
    let mut pods: Vec<_> = pods.collect();
    pods.sort_by(|a, b| a.name.cmp(&b.name));
    pods
}

/// The pods that pull images for a topology, by name.
fn pulls_of(context: &Context, owner: &Owner<'_>) -> BTreeMap<String, (String, Pull)> {
    let ours = |pod: &Pod| {
        pod.metadata.namespace.as_deref() == Some(owner.namespace)
            && pod.owner_references().iter().any(|other| other.uid == owner.uid)
    };
    let pods = context.pods.state();
    let pulls = pods.iter().filter(|pod| ours(pod)).filter_map(|pod| {
        let (name, pull) = observe::pull(pod, owner.name)?;
        Some((name, (pod.uid().unwrap_or_default(), pull)))
    });
    pulls.collect()
}

/// Whether something has begun that goes from step to step.
fn is_moving(record: &Record, seen: &Seen) -> bool {
    seen.pods.iter().any(|pod| pod.terminating)
        || !record.leaves.is_empty()
        || record.upgrade.is_some()
        || record.edit.as_ref().is_some_and(|edit| !edit.late)
        || record.rollout.as_ref().is_some_and(|rollout| !rollout.held)
}

fn next_look(stage: Stage, refused: bool, live: Duration) -> Action {
    let pause = match stage {
        Stage::Draining | Stage::Closing | Stage::Finishing => SOON,
        Stage::Starting if !refused => SOON,
        Stage::Live if !refused => live,
        _ if refused => REFUSED,
        _ => RARELY,
    };
    Action::requeue(pause)
}
