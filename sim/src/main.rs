//! `egret-sim`: runs seeds, and says how to repeat one that fails.

use clap::Parser;
use egret_sim::{Bug, Met, Options, Outcome, Situation};
use std::{
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Instant,
};

/// Runs whole topologies under a virtual clock with seeded faults, and checks that nothing is lost.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  egret-sim --seeds 1000            seeds 0 to 999
  egret-sim --from 5000 --seeds 100
  egret-sim --seeds 100 --twice     each of them twice: the same must happen
  egret-sim --seed 42 --verbose     one seed, with its scenario and what happened last"
)]
struct Arguments {
    /// How many seeds to run
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run this seed alone
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Print the scenario and what happened last
    #[arg(long)]
    verbose: bool,
    /// Build in a bug, to see that it is found
    #[arg(long, value_parser = bug)]
    bug: Option<Bug>,
    /// Instead of the seeds' own scenarios: one consumer that stalls
    #[arg(long)]
    stall: bool,
    /// Run each seed twice, and see that the same happens
    #[arg(long)]
    twice: bool,
    /// Threads; default: one per processor
    #[arg(long)]
    jobs: Option<usize>,
    /// Go on after a failure
    #[arg(long)]
    keep_going: bool,
}

fn bug(name: &str) -> Result<Bug, String> {
    Bug::ALL.into_iter().find(|bug| bug.name() == name).ok_or_else(|| {
        let names: Vec<String> = Bug::ALL.iter().map(|bug| bug.name()).collect();
        format!("there is no bug `{name}`; there are: {}", names.join(", "))
    })
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let failures = match arguments.seed {
        Some(seed) => usize::from(one(seed, &arguments)),
        None => many(&arguments),
    };
    ExitCode::from(u8::from(failures > 0))
}

/// Runs one seed and tells of it. Returns whether it failed.
fn one(seed: u64, arguments: &Arguments) -> bool {
    let options =
        Options { bug: arguments.bug, verbose: arguments.verbose, stall: arguments.stall };
    if arguments.verbose {
        println!("seed {seed}: {}", egret_sim::describe(seed, options));
    }
    let started = Instant::now();
    let outcome = egret_sim::run_with(seed, options);
    if arguments.verbose {
        outcome.last.iter().for_each(|line| println!("{line}"));
    }
    let Outcome { digest, events, virtual_ns, .. } = outcome;
    println!(
        "seed {seed}: {events} events, {} virtual ms in {} ms, trace {digest:016x}",
        virtual_ns / 1_000_000,
        started.elapsed().as_millis()
    );
    match &outcome.violation {
        Some(violation) => println!("seed {seed} fails: {violation}"),
        None => println!("seed {seed}: every invariant held"),
    }
    outcome.violation.is_some()
}

/// Runs many seeds on all processors. Returns how many failed.
fn many(arguments: &Arguments) -> usize {
    let (from, to) = (arguments.from, arguments.from.saturating_add(arguments.seeds));
    let jobs =
        arguments.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, Into::into));
    let options = Options { bug: arguments.bug, verbose: false, stall: arguments.stall };
    let next = AtomicU64::new(from);
    let (done, events, virtual_ns) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let failed = Mutex::new(Vec::new());
    let met = Mutex::new(Met::default());
    let stop = AtomicBool::new(false);
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= to {
                        break;
                    }
                    let mut outcome = egret_sim::run_with(seed, options);
                    if arguments.twice {
                        outcome.compare(&egret_sim::run_with(seed, options));
                    }
                    events.fetch_add(outcome.events, Relaxed);
                    virtual_ns.fetch_add(outcome.virtual_ns, Relaxed);
                    met.lock().unwrap_or_else(PoisonError::into_inner).add(&outcome.met);
                    progress(done.fetch_add(1, Relaxed) + 1, arguments.seeds, started);
                    if outcome.violation.is_some() {
                        stop.fetch_or(!arguments.keep_going, Relaxed);
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort_by_key(|outcome| outcome.seed);
    failed.iter().enumerate().for_each(|(i, outcome)| explain(outcome, options, i == 0));
    let sum = met.into_inner().unwrap_or_else(PoisonError::into_inner);
    let met = Situation::ALL.map(|situation| format!("{situation:?} {}", sum.of(situation)));
    println!("met: {}", met.join(", "));
    let unmet = if arguments.seeds >= MANY { unmet(&sum) } else { 0 };
    println!(
        "{} seeds from {from} in {:.1} s: {} events, {:.0} virtual s, {} failed",
        done.into_inner(),
        started.elapsed().as_secs_f64(),
        events.into_inner(),
        virtual_ns.into_inner() as f64 / 1e9,
        failed.len()
    );
    failed.len() + unmet
}

/// Seeds after which every situation must have been met.
const MANY: u64 = 1000;

/// How many situations were never met: what they should have tested was not tested.
fn unmet(met: &Met) -> usize {
    let unmet = Situation::ALL.into_iter().filter(|situation| met.of(*situation) == 0);
    unmet.inspect(|situation| println!("never met: {situation:?}")).count()
}

fn progress(done: u64, of: u64, started: Instant) {
    if done.is_multiple_of(100) || done == of {
        let seconds = started.elapsed().as_secs_f64();
        println!("{done} of {of} seeds, {:.0} per second", done as f64 / seconds.max(0.001));
    }
}

/// Why a seed failed, and how to see it again.
fn explain(outcome: &Outcome, options: Options, at_length: bool) {
    let seed = outcome.seed;
    if at_length {
        let again = egret_sim::run_with(seed, Options { verbose: true, ..options });
        let first = again.last.len().saturating_sub(30);
        again.last[first..].iter().for_each(|line| println!("{line}"));
    }
    if let Some(violation) = &outcome.violation {
        println!("seed {seed} fails: {violation}");
    }
    let bug = options.bug.map_or_else(String::new, |bug| format!(" --bug {}", bug.name()));
    let stall = if options.stall { " --stall" } else { "" };
    println!("repeat: cargo run --release -p egret-sim -- --seed {seed} --verbose{bug}{stall}");
}
