//! What is shown to Prometheus. `egret_process::metrics::catalogue` explains each.
//!
//! Label values are bounded: components, tasks and pods of the plan, and fixed words.

mod edges;
mod links;

use crate::{export::Dropped, limits, manager::Manager, totals::TaskTotals};
use egret_flow::Discard;
use egret_process::{
    metrics::{
        Histogram, Labels, Metric, Page,
        catalogue::{pod as p, roots as r, tasks as t},
    },
    usage::{Usage, udp_drops},
};
use egret_topology::id::TaskId;
use egret_wire::{
    control::{self, Phase, TaskReport},
    durations::Durations,
};
use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

/// Upper bounds of the buckets of complete latency, in microseconds: 100 µs to 60 s, about three
/// per decade where it matters. A tree that takes longer than a minute has timed out.
const LATENCY_BUCKETS: [u64; 19] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000, 30_000_000, 60_000_000,
];

const PHASES: [(Phase, &str); 7] = [
    (Phase::Starting, "starting"),
    (Phase::Active, "active"),
    (Phase::Inactive, "inactive"),
    (Phase::Drained, "drained"),
    (Phase::Exhausted, "exhausted"),
    (Phase::Ended, "ended"),
    (Phase::Closed, "closed"),
];

/// A page that lacks what is better not asked for on the thread of the loops.
#[derive(Debug)]
pub(crate) struct Scrape {
    page: Page,
    sockets: Vec<Socket>,
}

/// A UDP socket of this pod: its port, and whose it is.
#[derive(Debug)]
struct Socket {
    port: u16,
    process: &'static str,
    component: String,
    task: String,
}

impl Scrape {
    /// The page in Prometheus' text format.
    pub(crate) fn encode(mut self) -> String {
        let labels = [("process", "stream-manager"), ("component", ""), ("task", "")];
        self.page.add_usage(&labels, &egret_process::usage::now());
        let drops = udp_drops();
        for Socket { port, process, component, task } in &self.sockets {
            let Some(drops) = drops.get(port) else { continue };
            let labels = [("process", *process), ("component", component), ("task", task)];
            self.page.add(&p::UDP_DROPS, &labels, *drops as f64);
        }
        self.page.encode()
    }
}

/// What components show, of all their tasks in this pod.
#[derive(Debug, Default)]
struct Latencies {
    complete: BTreeMap<u64, u64>,
    execute: Durations,
    process: Durations,
}

impl Manager {
    /// All metrics as they are now.
    pub(crate) fn scrape(&self) -> Scrape {
        let pod = self.options.pod.to_string();
        let mut page = Page::new(&[("topology", &self.options.topology), ("pod", &pod)]);
        self.add_pod(&mut page);
        let mut sockets = Vec::new();
        if let Ok(address) = self.endpoint.local_address() {
            let (component, task) = (String::new(), String::new());
            let process = "stream-manager";
            sockets.push(Socket { port: address.port(), process, component, task });
        }
        if let Some(plan) = self.plan() {
            let mut latencies = BTreeMap::<&str, (bool, Latencies)>::new();
            let tasks = self.tasks();
            for (task, totals) in &tasks {
                let Some(component) = plan.component_of(*task) else { continue };
                let total = totals.total();
                add_task(&mut page, &component.name, *task, totals, &total);
                let (spout, of) = latencies.entry(&component.name).or_default();
                *spout = plan.is_spout(*task);
                for (micros, count) in totals.latency() {
                    *of.complete.entry(*micros).or_default() += count;
                }
                of.execute.add(&total.execute);
                of.process.add(&total.process);
            }
            for (component, (spout, of)) in &latencies {
                let labels: Labels<'_> = &[("component", component)];
                if *spout {
                    page.add_histogram(&r::COMPLETE_LATENCY, labels, &complete(&of.complete));
                } else {
                    page.add_histogram(&t::EXECUTE_LATENCY, labels, &durations(&of.execute));
                    page.add_histogram(&t::PROCESS_LATENCY, labels, &durations(&of.process));
                }
            }
            self.add_edges(&mut page, &plan, &tasks);
            self.add_links(&mut page, &plan, &mut sockets);
        }
        Scrape { page, sockets }
    }

    fn add_pod(&self, page: &mut Page) {
        let flow = self.flow.borrow();
        page.add(&p::STREAM_MANAGER_INFO, &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        page.add(&p::POD_READY, &[], f64::from(u8::from(self.ready().is_ok())));
        page.add(&p::PLAN_REVISION, &[], *self.revision.borrow() as f64);
        if let Some(plan) = flow.plan() {
            page.add(&p::PLAN_EPOCH, &[], plan.plan().epoch.0.into());
        }
        let tally = &self.tally;
        for (reason, count) in [("malformed", &tally.malformed), ("refused", &tally.refused)] {
            page.add(&p::LINKS_CLOSED, &[("reason", reason)], count.get() as f64);
        }
        page.add(&p::PLANS_REFUSED, &[], tally.plans_refused.get() as f64);
        page.add(&p::CONTROL_OVERFLOWS, &[], tally.overflows.get() as f64);
        page.add(&p::SPANS_EXPORTED, &[], self.exporter.exported() as f64);
        for why in Dropped::ALL {
            let count = self.exporter.dropped(why);
            page.add(&p::SPANS_DROPPED, &[("reason", why.name())], count as f64);
        }
        page.add(&p::LOSSES_ANNOUNCED, &[], flow.losses() as f64);
        for why in Discard::ALL {
            let count = flow.discards().of(why);
            page.add(&p::FRAMES_DISCARDED, &[("reason", why.name())], count as f64);
        }
    }
}

fn add_task(
    page: &mut Page,
    component: &str,
    task: TaskId,
    totals: &TaskTotals,
    total: &TaskReport,
) {
    let id = task.to_string();
    let labels: Labels<'_> = &[("component", component), ("task", &id)];
    let roots = total.roots;
    let values: [(&Metric, u64); 16] = [
        (&t::TASK_CONNECTED, u64::from(totals.connected())),
        (&r::ROOTS_EMITTED, roots.emitted),
        (&r::ROOTS_ACKED, roots.acked),
        (&r::ROOTS_TIMED_OUT, roots.timed_out),
        (&r::ROOTS_REPLAYED, roots.replayed),
        (&r::DEAD_LETTERS, roots.dead_letters),
        (&r::ROOTS_PENDING, roots.pending),
        (&t::TUPLES_EMITTED, total.emitted),
        (&t::TUPLES_EXECUTED, total.executed),
        (&t::TUPLES_ACKED, total.acked),
        (&t::TUPLES_FAILED, total.failed),
        (&t::TASK_FRAMES_DISCARDED, total.discarded),
        (&t::TASK_UNFINISHED, total.unfinished),
        (&t::TASK_INBOX, total.inbox_bytes),
        (&t::TASK_OUTBOX, total.outbox_bytes),
        (&t::TASK_BROKEN, u64::from(totals.error().is_some())),
    ];
    for (metric, value) in values {
        page.add(metric, labels, value as f64);
    }
    page.add(&t::TASK_BACKPRESSURE, labels, total.backpressure_us as f64 / 1e6);
    page.add(&t::TASK_BUSY, labels, total.busy_us as f64 / 1e6);
    page.add(&t::TASK_CALL, labels, total.busy_ms as f64 / 1e3);
    let mut add = |metric: &Metric, label, word: &str, value: f64| {
        let labels = &[("component", component), ("task", &id), (label, word)];
        page.add(metric, labels, value);
    };
    let bolt = roots.failed.saturating_sub(roots.lost).saturating_sub(roots.orphaned);
    for (cause, count) in [("bolt", bolt), ("loss", roots.lost), ("restart", roots.orphaned)] {
        add(&r::ROOTS_FAILED, "cause", cause, count as f64);
    }
    for (cause, count) in totals.restarts() {
        add(&t::TASK_RESTARTS, "cause", cause, count.into());
    }
    for (phase, word) in PHASES {
        add(&t::TASK_PHASE, "phase", word, f64::from(u8::from(total.phase == phase)));
    }
    for metric in total.user.iter().filter(|m| m.name.len() <= limits::USER_METRIC_NAME) {
        let kind = if metric.gauge { &t::USER_VALUE } else { &t::USER_TOTAL };
        add(kind, "name", &metric.name, metric.value);
    }
    if let Some(usage) = total.usage.filter(|_| totals.connected()) {
        let labels = [("process", "instance"), ("component", component), ("task", id.as_str())];
        page.add_usage(&labels, &used(&usage));
    }
}

fn used(usage: &control::Usage) -> Usage {
    // Far beyond any real time; a peer may say anything.
    let started = Duration::from_millis(usage.started_ms.min(1 << 48));
    Usage {
        cpu: Duration::from_micros(usage.cpu_us),
        resident_bytes: Some(usage.resident_bytes),
        started: UNIX_EPOCH + started,
    }
}

/// Counts by microseconds.
fn complete(counts: &BTreeMap<u64, u64>) -> Histogram {
    let mut values = counts.iter().peekable();
    let mut histogram = Histogram::default();
    for bound in LATENCY_BUCKETS {
        while let Some((_, count)) = values.next_if(|(micros, _)| **micros <= bound) {
            histogram.count += count;
        }
        histogram.buckets.push((bound as f64 / 1e6, histogram.count));
    }
    histogram.count += values.map(|(_, count)| count).sum::<u64>();
    histogram.sum = counts.iter().map(|(micros, count)| *micros as f64 / 1e6 * *count as f64).sum();
    histogram
}

fn durations(durations: &Durations) -> Histogram {
    Histogram {
        buckets: durations.cumulative().map(|(ns, count)| (ns as f64 / 1e9, count)).collect(),
        count: durations.count(),
        sum: durations.sum_ns as f64 / 1e9,
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_is_counted_once_and_in_seconds() {
        let counts = BTreeMap::from([(100, 2), (101, 1), (1_500_000, 4), (90_000_000, 1)]);
        let histogram = complete(&counts);
        let below = |bound| histogram.buckets.iter().find(|(b, _)| *b == bound).unwrap().1;
        assert_eq!([below(0.0001), below(0.0002), below(1.0)], [2, 3, 3]);
        assert_eq!([below(2.0), below(60.0), histogram.count], [7, 7, 8]);
        assert!((histogram.sum - 96.000301).abs() < 1e-9, "{}", histogram.sum);
    }

    #[test]
    fn durations_beyond_the_last_bound_count_too() {
        let mut counts = [0; egret_wire::durations::BUCKETS];
        counts[0] = 3;
        *counts.last_mut().unwrap() = 2;
        let histogram = durations(&Durations::new(counts, 4_000_000_000));
        assert_eq!(histogram.buckets.first(), Some(&(1e-6, 3)));
        assert_eq!(histogram.buckets.last(), Some(&(60.0, 3)));
        assert_eq!((histogram.count, histogram.sum), (5, 4.0));
    }
}
