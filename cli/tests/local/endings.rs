//! How runs end, and what they leave.

use crate::{
    processes::{mentioning, signal},
    run::{Run, dir_with, egret, example, trouble, until_dead},
    word_count::counted,
};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

fn slow_words(args: &[&str]) -> Run {
    let mut all =
        vec!["--set", "spouts.words.config.rate=2000", "--set", "spouts.words.config.words=1000"];
    all.extend(args);
    Run::start(&example("word-count-synthetic.yaml"), &all)
}

fn keys(value: &serde_json::Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn names(names: &str) -> BTreeSet<&str> {
    names.split(' ').collect()
}

#[test]
fn a_run_ends_with_its_duration_and_tells_what_it_did() {
    let ended = slow_words(&["--duration", "2s"]).wait();
    ended.assert_well();
    assert!(ended.root("acked") > 1000, "{}", ended.summary);
    let summary = &ended.summary;
    let all = "topology delivery seconds roots complete_latency_seconds components restarts";
    assert_eq!(keys(summary), names(all));
    assert_eq!(
        keys(&summary["roots"]),
        names("emitted acked failed timed_out pending replayed dead_letters")
    );
    assert_eq!(keys(&summary["complete_latency_seconds"]), names("p50 p90 p99 p999 max count"));
    let component = "name kind tasks emitted executed acked failed backpressure_seconds";
    assert_eq!(keys(&summary["components"][1]), names(component));
    assert_eq!(summary["topology"], "word-count-synthetic");
    assert_eq!(summary["delivery"], "AtLeastOnce");
    assert_eq!(summary["components"][0]["kind"], "spout");
    assert_eq!(summary["components"][1]["kind"], "bolt");
    assert_eq!(summary["complete_latency_seconds"]["count"], summary["roots"]["acked"]);
    let (words, count) = (ended.component("words"), ended.component("count"));
    assert_eq!(words["acked"], summary["roots"]["acked"]);
    assert_eq!(words["emitted"], count["executed"]);
    let seconds = summary["seconds"].as_f64().unwrap();
    assert!((2.0..20.0).contains(&seconds), "{seconds}");
}

/// Files below a directory.
fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_killed_run_leaves_no_orphan_and_no_key_that_others_can_read() {
    let mut run = slow_words(&[]);
    run.until("words are counted", |run| {
        run.children().len() == 4 && run.read("stderr").contains("trees acked")
    });
    let children: Vec<u32> = run.children().iter().map(|child| child.pid).collect();
    let directory = run.run_directories().remove(0);
    signal(run.pid(), "KILL");
    until_dead(&children, Duration::from_secs(5));
    assert_eq!(mentioning(directory.to_str().unwrap()), [0; 0]);
    assert_eq!(mode(&directory), 0o700);
    let mut left = Vec::new();
    files(&directory, &mut left);
    let keys: Vec<&PathBuf> = left.iter().filter(|path| path.ends_with("key.pem")).collect();
    // Of two stream managers, two tasks and the operator; that of the authority is nowhere.
    assert_eq!(keys.len(), 5, "{left:?}");
    assert!(keys.into_iter().all(|key| mode(key) == 0o600));
}

/// Lines of two words each, so many that no run ends before it is interrupted.
fn long_count() -> Run {
    let dir = dir_with(&[("input", "two words\n".repeat(2_000_000).as_bytes())]);
    let args = [
        "--set",
        "maxPending=50",
        "--set",
        "spouts.lines.config.path=DIR/input",
        "--set",
        "bolts.counts.config.path=DIR/out",
    ];
    let mut run = Run::start_in(dir, &example("word-count.yaml"), &args);
    run.until("lines are acked", |run| {
        let stderr = run.read("stderr");
        let acked = stderr.lines().rev().find(|line| line.contains("trees acked"));
        acked.is_some_and(|line| !line.contains(" 0 trees acked"))
    });
    run
}

/// An interrupt, or a polite kill, drains: all that was acked is counted. That input was left is
/// told by the exit code.
fn assert_drains(by: &str) {
    let run = long_count();
    let children: Vec<u32> = run.children().iter().map(|child| child.pid).collect();
    signal(run.pid(), by);
    let ended = run.wait();
    assert_eq!(ended.status.code(), Some(130), "{}", ended.stderr);
    ended.assert_accounts();
    let counts = counted(&ended.read("out"));
    let acked = ended.root("acked");
    assert!(acked > 0 && acked < 2_000_000, "{}", ended.summary);
    assert_eq!((counts["two"], counts["words"]), (acked, acked));
    until_dead(&children, Duration::ZERO);
}

#[test]
fn an_interrupt_drains() {
    assert_drains("INT");
}

#[test]
fn a_polite_kill_drains() {
    assert_drains("TERM");
}

#[test]
fn a_second_interrupt_stops_at_once_and_leaves_nothing() {
    let dir = dir_with(&[("input", b"a\n")]);
    let text = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: hangs}
spec:
  spouts:
  - {name: lines, config: {path: DIR/input}}
  bolts:
  - {name: trouble, config: {does: hang}, inputs: [{from: lines}]}
";
    let trouble = trouble();
    let mut run = Run::start_text(dir, text, &["--instance", &trouble]);
    run.until("the bolt hangs", |run| run.read("stderr").contains("1 pending"));
    let children: Vec<u32> = run.children().iter().map(|child| child.pid).collect();
    assert_eq!(children.len(), 3);
    signal(run.pid(), "INT");
    run.until("it says so", |run| run.read("stderr").contains("draining"));
    signal(run.pid(), "INT");
    let ended = run.wait();
    assert_eq!(ended.status.code(), Some(130), "{}", ended.stderr);
    assert_eq!(ended.root("pending"), 1);
    until_dead(&children, Duration::ZERO);
}

#[test]
fn an_ended_run_leaves_no_directory() {
    let mut run = slow_words(&["--duration", "1s"]);
    run.until("it has a directory", |run| run.run_directories().len() == 1);
    let directory = run.run_directories().remove(0);
    let ended = run.wait();
    ended.assert_well();
    assert!(!directory.exists());
}

#[test]
fn with_a_json_summary_stdout_is_one_object() {
    let dir = dir_with(&[("input", b"a b\na\n")]);
    let here = |name: &str| dir.path().join(name).display().to_string();
    let output = egret(&[
        "run",
        example("word-count.yaml").to_str().unwrap(),
        "--set",
        &format!("spouts.lines.config.path={}", here("input")),
        "--set",
        &format!("bolts.counts.config.path={}", here("out")),
        "--summary",
        "json",
        "--summary-file",
        &here("summary.json"),
    ]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["roots"]["acked"], 2);
    assert_eq!(output.stdout, fs::read(here("summary.json")).unwrap());
    assert!(stderr.contains("The most frequent words"), "{stderr}");
}
