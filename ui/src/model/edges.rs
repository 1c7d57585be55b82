//! Edges: what flows over each, and who waits there.
//!
//! A task says for how long it could not emit, and for whom it waits right now. So its time is
//! shared out among those that it was seen to wait for within the window.

use super::history::{History, looks};
use crate::snapshot::{Edge, Task};
use egret_topology::{id::TaskId, plan::PhysicalPlan};
use std::collections::BTreeMap;

/// Source and destination of every edge, in order.
pub(super) fn pairs(plan: &PhysicalPlan) -> Vec<(usize, usize)> {
    let inputs = plan.components.iter().enumerate();
    inputs.flat_map(|(to, bolt)| bolt.inputs.iter().map(move |input| (input.from, to))).collect()
}

/// All edges, in the order of [`pairs`]. Inputs of what is no component are left out there as well.
pub(super) fn edges(plan: &PhysicalPlan, history: &History, tasks: &[Task]) -> Vec<Edge> {
    let sent = sent(plan, history);
    let stalled = stalled(plan, history);
    let waits = waits(plan, history, tasks);
    let mut edges = Vec::new();
    for (to, bolt) in plan.components.iter().enumerate() {
        for input in &bolt.inputs {
            let source = plan.components.get(input.from);
            let stream = source.and_then(|source| source.streams.get(input.stream));
            let flow = sent
                .as_ref()
                .map(|sent| sent.get(&(input.from, input.stream, to)).copied().unwrap_or_default());
            let wait = waits.get(&(input.from, to));
            edges.push(Edge {
                from: source.map_or_else(String::new, |source| source.name.clone()),
                stream: stream.map_or_else(String::new, |stream| stream.name.clone()),
                to: bolt.name.clone(),
                grouping: input.grouping.name().to_owned(),
                keys: input.grouping.key_fields().to_vec(),
                fields: stream.map_or_else(Vec::new, |stream| stream.fields.clone()),
                rate: flow.map(|(tuples, _)| tuples),
                byte_rate: flow.map(|(_, bytes)| bytes),
                waiting: wait
                    .map_or_else(|| history.seconds().map(|_| 0.0), |wait| Some(wait.share)),
                waits_for: wait.and_then(|wait| wait.most),
                stalled_bytes: stalled.get(&to).copied().unwrap_or(0),
            });
        }
    }
    edges
}

/// Tuples and bytes per second by source component, stream and destination component.
type Sent = BTreeMap<(usize, usize, usize), (f64, f64)>;

fn sent(plan: &PhysicalPlan, history: &History) -> Option<Sent> {
    let seconds = history.seconds().filter(|_| history.counts_edges())?;
    let component = components(plan);
    let mut sent = Sent::new();
    for (now, before) in history.sent()? {
        let ends = (component.get(&now.source), component.get(&now.dest));
        let (Some(from), Some(to)) = ends else { continue };
        let flow = sent.entry((*from, now.stream.into(), *to)).or_default();
        flow.0 += (now.tuples - before.tuples) as f64 / seconds;
        flow.1 += now.bytes.saturating_sub(before.bytes) as f64 / seconds;
    }
    Some(sent)
}

fn components(plan: &PhysicalPlan) -> BTreeMap<TaskId, usize> {
    plan.tasks.iter().map(|task| (task.id, task.component)).collect()
}

/// Bytes that wait for each component.
fn stalled(plan: &PhysicalPlan, history: &History) -> BTreeMap<usize, u64> {
    let component = components(plan);
    let mut stalled = BTreeMap::<usize, u64>::new();
    for look in history.newest().into_iter().flat_map(looks) {
        for stall in &look.status.stalled {
            if let Some(component) = component.get(&stall.dest) {
                let bytes = stalled.entry(*component).or_default();
                *bytes = bytes.saturating_add(stall.bytes);
            }
        }
    }
    stalled
}

/// How the tasks of one component wait for those of another.
#[derive(Clone, Debug, Default)]
struct Wait {
    share: f64,
    most: Option<TaskId>,
}

fn waits(plan: &PhysicalPlan, history: &History, tasks: &[Task]) -> BTreeMap<(usize, usize), Wait> {
    let component = components(plan);
    let mut shares = BTreeMap::<(usize, usize), BTreeMap<Option<TaskId>, f64>>::new();
    let mut sources = BTreeMap::<usize, usize>::new();
    for task in tasks {
        let Some(&from) = component.get(&task.id) else { continue };
        *sources.entry(from).or_default() += 1;
        let Some(waiting) = task.flow.waiting.filter(|waiting| *waiting > 0.0) else { continue };
        let seen: Vec<TaskId> = history.waited_for(task.id).collect();
        for dest in &seen {
            let Some(&to) = component.get(dest) else { continue };
            let share = waiting / seen.len() as f64;
            *shares.entry((from, to)).or_default().entry(Some(*dest)).or_default() += share;
        }
        // It waited between looks only: whom for is plain if it sends to one component.
        let mut next =
            pairs(plan).into_iter().filter(|(source, _)| *source == from).map(|(_, to)| to);
        if seen.is_empty()
            && let Some(to) = next.next()
            && next.all(|other| other == to)
        {
            *shares.entry((from, to)).or_default().entry(None).or_default() += waiting;
        }
    }
    let wait = |((from, to), dests): ((usize, usize), BTreeMap<Option<TaskId>, f64>)| {
        let share = dests.values().sum::<f64>() / sources[&from] as f64;
        let most = dests.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).and_then(|(dest, _)| dest);
        ((from, to), Wait { share, most })
    };
    shares.into_iter().map(wait).collect()
}
