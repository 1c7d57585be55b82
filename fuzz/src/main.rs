//! `cargo xtask fuzz`: runs the targets under libFuzzer, keeps what they find, tells what it took.
//!
//! libFuzzer works on the pinned stable toolchain: the compiler's own passes count edges, no
//! sanitizer is needed in a workspace without `unsafe`.

mod engine;
mod spent;

use clap::Parser;
use egret_fuzz::{TARGETS, Target, corpus, target};
use engine::{Engine, Run};
use spent::Spent;
use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Feed every decoder with what libFuzzer thinks of; what it finds is added to fuzz/corpus
#[derive(Parser)]
#[command(name = "cargo xtask fuzz")]
struct Options {
    /// Seconds in all, shared by the targets
    #[arg(long, default_value_t = 600)]
    seconds: u64,

    /// Only this target; repeatable
    #[arg(long, value_name = "NAME")]
    target: Vec<String>,
}

fn main() -> ExitCode {
    match fuzz(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing was found.
fn fuzz(options: &Options) -> Result<bool, Box<dyn Error>> {
    let home = home();
    let targets = chosen(&options.target)?;
    let engine = Engine::build(&home)?;
    let mut spent = Spent::read(&home)?;
    let seconds = (options.seconds / targets.len().max(1) as u64).max(1);
    println!("target        seconds   executions   edges   inputs    bytes   seconds in all");
    let (mut findings, mut executions) = (Vec::new(), 0);
    for target in targets {
        let (run, kept) = one(&engine, &home, target, seconds)?;
        let all = spent.add(target.name, run.seconds, run.executions);
        spent.write(&home)?;
        let (name, bytes) = (target.name, kept.iter().map(Vec::len).sum::<usize>());
        let Run { seconds, executions: times, edges, .. } = run;
        let inputs = kept.len();
        println!("{name:<12} {seconds:>8} {times:>12} {edges:>7} {inputs:>8} {bytes:>8} {all:>16}");
        executions += times;
        findings.extend(run.finding.map(|file| (name, file)));
    }
    println!("{executions} executions, {} s in all runs so far", spent.total());
    for (name, file) in &findings {
        println!("FOUND by `{name}`: {}", file.display());
        println!(
            "  make it a seed in fuzz/seeds/{name}, and mend what `cargo test -p egret-fuzz` says"
        );
    }
    Ok(findings.is_empty())
}

/// One target: from seeds and corpus to a corpus that reaches more.
fn one(
    engine: &Engine,
    home: &Path,
    target: &Target,
    seconds: u64,
) -> io::Result<(Run, Vec<Vec<u8>>)> {
    let file = home.join("corpus").join(target.name);
    let seeds = inputs(&home.join("seeds").join(target.name))?;
    let scratch = engine.scratch(target.name)?;
    fill(&scratch, &seeds)?;
    fill(&scratch, &corpus::read(&file)?)?;
    let run = engine.run(target, &scratch, seconds)?;
    // Of all that was found, no more than what reaches what seeds do not.
    let least = engine.scratch(&format!("{}-least", target.name))?;
    fill(&least, &seeds)?;
    engine.merge(target, &least, &scratch)?;
    let mut kept = inputs(&least)?;
    kept.retain(|input| !seeds.contains(input) && input.len() <= target.max_len);
    corpus::write(&file, kept.clone())?;
    Ok((run, kept))
}

fn chosen(names: &[String]) -> Result<Vec<&'static Target>, String> {
    if names.is_empty() {
        return Ok(TARGETS.iter().collect());
    }
    let known = || TARGETS.map(|target| target.name).join(", ");
    let named = |name: &String| {
        target(name).ok_or_else(|| format!("no target `{name}`; there are: {}", known()))
    };
    names.iter().map(named).collect()
}

fn home() -> PathBuf {
    // Of now, and not of when this was built: two clones may share a target directory.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    here.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")))
}

fn inputs(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    fs::read_dir(folder)?.map(|entry| fs::read(entry?.path())).collect()
}

fn fill(folder: &Path, inputs: &[Vec<u8>]) -> io::Result<()> {
    let next = fs::read_dir(folder)?.count();
    for (at, input) in inputs.iter().enumerate() {
        fs::write(folder.join(format!("input-{:05}", next + at)), input)?;
    }
    Ok(())
}
