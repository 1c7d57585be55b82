//! `egret-faults`: inflicts every fault on a topology under load, and writes down what came of it.

mod order;
mod page;
mod record;

use clap::Parser;
use egret_e2e::{
    Cluster, Error, Result, crowd,
    resilience::{FAULTS, Fault, Outcome, inflict},
    rollouts::kill_in_rollouts,
};
use order::Rounds;
use page::Part;
use record::{Log, Record};
use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

/// Inflict every fault on a topology under load, on a cluster that runs.
#[derive(Parser)]
#[command(name = "egret-faults")]
struct Arguments {
    /// Also those that take minutes.
    #[arg(long)]
    long: bool,

    /// Only faults whose words contain this.
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,

    /// None whose words contain this.
    #[arg(long, value_name = "WORDS")]
    except: Option<String>,

    /// Inflict them again and again, in any order, until they have lasted so many minutes in all.
    #[arg(long, value_name = "MINUTES")]
    soak: Option<u64>,

    /// Kill the operator in the midst of so many rollouts instead.
    #[arg(long, value_name = "TIMES", conflicts_with = "soak")]
    rollouts: Option<usize>,

    /// Run 200 tasks, plan 2,000, and apply 10,000 resources that are refused instead.
    #[arg(long, conflicts_with_all = ["soak", "rollouts"])]
    crowd: bool,

    /// What the order of a soak, and the moments of deaths, follow from.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// What a soak has done so far: it goes on from there. Delete the file to begin anew.
    #[arg(long, value_name = "FILE", default_value = "target/soak.jsonl")]
    log: PathBuf,

    /// Write what came of it to this page, between its marks.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything was in time.
fn run(arguments: &Arguments) -> Result<bool> {
    let (part, text, good) = match (arguments.rollouts, arguments.crowd) {
        (Some(times), _) => rollouts(times, arguments.seed)?,
        (None, true) => crowd(arguments.seed)?,
        (None, false) => faults(arguments)?,
    };
    println!("{text}");
    if let Some(page) = &arguments.page {
        part.write(page, &text)?;
    }
    Ok(good)
}

/// The operator is killed in rollouts.
fn rollouts(times: usize, seed: u64) -> Result<(Part, String, bool)> {
    let cluster = Cluster::with_operator()?;
    let mut all = Vec::new();
    let account = kill_in_rollouts(&cluster, times, seed, |rollout| {
        println!("{rollout:?}");
        all.push(rollout.clone());
    })?;
    Ok((Part::Rollouts, page::rollouts(&all, account, seed), true))
}

/// Much at once.
fn crowd(seed: u64) -> Result<(Part, String, bool)> {
    let cluster = Cluster::with_operator()?;
    let mut figures = Vec::new();
    let good = crowd::crowd(&cluster, seed, |what, value| {
        println!("{what}: {value}");
        figures.push((what.to_owned(), value));
    })?;
    Ok((Part::Crowd, page::figures(&figures), good))
}

/// Faults, once or again and again.
fn faults(arguments: &Arguments) -> Result<(Part, String, bool)> {
    let wanted = |fault: &Fault| {
        let named = arguments.only.as_ref().is_none_or(|words| fault.what.contains(words));
        let excepted = arguments.except.as_ref().is_some_and(|words| fault.what.contains(words));
        named && !excepted && (arguments.long || !fault.long)
    };
    let faults: Vec<Fault> = FAULTS.into_iter().filter(wanted).collect();
    if faults.is_empty() {
        let why = "no fault has these words; some of them take minutes, and want --long".into();
        return Err(Error::Fault(why));
    }
    match arguments.soak {
        None => once(faults),
        Some(minutes) => soak(arguments, faults, Duration::from_secs(minutes * 60)),
    }
}

/// Each fault once.
fn once(faults: Vec<Fault>) -> Result<(Part, String, bool)> {
    let cluster = Cluster::with_operator()?;
    let mut records = Vec::new();
    let mut since = Instant::now();
    let account = inflict(&cluster, faults, |outcome| {
        let record = told(outcome, &mut since);
        println!("{}", page::row(&record));
        records.push(record);
    })?;
    let good = records.iter().all(Record::in_time);
    Ok((Part::Once, page::table(&records, account), good))
}

/// All of them again and again until they have lasted for `time`, whoever began.
fn soak(arguments: &Arguments, faults: Vec<Fault>, time: Duration) -> Result<(Part, String, bool)> {
    let mut log = Log::open(&arguments.log, arguments.seed)?;
    let lasted = log.lasted();
    if lasted < time {
        println!("seed {}, {} faults so far in {lasted:.0?}", arguments.seed, log.records.len());
        let until = Instant::now() + (time - lasted);
        let rounds = Rounds::new(faults, arguments.seed).skip(log.records.len());
        let cluster = Cluster::with_operator()?;
        let (mut since, mut failed) = (Instant::now(), None);
        inflict(&cluster, rounds.take_while(|_| Instant::now() < until), |outcome| {
            let record = told(outcome, &mut since);
            println!("{}", page::row(&record));
            failed = failed.take().or(log.add(record).err());
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
    }
    let good = log.records.iter().all(Record::in_time) && record::flat(&log.records);
    Ok((Part::Soak, page::summary(&log.records, arguments.seed), good))
}

/// An outcome, and how long it took from the one before.
fn told(outcome: &Outcome, since: &mut Instant) -> Record {
    let now = Instant::now();
    let took = now - std::mem::replace(since, now);
    Record::of(outcome, took)
}
