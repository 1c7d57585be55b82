//! Runs scenarios: their variants in turn, and the first once more at the end.

use crate::{
    egret, maven, peer,
    plan::Plan,
    report::{Measured, Row, Run},
    scenario::{Pace, Scenario, Subject, Variant},
    table,
};
use anyhow::Context;
use std::path::PathBuf;

/// Where everything is.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    /// The repository.
    pub(crate) root: PathBuf,
    /// The `egret` that is measured.
    pub(crate) egret: PathBuf,
    /// This program, which also plays the small roles.
    pub(crate) bench: PathBuf,
    /// Where peers are built.
    pub(crate) peers: PathBuf,
    /// Where programs log to.
    pub(crate) logs: PathBuf,
}

/// Measures one scenario. `rounds` overrides its own; `peers` says whether to measure those.
pub(crate) fn run(
    scenario: &Scenario,
    plan: &Plan,
    rounds: Option<u32>,
    peers: bool,
    tools: &Tools,
) -> anyhow::Result<Measured> {
    println!("\n{}: {}", scenario.name, scenario.about);
    let mut rows: Vec<Row> =
        scenario.variants.iter().map(|variant| prepared(variant, peers, tools)).collect();
    let measured: Vec<usize> = (0..rows.len()).filter(|n| rows[*n].skipped.is_none()).collect();
    for n in order(&measured, rounds.unwrap_or(scenario.rounds)) {
        let variant = &scenario.variants[n];
        match one(variant, plan, &rows, scenario, tools) {
            Ok(run) => {
                println!("  {}", table::line(&rows[n], &run));
                rows[n].runs.push(run);
            }
            Err(error) => {
                println!("  {}: WRONG, no speed: {error:#}", variant.name);
                rows[n].problems.push(format!("{error:#}"));
            }
        }
    }
    let drift = rows.first().and_then(drift);
    Ok(Measured { name: scenario.name.into(), about: scenario.about.into(), variants: rows, drift })
}

/// A row without runs yet, or one that says why there will be none.
fn prepared(variant: &Variant, peers: bool, tools: &Tools) -> Row {
    let subject = &variant.subject;
    let mut row = Row { name: variant.name.clone(), ..Row::default() };
    row.payload = match subject {
        Subject::Egret(egret) => Some(egret.payload),
        Subject::Ceiling { .. } => None,
        Subject::Storm(_) | Subject::Flink { .. } | Subject::Timely => Some(20),
    };
    if subject.is_peer() && !peers {
        row.skipped = Some("peers were not asked for".to_owned());
    } else if let Err(error) = maven::prepare(subject, tools) {
        row.skipped = Some(format!("{error:#}"));
    }
    if let Some(why) = &row.skipped {
        println!("  {}: skipped, {why}", variant.name);
    }
    row
}

/// All in turn, as often as there are rounds, and the first once more: A B C A.
fn order(variants: &[usize], rounds: u32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rounds).flat_map(|_| variants.to_vec()).collect();
    if let [first, _, ..] = variants {
        order.push(*first);
    }
    order
}

fn one(
    variant: &Variant,
    plan: &Plan,
    rows: &[Row],
    scenario: &Scenario,
    tools: &Tools,
) -> anyhow::Result<Run> {
    let rate = match variant.subject.pace() {
        None | Some(Pace::Saturated) => None,
        Some(Pace::Rate(rate)) => Some(*rate),
        Some(Pace::HalfOf(other)) => {
            let found = rows.iter().find(|row| row.name == *other).and_then(Row::rate);
            Some(found.with_context(|| format!("`{other}` has no rate"))?.median / 2.0)
        }
    };
    let name = format!("{}-{}", scenario.name, variant.name);
    let safe = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let log = tools.logs.join(safe + ".log");
    match &variant.subject {
        Subject::Egret(egret) => egret::measure(egret, rate, plan, tools, &log),
        subject => peer::measure(subject, rate, plan, tools, &log),
    }
}

/// By how much the last run of a variant differs from its first.
fn drift(row: &Row) -> Option<f64> {
    let [first, .., last] = &row.runs[..] else { return None };
    Some(last.rate()?.median / first.rate()?.median - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Window;

    #[test]
    fn the_first_variant_is_measured_again_at_the_end() {
        assert_eq!(order(&[0, 1, 2], 1), [0, 1, 2, 0]);
        assert_eq!(order(&[0, 2], 2), [0, 2, 0, 2, 0]);
        assert_eq!(order(&[1], 1), [1]);
        assert_eq!(order(&[], 3), [0; 0]);
    }

    #[test]
    fn drift_is_how_much_faster_the_last_run_was() {
        let run = |done| Run {
            windows: vec![Window { seconds: 1.0, done, ..Window::default() }],
            ..Run::default()
        };
        let row = |runs| Row { runs, ..Row::default() };
        assert_eq!(
            drift(&row(vec![run(100), run(70), run(110)])).map(|d| (d * 100.0).round()),
            Some(10.0)
        );
        assert_eq!(drift(&row(vec![run(100)])), None);
    }
}
