//! From what was seen to what is shown: rates over a window, who waits for whom, what is wrong.
//!
//! Pure: it reads no clock. Whoever holds a [`Model`] gives it what was seen, about once a second,
//! and takes a snapshot.

mod edges;
mod findings;
mod history;
mod tasks;
#[cfg(test)]
mod tests;

use crate::{
    latency::Latency,
    layout::{Direction, layout},
    seen::Seen,
    snapshot::{Component, Layouts, Pod, Quantiles, Roots, Snapshot, Task, VERSION},
};
use egret_topology::{
    id::TaskId,
    plan::{ComponentKind, PhysicalPlan},
};
use egret_wire::control::{Phase, RootCounts};
use history::History;
use std::sync::Arc;

/// What is known of one topology.
#[derive(Debug, Default)]
pub struct Model {
    history: History,
    plan: Option<Arc<PhysicalPlan>>,
    layouts: Layouts,
}

impl Model {
    /// Takes over what was seen.
    pub fn see(&mut self, seen: Seen) {
        if let Some(plan) = &seen.plan
            && self.plan.as_ref().is_none_or(|known| known.components != plan.components)
        {
            let edges = edges::pairs(plan);
            let draw = |direction| layout(plan.components.len(), &edges, direction);
            self.layouts = Layouts { right: draw(Direction::Right), down: draw(Direction::Down) };
        }
        // A plan stays known while no pod answers.
        self.plan = seen.plan.clone().or_else(|| self.plan.take());
        self.history.add(seen);
    }

    /// The plan, if one is known.
    pub fn plan(&self) -> Option<&Arc<PhysicalPlan>> {
        self.plan.as_ref()
    }

    /// What is shown, `None` before anything was seen.
    pub fn snapshot(&self) -> Option<Snapshot> {
        let seen = self.history.newest()?;
        let mut snapshot = Snapshot {
            version: VERSION,
            topology: seen.topology.clone(),
            place: seen.place.clone(),
            state: seen.state.clone(),
            at_ms: seen.at_ms,
            window_seconds: self.history.seconds(),
            troubles: seen.troubles.clone(),
            pods: self.pods(seen),
            ..Snapshot::default()
        };
        if let Some(plan) = &self.plan {
            snapshot.max_pending = Some(plan.max_pending);
            snapshot.tasks = tasks::tasks(plan, &self.history);
            snapshot.edges = edges::edges(plan, &self.history, &snapshot.tasks);
            let components =
                (0..plan.components.len()).map(|at| self.component(plan, at, &snapshot));
            snapshot.components = components.collect();
            let all = self.latencies(plan.tasks.iter().map(|task| task.id));
            snapshot.latency = all;
            snapshot.roots = self.roots(plan);
            snapshot.layouts = self.layouts.clone();
            findings::add(&mut snapshot);
        }
        Some(snapshot)
    }

    fn pods(&self, seen: &Seen) -> Vec<Pod> {
        let plan = self.plan.as_ref();
        let pod = |pod: &crate::seen::SeenPod| {
            let status = pod.look.as_ref().map(|look| look.status.clone()).unwrap_or_default();
            let tasks = plan.iter().flat_map(|plan| &plan.tasks).filter(|task| task.pod == pod.id);
            Pod {
                id: pod.id,
                name: pod.name.clone(),
                node: pod.node.clone(),
                state: pod.state.clone(),
                answers: pod.look.is_some(),
                revision: status.revision,
                queued_bytes: status.queued_bytes,
                peers_down: status.peers_down,
                tasks: tasks.map(|task| task.id).collect(),
            }
        };
        seen.pods.iter().map(pod).collect()
    }

    fn component(&self, plan: &PhysicalPlan, at: usize, snapshot: &Snapshot) -> Component {
        let planned = &plan.components[at];
        let all: Vec<&Task> =
            snapshot.tasks.iter().filter(|task| task.component == planned.name).collect();
        let count = |is: fn(&Task) -> bool| all.iter().filter(|task| is(task)).count() as u32;
        let ids = plan.tasks.iter().filter(|task| task.component == at).map(|task| task.id);
        let spout = planned.kind == ComponentKind::Spout;
        Component {
            name: planned.name.clone(),
            kind: planned.kind,
            component: planned.component.clone(),
            parallelism: all.len() as u32,
            connected: count(|task| task.connected),
            ended: count(|task| matches!(task.phase, Phase::Ended | Phase::Closed)),
            restarts: all.iter().map(|task| u64::from(task.restarts)).sum(),
            pending: all.iter().map(|task| task.pending).fold(0, u64::saturating_add),
            latency: if spout { self.latencies(ids) } else { None },
            // Known when edges and all components are.
            holds_back: false,
            flow: tasks::sum(&all),
        }
    }

    /// Complete latency of the roots of these tasks.
    fn latencies(&self, tasks: impl Iterator<Item = TaskId>) -> Option<Quantiles> {
        let pairs: Vec<_> = tasks.filter_map(|task| self.history.of(task)).collect();
        let newest = || Latency::of(pairs.iter().flat_map(|(new, _)| &new.latency));
        let base =
            Latency::of(pairs.iter().filter_map(|(_, old)| *old).flat_map(|old| &old.latency));
        let recent = newest().since(&base);
        quantiles(if recent.count() > 0 { &recent } else { &base })
    }

    fn roots(&self, plan: &PhysicalPlan) -> Roots {
        let (mut new, mut old) = (RootCounts::default(), RootCounts::default());
        let mut both = true;
        for task in &plan.tasks {
            let Some((newest, base)) = self.history.of(task.id) else { continue };
            new.add(&newest.total.roots);
            match base {
                Some(base) => old.add(&base.total.roots),
                None => both = false,
            }
        }
        let rate = |new: u64, old: u64| {
            self.history.seconds().filter(|_| both).map(|s| new.saturating_sub(old) as f64 / s)
        };
        Roots {
            emitted: new.emitted,
            acked: new.acked,
            failed: new.failed,
            timed_out: new.timed_out,
            pending: new.pending,
            replayed: new.replayed,
            dead_letters: new.dead_letters,
            acked_rate: rate(new.acked, old.acked),
            lost_rate: rate(new.failed + new.timed_out, old.failed + old.timed_out),
        }
    }
}

fn quantiles(latency: &Latency) -> Option<Quantiles> {
    Some(Quantiles {
        p50: latency.quantile(0.5)?,
        p99: latency.quantile(0.99)?,
        max: latency.max()?,
        count: latency.count(),
    })
}
