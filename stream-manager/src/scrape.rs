//! What is shown to Prometheus. `docs/metrics.md` explains each; a test keeps the two together.
//!
//! Label values are bounded: components, tasks and pods of the plan, and fixed words.

mod names;

use crate::{
    limits,
    manager::Manager,
    metrics::{Labels, Name, Page},
    totals::TaskTotals,
};
use egret_flow::{Counts, Discard, Link};
use egret_topology::{id::TaskId, plan::PlanIndex};
use egret_wire::control::Phase;
use names as n;
use std::collections::BTreeMap;

const PHASES: [(Phase, &str); 6] = [
    (Phase::Starting, "starting"),
    (Phase::Active, "active"),
    (Phase::Inactive, "inactive"),
    (Phase::Exhausted, "exhausted"),
    (Phase::Ended, "ended"),
    (Phase::Closed, "closed"),
];

impl Manager {
    /// All metrics as they are now.
    pub(crate) fn page(&self) -> Page {
        let pod = self.options.pod.to_string();
        let mut page = Page::new(&[("topology", &self.options.topology), ("pod", &pod)]);
        self.add_pod(&mut page);
        if let Some(plan) = self.plan() {
            let mut latency = BTreeMap::<&str, BTreeMap<u64, u64>>::new();
            let tasks = self.tasks();
            for (task, totals) in &tasks {
                let Some(component) = plan.component_of(*task) else { continue };
                add_task(&mut page, &component.name, *task, totals);
                if plan.is_spout(*task) {
                    let of = latency.entry(&component.name).or_default();
                    for (micros, count) in totals.latency() {
                        *of.entry(*micros).or_default() += count;
                    }
                }
            }
            for (component, counts) in &latency {
                page.add_latency(n::COMPLETE_LATENCY, &[("component", component)], counts);
            }
            self.add_streams(&mut page, &plan);
            self.add_links(&mut page, &plan);
        }
        page
    }

    fn add_pod(&self, page: &mut Page) {
        let flow = self.flow.borrow();
        page.add(n::INFO, &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        page.add(n::READY, &[], f64::from(u8::from(self.ready().is_ok())));
        page.add(n::PLAN_REVISION, &[], *self.revision.borrow() as f64);
        if let Some(plan) = flow.plan() {
            page.add(n::PLAN_EPOCH, &[], plan.plan().epoch.0.into());
        }
        let tally = &self.tally;
        for (reason, count) in [("malformed", &tally.malformed), ("refused", &tally.refused)] {
            page.add(n::LINKS_CLOSED, &[("reason", reason)], count.get() as f64);
        }
        page.add(n::PLANS_REFUSED, &[], tally.plans_refused.get() as f64);
        page.add(n::CONTROL_OVERFLOWS, &[], tally.overflows.get() as f64);
        page.add(n::LOSSES, &[], flow.losses() as f64);
        page.add(n::QUEUED, &[], flow.queued_bytes() as f64);
        for why in Discard::ALL {
            let count = flow.discards().of(why);
            page.add(n::DISCARDED, &[("reason", why.name())], count as f64);
        }
    }

    /// What waits for whom.
    fn add_streams(&self, page: &mut Page, plan: &PlanIndex) {
        let flow = self.flow.borrow();
        let mut waiting = BTreeMap::<TaskId, (f64, f64)>::new();
        for stall in flow.stalls(self.now()) {
            let of = waiting.entry(stall.stream.key.dest).or_default();
            of.0 += stall.bytes as f64;
            of.1 += seconds(stall.for_ns);
        }
        for (task, counts) in flow.task_counts() {
            let Some(component) = plan.component_of(task) else { continue };
            let id = task.to_string();
            let labels: Labels<'_> = &[("component", &component.name), ("task", &id)];
            let (bytes, now) = waiting.get(&task).copied().unwrap_or_default();
            page.add(n::STALLED_SECONDS, labels, seconds(counts.stalled_ns) + now);
            page.add(n::STALLED_BYTES, labels, bytes);
        }
    }

    fn add_links(&self, page: &mut Page, plan: &PlanIndex) {
        let flow = self.flow.borrow();
        for (link, counts) in flow.link_counts() {
            let (kind, peer) = describe(plan, link);
            let labels = [("link", kind), ("peer", peer.as_str())];
            page.add(n::LINK_UP, &labels, f64::from(u8::from(flow.is_up(link))));
            page.add(n::LINK_CONNECTS, &labels, counts.ups as f64);
            let mut add = |direction, class, counts: &Counts| {
                let [a, b] = labels;
                let labels: Labels<'_> = &[a, b, ("direction", direction), ("class", class)];
                page.add(n::LINK_FRAMES, labels, counts.frames as f64);
                page.add(n::LINK_ENTRIES, labels, counts.entries as f64);
                page.add(n::LINK_BYTES, labels, counts.bytes as f64);
            };
            add("in", "data", &counts.data_in);
            add("in", "ack", &counts.ack_in);
            add("out", "data", &counts.data_out);
            add("out", "ack", &counts.ack_out);
        }
        let mut lost = self.tally.lost_packets.get();
        for (link, connection) in self.links.connections() {
            let (kind, peer) = describe(plan, link);
            let labels: Labels<'_> = &[("link", kind), ("peer", &peer)];
            let path = connection.stats().path;
            lost += path.lost_packets;
            page.add(n::QUIC_RTT, labels, path.rtt.as_secs_f64());
            page.add(n::QUIC_MTU, labels, path.current_mtu.into());
            page.add(n::QUIC_WINDOW, labels, path.cwnd as f64);
        }
        page.add(n::QUIC_LOST, &[], lost as f64);
    }
}

fn describe(plan: &PlanIndex, link: Link) -> (&'static str, String) {
    match link {
        Link::Instance(task) => {
            let component = plan.component_of(task).map_or("", |component| &component.name);
            ("instance", format!("{component}/{task}"))
        }
        Link::Peer(pod) => ("peer", pod.to_string()),
    }
}

fn add_task(page: &mut Page, component: &str, task: TaskId, totals: &TaskTotals) {
    let id = task.to_string();
    let labels: Labels<'_> = &[("component", component), ("task", &id)];
    let total = totals.total();
    let roots = total.roots;
    page.add(n::TASK_CONNECTED, labels, f64::from(u8::from(totals.connected())));
    let values: [(Name, u64); 14] = [
        (n::TASK_RESTARTS, totals.restarts().into()),
        (n::ROOTS_EMITTED, roots.emitted),
        (n::ROOTS_ACKED, roots.acked),
        (n::ROOTS_FAILED, roots.failed),
        (n::ROOTS_TIMED_OUT, roots.timed_out),
        (n::ROOTS_REPLAYED, roots.replayed),
        (n::ROOTS_PENDING, roots.pending),
        (n::EMITTED, total.emitted),
        (n::EXECUTED, total.executed),
        (n::ACKED, total.acked),
        (n::FAILED, total.failed),
        (n::TASK_DISCARDED, total.discarded),
        (n::UNFINISHED, total.unfinished),
        (n::LIVES_WITH_ERROR, u64::from(totals.error().is_some())),
    ];
    for (name, value) in values {
        page.add(name, labels, value as f64);
    }
    page.add(n::BACKPRESSURE, labels, total.backpressure_us as f64 / 1e6);
    page.add(n::BUSY, labels, total.busy_us as f64 / 1e6);
    page.add(n::CALL, labels, total.busy_ms as f64 / 1e3);
    for (phase, word) in PHASES {
        let labels = &[("component", component), ("task", &id), ("phase", word)];
        page.add(n::TASK_PHASE, labels, f64::from(u8::from(total.phase == phase)));
    }
    for metric in total.user.iter().filter(|m| m.name.len() <= limits::USER_METRIC_NAME) {
        let labels = &[("component", component), ("task", &id), ("name", metric.name.as_str())];
        page.add(if metric.gauge { n::USER_GAUGE } else { n::USER_TOTAL }, labels, metric.value);
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
