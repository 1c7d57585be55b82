//! The end-to-end stage: a real Kubernetes, the images of this checkout, and the tests of `e2e`.

use crate::{
    again::{self, Failed},
    images, stage,
};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// How `egret-cluster` begins its refusal of a machine that lacks something.
const INCAPABLE: &str = "this machine cannot run a cluster";
/// What it says of one that was there before.
const WAS_UP: &str = "the cluster is up already";

/// How the stage ended, if it did not fail.
pub(crate) enum Ended {
    /// The tests have passed; their output, and those of them that had to be tried again.
    Passed(String, Vec<String>),
    /// There can be no cluster here, and why.
    Skipped(String),
}

/// Brings a cluster up, or takes the one that KUBECONFIG names; tests on it; and takes it down if
/// it was not there before.
pub(crate) fn run(root: &Path) -> Result<Ended, String> {
    let up = cluster(root, "up");
    if !up.ok {
        let why = up.output.lines().find(|line| line.contains(INCAPABLE)).map(str::to_owned);
        return why.map(Ended::Skipped).ok_or(up.output);
    }
    let tested = images_and_tests(root);
    let mut left = String::new();
    if !up.output.contains(WAS_UP) {
        let down = cluster(root, "down");
        if !down.ok {
            left = down.output;
        }
    }
    match tested {
        Ok((output, again)) if left.is_empty() => Ok(Ended::Passed(output, again)),
        Ok(_) => Err(left),
        Err(output) => Err(format!("{output}{left}")),
    }
}

fn images_and_tests(root: &Path) -> Result<(String, Vec<String>), String> {
    let started = Instant::now();
    // A cluster that KUBECONFIG names has its operator, and images from its registry.
    if std::env::var_os("KUBECONFIG").is_none_or(|value| value.is_empty()) {
        images::run(root, &[])?;
        say("images", started.elapsed());
    }
    // Tests wait for pods most of the time, but two cores carry few topologies at once.
    let first = test(root, &programs(root)?, &["--test-threads", "3"]);
    first.map_or_else(|output| try_again(root, output), |output| Ok((output, Vec::new())))
}

/// A cluster on a machine that does other things stands still at times, for longer than a topology
/// may wait: what has failed among others gets another try, alone. That it did is told.
fn try_again(root: &Path, first: String) -> Result<(String, Vec<String>), String> {
    let failed = again::worth_a_try(&first);
    if failed.is_empty() {
        return Err(first);
    }
    let mut output = first.clone();
    let mut names = Vec::new();
    for Failed { program, name } in failed {
        println!("    {name} has failed, and is tried once more, alone");
        match test(root, &[program], &["--exact", &name]) {
            Ok(second) => output.push_str(&second),
            Err(second) => return Err(format!("{output}\nand once more, alone:\n{second}")),
        }
        // What went wrong at first is worth reading.
        println!("{}", again::told(&first, &name));
        names.push(name);
    }
    Ok((output, names))
}

/// The test programs, as they lie there: cargo starts them only if they are named.
fn programs(root: &Path) -> Result<Vec<String>, String> {
    let folder = root.join("e2e/tests");
    let unreadable = |error| format!("cannot list {}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|end| end == "rs") || path.join("main.rs").exists() {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

fn test(root: &Path, programs: &[String], args: &[&str]) -> Result<String, String> {
    let started = Instant::now();
    let mut command = vec!["cargo", "test", "--workspace", "--locked", "--no-fail-fast"];
    command.extend(programs.iter().flat_map(|name| ["--test", name]));
    command.push("--");
    command.extend(args);
    let required = &[("EGRET_E2E_REQUIRED", "1")];
    let ended = stage::run(root, &command, required, |line| {
        // Those that have failed are told when they are given up.
        line.starts_with("test ") && !line.contains("FAILED")
    });
    say("tests", started.elapsed());
    if ended.ok { Ok(ended.output) } else { Err(ended.output) }
}

fn cluster(root: &Path, verb: &str) -> stage::Ended {
    let started = Instant::now();
    let ended = match stage::program(root, "egret-cluster") {
        Ok(program) => {
            stage::run(root, &[&program.to_string_lossy(), verb], &[], |line| line.starts_with('['))
        }
        Err(output) => stage::Ended { ok: false, output },
    };
    say(&format!("cluster {verb}"), started.elapsed());
    ended
}

fn say(what: &str, took: Duration) {
    println!("    {what}: {:.0} s", took.as_secs_f64());
}
