//! The command line.

use crate::{
    document,
    facts::Facts,
    guard,
    plan::Plan,
    report::Report,
    runner::{self, Tools},
    scenario::Scenario,
    scenarios, table, targets,
};
use anyhow::{Context, bail, ensure};
use clap::Parser;
use std::{fs, path::PathBuf, time::Duration};

/// Measures Egret beside its peers
///
/// Every answer is checked; a wrong one has no speed. Only ratios within one run count, and only
/// of a machine that does nothing else.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Options {
    /// Scenarios to measure; all if none is named
    scenarios: Vec<String>,

    /// Show the scenarios
    #[arg(long)]
    list: bool,

    /// A first look in under three minutes: the ceiling, Egret, Storm
    #[arg(long, conflicts_with = "scenarios")]
    quick: bool,

    /// Fail if tuples have become much more expensive, compared with raw QUIC in the same run
    #[arg(long, conflicts_with_all = ["scenarios", "quick"])]
    guard: bool,

    /// Write the tables of docs/performance.md from the results that there are
    #[arg(long, conflicts_with_all = ["scenarios", "quick", "guard"])]
    doc: bool,

    /// Leave other people's engines out
    #[arg(long)]
    without_peers: bool,

    /// Measure all variants this often in turn
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,

    /// Windows per run
    #[arg(long, value_name = "N")]
    windows: Option<u32>,

    /// Seconds of a window
    #[arg(long, value_name = "SECONDS")]
    window: Option<f64>,

    /// Seconds before the first window; Java takes five times as long
    #[arg(long, value_name = "SECONDS")]
    warm_up: Option<f64>,

    /// Name of the results
    #[arg(long)]
    name: Option<String>,

    /// Directory of the results
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
}

pub(crate) fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let root = std::env::current_dir().context("where am I?")?;
    if options.list {
        for Scenario { name, about, .. } in scenarios::all() {
            println!("{name:<13} {about}");
        }
        return Ok(());
    }
    let results = root.join(&options.results);
    if options.doc {
        println!("{}", document::write(&root, &results)?);
        return Ok(());
    }
    let chosen = chosen(&options)?;
    let tools = tools(root)?;
    let facts = Facts::gather(&tools.root)?;
    println!("{}", facts.text());
    if facts.load_before > 0.5 {
        println!("this machine is busy: nothing below is a figure to keep");
    }
    let plan = plan(&options);
    let name = options.name.clone().unwrap_or_else(|| match &chosen[..] {
        _ if options.quick => "quick".to_owned(),
        [one] => one.name.to_owned(),
        _ => "all".to_owned(),
    });
    let quick = plan != Plan::FULL;
    let mut report = Report { name, quick, facts, scenarios: Vec::new() };
    for scenario in &chosen {
        let measured =
            runner::run(scenario, &plan, options.rounds, !options.without_peers, &tools)?;
        println!("\n{}", table::text(&measured));
        report.scenarios.push(measured);
        if !options.guard {
            // Whoever interrupts keeps what there is.
            report.write(&results)?;
        }
    }
    if options.guard {
        println!("{}", guard::judge(&report.scenarios[0])?);
        return Ok(());
    }
    print_targets(&report);
    println!("results: {}", report.write(&results)?.display());
    let wrong = report.scenarios.iter().flat_map(|scenario| &scenario.variants);
    let wrong = wrong.filter(|row| !row.problems.is_empty()).count();
    ensure!(wrong == 0, "{wrong} wrong answers");
    Ok(())
}

fn chosen(options: &Options) -> anyhow::Result<Vec<Scenario>> {
    if options.guard {
        return Ok(vec![scenarios::guard()]);
    }
    if options.quick {
        return Ok(scenarios::quick());
    }
    let all = scenarios::all();
    for name in &options.scenarios {
        if !all.iter().any(|scenario| scenario.name == name) {
            let names: Vec<&str> = all.iter().map(|scenario| scenario.name).collect();
            bail!("no scenario `{name}`; there are: {}", names.join(", "));
        }
    }
    let named = |scenario: &Scenario| {
        options.scenarios.is_empty() || options.scenarios.iter().any(|name| name == scenario.name)
    };
    Ok(all.into_iter().filter(named).collect())
}

fn plan(options: &Options) -> Plan {
    let mut plan = if options.quick || options.guard { Plan::QUICK } else { Plan::FULL };
    if let Some(seconds) = options.warm_up {
        plan.warm_up = Duration::from_secs_f64(seconds);
        plan.java_warm_up = plan.warm_up * 5;
    }
    if let Some(seconds) = options.window {
        plan.window = Duration::from_secs_f64(seconds);
    }
    plan.windows = options.windows.unwrap_or(plan.windows).max(1);
    plan
}

fn tools(root: PathBuf) -> anyhow::Result<Tools> {
    let bench = std::env::current_exe().context("where is this program?")?;
    let egret = bench.with_file_name("egret");
    ensure!(egret.exists(), "there is no {}: build it with `--release`", egret.display());
    let built = root.join("target/bench");
    let (peers, logs) = (built.join("peers"), built.join("logs"));
    fs::create_dir_all(&peers)?;
    fs::create_dir_all(&logs)?;
    Ok(Tools { root, egret, bench, peers, logs })
}

fn print_targets(report: &Report) {
    for target in targets::all(&report.scenarios) {
        let Some(reached) = &target.reached else { continue };
        let targets::Target { number, what, least, goal, .. } = target;
        let word = reached.standing.word();
        println!(
            "{number:>2}. {what}\n    {}: {word} (at least {least}, goal {goal})",
            reached.text
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{attended, ceiling, small_buffers};
    use clap::CommandFactory;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Options::command().debug_assert();
    }

    #[test]
    fn no_scenario_is_called_like_a_role() {
        for role in ["describe", "run", attended::ROLE, ceiling::ROLE, small_buffers::ROLE] {
            assert!(scenarios::all().iter().all(|scenario| scenario.name != role), "{role}");
        }
    }

    #[test]
    fn an_unknown_scenario_is_refused_with_those_there_are() {
        let options = Options::parse_from(["bench", "latncy"]);
        let error = chosen(&options).unwrap_err().to_string();
        assert!(error.contains("no scenario `latncy`") && error.contains("two-pods"), "{error}");
        let options = Options::parse_from(["bench", "latency", "idle"]);
        assert_eq!(chosen(&options).unwrap().len(), 2);
    }
}
