//! From two looks at the tally to what is shown: rates, latency of late, who waits for whom.

use super::{tally::ComponentTally, tally::Tally, words};
use egret_topology::{
    id::TaskId, logical::Logical, packing_plan::PackingPlan, plan::ComponentKind,
};
use egret_ui::latency::Latency;
use std::time::{Duration, Instant};

/// A call into user code that has not returned for so long is shown.
const BUSY_MS: u64 = 2000;

/// The last look.
pub(crate) struct Progress {
    at: Instant,
    components: Vec<ComponentTally>,
}

impl Progress {
    pub(crate) fn new(now: Instant) -> Progress {
        Progress { at: now, components: Vec::new() }
    }

    /// Another look: a table with a headline, and all of it in one line.
    pub(crate) fn look(
        &mut self,
        now: Instant,
        running: Duration,
        what: &str,
        (logical, packing, tally): (&Logical, &PackingPlan, &Tally),
    ) -> (Vec<String>, String) {
        let components = tally.components(logical, packing);
        let elapsed = now.duration_since(self.at).as_secs_f64().max(1e-3);
        let roots = tally.roots();
        let headline = format!(
            "{}, {}, {what}: {} trees acked, {} failed, {} timed out, {} pending",
            logical.name,
            words::time(running),
            words::grouped(roots.acked),
            words::grouped(roots.failed),
            words::grouped(roots.timed_out),
            words::grouped(roots.pending),
        );
        let width = components.iter().map(|c| c.name.len()).max().unwrap_or(0).max(9);
        let mut rows = vec![
            headline.clone(),
            format!(
                "{:<width$} {:>7} {:>11} {:>11} {:>13} {:>9} {:>8} {:>8} {:>8}",
                "COMPONENT",
                "TASKS",
                "EMITTED/S",
                "EXECUTED/S",
                "ACKED",
                "FAILED",
                "WAITED",
                "P50",
                "P99"
            ),
        ];
        let mut line = headline;
        for (i, component) in components.iter().enumerate() {
            let before = self.components.get(i);
            let rate = |of: fn(&ComponentTally) -> u64| {
                let more = of(component).saturating_sub(before.map_or(0, of));
                words::grouped((more as f64 / elapsed).round() as u64)
            };
            let (emitted, executed) = (rate(|c| c.emitted), rate(|c| c.executed));
            let latency = recent(component, before);
            let spout = component.kind == ComponentKind::Spout;
            let waited = Duration::from_micros(component.backpressure_us);
            rows.push(format!(
                "{:<width$} {:>7} {emitted:>11} {:>11} {:>13} {:>9} {:>8} {:>8} {:>8}{}",
                component.name,
                format!("{}/{}", component.connected, component.tasks),
                if spout { "-" } else { &executed },
                words::grouped(component.acked),
                words::grouped(component.failed),
                words::time(waited),
                words::latency(latency.quantile(0.5)),
                words::latency(latency.quantile(0.99)),
                remarks(component, packing),
            ));
            let share = if spout { emitted } else { executed };
            line.push_str(&format!("; {} {share}/s", component.name));
        }
        self.at = now;
        self.components = components;
        (rows, line)
    }
}

/// Latency of the roots that were acked since the last look; of all, if there were none.
fn recent(component: &ComponentTally, before: Option<&ComponentTally>) -> Latency {
    let since = before.map(|before| component.latency.since(&before.latency));
    since.filter(|latency| latency.count() > 0).unwrap_or_else(|| component.latency.clone())
}

/// Whom it waits for, what does not return, where it stands.
fn remarks(component: &ComponentTally, packing: &PackingPlan) -> String {
    let mut remarks = Vec::new();
    if let Some(task) = component.blocked_on {
        remarks.push(format!("waits for {}", name(task, packing)));
    }
    if component.busy_ms >= BUSY_MS {
        remarks.push(format!("in one call for {} s", component.busy_ms / 1000));
    }
    if component.ended == component.tasks {
        remarks.push("ended".to_owned());
    } else if let Some(position) = &component.position {
        remarks.push(position.clone());
    }
    if remarks.is_empty() { String::new() } else { format!("  {}", remarks.join(", ")) }
}

fn name(task: TaskId, packing: &PackingPlan) -> String {
    let found = packing.tasks().find(|(packed, _)| packed.task == task);
    found.map_or_else(|| format!("task {task}"), |(packed, _)| super::children::task_name(packed))
}
