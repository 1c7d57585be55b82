//! The browser stage: the page of `egret ui` in a real Chromium.

use crate::{e2e::Ended, stage};
use std::path::Path;

/// Names under which a Chromium is installed.
const PROGRAMS: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Tests the page. Where there is no Chromium, Debian's is installed, if we may.
pub(crate) fn run(root: &Path) -> Result<Ended, String> {
    if !is_installed(root) {
        // It is tried; whether it worked is seen by what is there afterwards.
        let _ = stage::run(root, &["apt-get", "install", "-y", "chromium"], &[], |_| false);
    }
    if !is_installed(root) {
        let why = "there is no Chromium here: apt-get install chromium";
        return Ok(Ended::Skipped(why.to_owned()));
    }
    let build = ["cargo", "build", "--workspace", "--example", "trouble", "--locked"];
    let built = stage::run(root, &build, &[], |_| false);
    if !built.ok {
        return Err(built.output);
    }
    // Each test has a browser and mostly a run of its own, and two cores carry few of them.
    let test = ["cargo", "test", "--workspace", "--test", "browser", "--locked"];
    let test = [&test[..], &["--", "--test-threads", "2"]].concat();
    let tested = stage::run(root, &test, &[("EGRET_BROWSER_REQUIRED", "1")], |line| {
        line.starts_with("test ") || line.starts_with("test result: ")
    });
    if tested.ok { Ok(Ended::Passed(tested.output, Vec::new())) } else { Err(tested.output) }
}

fn is_installed(root: &Path) -> bool {
    PROGRAMS.iter().any(|program| stage::answers(root, &[program, "--version"]))
}
