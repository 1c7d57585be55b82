//! Measures a program that prints its counts: the ceiling, and other people's engines.

use crate::{
    attended, ceiling, check,
    facts::Machine,
    line::{self, Line, Sample},
    maven,
    plan::Plan,
    processes::{Tree, Usage},
    report::{Run, Window},
    runner::Tools,
    scenario::{Storm, Subject},
    spawn::Running,
};
use anyhow::{Context, bail, ensure};
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// Time beyond warm-up and windows: to start (three seconds of a JVM), to drain, to exit.
const SPARE: Duration = Duration::from_secs(120);
/// Memory of a JVM, as its users would give it.
const HEAP: &str = "-Xmx4g";

/// Measures it once. `rate` is that of a paced source.
pub(crate) fn measure(
    subject: &Subject,
    rate: Option<f64>,
    plan: &Plan,
    tools: &Tools,
    log: &Path,
) -> anyhow::Result<Run> {
    let mut command = command(subject, rate, tools)?;
    let times = [plan.warm_up(subject), plan.window].map(|time| time.as_secs_f64().to_string());
    command.args(times).arg(plan.windows.to_string());
    let machine = Machine::look()?;
    let mut running = Running::start(&mut command, log)?;
    let until = Instant::now() + plan.warm_up(subject) + plan.window * plan.windows + SPARE;
    let mut samples: Vec<(Sample, Usage)> = Vec::new();
    let mut run = Run::default();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let Some(text) = running.line(left)? else {
            bail!("it does not end\n{}", running.tail());
        };
        match line::parse(&text).transpose().with_context(|| format!("in `{text}`"))? {
            None => {}
            Some(Line::Sample(sample)) => {
                let usage = Tree::of(running.pid())?.usage();
                run.peak = usage.peak.clone();
                samples.push((sample, usage));
            }
            Some(Line::Result(outcome)) => {
                run.outcome = outcome;
                run.latency = outcome.latency;
                break;
            }
        }
    }
    running.end(SPARE)?;
    (run.stolen, run.dropped) = Machine::look()?.since(&machine);
    check::outcome(&run.outcome)?;
    let expected = plan.windows as usize + 1;
    ensure!(samples.len() == expected, "{} samples, {expected} expected", samples.len());
    run.windows = samples.windows(2).map(|pair| window(&pair[0], &pair[1])).collect();
    Ok(run)
}

fn window(from: &(Sample, Usage), to: &(Sample, Usage)) -> Window {
    let before = |part: &str| from.1.cpu.get(part).copied().unwrap_or(0.0);
    let cpu = to.1.cpu.iter().map(|(part, cpu)| (part.clone(), cpu - before(part)));
    Window {
        seconds: to.0.seconds - from.0.seconds,
        done: to.0.done.saturating_sub(from.0.done),
        cpu: cpu.collect(),
    }
}

/// The program with its own arguments; warm-up, window and windows follow.
fn command(subject: &Subject, rate: Option<f64>, tools: &Tools) -> anyhow::Result<Command> {
    let java = |peer: &str, options: &[&str], args: &[String]| -> anyhow::Result<Command> {
        let mut command = attended::command(&tools.bench, Path::new("java"));
        command.arg(HEAP).args(options);
        command.arg("-cp").arg(maven::class_path(tools, peer)?).arg("bench.WordCount").args(args);
        Ok(command)
    };
    match subject {
        Subject::Egret(_) => bail!("a topology is measured by its stream managers"),
        Subject::Ceiling { frame } => {
            let mut command = attended::command(&tools.bench, &tools.bench);
            command.args([ceiling::ROLE, &frame.to_string()]);
            Ok(command)
        }
        Subject::Storm(storm) => {
            let options = ["-XX:+UseParallelGC", "--add-opens=java.base/java.lang=ALL-UNNAMED"];
            java("storm", &options, &storm_args(storm, rate))
        }
        Subject::Flink { sources, counters, checkpoints } => {
            let options = [
                "--add-opens=java.base/java.util=ALL-UNNAMED",
                "--add-opens=java.base/java.lang=ALL-UNNAMED",
            ];
            let args = [sources.to_string(), counters.to_string(), checkpoints.to_string()];
            java("flink", &options, &args)
        }
        Subject::Timely => {
            let program = tools.peers.join("timely/release/timely-word-count");
            Ok(attended::command(&tools.bench, &program))
        }
    }
}

fn storm_args(storm: &Storm, rate: Option<f64>) -> Vec<String> {
    let Storm { spouts, bolts, workers, acked, pending, batch, .. } = storm;
    // A rate of 0 is none.
    [spouts, bolts, workers]
        .map(u32::to_string)
        .into_iter()
        .chain([acked.to_string(), pending.to_string(), batch.to_string()])
        .chain([rate.unwrap_or(0.0).to_string()])
        .collect()
}
