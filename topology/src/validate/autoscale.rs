//! What a bolt may be given by what is measured: its bounds, and whether more tasks could help.

use super::{Draft, Problems};
use crate::{
    duration::Duration,
    limits::{MAX_PARALLELISM, MAX_UTILIZATION, MIN_COOLDOWN_MS, MIN_UTILIZATION},
    logical::{Autoscale, LogicalComponent},
    resource::{Delivery, GroupingName, Spec},
};

pub(super) fn check(draft: &Draft<'_>, spec: &Spec, problems: &mut Problems) -> Option<Autoscale> {
    let asked = draft.autoscale?;
    let path = |field: &str| format!("{}.autoscale.{field}", draft.path);
    let min = problems.within(&path("min"), asked.min, 1, MAX_PARALLELISM);
    let max = problems.within(&path("max"), asked.max, 1, MAX_PARALLELISM);
    if asked.min > asked.max {
        let what = format!("{} is more than `max`, which is {}", asked.min, asked.max);
        problems.add(path("min"), what);
    }
    let target = asked.target_utilization;
    if !(MIN_UTILIZATION..=MAX_UTILIZATION).contains(&target) {
        problems.add_with(
            path("targetUtilization"),
            format!("{target} is not in the range from {MIN_UTILIZATION} to {MAX_UTILIZATION}"),
            "write the share of the time that tasks shall work, such as 0.7",
        );
    }
    if asked.latency.is_some() && spec.delivery == Delivery::AtMostOnce {
        problems.add_with(
            path("latency"),
            "no tuple tree is tracked under `AtMostOnce`, so there is no complete latency",
            "write `delivery: AtLeastOnce`, or leave `latency` out",
        );
    }
    // An input without tasks to choose from: one task, or each of them, has all the tuples.
    let alike = |grouping| matches!(grouping, GroupingName::All | GroupingName::Global);
    if !draft.inputs.is_empty() && draft.inputs.iter().all(|input| alike(input.grouping)) {
        problems.add_with(
            format!("{}.autoscale", draft.path),
            "all inputs are grouped by `All` or `Global`: more tasks would share no work",
            "use another grouping, or leave `autoscale` out",
        );
    }
    Some(Autoscale {
        min,
        max: max.max(min),
        target_utilization: target,
        latency_ms: asked.latency.as_ref().map(|l| problems.duration(&path("latency"), l)),
        cooldown_ms: cooldown(&path("cooldown"), &asked.cooldown, problems),
        dry_run: asked.dry_run,
    })
}

fn cooldown(path: &str, asked: &Duration, problems: &mut Problems) -> u64 {
    let before = problems.list.len();
    let millis = problems.duration(path, asked);
    if problems.list.len() == before && millis < MIN_COOLDOWN_MS {
        let least = MIN_COOLDOWN_MS / 1000;
        problems.add(path, format!("`{asked}` is less than {least} s"));
    }
    millis.max(MIN_COOLDOWN_MS)
}

/// Tasks that a component may come to at least.
pub(super) fn least(component: &LogicalComponent) -> u32 {
    let autoscale = component.on_cluster.autoscale;
    autoscale.map_or(component.parallelism, |of| of.min.min(component.parallelism))
}

/// Tasks that a component may come to at most.
pub(super) fn most(component: &LogicalComponent) -> u32 {
    let autoscale = component.on_cluster.autoscale;
    autoscale.map_or(component.parallelism, |of| of.max.max(component.parallelism))
}
