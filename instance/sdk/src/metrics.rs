//! Counters and gauges of user code; the stream manager exports them for the pod.

use crate::{Error, Result};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Metrics of one task: each is a time series for good, so they are few.
const MAX_METRICS: usize = 64;

/// A number that only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
}

/// A number that can fall.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Sets.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }
}

/// The metrics of one task.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<BTreeMap<String, Metric>>>);

#[derive(Clone, Debug)]
enum Metric {
    Counter(Counter),
    Gauge(Gauge),
}

impl Metrics {
    /// The counter of this name, made if there is none.
    pub fn counter(&self, name: &str) -> Result<Counter> {
        match self.metric(name, || Metric::Counter(Counter::default()))? {
            Metric::Counter(counter) => Ok(counter),
            Metric::Gauge(_) => Err(Error::msg(format!("metric `{name}` is a gauge already"))),
        }
    }

    /// The gauge of this name, made if there is none.
    pub fn gauge(&self, name: &str) -> Result<Gauge> {
        match self.metric(name, || Metric::Gauge(Gauge::default()))? {
            Metric::Gauge(gauge) => Ok(gauge),
            Metric::Counter(_) => Err(Error::msg(format!("metric `{name}` is a counter already"))),
        }
    }

    /// Every metric: (name, whether it is a gauge, value).
    pub fn snapshot(&self) -> Vec<(String, bool, f64)> {
        let metrics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let value = |metric: &Metric| match metric {
            Metric::Counter(counter) => (false, counter.0.load(Ordering::Relaxed) as f64),
            Metric::Gauge(gauge) => (true, f64::from_bits(gauge.0.load(Ordering::Relaxed))),
        };
        metrics
            .iter()
            .map(|(name, metric)| {
                let (gauge, value) = value(metric);
                (name.clone(), gauge, value)
            })
            .collect()
    }

    fn metric(&self, name: &str, make: impl FnOnce() -> Metric) -> Result<Metric> {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
        if !starts_well || !name.chars().all(legal) || name.len() > 64 {
            return Err(Error::msg(format!(
                "`{name}` is no metric name: use up to 64 of a-z, 0-9 and _, a letter first"
            )));
        }
        let mut metrics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if metrics.len() >= MAX_METRICS && !metrics.contains_key(name) {
            return Err(Error::msg(format!(
                "metric `{name}` is one too many: a task has at most {MAX_METRICS}"
            )));
        }
        Ok(metrics.entry(name.to_owned()).or_insert_with(make).clone())
    }
}
