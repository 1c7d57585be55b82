//! What is autoscaled: the number of tasks that is measured, recorded, and then applied to the
//! resource, from where it is taken over like any other change.

use super::{Error, Seen, Turn};
use crate::{
    apply,
    autoscale::{Decision, Scaled as Given, Subject, Why, measure::Counts, ownership, read},
    digest,
    flow::Flow,
    reason::Reason,
    record::{Record, Stage},
};
use egret_crd::{AutoscaleStatus, Topology};
use egret_topology::logical::{Autoscale, Logical, State};
use jiff::{Timestamp, Unit};
use serde_json::Value;
use std::collections::BTreeMap;

/// What differs only in its figures is told again after this time.
const TELL_AGAIN_MS: u64 = 30_000;
/// The same numbers are applied again after this time: the watch may be behind, and what the API
/// server refuses it may take later.
const APPLY_AGAIN_MS: u64 = 30_000;
/// Characters of words in the status.
const MAX_WORDS: usize = 500;

/// What is remembered of what was told and applied.
#[derive(Default)]
pub struct Scaling {
    told: BTreeMap<String, Told>,
    /// What was applied last, when, and why the API server did not take it.
    applied: Option<(Value, u64, Option<String>)>,
}

struct Told {
    at: u64,
    why: Why,
    status: AutoscaleStatus,
}

/// What one look has decided, to be done once it is recorded.
#[derive(Default)]
pub(super) struct Scaled {
    apply: Option<Value>,
    /// What is worth an event.
    news: Vec<String>,
}

/// A bolt that is autoscaled, as it is now.
struct Part<'a> {
    name: &'a str,
    index: usize,
    current: u32,
    policy: &'a Autoscale,
    /// Who else sets its number.
    theirs: Option<&'a str>,
}

impl Part<'_> {
    /// Whether what is decided is done.
    fn is_applied(&self) -> bool {
        !self.policy.dry_run && self.theirs.is_none()
    }
}

impl Scaling {
    /// What the status says.
    pub(super) fn told(&self) -> Vec<AutoscaleStatus> {
        self.told.values().map(|told| told.status.clone()).collect()
    }

    /// Tells of a component: at once what has changed, and what only differs in its figures now
    /// and then. The number of tasks that was told before.
    fn tell(&mut self, now: u64, why: Why, status: AutoscaleStatus) -> Option<i64> {
        let before = self.told.get(&status.component);
        let wanted = before.map(|before| before.status.wanted);
        if let Some(before) = before {
            let words = AutoscaleStatus { reason: before.status.reason.clone(), ..status.clone() };
            let soon = now.saturating_sub(before.at) < TELL_AGAIN_MS;
            if words == before.status && (soon || before.why.is_like(&why)) {
                return wanted;
            }
        }
        self.told.insert(status.component.clone(), Told { at: now, why, status });
        wanted
    }
}

impl Turn<'_> {
    /// The topology with the numbers of tasks that its bolts were given, where it has none;
    /// `None` if it is whole.
    pub(super) async fn filled(&mut self) -> Option<Topology> {
        if !ownership::any(&self.topology.spec) {
            return None;
        }
        // Why it cannot be read is told by who needs it.
        let record = self.record().await.ok()??;
        let given = |name: &str| record.autoscale.get(name).map(|given| given.tasks);
        ownership::filled(self.topology, given)
    }

    /// Decides how many tasks bolts shall have, as a part of the record.
    pub(super) fn scale(
        &mut self,
        asked: &Topology,
        record: &mut Record,
        logical: &Logical,
        seen: &Seen,
    ) -> Scaled {
        let autoscaled = |name: &str| policy(logical, name).is_some();
        record.autoscale.retain(|name, _| autoscaled(name));
        self.run.scaling.told.retain(|name, _| autoscaled(name));
        let mut scaled = Scaled::default();
        // What is not autoscaled any more is let go, and is what the manifest says.
        let gone = |name: &str| !autoscaled(name) && ownership::is_ours(&asked.metadata, name);
        let mut differs = logical.components.iter().any(|component| gone(&component.name));
        if self.deleting || !differs && !ownership::any(&asked.spec) {
            self.context.metrics.autoscaled(self.owner.uid, Vec::new());
            return scaled;
        }
        let counts = self.counts(record, logical, seen);
        self.run.autoscaler.look(self.now, counts);
        let (mut ours, mut shown) = (Vec::new(), Vec::new());
        let packing = record.packing.clone();
        for (index, component) in logical.components.iter().enumerate() {
            let (name, current) = (&component.name, component.parallelism);
            let Some(policy) = component.on_cluster.autoscale else { continue };
            let bolt = asked.spec.bolts.iter().find(|bolt| bolt.name == *name);
            let left_out = bolt.is_some_and(|bolt| bolt.parallelism.is_none());
            let theirs = ownership::other_manager(&asked.metadata, name).filter(|_| !left_out);
            let given = record.autoscale.entry(name.clone());
            let given = given.or_insert_with(|| Given::adopted(current, self.now));
            let part = Part { name, index, current, policy: &policy, theirs: theirs.as_deref() };
            // A number that cannot be packed would be refused, and every other change with it.
            let room = |tasks: u32| {
                let mut more = logical.clone();
                more.components[index].parallelism = tasks;
                egret_packing::pack(&more, Some(&packing)).map(drop).map_err(|no| no.to_string())
            };
            let wanted = self.scale_one(&part, given, &room, &mut scaled.news);
            shown.push((name.clone(), wanted, self.run.autoscaler.utilization(index)));
            if part.is_applied() {
                differs |= left_out || given.tasks != current;
                ours.push((name.clone(), given.tasks));
            }
        }
        self.context.metrics.autoscaled(self.owner.uid, shown);
        scaled.apply = differs.then(|| ownership::applied(self.owner.name, self.owner.uid, &ours));
        scaled
    }

    /// Decides and tells how many tasks one bolt shall have.
    fn scale_one(
        &mut self,
        part: &Part<'_>,
        given: &mut Given,
        room: &dyn Fn(u32) -> Result<(), String>,
        news: &mut Vec<String>,
    ) -> u32 {
        let Part { name, current, policy, .. } = *part;
        if !part.is_applied() && given.tasks != current {
            *given = Given::adopted(current, self.now);
        }
        let mut decision = self.need(part, given);
        if decision.wanted > given.tasks
            && let Err(why) = room(decision.wanted)
        {
            let why = Why::NoRoom(decision.wanted, why);
            decision = Decision { wanted: given.tasks, why };
        }
        let mut told = status(part, &decision);
        (told.last_change, told.last_change_time) = self.last_change(name);
        if decision.wanted != given.tasks && part.is_applied() {
            let (is, was) = (decision.wanted, given.tasks);
            let change = short(&format!("{is} instead of {was}: {}", decision.why.words(policy)));
            *given = given.with(policy, &decision, self.now);
            self.run.autoscaler.forget_needs(name);
            news.push(format!("{name} has {change}"));
            (told.last_change, told.last_change_time) = (Some(change), time(self.now));
        }
        let before = self.run.scaling.tell(self.now, decision.why.clone(), told);
        if policy.dry_run && before.is_some_and(|before| before != i64::from(decision.wanted)) {
            let words = decision.why.words(policy);
            news.push(format!("{name} would have {}: {words}", decision.wanted));
        }
        decision.wanted
    }

    /// What was told of the last change of a bolt, and when it was. After a restart the status
    /// knows.
    fn last_change(&self, name: &str) -> (Option<String>, Option<String>) {
        let there = self.topology.status.iter().flat_map(|status| &status.autoscale);
        let there = there.into_iter().find(|bolt| bolt.component == name);
        let told = self.run.scaling.told.get(name).map(|told| &told.status).or(there);
        told.map(|it| (it.last_change.clone(), it.last_change_time.clone())).unwrap_or_default()
    }

    /// How many tasks one bolt shall have by what is known.
    fn need(&mut self, part: &Part<'_>, given: &Given) -> Decision {
        if let Some(theirs) = part.theirs {
            return Decision { wanted: part.current, why: Why::Theirs(theirs.to_owned()) };
        }
        if given.tasks != part.current {
            let refused = self.run.scaling.applied.as_ref().and_then(|(.., why)| why.clone());
            let why = refused.map_or(Why::Asked(given.tasks), Why::Refused);
            return Decision { wanted: given.tasks, why };
        }
        let Part { name, index, policy, .. } = *part;
        self.run.autoscaler.decide(self.now, &Subject { name, index, policy, scaled: given })
    }

    /// What tasks have done; why that says nothing now, if so.
    fn counts(&self, record: &Record, logical: &Logical, seen: &Seen) -> Result<Counts, String> {
        let no = |why: &str| Err(why.to_owned());
        if record.stage != Stage::Live || logical.state != State::Running {
            return no("the topology does not run");
        }
        if record.rollout.is_some() {
            return no("tasks change one after the other");
        }
        if record.edit.is_some() {
            return no("tasks or groupings change");
        }
        if record.upgrade.is_some() {
            return no("stream managers change one after the other");
        }
        let plan = self.pushed().filter(|plan| plan.plan().revision == record.revision);
        let Some(plan) = plan.filter(|_| record.shape == digest::shape(logical)) else {
            return no("the newest plan is on its way");
        };
        if !seen.flow.as_ref().is_some_and(Flow::is_linked) {
            return no("not all tasks work");
        }
        if seen.pods.iter().any(|pod| pod.terminating) {
            return no("pods are being replaced");
        }
        read::counts(&plan, &seen.answers)
    }

    /// Applies what was decided, and tells of it.
    pub(super) async fn carry_out_scaled(&mut self, scaled: Scaled) -> Result<(), Error> {
        for note in &scaled.news {
            self.context.events.normal(self.topology, Reason::Autoscaled, note).await;
        }
        let Some(object) = scaled.apply else {
            self.run.scaling.applied = None;
            return Ok(());
        };
        if let Some((applied, at, _)) = &self.run.scaling.applied
            && *applied == object
            && self.now.saturating_sub(*at) < APPLY_AGAIN_MS
        {
            return Ok(());
        }
        let refused = match apply::parallelism(&self.context.client, &self.owner, &object).await {
            // Somebody else has set one meanwhile: who that is the watch tells.
            Ok(()) | Err(apply::Error::Stale { .. }) => None,
            Err(apply::Error::Refused { why, .. }) => Some(why),
            Err(error) => return Err(error.into()),
        };
        self.run.scaling.applied = Some((object, self.now, refused));
        Ok(())
    }
}

/// What a bolt may be given, by its name.
fn policy<'a>(logical: &'a Logical, name: &str) -> Option<&'a Autoscale> {
    logical.component(name)?.on_cluster.autoscale.as_ref()
}

fn short(words: &str) -> String {
    words.chars().take(MAX_WORDS).collect()
}

/// A time in milliseconds since 1970 as the API server writes it.
fn time(ms: u64) -> Option<String> {
    let at = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok())?;
    Some(at.round(Unit::Second).unwrap_or(at).to_string())
}

fn status(part: &Part<'_>, decision: &Decision) -> AutoscaleStatus {
    AutoscaleStatus {
        component: part.name.to_owned(),
        current: part.current.into(),
        wanted: decision.wanted.into(),
        reason: short(&decision.why.words(part.policy)),
        dry_run: part.policy.dry_run,
        last_change: None,
        last_change_time: None,
    }
}
