//! Metrics of all processes: what there are ([`catalogue`]), and a page of them in Prometheus' text
//! format. The only module that knows the crate.
//!
//! A page is built anew for each scrape, so nothing of a task that is gone lingers.

pub mod catalogue;

pub use catalogue::{Kind, Metric};
use prometheus::{
    TextEncoder,
    proto::{
        Bucket, Counter, Gauge, Histogram as Counted, LabelPair, Metric as Sample, MetricFamily,
        MetricType,
    },
};
use std::collections::BTreeMap;

/// Names and values of labels. One without a value is left out.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// A histogram at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Upper bounds in seconds, and how many values are at or below each.
    pub buckets: Vec<(f64, u64)>,
    /// How many there are.
    pub count: u64,
    /// Their sum, in seconds.
    pub sum: f64,
}

/// All metrics at one moment.
#[derive(Debug, Default)]
pub struct Page {
    /// On every sample.
    constant: Vec<LabelPair>,
    families: BTreeMap<&'static str, MetricFamily>,
}

impl Page {
    /// An empty page; every sample will have these labels.
    #[must_use]
    pub fn new(constant: Labels<'_>) -> Page {
        Page { constant: pairs(constant), families: BTreeMap::new() }
    }

    /// Adds a sample of a counter or gauge.
    pub fn add(&mut self, metric: &Metric, labels: Labels<'_>, value: f64) {
        let sample = match metric.kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                let mut sample = Sample::default();
                sample.set_counter(counter);
                sample
            }
            Kind::Gauge | Kind::Histogram => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                Sample::from_gauge(gauge)
            }
        };
        debug_assert_ne!(metric.kind, Kind::Histogram, "{}", metric.name);
        self.push(metric, labels, sample);
    }

    /// Adds a histogram.
    pub fn add_histogram(&mut self, metric: &Metric, labels: Labels<'_>, values: &Histogram) {
        let buckets = values.buckets.iter().map(|(bound, below)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(*below);
            bucket
        });
        let mut histogram = Counted::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(values.count);
        histogram.set_sample_sum(values.sum);
        let mut sample = Sample::default();
        sample.set_histogram(histogram);
        debug_assert_eq!(metric.kind, Kind::Histogram, "{}", metric.name);
        self.push(metric, labels, sample);
    }

    /// Adds what this process uses; `component` and `task` are those of an instance.
    pub fn add_usage(&mut self, labels: Labels<'_>, usage: &crate::usage::Usage) {
        use catalogue::pod as m;
        self.add(&m::PROCESS_CPU, labels, usage.cpu.as_secs_f64());
        if let Some(bytes) = usage.resident_bytes {
            self.add(&m::PROCESS_RESIDENT, labels, bytes as f64);
        }
        let started = usage.started.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        self.add(&m::PROCESS_START, labels, started.as_secs_f64());
    }

    fn push(&mut self, metric: &Metric, labels: Labels<'_>, mut sample: Sample) {
        debug_assert!(
            labels.iter().map(|(name, _)| name).eq(metric.labels),
            "{} has the labels {:?}, not {labels:?}",
            metric.name,
            metric.labels
        );
        let mut all = self.constant.clone();
        all.extend(pairs(labels));
        sample.set_label(all);
        let family = self.families.entry(metric.name).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(metric.name.to_owned());
            family.set_help(metric.help.to_owned());
            family.set_field_type(match metric.kind {
                Kind::Counter => MetricType::COUNTER,
                Kind::Gauge => MetricType::GAUGE,
                Kind::Histogram => MetricType::HISTOGRAM,
            });
            family
        });
        family.mut_metric().push(sample);
    }

    /// The page in Prometheus' text format.
    #[must_use]
    pub fn encode(self) -> String {
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
    labels.iter().filter(|(_, value)| !value.is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalogue::{links, pod, roots};

    #[test]
    fn a_page_reads_as_prometheus_expects() {
        let mut page = Page::new(&[("pod", "1")]);
        page.add(&links::LINK_CONNECTS, &[("link", "peer"), ("peer", "")], 3.0);
        page.add(&pod::PLAN_EPOCH, &[], 0.5);
        let text = page.encode();
        assert_eq!(
            text,
            format!(
                "# HELP egret_link_connects_total {}\n# TYPE egret_link_connects_total counter\n\
                 egret_link_connects_total{{pod=\"1\",link=\"peer\"}} 3\n\
                 # HELP egret_plan_epoch {}\n# TYPE egret_plan_epoch gauge\n\
                 egret_plan_epoch{{pod=\"1\"}} 0.5\n",
                links::LINK_CONNECTS.help,
                pod::PLAN_EPOCH.help
            )
        );
    }

    #[test]
    fn a_histogram_has_its_buckets_its_count_and_its_sum() {
        let values = Histogram { buckets: vec![(0.001, 2), (1.0, 3)], count: 4, sum: 7.5 };
        let mut page = Page::new(&[]);
        page.add_histogram(&roots::COMPLETE_LATENCY, &[("component", "x")], &values);
        let text = page.encode();
        for line in [
            "egret_complete_latency_seconds_bucket{component=\"x\",le=\"0.001\"} 2",
            "egret_complete_latency_seconds_bucket{component=\"x\",le=\"1\"} 3",
            "egret_complete_latency_seconds_bucket{component=\"x\",le=\"+Inf\"} 4",
            "egret_complete_latency_seconds_count{component=\"x\"} 4",
            "egret_complete_latency_seconds_sum{component=\"x\"} 7.5",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
