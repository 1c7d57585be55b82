//! Logs as the plan asks for.

use egret_process::logging;
use egret_topology::{id::TaskId, log_level::Level, plan::PlanIndex};

/// Takes over the level that the plan asks for of this task.
pub(crate) fn follow(plan: &PlanIndex, task: TaskId) {
    let component = plan.task(task).and_then(|task| plan.plan().components.get(task.component));
    let level = component.and_then(|component| plan.plan().log_levels.of(&component.name));
    if let Err(error) = logging::set_level(level.map(Level::as_str)) {
        tracing::warn!("{error}");
    }
}
