//! What passes over edges, what waits, and for whom.

use super::seconds;
use crate::{manager::Manager, totals::TaskTotals};
use egret_process::metrics::{
    Labels, Metric, Page,
    catalogue::{edges as e, links as l, pod as p},
};
use egret_topology::{id::TaskId, plan::PlanIndex};
use egret_wire::preamble::Class;
use std::collections::BTreeMap;

impl Manager {
    pub(super) fn add_edges(
        &self,
        page: &mut Page,
        plan: &PlanIndex,
        tasks: &BTreeMap<TaskId, TaskTotals>,
    ) {
        self.add_counts(page, plan);
        add_backpressure(page, plan, tasks);
        self.add_queues(page, plan);
        self.add_stalls(page, plan);
    }

    /// Edges that have a task here.
    fn add_counts(&self, page: &mut Page, plan: &PlanIndex) {
        for (end, counts) in self.flow.borrow().edge_counts() {
            if plan.pod_of(end.task) != Some(self.options.pod) {
                continue;
            }
            let metrics: [(&Metric, u64); 3] = if end.sends {
                [
                    (&e::EDGE_SENT_TUPLES, counts.entries),
                    (&e::EDGE_SENT_FRAMES, counts.frames),
                    (&e::EDGE_SENT_BYTES, counts.bytes),
                ]
            } else {
                [
                    (&e::EDGE_RECEIVED_TUPLES, counts.entries),
                    (&e::EDGE_RECEIVED_FRAMES, counts.frames),
                    (&e::EDGE_RECEIVED_BYTES, counts.bytes),
                ]
            };
            let task = end.task.to_string();
            let labels: Labels<'_> =
                &[("from", &end.from), ("stream", &end.stream), ("to", &end.to), ("task", &task)];
            for (metric, value) in metrics {
                page.add(metric, labels, value as f64);
            }
        }
    }

    /// Bytes that wait in the stream manager, and in QUIC.
    fn add_queues(&self, page: &mut Page, plan: &PlanIndex) {
        let mut sums = BTreeMap::<(TaskId, bool), (usize, usize)>::new();
        let here = |task: &TaskId| plan.pod_of(*task) == Some(self.options.pod);
        // Tasks of this pod have a sample also while nothing waits for them.
        for planned in plan.tasks_in(self.options.pod) {
            sums.insert((planned.id, false), (0, 0));
        }
        for (stream, queued, in_hand) in self.flow.borrow().queues() {
            let sum = sums.entry((stream.key.dest, stream.key.class == Class::Ack)).or_default();
            sum.0 += queued;
            sum.1 += in_hand;
        }
        for ((task, acks), (queued, in_hand)) in sums {
            let Some(component) = plan.component_of(task) else { continue };
            let id = task.to_string();
            let class = if acks { "ack" } else { "data" };
            let labels: Labels<'_> =
                &[("component", &component.name), ("task", &id), ("class", class)];
            if queued > 0 || here(&task) {
                page.add(&p::QUEUED_BYTES, labels, queued as f64);
            }
            if in_hand > 0 || here(&task) {
                page.add(&p::IN_FLIGHT_BYTES, labels, in_hand as f64);
            }
        }
    }

    /// Streams that stand still.
    fn add_stalls(&self, page: &mut Page, plan: &PlanIndex) {
        let flow = self.flow.borrow();
        let mut waiting = BTreeMap::<TaskId, (f64, f64)>::new();
        for stall in flow.stalls(self.now()) {
            let of = waiting.entry(stall.stream.key.dest).or_default();
            of.0 += stall.bytes as f64;
            of.1 += seconds(stall.for_ns);
        }
        for (task, counts) in flow.task_counts() {
            let Some(component) = plan.component_of(task) else { continue };
            let (bytes, now) = waiting.get(&task).copied().unwrap_or_default();
            let stalled = seconds(counts.stalled_ns) + now;
            // Of tasks elsewhere only those that have ever stood still: there may be thousands.
            if stalled == 0.0 && plan.pod_of(task) != Some(self.options.pod) {
                continue;
            }
            let id = task.to_string();
            let labels: Labels<'_> = &[("component", &component.name), ("task", &id)];
            page.add(&l::STREAM_STALLED_SECONDS, labels, stalled);
            page.add(&l::STREAM_STALLED_BYTES, labels, bytes);
        }
    }
}

/// For whom tasks of this pod have waited.
fn add_backpressure(page: &mut Page, plan: &PlanIndex, tasks: &BTreeMap<TaskId, TaskTotals>) {
    let mut waited = BTreeMap::<(&str, &str, TaskId), u64>::new();
    for (task, totals) in tasks {
        let Some(from) = plan.component_of(*task) else { continue };
        for (dest, micros) in totals.waited_for() {
            let Some(to) = plan.component_of(*dest) else { continue };
            *waited.entry((&from.name, &to.name, *dest)).or_default() += micros;
        }
    }
    for ((from, to, task), micros) in waited {
        let task = task.to_string();
        let labels: Labels<'_> = &[("from", from), ("to", to), ("task", &task)];
        page.add(&e::EDGE_BACKPRESSURE, labels, micros as f64 / 1e6);
    }
}
