//! How runs end, and what they leave.

use crate::run::{Run, egret, example, is_alive, signal};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

fn slow_words(args: &[&str]) -> Run {
    let mut all =
        vec!["--set", "spouts.words.config.rate=2000", "--set", "spouts.words.config.words=1000"];
    all.extend(args);
    Run::start(&example("word-count-synthetic.yaml"), &all)
}

/// Directories of runs in the temporary directory of this one.
fn run_directories(run: &Run) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(run.dir.path()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

#[test]
fn a_run_ends_with_its_duration_and_tells_what_it_did() {
    let ended = slow_words(&["--duration", "2s"]).wait();
    assert!(ended.status.success(), "{}", ended.stderr);
    ended.assert_accounts();
    assert_eq!(ended.root("pending"), 0);
    assert!(ended.root("acked") > 1000, "{}", ended.summary);
    let keys = |value: &serde_json::Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let names = |names: &str| names.split(' ').map(str::to_owned).collect::<BTreeSet<String>>();
    let summary = &ended.summary;
    let all = "topology delivery seconds roots complete_latency_seconds components restarts";
    assert_eq!(keys(summary), names(all));
    assert_eq!(keys(&summary["roots"]), names("emitted acked failed timed_out pending replayed"));
    assert_eq!(keys(&summary["complete_latency_seconds"]), names("p50 p90 p99 p999 max count"));
    let component = "name kind tasks emitted executed acked failed backpressure_seconds";
    assert_eq!(keys(&summary["components"][1]), names(component));
    assert_eq!(summary["delivery"], "AtLeastOnce");
    assert_eq!(summary["components"][0]["kind"], "spout");
    assert_eq!(summary["complete_latency_seconds"]["count"], summary["roots"]["acked"]);
}

#[test]
fn an_interrupt_drains_and_leaves_nothing() {
    let mut run = slow_words(&[]);
    run.until("four children", |run| run.children().len() == 4);
    let directories = run_directories(&run);
    assert_eq!(directories.len(), 1);
    let mode = fs::metadata(&directories[0]).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let children = run.children();
    signal(run.pid(), "INT");
    run.until("it says so", |run| run.read("stderr").contains("draining"));
    let start = Instant::now();
    while !run.has_ended() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(run_directories(&run).len(), 0, "the run directory is gone");
    let ended = run.wait();
    assert_eq!(ended.status.code(), Some(130), "{}", ended.stderr);
    ended.assert_accounts();
    assert_eq!(ended.root("pending"), 0);
    assert!(!children.into_iter().any(is_alive));
}

#[test]
fn a_killed_run_leaves_no_orphan() {
    let mut run = slow_words(&[]);
    run.until("four children", |run| run.children().len() == 4);
    let children = run.children();
    signal(run.pid(), "KILL");
    let start = Instant::now();
    while children.iter().any(|child| is_alive(*child)) {
        assert!(start.elapsed() < Duration::from_secs(5), "orphans: {children:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_task_that_crashes_for_good_ends_the_run_and_is_named() {
    let args = ["--set", "spouts.lines.config.path=DIR/not-there"];
    let ended = Run::start(&example("copy-lines.yaml"), &args).wait();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap();
    assert!(last.starts_with("error: lines["), "{last}");
    assert!(last.contains("crashed for good") && last.contains("not-there"), "{last}");
}

#[test]
fn with_a_json_summary_stdout_is_one_object() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("input");
    fs::write(&input, "a b\na\n").unwrap();
    let output = egret(&[
        "run",
        example("word-count.yaml").to_str().unwrap(),
        "--set",
        &format!("spouts.lines.config.path={}", input.display()),
        "--set",
        &format!("bolts.counts.config.path={}", dir.path().join("out").display()),
        "--summary",
        "json",
    ]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["roots"]["acked"], 2);
    assert!(stderr.contains("The most frequent words"), "{stderr}");
}
