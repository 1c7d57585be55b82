//! What the operator shows of itself. What topologies do is shown by their stream managers.

use crate::record::Stage;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
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

/// Counts of the operator.
pub struct Metrics {
    registry: Registry,
    reconciles: IntCounterVec,
    seconds: HistogramVec,
    stages: IntGaugeVec,
    leader: IntGauge,
    watches: IntCounterVec,
    /// Of each topology, its stage.
    known: Mutex<BTreeMap<String, Stage>>,
}

impl Metrics {
    /// All zero.
    pub fn new() -> Result<Metrics, prometheus::Error> {
        let registry = Registry::new();
        let reconciles = IntCounterVec::new(
            Opts::new("egret_operator_reconciles_total", "Reconciliations, by how they ended."),
            &["outcome"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "egret_operator_reconcile_seconds",
                "Duration of a reconciliation, waiting for the API server included.",
            )
            .buckets(SECONDS.to_vec()),
            &["outcome"],
        )?;
        let stages = IntGaugeVec::new(
            Opts::new("egret_operator_topologies", "Topologies, by the stage that they are in."),
            &["stage"],
        )?;
        let leader = IntGauge::new(
            "egret_operator_leader",
            "Whether this operator holds the lease, and works.",
        )?;
        let watches = IntCounterVec::new(
            Opts::new(
                "egret_operator_watch_errors_total",
                "Errors of watches, by what is watched.",
            ),
            &["kind"],
        )?;
        registry.register(Box::new(reconciles.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(stages.clone()))?;
        registry.register(Box::new(leader.clone()))?;
        registry.register(Box::new(watches.clone()))?;
        let known = Mutex::default();
        Ok(Metrics { registry, reconciles, seconds, stages, leader, watches, known })
    }

    /// A reconciliation has ended.
    pub fn reconciled(&self, outcome: Outcome, took: Duration) {
        let word = match outcome {
            Outcome::Ok => "ok",
            Outcome::Refused => "refused",
            Outcome::Error => "error",
        };
        self.reconciles.with_label_values(&[word]).inc();
        self.seconds.with_label_values(&[word]).observe(took.as_secs_f64());
    }

    /// A topology is in this stage, or gone.
    pub fn staged(&self, uid: &str, stage: Option<Stage>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match stage {
            Some(stage) => known.insert(uid.to_owned(), stage),
            None => known.remove(uid),
        };
        self.count(&known);
    }

    /// Forgets topologies that are gone.
    pub fn keep(&self, there: impl Fn(&str) -> bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|uid, _| there(uid));
        self.count(&known);
    }

    fn count(&self, known: &BTreeMap<String, Stage>) {
        for (stage, word) in STAGES {
            let count = known.values().filter(|other| **other == stage).count();
            self.stages.with_label_values(&[word]).set(count as i64);
        }
    }

    /// Whether this operator works.
    pub fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// A watch has failed, and is made again.
    pub fn watch_failed(&self, kind: &str) {
        self.watches.with_label_values(&[kind]).inc();
    }

    /// All of it in Prometheus' text format.
    pub fn page(&self) -> String {
        let mut page = Vec::new();
        // Writing to memory does not fail.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut page);
        String::from_utf8(page).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topologies_are_counted_by_stage_once_each() {
        let metrics = Metrics::new().unwrap();
        metrics.staged("a", Some(Stage::Starting));
        metrics.staged("b", Some(Stage::Starting));
        metrics.staged("a", Some(Stage::Live));
        metrics.staged("b", None);
        metrics.staged("c", Some(Stage::Starting));
        metrics.keep(|uid| uid == "a");
        metrics.reconciled(Outcome::Ok, Duration::from_millis(3));
        let page = metrics.page();
        assert!(page.contains("egret_operator_topologies{stage=\"live\"} 1"), "{page}");
        assert!(page.contains("egret_operator_topologies{stage=\"starting\"} 0"), "{page}");
        assert!(page.contains("egret_operator_reconciles_total{outcome=\"ok\"} 1"), "{page}");
    }
}
