//! What stream managers show, compared with the catalogue and with itself.

use crate::run::{LINES, Run};
use egret_process::metrics::catalogue;
use std::collections::{BTreeMap, BTreeSet};

/// The samples of one or several pages.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

impl Page {
    pub(crate) fn new(text: &str) -> Page {
        let samples = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.trim_end_matches('}').split("\",").filter(|pair| !pair.is_empty());
            let labels = labels.map(|pair| {
                let (label, value) = pair.split_once("=\"").unwrap();
                (label.to_owned(), value.trim_end_matches('"').to_owned())
            });
            (name.to_owned(), labels.collect(), value.parse().unwrap())
        });
        Page { text: text.to_owned(), samples: samples.collect() }
    }

    /// The sum of all samples of a metric that carry these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.sums(name, labels, "").values().sum()
    }

    /// The same by the values of a label.
    fn sums(&self, name: &str, labels: &[(&str, &str)], by: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for (other, found, value) in &self.samples {
            let has = |(label, value): &(&str, &str)| {
                found.get(*label).is_some_and(|found| found == value)
            };
            if other == name && labels.iter().all(has) {
                let of = found.get(by).cloned().unwrap_or_default();
                *sums.entry(of).or_default() += value;
            }
        }
        sums
    }

    /// Whether all that was emitted has ended, and what was executed was told by its instances.
    pub(crate) fn is_balanced(&self) -> bool {
        self.sum("egret_roots_pending", &[]) == 0.0
            && self.sum("egret_edge_received_tuples_total", &[])
                == self.sum("egret_tuples_executed_total", &[])
            && self.sum("egret_user_total", &[("name", "executed")]) == LINES as f64
    }

    /// Names of the metrics that have a sample.
    fn names(&self) -> BTreeSet<&str> {
        let types = self.text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types.filter_map(|line| line.split(' ').next()).collect()
    }
}

#[test]
fn a_topology_shows_every_metric_of_the_catalogue_and_no_other() {
    let run = Run::start();
    let page = run.until_settled();
    let sections = catalogue::SECTIONS.iter().filter(|section| section.title != "Operator");
    let expected: BTreeSet<&str> =
        sections.flat_map(|section| section.metrics).map(|metric| metric.name).collect();
    assert_eq!(page.names(), expected, "{}", page.text);
}

#[test]
fn sums_over_tasks_equal_sums_over_edges_and_histograms_count_everything() {
    let run = Run::start();
    let page = run.until_settled();
    let of = |name, labels: &[(&str, &str)], by| page.sums(name, labels, by);
    assert_eq!(page.sum("egret_complete_latency_seconds_count", &[]), LINES as f64);

    // What is sent to a component's tasks is what they receive, execute, time and ack.
    let sent = of("egret_edge_sent_tuples_total", &[], "to");
    assert_eq!(sent["before"], LINES as f64);
    assert_eq!(sent["end"], 2.0 * LINES as f64);
    assert_eq!(sent, of("egret_edge_received_tuples_total", &[], "to"));
    for name in [
        "egret_tuples_executed_total",
        "egret_tuples_acked_total",
        "egret_execute_latency_seconds_count",
        "egret_process_latency_seconds_count",
    ] {
        let mut of_bolts = of(name, &[], "component");
        of_bolts.remove("lines");
        assert_eq!(sent, of_bolts, "{name}");
    }
    for unit in ["frames", "bytes"] {
        let [sent, received] = ["sent", "received"].map(|end| {
            let name = format!("egret_edge_{end}_{unit}_total");
            page.sums(&name, &[], "to")
        });
        assert_eq!(sent, received, "{unit}");
    }

    // `before` emits each line once, to two components.
    assert_eq!(of("egret_tuples_emitted_total", &[], "component")["before"], LINES as f64);
    assert_eq!(of("egret_edge_sent_tuples_total", &[], "from")["before"], 2.0 * LINES as f64);

    // Who waits has somebody to wait for; rounding to microseconds loses at most one per report.
    let waited = of("egret_task_backpressure_seconds_total", &[], "component");
    let caused = of("egret_edge_backpressure_seconds_total", &[], "from");
    for (component, waited) in &waited {
        let caused = caused.get(component).copied().unwrap_or_default();
        assert!((waited - caused).abs() < 0.001, "{component}: {waited} {caused}");
    }
    let of_before = of("egret_edge_backpressure_seconds_total", &[("from", "before")], "to");
    assert!(of_before["slow"] > 1.0, "{of_before:?}");

    // Nobody has failed, and every execution of `slow` has taken its pause.
    assert_eq!(page.sum("egret_roots_failed_total", &[]), 0.0);
    let slow = [("component", "slow")];
    let took = page.sum("egret_execute_latency_seconds_sum", &slow);
    assert!(took >= 0.004 * LINES as f64, "{took}");
}
