//! Each task: its counts, and what they were a few seconds ago.

use super::history::History;
use crate::snapshot::{Flow, Task};
use egret_topology::plan::{ComponentKind, PhysicalPlan, PlannedTask};
use egret_wire::control::TaskStatus;

/// All tasks of a plan, also those that nobody has told of.
pub(super) fn tasks(plan: &PhysicalPlan, history: &History) -> Vec<Task> {
    plan.tasks.iter().map(|task| one(plan, history, task)).collect()
}

fn one(plan: &PhysicalPlan, history: &History, planned: &PlannedTask) -> Task {
    let component = plan.components.get(planned.component);
    let is_spout = component.is_some_and(|component| component.kind == ComponentKind::Spout);
    let seen = history.of(planned.id);
    let status = seen.map(|(newest, _)| newest.clone()).unwrap_or_default();
    let since = seen.and_then(|(_, base)| base).zip(history.seconds());
    Task {
        id: planned.id,
        component: component.map_or_else(String::new, |component| component.name.clone()),
        index: planned.index,
        pod: planned.pod,
        known: seen.is_some(),
        phase: status.total.phase,
        connected: status.connected,
        restarts: status.restarts,
        pending: status.total.roots.pending,
        blocked_on: status.total.blocked_on,
        call_seconds: status.total.busy_ms as f64 / 1e3,
        position: status.total.position.clone(),
        held_by: status.total.held_by.clone(),
        error: status.error.clone(),
        errors: history.errors(planned.id),
        flow: flow(&status, since, is_spout),
    }
}

fn flow(new: &TaskStatus, since: Option<(&TaskStatus, f64)>, is_spout: bool) -> Flow {
    let total = &new.total;
    let more =
        |of: fn(&TaskStatus) -> u64| since.map(|(old, _)| of(new).saturating_sub(of(old)) as f64);
    let rate =
        |of: fn(&TaskStatus) -> u64| more(of).zip(since).map(|(more, (_, seconds))| more / seconds);
    let share = |micros: f64| since.map(|(_, seconds)| (micros / 1e6 / seconds).clamp(0.0, 1.0));
    let waited = more(|status| status.total.backpressure_us);
    // A task that waits does so inside a call.
    let worked = more(|status| status.total.busy_us)
        .zip(waited)
        .map(|(busy, waited)| (busy - waited).max(0.0));
    let tuples = if is_spout { more(|s| s.total.emitted) } else { more(|s| s.total.executed) };
    Flow {
        emitted: total.emitted,
        executed: total.executed,
        acked: total.acked,
        failed: total.failed,
        emitted_rate: rate(|status| status.total.emitted),
        executed_rate: rate(|status| status.total.executed),
        acked_rate: rate(|status| status.total.acked),
        failed_rate: rate(|status| status.total.failed),
        execute_seconds: worked
            .zip(tuples)
            .filter(|(_, tuples)| *tuples > 0.0)
            .map(|(worked, tuples)| worked / 1e6 / tuples),
        busy: worked.and_then(share),
        waiting: waited.and_then(share),
    }
}

/// What the tasks of a component do together.
pub(super) fn sum(tasks: &[&Task]) -> Flow {
    let count =
        |of: fn(&Flow) -> u64| tasks.iter().map(|task| of(&task.flow)).fold(0, u64::saturating_add);
    let known = |of: fn(&Flow) -> Option<f64>| {
        tasks.iter().filter_map(|task| of(&task.flow)).collect::<Vec<f64>>()
    };
    let rate = |of: fn(&Flow) -> Option<f64>| {
        let known = known(of);
        (!known.is_empty()).then(|| known.iter().sum::<f64>())
    };
    let mean = |of: fn(&Flow) -> Option<f64>| {
        let known = known(of);
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    };
    Flow {
        emitted: count(|flow| flow.emitted),
        executed: count(|flow| flow.executed),
        acked: count(|flow| flow.acked),
        failed: count(|flow| flow.failed),
        emitted_rate: rate(|flow| flow.emitted_rate),
        executed_rate: rate(|flow| flow.executed_rate),
        acked_rate: rate(|flow| flow.acked_rate),
        failed_rate: rate(|flow| flow.failed_rate),
        execute_seconds: mean(|flow| flow.execute_seconds),
        busy: known(|flow| flow.busy).into_iter().reduce(f64::max),
        waiting: mean(|flow| flow.waiting),
    }
}
