//! The end-to-end stage: a real Kubernetes, the images of this checkout, and the tests of `e2e`.

use crate::{
    again::{self, Failed},
    images, stage,
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// How `egret-cluster` begins its refusal of a machine that lacks something.
const INCAPABLE: &str = "this machine cannot run a cluster";
/// What it says of one that was there before.
const WAS_UP: &str = "the cluster is up already";

/// Tests fail where there is no cluster, instead of skipping themselves.
const REQUIRED: &[(&str, &str)] = &[("EGRET_E2E_REQUIRED", "1")];

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
        let why = why.ok_or(up.output)?;
        // What needs no cluster is tested anyway.
        return test(root, &["--lib", "--bins"], &[]).map(|_| Ended::Skipped(why));
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
    let first = test(root, &["--", "--test-threads", "3"], REQUIRED);
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
        let args = ["--test", &program, "--", "--exact", &name, "--test-threads", "1"];
        match test(root, &args, REQUIRED) {
            Ok(second) => output.push_str(&second),
            Err(second) => return Err(format!("{output}\nand once more, alone:\n{second}")),
        }
        // What went wrong at first is worth reading.
        println!("{}", again::told(&first, &name));
        names.push(name);
    }
    Ok((output, names))
}

fn test(root: &Path, args: &[&str], variables: &[(&str, &str)]) -> Result<String, String> {
    let started = Instant::now();
    let command = ["cargo", "test", "--package", "egret-e2e", "--locked", "--no-fail-fast"];
    let ended = stage::run(root, &[&command[..], args].concat(), variables, |line| {
        // Those that have failed are told when they are given up.
        line.starts_with("test ") && !line.contains("FAILED")
    });
    say("tests", started.elapsed());
    if ended.ok { Ok(ended.output) } else { Err(ended.output) }
}

fn cluster(root: &Path, verb: &str) -> stage::Ended {
    let started = Instant::now();
    let command = ["cargo", "run", "--quiet", "--locked", "--package", "egret-e2e"];
    let command = [&command[..], &["--bin", "egret-cluster", "--", verb]].concat();
    let ended = stage::run(root, &command, &[], |line| line.starts_with('['));
    say(&format!("cluster {verb}"), started.elapsed());
    ended
}

fn say(what: &str, took: Duration) {
    println!("    {what}: {:.0} s", took.as_secs_f64());
}
