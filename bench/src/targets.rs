//! The eleven things that Egret is to reach, and where it stands.

use crate::{
    figures,
    report::{Measured, Row},
};

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) number: u32,
    pub(crate) what: &'static str,
    pub(crate) least: &'static str,
    pub(crate) goal: &'static str,
    /// `None` where its scenario was not measured.
    pub(crate) reached: Option<Reached>,
}

/// What was measured, in words, and how it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reached {
    pub(crate) text: String,
    pub(crate) standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Missed,
    Least,
    Goal,
    /// There is a table instead of a bound.
    Table,
}

impl Standing {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Standing::Missed => "missed",
            Standing::Least => "reached",
            Standing::Goal => "goal",
            Standing::Table => "see below",
        }
    }

    fn at_least(value: f64, least: f64, goal: f64) -> Standing {
        if value >= goal {
            Standing::Goal
        } else if value >= least {
            Standing::Least
        } else {
            Standing::Missed
        }
    }

    fn at_most(value: f64, least: f64, goal: f64) -> Standing {
        Standing::at_least(-value, -least, -goal)
    }

    /// Of two that must both hold.
    fn and(self, other: Standing) -> Standing {
        let rank = |standing| match standing {
            Standing::Missed => 0,
            Standing::Least => 1,
            Standing::Goal | Standing::Table => 2,
        };
        if rank(self) <= rank(other) { self } else { other }
    }
}

/// What each asks for; `scenarios` are the newest of each name.
pub(crate) fn all(scenarios: &[Measured]) -> Vec<Target> {
    let look = Look(scenarios);
    let target = |number, what, least, goal, reached| Target { number, what, least, goal, reached };
    vec![
        target(
            1,
            "word count, acks, two pods, against Storm with two workers",
            "8x",
            "12x",
            look.times(
                "two-pods",
                ["storm batch 1", "storm batch 100", "storm batch 1000"],
                8.0,
                12.0,
            ),
        ),
        target(
            2,
            "the same in one pod, against Storm in one process",
            "4x",
            "6x",
            look.times("one-pod", ["storm"], 4.0, 6.0),
        ),
        target(
            3,
            "at most once, two pods, against Storm without acks, two workers",
            "4x",
            "6x",
            look.times("at-most-once", ["storm"], 4.0, 6.0),
        ),
        target(4, "acked rate / unacked rate", "0.7", "0.9", look.price_of_acks()),
        target(5, "share of the ceiling, 128 B and more", "30%", "60%", look.share()),
        target(
            6,
            "complete latency at 1,000 tuples/s, two pods: p50, p99",
            "1 ms, 2 ms",
            "0.25 ms, 1 ms",
            look.latency(),
        ),
        target(7, "p99 at half of the own maximum", "15 ms", "5 ms", look.half()),
        target(8, "stream manager CPU per 20-byte tuple", "100 ns", "60 ns", look.manager()),
        target(
            9,
            "a bolt sleeps 10 s: rate kept on the other path; bytes held",
            "80%; bounded",
            "98%",
            look.stall(),
        ),
        target(
            10,
            "idle, 10 instances: CPU; stream manager's memory at full load",
            "2%; 64 MB",
            "0.5%; 32 MB",
            look.idle(),
        ),
        target(
            11,
            "64-way, skewed keys, 16 B to 64 KiB, 208 KiB buffers",
            "table",
            "table",
            look.table(),
        ),
    ]
}

struct Look<'a>(&'a [Measured]);

impl Look<'_> {
    fn scenario(&self, name: &str) -> Option<&Measured> {
        self.0.iter().find(|scenario| scenario.name == name)
    }

    fn row(&self, scenario: &str, row: &str) -> Option<&Row> {
        self.scenario(scenario)?.row(row)
    }

    fn rate(&self, scenario: &str, row: &str) -> Option<f64> {
        Some(self.row(scenario, row)?.rate()?.median)
    }

    /// How many times the best of the others.
    fn times<const N: usize>(
        &self,
        scenario: &str,
        others: [&str; N],
        least: f64,
        goal: f64,
    ) -> Option<Reached> {
        let egret = self.rate(scenario, "egret")?;
        let others = others.iter().filter_map(|other| self.rate(scenario, other));
        let best = others.max_by(f64::total_cmp)?;
        let times = egret / best;
        Some(Reached {
            text: format!("{times:.1}x ({} / {})", figures::rate(egret), figures::rate(best)),
            standing: Standing::at_least(times, least, goal),
        })
    }

    fn price_of_acks(&self) -> Option<Reached> {
        let kept = self.rate("acks", "acked")? / self.rate("acks", "unacked")?;
        Some(Reached { text: format!("{kept:.2}"), standing: Standing::at_least(kept, 0.7, 0.9) })
    }

    fn share(&self) -> Option<Reached> {
        let scenario = self.scenario("ceiling")?;
        let ceiling = scenario.row("quinn, frames of 32 KiB")?.rate()?.median;
        let shares: Vec<(u32, f64)> = scenario
            .variants
            .iter()
            .filter_map(|row| Some((row.payload?, row.rate()?.median)))
            .filter(|(payload, _)| *payload >= 128)
            .map(|(payload, rate)| (payload, f64::from(payload) * rate / ceiling))
            .collect();
        let least = shares.iter().map(|(_, share)| *share).min_by(f64::total_cmp)?;
        let texts = shares.iter().map(|(bytes, share)| format!("{bytes} B {:.0}%", share * 100.0));
        let standing = Standing::at_least(least, 0.3, 0.6);
        Some(Reached { text: texts.collect::<Vec<_>>().join(", "), standing })
    }

    fn latency(&self) -> Option<Reached> {
        let row = self.row("latency", "egret")?;
        let (p50, p99) = (row.complete(|l| l.p50)?, row.complete(|l| l.p99)?);
        let standing =
            Standing::at_most(p50, 1e-3, 0.25e-3).and(Standing::at_most(p99, 2e-3, 1e-3));
        Some(Reached { text: format!("{}, {}", figures::time(p50), figures::time(p99)), standing })
    }

    fn half(&self) -> Option<Reached> {
        let p99 = self.row("half-load", "egret, half")?.latency(|l| l.p99)?;
        let standing = Standing::at_most(p99, 15e-3, 5e-3);
        Some(Reached { text: figures::time(p99), standing })
    }

    fn manager(&self) -> Option<Reached> {
        let cpu = self.row("two-pods", "egret")?.manager_cpu()?.median;
        let standing = Standing::at_most(cpu, 100e-9, 60e-9);
        Some(Reached { text: figures::time(cpu), standing })
    }

    fn stall(&self) -> Option<Reached> {
        let row = self.row("stall", "egret")?;
        let kept = row.value("kept")?;
        let queued = row.value("queued_bytes_asleep")?;
        let grown = row.value("manager_bytes_asleep")? - row.value("manager_bytes_before")?;
        let text = format!(
            "{:.0}%; {} queued, stream managers grew by {}",
            kept * 100.0,
            figures::bytes(queued),
            figures::bytes(grown.max(0.0)),
        );
        Some(Reached { text, standing: Standing::at_least(kept, 0.8, 0.98) })
    }

    fn idle(&self) -> Option<Reached> {
        let idle = self.row("idle", "egret")?;
        // The command that plays the operator is no part of a pod.
        let shares = idle.cpu_shares();
        let cpu: f64 = shares.iter().filter(|(part, _)| *part != "main").map(|(_, cpu)| cpu).sum();
        let peak = self.row("two-pods", "egret")?.manager_peak()? as f64;
        let standing = Standing::at_most(cpu, 0.02, 0.005).and(Standing::at_most(peak, 64e6, 32e6));
        let text = format!("{:.2}%; {}", cpu * 100.0, figures::bytes(peak));
        Some(Reached { text, standing })
    }

    fn table(&self) -> Option<Reached> {
        let small = self.rate("buffers", "208 KiB")? / self.rate("buffers", "4 MiB")?;
        let skewed = self.rate("fan-out", "64, skewed")? / self.rate("fan-out", "1 task")?;
        let text = format!(
            "208 KiB keep {:.0}%, 64 skewed tasks {:.0}% of one",
            small * 100.0,
            skewed * 100.0
        );
        Some(Reached { text, standing: Standing::Table })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Run, Window};

    fn measured(name: &str, rows: &[(&str, u64)]) -> Measured {
        let row = |(name, done): &(&str, u64)| Row {
            name: (*name).to_owned(),
            payload: Some(20),
            runs: vec![Run {
                windows: vec![Window { seconds: 1.0, done: *done, ..Window::default() }],
                ..Run::default()
            }],
            ..Row::default()
        };
        let variants = rows.iter().map(row).collect();
        Measured { name: name.into(), about: String::new(), variants, drift: None }
    }

    #[test]
    fn the_best_of_a_peers_settings_counts() {
        let rows = [("egret", 900), ("storm batch 1", 50), ("storm batch 1000", 100)];
        let reached = all(&[measured("two-pods", &rows)])[0].reached.clone().unwrap();
        assert_eq!(
            (reached.text.as_str(), reached.standing),
            ("9.0x (900 / 100)", Standing::Least)
        );
    }

    #[test]
    fn what_was_not_measured_is_not_reached() {
        assert!(all(&[]).iter().all(|target| target.reached.is_none()));
        let without_storm = measured("one-pod", &[("egret", 900)]);
        assert_eq!(all(&[without_storm])[1].reached, None);
    }

    #[test]
    fn of_two_bounds_the_worse_counts() {
        assert_eq!(Standing::Goal.and(Standing::Missed), Standing::Missed);
        assert_eq!(Standing::Least.and(Standing::Goal), Standing::Least);
        assert_eq!(Standing::at_most(50e-9, 100e-9, 60e-9), Standing::Goal);
        assert_eq!(Standing::at_most(99e-9, 100e-9, 60e-9), Standing::Least);
    }
}
