//! `egret run`: a whole topology on this machine, every task and every stream manager a process.
//!
//! This process plays the operator: it packs, gives out identities, spawns and respawns, pushes
//! plans and asks for progress. It never sees a tuple.

mod children;
mod crashes;
pub(crate) mod directory;
mod display;
mod local;
pub(crate) mod logs;
mod progress;
pub(crate) mod signals;
mod summary;
mod tally;
mod watched;
pub(crate) mod words;

use crate::{
    load::{
        self, Changes, Loaded,
        problem::{Origin, Problem, Problems},
    },
    output, plan,
};
use clap::{Args, ValueEnum, ValueHint};
use egret_process::Exit;
use egret_topology::{logical::State, packing_plan::PackingPlan};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Run a topology on this machine
///
/// Every task is a process of its own, every pod a stream manager with its instances. A run ends by
/// itself when all input has ended and everything is acked. Ctrl-C drains, a second one stops at
/// once.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  egret run examples/word-count.yaml
  egret run examples/word-count.yaml --set spouts.lines.config.path=text.txt
  egret run examples/word-count-synthetic.yaml --duration 20s --summary json
  egret run topology.yaml --instance ./target/release/my-components --pods 4

Exit codes: 0 nothing is pending and all input has ended or the duration is over, 1 something
failed, 2 what you wrote is wrong, 130 interrupted.")]
pub(crate) struct Options {
    /// Topology file; `-` is standard input
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,

    #[command(flatten)]
    changes: Changes,

    /// Drain and end after this time, such as 30s or 5m
    #[arg(long, value_name = "TIME", value_parser = crate::duration::parse)]
    duration: Option<Duration>,

    /// What to print at the end; with `json`, what components print goes to stderr
    #[arg(long, value_enum, default_value_t)]
    summary: Format,

    /// Write the summary to this file too, as JSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    summary_file: Option<PathBuf>,

    /// Keep the run directory (identities, plans, positions) and say where it is
    #[arg(long)]
    keep: bool,

    /// Show the run as a page in the browser, at port 4741 of loopback or at this address
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, require_equals = true)]
    ui: Option<Option<SocketAddr>>,

    /// Show no progress
    #[arg(long, short)]
    quiet: bool,

    /// Show everything that stream managers and instances log
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    #[default]
    Text,
}

pub(crate) fn main(options: &Options) -> Exit {
    match load(options) {
        Ok((loaded, packing)) => run(options, &loaded, &packing),
        Err(problems) => output::refuse(&problems),
    }
}

/// A topology that can run here.
fn load(options: &Options) -> Result<(Loaded, PackingPlan), Problems> {
    let loaded = load::load(&options.file, &options.changes)?;
    let origin = || Origin::whole(&options.file.display().to_string());
    let logical = &loaded.logical;
    let unknown = |component: &&egret_topology::logical::LogicalComponent| {
        loaded.binaries.catalog().get(&component.component).is_none()
    };
    let problem = |component: &egret_topology::logical::LogicalComponent| {
        let (name, registered) = (&component.name, &component.component);
        let what = format!("no binary for `{name}`: none at hand registers `{registered}`");
        Problem::new(origin(), what).with("pass --instance BIN with its binary")
    };
    let mut problems: Vec<Problem> =
        logical.components.iter().filter(unknown).map(problem).collect();
    if logical.state == State::Stopped {
        let stopped = Problem::new(origin(), "the topology is stopped").of("spec.state");
        problems.push(stopped.with("pass --set state=Running to run it"));
    }
    problems.extend(options.summary_file.as_deref().and_then(unwritable));
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let packing = plan::pack(&options.file, logical)?;
    Ok((loaded, packing))
}

/// Says so now and not after a long run, whose summary would be lost.
fn unwritable(summary: &Path) -> Option<Problem> {
    let directory = summary.parent().filter(|parent| !parent.as_os_str().is_empty());
    let why = match directory.unwrap_or(Path::new(".")).metadata() {
        Err(error) => format!("its directory cannot be used: {error}"),
        Ok(directory) if !directory.is_dir() => "what holds it is no directory".to_owned(),
        Ok(_) if summary.is_dir() => "it is a directory".to_owned(),
        Ok(_) => return None,
    };
    let origin = Origin::whole(&format!("--summary-file {}", summary.display()));
    Some(Problem::new(origin, format!("the summary cannot be written: {why}")))
}

fn run(options: &Options, loaded: &Loaded, packing: &PackingPlan) -> Exit {
    // Children die with the thread that spawned them: this one, which ends with the process.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let to_stderr = options.summary == Format::Json;
    let mut display = display::Display::new(options.quiet, to_stderr, Instant::now());
    display.keeps(&loaded.logical);
    let settings = local::Settings {
        duration: options.duration,
        keep: options.keep,
        verbose: options.verbose,
        page: options.ui,
    };
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(local::run(loaded, packing, &settings, &mut display)),
        Err(error) => Err(format!("cannot start the runtime: {error}")),
    };
    display.end();
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::Failed;
        }
    };
    let printed = output::print(&match options.summary {
        Format::Json => outcome.summary.json(),
        Format::Text => outcome.summary.text(),
    });
    if let Some(error) = &outcome.error {
        eprintln!("error: {error}");
    }
    let written = options
        .summary_file
        .as_deref()
        .map_or(Exit::Ok, |file| write(file, &outcome.summary.json()));
    [outcome.exit, printed, written].into_iter().find(|exit| *exit != Exit::Ok).unwrap_or(Exit::Ok)
}

fn write(file: &Path, json: &str) -> Exit {
    match egret_process::write_atomically(file, json.as_bytes()) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            eprintln!("error: cannot write the summary to {}: {error}", file.display());
            Exit::Failed
        }
    }
}
