//! Prometheus' data model and text format: the only module that knows the crate.
//!
//! A page is built anew for each scrape, so nothing of a task that is gone lingers.

use prometheus::{
    TextEncoder,
    proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType},
};
use std::collections::BTreeMap;

/// Upper bounds of the buckets of complete latency, in microseconds: 100 µs to 60 s, about three
/// per decade where it matters. A tree that takes longer than a minute has timed out.
const LATENCY_BUCKETS: [u64; 19] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000, 30_000_000, 60_000_000,
];

/// A metric's name, type and meaning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    kind: MetricType,
}

pub(crate) const fn counter(name: &'static str, help: &'static str) -> Name {
    Name { name, help, kind: MetricType::COUNTER }
}

pub(crate) const fn gauge(name: &'static str, help: &'static str) -> Name {
    Name { name, help, kind: MetricType::GAUGE }
}

pub(crate) const fn histogram(name: &'static str, help: &'static str) -> Name {
    Name { name, help, kind: MetricType::HISTOGRAM }
}

/// Names and values of labels.
pub(crate) type Labels<'a> = &'a [(&'a str, &'a str)];

/// All metrics at one moment.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// On every sample.
    constant: Vec<LabelPair>,
    families: BTreeMap<&'static str, MetricFamily>,
}

impl Page {
    pub(crate) fn new(constant: Labels<'_>) -> Page {
        Page { constant: pairs(constant), families: BTreeMap::new() }
    }

    /// Adds a sample of a counter or gauge.
    pub(crate) fn add(&mut self, name: Name, labels: Labels<'_>, value: f64) {
        let metric = match name.kind {
            MetricType::COUNTER => {
                let mut counter = Counter::default();
                counter.set_value(value);
                let mut metric = Metric::default();
                metric.set_counter(counter);
                metric
            }
            _ => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                Metric::from_gauge(gauge)
            }
        };
        self.push(name, labels, metric);
    }

    /// Adds a histogram of counts by microseconds, shown in seconds.
    pub(crate) fn add_latency(
        &mut self,
        name: Name,
        labels: Labels<'_>,
        counts: &BTreeMap<u64, u64>,
    ) {
        let mut buckets = Vec::with_capacity(LATENCY_BUCKETS.len());
        let mut values = counts.iter().peekable();
        let (mut below, mut sum) = (0, 0.0);
        let mut take = |(micros, count): (&u64, &u64)| {
            sum += *micros as f64 * 1e-6 * *count as f64;
            *count
        };
        for bound in LATENCY_BUCKETS {
            while let Some(value) = values.next_if(|(micros, _)| **micros <= bound) {
                below += take(value);
            }
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound as f64 / 1e6);
            bucket.set_cumulative_count(below);
            buckets.push(bucket);
        }
        below += values.map(take).sum::<u64>();
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(below);
        histogram.set_sample_sum(sum);
        let mut metric = Metric::default();
        metric.set_histogram(histogram);
        self.push(name, labels, metric);
    }

    fn push(&mut self, name: Name, labels: Labels<'_>, mut metric: Metric) {
        let mut all = self.constant.clone();
        all.extend(pairs(labels));
        metric.set_label(all);
        let family = self.families.entry(name.name).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(name.name.to_owned());
            family.set_help(name.help.to_owned());
            family.set_field_type(name.kind);
            family
        });
        family.mut_metric().push(metric);
    }

    /// The page in Prometheus' text format.
    pub(crate) fn encode(self) -> String {
        let families: Vec<MetricFamily> = self.families.into_values().collect();
        TextEncoder::new().encode_to_string(&families).unwrap_or_else(|error| {
            tracing::error!("metrics cannot be encoded: {error}");
            String::new()
        })
    }
}

fn pairs(labels: Labels<'_>) -> Vec<LabelPair> {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    labels.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reads_as_prometheus_expects() {
        let mut page = Page::new(&[("pod", "1")]);
        page.add(counter("egret_b_total", "Bees."), &[("task", "2")], 3.0);
        page.add(gauge("egret_a", "An a."), &[], 0.5);
        let text = page.encode();
        assert_eq!(
            text,
            "# HELP egret_a An a.\n# TYPE egret_a gauge\negret_a{pod=\"1\"} 0.5\n\
             # HELP egret_b_total Bees.\n# TYPE egret_b_total counter\n\
             egret_b_total{pod=\"1\",task=\"2\"} 3\n"
        );
    }

    #[test]
    fn every_latency_is_counted_once_and_in_seconds() {
        let counts = BTreeMap::from([(100, 2), (101, 1), (1_500_000, 4), (90_000_000, 1)]);
        let mut page = Page::new(&[]);
        page.add_latency(histogram("egret_l_seconds", "L."), &[("c", "x")], &counts);
        let text = page.encode();
        for line in [
            "egret_l_seconds_bucket{c=\"x\",le=\"0.0001\"} 2",
            "egret_l_seconds_bucket{c=\"x\",le=\"0.0002\"} 3",
            "egret_l_seconds_bucket{c=\"x\",le=\"1\"} 3",
            "egret_l_seconds_bucket{c=\"x\",le=\"2\"} 7",
            "egret_l_seconds_bucket{c=\"x\",le=\"60\"} 7",
            "egret_l_seconds_bucket{c=\"x\",le=\"+Inf\"} 8",
            "egret_l_seconds_count{c=\"x\"} 8",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
