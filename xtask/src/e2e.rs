//! The end-to-end stage: a real Kubernetes, the images of this checkout, and the tests of `e2e`.

use crate::{images, stage};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// How `egret-cluster` begins its refusal of a machine that lacks something.
const INCAPABLE: &str = "this machine cannot run a cluster";
/// What it says of one that was there before.
const WAS_UP: &str = "the cluster is up already";

/// How the stage ended, if it did not fail.
pub(crate) enum Ended {
    /// The tests have passed; their output.
    Passed(String),
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
        Ok(output) if left.is_empty() => Ok(Ended::Passed(output)),
        Ok(_) => Err(left),
        Err(output) => Err(format!("{output}{left}")),
    }
}

fn images_and_tests(root: &Path) -> Result<String, String> {
    let started = Instant::now();
    // A cluster that KUBECONFIG names has its operator, and images from its registry.
    if std::env::var_os("KUBECONFIG").is_none_or(|value| value.is_empty()) {
        images::run(root, &[])?;
        say("images", started.elapsed());
    }
    // Tests wait for pods most of the time, but two cores carry few topologies at once.
    test(root, &["--", "--test-threads", "3"], &[("EGRET_E2E_REQUIRED", "1")])
}

fn test(root: &Path, args: &[&str], variables: &[(&str, &str)]) -> Result<String, String> {
    let started = Instant::now();
    let command = ["cargo", "test", "--package", "egret-e2e", "--locked", "--no-fail-fast"];
    let ended = stage::run(root, &[&command[..], args].concat(), variables, |line| {
        line.starts_with("test ") || line.starts_with("test result: ")
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
