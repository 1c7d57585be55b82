//! What the operator shows of itself, and of each topology its conditions. What topologies do is
//! shown by their stream managers.

use crate::{build::Owner, identities, reason::Reason, reconcile, record::Stage};
use egret_crd::{Condition, status::PROGRESSING};
use egret_process::metrics::{
    Histogram, Labels, Page,
    catalogue::operator::{
        AUTOSCALE_UTILIZATION, AUTOSCALE_WANTED, CERTIFICATE_EXPIRY, OPERATOR_ERRORS,
        OPERATOR_INFO, OPERATOR_LEADER, OPERATOR_RECONCILE_SECONDS, OPERATOR_RECONCILES,
        OPERATOR_TOPOLOGIES, OPERATOR_WATCH_ERRORS, TOPOLOGY_BLOCKED, TOPOLOGY_CONDITION,
    },
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// From what a look at the cache takes to what an API server in distress needs.
const SECONDS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// All stages, by the words of the label `stage`.
const STAGES: [(Stage, &str); 7] = [
    (Stage::Down, "down"),
    (Stage::Starting, "starting"),
    (Stage::Live, "live"),
    (Stage::Draining, "draining"),
    (Stage::Closing, "closing"),
    (Stage::Finishing, "finishing"),
    (Stage::Completed, "completed"),
];

/// Statuses of a condition, as Kubernetes and as the label `status` spell them.
const STATUSES: [(&str, &str); 3] = [("True", "true"), ("False", "false"), ("Unknown", "unknown")];

/// What can be watched.
const KINDS: [&str; 2] = ["Pod", "Topology"];

/// How a reconciliation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Ok,
    /// The resource is not accepted.
    Refused,
    /// Something failed that is tried again.
    Error,
}

/// All outcomes, by the words of the label `outcome`.
const OUTCOMES: [(Outcome, &str); 3] =
    [(Outcome::Ok, "ok"), (Outcome::Refused, "refused"), (Outcome::Error, "error")];

/// What can fail, by the words of the label `reason`.
const REASONS: [&str; 6] = ["fetch", "apply", "link", "plan", "spec", "late"];

fn reason(error: &reconcile::Error) -> &'static str {
    match error {
        reconcile::Error::Fetch(_) => "fetch",
        reconcile::Error::Apply(_) => "apply",
        reconcile::Error::Link(_) => "link",
        reconcile::Error::Plan(_) => "plan",
        reconcile::Error::Spec(_) => "spec",
        reconcile::Error::Late => "late",
    }
}

/// Counts of the operator.
#[derive(Default)]
pub struct Metrics(Mutex<State>);

#[derive(Default)]
struct State {
    leader: bool,
    /// By outcome.
    reconciles: [Durations; OUTCOMES.len()],
    errors: BTreeMap<&'static str, u64>,
    watch_errors: BTreeMap<&'static str, u64>,
    /// By uid.
    topologies: BTreeMap<String, Known>,
}

/// What is known of a topology.
#[derive(Default)]
struct Known {
    namespace: String,
    name: String,
    stage: Option<Stage>,
    /// Type and status.
    conditions: Vec<(String, String)>,
    /// Why nothing moves on until somebody does something, if so.
    blocked: Option<Reason>,
    /// What is autoscaled: components, the tasks that they shall have, and how much those work.
    autoscaled: Vec<(String, u32, Option<f64>)>,
    /// When the first of its pods' certificates ends, in seconds since 1970.
    expiry: Option<u64>,
}

#[derive(Default)]
struct Durations {
    buckets: [u64; SECONDS.len()],
    count: u64,
    sum: f64,
}

impl Metrics {
    /// All zero.
    #[must_use]
    pub fn new() -> Metrics {
        Metrics::default()
    }

    /// A reconciliation has ended.
    pub fn reconciled(&self, outcome: Outcome, took: Duration) {
        let seconds = took.as_secs_f64();
        let mut state = self.state();
        let at = OUTCOMES.iter().position(|(other, _)| *other == outcome).unwrap_or_default();
        let durations = &mut state.reconciles[at];
        durations.count += 1;
        durations.sum += seconds;
        for (bucket, bound) in durations.buckets.iter_mut().zip(SECONDS) {
            *bucket += u64::from(seconds <= bound);
        }
    }

    /// Why one has failed.
    pub fn failed(&self, error: &reconcile::Error) {
        *self.state().errors.entry(reason(error)).or_default() += 1;
    }

    /// A topology is in this stage, or gone.
    pub fn staged(&self, uid: &str, stage: Option<Stage>) {
        let mut state = self.state();
        if stage.is_none() {
            state.topologies.remove(uid);
        } else {
            state.topologies.entry(uid.to_owned()).or_default().stage = stage;
        }
    }

    /// These conditions are told of a topology.
    pub fn told(&self, owner: &Owner<'_>, conditions: &[Condition]) {
        let mut state = self.state();
        let known = state.topologies.entry(owner.uid.to_owned()).or_default();
        known.namespace = owner.namespace.to_owned();
        known.name = owner.name.to_owned();
        known.conditions =
            conditions.iter().map(|c| (c.r#type.clone(), c.status.clone())).collect();
        let stands = conditions.iter().find(|c| c.r#type == PROGRESSING && c.status == "False");
        let is_why = |reason: &Reason| stands.is_some_and(|c| c.reason == reason.as_str());
        known.blocked = Reason::BLOCKING.into_iter().find(is_why);
    }

    /// Components of a topology are autoscaled: their names, the tasks that they shall have, and
    /// how much those work.
    pub fn autoscaled(&self, uid: &str, components: Vec<(String, u32, Option<f64>)>) {
        self.state().topologies.entry(uid.to_owned()).or_default().autoscaled = components;
    }

    /// The certificates of a topology's pods are to be renewed then, in seconds since 1970.
    pub fn certified(&self, uid: &str, renew_at: impl Iterator<Item = u64>) {
        let expiry = renew_at.min().map(identities::ends);
        self.state().topologies.entry(uid.to_owned()).or_default().expiry = expiry;
    }

    /// Forgets topologies that are gone.
    pub fn keep(&self, there: impl Fn(&str) -> bool) {
        self.state().topologies.retain(|uid, _| there(uid));
    }

    /// Whether this operator works. One that does not knows nothing of topologies.
    pub fn leads(&self, leads: bool) {
        let mut state = self.state();
        state.leader = leads;
        if !leads {
            state.topologies.clear();
        }
    }

    /// A watch has failed, and is made again.
    pub fn watch_failed(&self, kind: &'static str) {
        *self.state().watch_errors.entry(kind).or_default() += 1;
    }

    /// All of it in Prometheus' text format.
    pub fn page(&self) -> String {
        let mut page = Page::default();
        page.add(&OPERATOR_INFO, &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        let labels = [("process", "operator"), ("component", ""), ("task", "")];
        page.add_usage(&labels, &egret_process::usage::now());
        self.state().add_to(&mut page);
        page.encode()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add_to(&self, page: &mut Page) {
        page.add(&OPERATOR_LEADER, &[], f64::from(u8::from(self.leader)));
        for ((_, word), durations) in OUTCOMES.iter().zip(&self.reconciles) {
            let labels: Labels<'_> = &[("outcome", word)];
            page.add(&OPERATOR_RECONCILES, labels, durations.count as f64);
            page.add_histogram(&OPERATOR_RECONCILE_SECONDS, labels, &durations.histogram());
        }
        for reason in REASONS {
            let count = self.errors.get(reason).copied().unwrap_or_default();
            page.add(&OPERATOR_ERRORS, &[("reason", reason)], count as f64);
        }
        for kind in KINDS {
            let count = self.watch_errors.get(kind).copied().unwrap_or_default();
            page.add(&OPERATOR_WATCH_ERRORS, &[("kind", kind)], count as f64);
        }
        for (stage, word) in STAGES {
            let there = self.topologies.values().filter(|known| known.stage == Some(stage));
            page.add(&OPERATOR_TOPOLOGIES, &[("stage", word)], there.count() as f64);
        }
        for known in self.topologies.values().filter(|known| !known.name.is_empty()) {
            known.add_to(page);
        }
    }
}

impl Known {
    fn add_to(&self, page: &mut Page) {
        let (namespace, topology) = (("namespace", &*self.namespace), ("topology", &*self.name));
        for (condition, is) in &self.conditions {
            for (status, word) in STATUSES {
                let labels =
                    [namespace, topology, ("condition", condition.as_str()), ("status", word)];
                page.add(&TOPOLOGY_CONDITION, &labels, f64::from(u8::from(is == status)));
            }
        }
        for reason in Reason::BLOCKING {
            let labels = [namespace, topology, ("reason", reason.as_str())];
            let is_why = self.blocked == Some(reason);
            page.add(&TOPOLOGY_BLOCKED, &labels, f64::from(u8::from(is_why)));
        }
        for (component, wanted, utilization) in &self.autoscaled {
            let labels = [namespace, topology, ("component", component.as_str())];
            page.add(&AUTOSCALE_WANTED, &labels, f64::from(*wanted));
            if let Some(utilization) = utilization {
                page.add(&AUTOSCALE_UTILIZATION, &labels, *utilization);
            }
        }
        if let Some(expiry) = self.expiry {
            page.add(&CERTIFICATE_EXPIRY, &[namespace, topology], expiry as f64);
        }
    }
}

impl Durations {
    fn histogram(&self) -> Histogram {
        let buckets = SECONDS.into_iter().zip(self.buckets).collect();
        Histogram { buckets, count: self.count, sum: self.sum }
    }
}

#[cfg(test)]
mod tests;
