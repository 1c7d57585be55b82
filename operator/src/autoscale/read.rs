//! From what stream managers answer to counts of tasks, if all of them can be relied on.

use super::measure::{Counts, Takes, TaskCounts};
use crate::flow::Answers;
use egret_topology::{
    id::TaskId,
    plan::{ComponentKind, PlanIndex},
};
use egret_wire::control::{Phase, TaskStatus};
use std::collections::{BTreeMap, BTreeSet};

/// Of the trees that spouts may have in flight, those that count as all.
const FULL: f64 = 0.9;

/// What all tasks of the plan have done. Why that cannot be told, in words, if a task does not
/// work, has not reported, or no spout emits.
pub fn counts(plan: &PlanIndex, answers: &Answers) -> Result<Counts, String> {
    let statuses: BTreeMap<TaskId, &TaskStatus> =
        answers.pods.iter().flat_map(|pod| &pod.tasks).map(|task| (task.task, task)).collect();
    let (mut pending, mut spouts) = (0u64, 0u64);
    let mut latency = BTreeMap::<u64, u64>::new();
    let mut tasks = Vec::with_capacity(plan.plan().tasks.len());
    for planned in &plan.plan().tasks {
        let status = statuses.get(&planned.id).filter(|status| status.connected);
        let Some(status) = status.filter(|status| status.total.phase != Phase::Starting) else {
            return Err(format!("{} does not work", plan.describe(planned.id)));
        };
        let total = &status.total;
        let is_spout = plan.is_spout(planned.id);
        if is_spout && total.phase == Phase::Active {
            spouts += 1;
            pending = pending.saturating_add(total.roots.pending);
        }
        if !is_spout && total.phase != Phase::Active {
            return Err(format!("{} is about to end", plan.describe(planned.id)));
        }
        for (micros, count) in status.latency.iter().filter(|_| is_spout) {
            let sum = latency.entry(*micros).or_default();
            *sum = sum.saturating_add(*count);
        }
        tasks.push(TaskCounts {
            id: planned.id,
            life: status.incarnation,
            component: planned.component,
            busy_us: total.busy_us,
            backpressure_us: total.backpressure_us,
            waits_for: total.blocked_on.and_then(|on| Some(plan.task(on)?.component)),
        });
    }
    if spouts == 0 {
        return Err("no spout emits".to_owned());
    }
    let most = spouts.saturating_mul(plan.plan().max_pending.into());
    let components = plan.plan().components.iter().map(|component| Takes {
        from: match component.kind {
            ComponentKind::Spout => Vec::new(),
            ComponentKind::Bolt => {
                let from: BTreeSet<usize> = component.inputs.iter().map(|it| it.from).collect();
                from.into_iter().collect()
            }
        },
    });
    Ok(Counts {
        at: answers.at,
        components: components.collect(),
        tasks,
        full: pending as f64 >= FULL * most as f64,
        latency: latency.into_iter().collect(),
    })
}
