//! The summary at the end of a run. The names in the JSON are fixed.

use super::{
    tally::{ComponentTally, Tally},
    words,
};
use egret_topology::{
    logical::Logical,
    packing_plan::PackingPlan,
    plan::{ComponentKind, Delivery},
};
use egret_wire::control::RootCounts;
use serde::Serialize;
use std::{fmt::Write, time::Duration};

/// What a run has done.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    topology: String,
    delivery: Delivery,
    seconds: f64,
    roots: Roots,
    complete_latency_seconds: CompleteLatency,
    components: Vec<Component>,
    restarts: u64,
}

#[derive(Clone, Debug, Serialize)]
struct Roots {
    emitted: u64,
    acked: u64,
    failed: u64,
    timed_out: u64,
    pending: u64,
    replayed: u64,
    dead_letters: u64,
}

/// Null where nothing was measured.
#[derive(Clone, Debug, Serialize)]
struct CompleteLatency {
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
    p999: Option<f64>,
    max: Option<f64>,
    count: u64,
}

#[derive(Clone, Debug, Serialize)]
struct Component {
    name: String,
    kind: ComponentKind,
    tasks: u32,
    emitted: u64,
    executed: u64,
    acked: u64,
    failed: u64,
    backpressure_seconds: f64,
}

impl Summary {
    pub(crate) fn new(
        logical: &Logical,
        packing: &PackingPlan,
        tally: &Tally,
        took: Duration,
        restarts: u64,
    ) -> Summary {
        let counts = tally.roots();
        let RootCounts { emitted, acked, failed, timed_out, pending, replayed, .. } = counts;
        let dead_letters = counts.dead_letters;
        let latency = tally.latency();
        let component = |tally: ComponentTally| Component {
            name: tally.name,
            kind: tally.kind,
            tasks: tally.tasks,
            emitted: tally.emitted,
            executed: tally.executed,
            acked: tally.acked,
            failed: tally.failed,
            backpressure_seconds: tally.backpressure_us as f64 / 1e6,
        };
        Summary {
            topology: logical.name.clone(),
            delivery: logical.delivery,
            seconds: took.as_secs_f64(),
            roots: Roots { emitted, acked, failed, timed_out, pending, replayed, dead_letters },
            complete_latency_seconds: CompleteLatency {
                p50: latency.quantile(0.5),
                p90: latency.quantile(0.9),
                p99: latency.quantile(0.99),
                p999: latency.quantile(0.999),
                max: latency.max(),
                count: latency.count(),
            },
            components: tally.components(logical, packing).into_iter().map(component).collect(),
            restarts,
        }
    }

    /// Roots that are still in flight.
    pub(crate) fn pending(&self) -> u64 {
        self.roots.pending
    }

    /// One JSON object and a line end.
    pub(crate) fn json(&self) -> String {
        let json = serde_json::to_string_pretty(self);
        json.expect("a summary has strings for keys and no numbers that JSON lacks") + "\n"
    }

    /// The same for people.
    pub(crate) fn text(&self) -> String {
        let Roots { emitted, acked, failed, timed_out, pending, replayed, dead_letters } =
            self.roots;
        let number = words::grouped;
        let mut text = format!("{} ran for {:.1} s", self.topology, self.seconds);
        if self.seconds > 0.0 && acked > 0 {
            let rate = (acked as f64 / self.seconds) as u64;
            text.push_str(&format!(", {} trees acked per second", number(rate)));
        }
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n  roots     {} emitted = {} acked + {} failed + {} timed out + {} pending; {} \
             replayed",
            number(emitted),
            number(acked),
            number(failed),
            number(timed_out),
            number(pending),
            number(replayed)
        );
        if dead_letters > 0 {
            let _ = write!(text, ", {} dead letters", number(dead_letters));
        }
        let CompleteLatency { p50, p90, p99, p999, max, count } = self.complete_latency_seconds;
        if count > 0 {
            let _ = write!(
                text,
                "\n  latency   p50 {}, p90 {}, p99 {}, p99.9 {}, max {}",
                words::latency(p50),
                words::latency(p90),
                words::latency(p99),
                words::latency(p999),
                words::latency(max)
            );
        }
        let _ = writeln!(text, "\n  restarts  {}\n", self.restarts);
        let width = self.components.iter().map(|c| c.name.len()).max().unwrap_or(0).max(9);
        let _ = writeln!(
            text,
            "  {:<width$} {:>5} {:>13} {:>13} {:>13} {:>9} {:>13}",
            "COMPONENT", "TASKS", "EMITTED", "EXECUTED", "ACKED", "FAILED", "BACKPRESSURE"
        );
        for component in &self.components {
            let _ = writeln!(
                text,
                "  {:<width$} {:>5} {:>13} {:>13} {:>13} {:>9} {:>11.2} s",
                component.name,
                component.tasks,
                number(component.emitted),
                number(component.executed),
                number(component.acked),
                number(component.failed),
                component.backpressure_seconds
            );
        }
        text
    }
}
