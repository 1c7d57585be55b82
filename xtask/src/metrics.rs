//! The metrics stage: a real Prometheus scrapes a running topology.

use crate::{e2e::Ended, stage};
use std::path::Path;

/// Debian's package has both.
const PROGRAMS: [&str; 2] = ["prometheus", "promtool"];

/// Runs the tests. Where there is no Prometheus, Debian's is installed, if we may; else only what
/// needs none is tested.
pub(crate) fn run(root: &Path) -> Result<Ended, String> {
    if !is_installed(root) {
        let install = ["apt-get", "install", "-y", "--no-install-recommends", "prometheus"];
        // It is tried; whether it worked is seen by what is there afterwards.
        let _ = stage::run(root, &install, &[], |_| false);
    }
    let there = is_installed(root);
    let build = ["cargo", "build", "--workspace", "--example", "trouble", "--locked"];
    let built = stage::run(root, &build, &[], |_| false);
    if !built.ok {
        return Err(built.output);
    }
    // Each test has a run of its own, and two cores carry few of them.
    let test = ["cargo", "test", "--workspace", "--test", "metrics", "--locked"];
    let test = [&test[..], &["--", "--test-threads", "2"]].concat();
    let required: &[(&str, &str)] = if there { &[("EGRET_PROMETHEUS_REQUIRED", "1")] } else { &[] };
    let tested = stage::run(root, &test, required, |line| {
        line.starts_with("test ") || line.starts_with("test result: ")
    });
    match (tested.ok, there) {
        (true, true) => Ok(Ended::Passed(tested.output, Vec::new())),
        (true, false) => Ok(Ended::Skipped(
            "there is no Prometheus here: apt-get install prometheus; what needs none has passed"
                .to_owned(),
        )),
        (false, _) => Err(tested.output),
    }
}

fn is_installed(root: &Path) -> bool {
    PROGRAMS.iter().all(|program| stage::answers(root, &[program, "--version"]))
}
