//! Chores of the repository: checks, images, and what is generated.

mod again;
mod bench;
mod browser;
mod charts;
mod dashboards;
mod e2e;
mod fuzz;
mod images;
mod manifests;
mod metrics;
mod stage;
mod test;
mod tidy;

use std::{path::PathBuf, process::ExitCode};

const USAGE: &str = "\
usage: cargo xtask test [--only STAGE]...   run all checks, or these stages of them
       cargo xtask tidy                     check the house rules only
       cargo xtask images [--out DIRECTORY] build the images as OCI archives
       cargo xtask image PACKAGE IMAGE:TAG  build one of components of your own likewise
       cargo xtask manifests [--check]      write what is generated from resource and chart
       cargo xtask bench [--help] [...]     measure Egret beside its peers
       cargo xtask fuzz [--seconds N] [--target T]...  feed every decoder with libFuzzer";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match &words[..] {
        ["bench", rest @ ..] => bench::run(&root(), rest),
        ["fuzz", rest @ ..] => fuzz::run(&root(), rest),
        ["images", rest @ ..] => images::run(&root(), rest),
        ["image", rest @ ..] => images::run_one(&root(), rest),
        ["manifests", rest @ ..] => manifests::run(&root(), rest),
        ["tidy"] => tidy::report(&root()).map_err(|violations| violations.trim_end().to_owned()),
        ["test", rest @ ..] => stages(rest).and_then(|only| test::run(&root(), &only)),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            println!("{text}");
            ExitCode::FAILURE
        }
    }
}

/// The stages named by `--only`; none means all.
fn stages(mut args: &[&str]) -> Result<Vec<String>, String> {
    let mut only = Vec::new();
    while let ["--only", name, rest @ ..] = args {
        if !test::STAGES.contains(name) {
            return Err(format!("no stage `{name}`; there are: {}", test::STAGES.join(", ")));
        }
        only.push((*name).to_owned());
        args = rest;
    }
    if args.is_empty() { Ok(only) } else { Err(USAGE.to_owned()) }
}

/// The repository.
fn root() -> PathBuf {
    // Of now, and not of when this was built: two clones may share a target directory.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let here = here.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    here.parent().unwrap_or(&here).to_owned()
}
