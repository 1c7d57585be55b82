//! User code that panics, fails, hangs or dawdles, and what the rest of the topology has of it.

use crate::{
    processes::{signal, signal_group},
    run::{Ended, Run, dir_with, example, trouble},
};
use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    time::{Duration, Instant},
};

/// `lines` → `trouble` → `out`, in two pods. `%` stands for the config of `trouble`.
const LINE: &str = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: troubled}
spec:
  pods: 2
  messageTimeout: 2s
  spouts:
  - {name: lines, config: {path: DIR/input}}
  bolts:
  - {name: trouble, parallelism: 2, config: {%}, inputs: [{from: lines}]}
  - {name: out, component: file, config: {path: DIR/out}, inputs: [{from: trouble}]}
";

fn input() -> String {
    (0..3000).map(|i| format!("line {i}.\n")).collect()
}

fn start(config: &str, args: &[&str]) -> Run {
    let trouble = trouble();
    let mut all = vec!["--instance", trouble.as_str()];
    all.extend(args);
    let dir = dir_with(&[("input", input().as_bytes())]);
    Run::start_text(dir, &LINE.replace('%', config), &all)
}

/// Every line is there, and nothing else.
fn assert_copied(ended: &Ended) {
    let (input, copy) = (input(), ended.read("out"));
    let expected: BTreeSet<&str> = input.lines().collect();
    assert!(copy.lines().collect::<BTreeSet<_>>() == expected, "{}", ended.stderr);
}

#[test]
fn a_panic_hurts_one_task_once_and_is_shown() {
    let ended = start("does: panic, contains: ' 77.', once: DIR/once", &[]).wait();
    ended.assert_well();
    assert_copied(&ended);
    assert_eq!(ended.summary["restarts"], 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("trouble as ordered:  77."), "{}", ended.stderr);
}

#[test]
fn an_exit_hurts_one_task_once_and_is_shown() {
    let ended = start("does: exit, contains: ' 77.', once: DIR/once", &[]).wait();
    ended.assert_well();
    assert_copied(&ended);
    assert_eq!(ended.summary["restarts"], 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("crashed: exit code 3"), "{}", ended.stderr);
}

#[test]
fn a_tuple_that_fails_is_replayed_and_its_error_shown() {
    let ended = start("does: fail, contains: ' 77.', once: DIR/once", &[]).wait();
    ended.assert_well();
    assert_copied(&ended);
    assert_eq!((ended.root("failed"), ended.root("replayed")), (1, 1));
    assert_eq!(ended.component("trouble")["failed"], 1);
    assert_eq!(ended.summary["restarts"], 0);
    assert!(ended.stderr.contains("trouble as ordered: not this one"), "{}", ended.stderr);
}

#[test]
fn a_call_that_hangs_times_out_its_tuples_and_is_named() {
    let mut run = start("does: hang, contains: ' 77.', once: DIR/once", &[]);
    run.until("it is named", |run| run.read("stderr").contains("timed out, held by trouble["));
    fs::write(run.path("once"), "").unwrap();
    let ended = run.wait();
    ended.assert_well();
    assert_copied(&ended);
    assert!(ended.root("timed_out") > 0);
    let named = ended.stderr.lines().find(|line| line.contains("held by")).unwrap();
    assert!(named.contains("has not returned from it for"), "{named}");
}

#[test]
fn a_bolt_that_never_acks_is_named_and_does_not_stop_a_drain() {
    let config = "contains: ' 77.'";
    let mut run = start(config, &["--set", "bolts.trouble.component=keep-for-good"]);
    run.until("it is named", |run| run.read("stderr").contains("timed out, held by trouble["));
    signal(run.pid(), "INT");
    let ended = run.wait();
    ended.assert_accounts();
    assert_copied(&ended);
    assert!(ended.stderr.contains("executed it but has not acked it"), "{}", ended.stderr);
}

/// Two lines of components that have pods and nothing else in common.
const TWO_LINES: &str = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: neighbours}
spec:
  pods: 2
  spouts:
  - {name: good-lines, component: lines, config: {path: DIR/input}}
  - {name: bad-lines, component: lines, config: {path: DIR/input}}
  bolts:
  - {name: good, component: filter, inputs: [{from: good-lines}]}
  - {name: trouble, config: {%}, inputs: [{from: bad-lines}]}
  - {name: good-out, component: file, config: {path: DIR/good}, inputs: [{from: good}]}
  - {name: bad-out, component: file, config: {path: DIR/bad}, inputs: [{from: trouble}]}
";

#[test]
fn a_bolt_that_cannot_start_is_shown_with_its_own_error_and_disturbs_nobody() {
    let trouble = trouble();
    let dir = dir_with(&[("input", input().as_bytes())]);
    let text = TWO_LINES.replace('%', "does: refuse");
    let ended = Run::start_text(dir, &text, &["--instance", &trouble]).wait();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap();
    assert!(last.starts_with("error: trouble[0]") && last.contains("for good"), "{last}");
    assert!(last.contains("the database `words` is not there"), "{last}");
    assert!(ended.read("good") == input(), "each line once, in order: {}", ended.stderr);
    assert_eq!(ended.read("bad"), "");
    assert_eq!(ended.component("good-lines")["failed"], 0);
}

#[test]
fn a_slow_bolt_stalls_only_what_flows_to_it_and_loses_nothing() {
    const LINES: usize = 3000;
    let line = "x".repeat(4000);
    let input: String = (0..LINES).map(|i| format!("{i} {line}\n")).collect();
    let trouble = trouble();
    let dir = dir_with(&[("input", input.as_bytes())]);
    let text = TWO_LINES.replace('%', "does: slow, pauseMs: 1");
    let mut run = Run::start_text(dir, &text, &["--instance", &trouble]);
    let size = input.len() as u64;
    run.until("the fast line is through", |run| run.size("good") == size);
    let behind = run.size("bad") as f64 / size as f64;
    println!("the slow line was {:.0} % through when the fast one was", behind * 100.0);
    let ended = run.wait();
    ended.assert_well();
    assert!(behind < 0.9);
    assert!(ended.bytes("bad") == input.as_bytes());
    assert_eq!(ended.root("failed") + ended.root("timed_out"), 0);
    let waited = |name| ended.component(name)["backpressure_seconds"].as_f64().unwrap();
    let (slow, fast) = (waited("bad-lines"), waited("good-lines"));
    println!("backpressure: {slow:.2} s before the slow bolt, {fast:.2} s before the fast one");
    assert!(slow > 1.0 && fast < slow / 2.0, "{slow} s, {fast} s");
}

fn copy(input: &[u8], args: &[&str]) -> Ended {
    let mut all = vec![
        "--set",
        "spouts.lines.config.path=DIR/input",
        "--set",
        "bolts.out.config.path=DIR/out",
    ];
    all.extend(args);
    let ended = Run::start_in(dir_with(&[("input", input)]), &example("copy-lines.yaml"), &all);
    let ended = ended.wait();
    ended.assert_well();
    ended
}

/// The lines in order, so that copies can be compared whatever ways they took.
fn sorted(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    lines
}

#[test]
fn lines_of_any_bytes_are_copied_once_without_acks() {
    let bytes: Vec<u8> =
        (0..200_000u32).map(|i| (i.wrapping_mul(i) / 7) as u8).chain(*b"\n").collect();
    let ended = copy(&bytes, &["--set", "delivery=AtMostOnce"]);
    assert!(sorted(&ended.bytes("out")) == sorted(&bytes));
    assert_eq!(ended.root("acked"), ended.root("emitted"));
}

#[test]
fn the_largest_tuples_pass_and_wait_for_each_other() {
    let sizes = [10, 1000, 100_000, 200_000, 250_000];
    let line = |i: usize| format!("{i} {}\n", "y".repeat(sizes[i % 5]));
    let input: String = (0..300).map(line).collect();
    for delivery in ["AtLeastOnce", "AtMostOnce"] {
        let ended = copy(input.as_bytes(), &["--set", &format!("delivery={delivery}")]);
        assert!(sorted(&ended.bytes("out")) == sorted(input.as_bytes()), "{}", ended.stderr);
    }
}

#[test]
fn a_missing_input_file_ends_the_run_and_is_named() {
    let out = ["--set", "bolts.out.config.path=DIR/out"];
    let args = [["--set", "spouts.lines.config.path=DIR/not-there"], out].concat();
    let ended = Run::start(&example("copy-lines.yaml"), &args).wait();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap();
    assert!(last.starts_with("error: lines["), "{last}");
    assert!(last.contains("crashed for good") && last.contains("not-there"), "{last}");
}

/// Prints its standard input.
const CAT: &str = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: cat}
spec:
  spouts: [{name: lines, config: {path: '-'}}]
  bolts: [{name: print, inputs: [{from: lines}]}]
";

#[test]
fn lines_of_standard_input_are_printed_as_they_come() {
    let mut run = Run::start_text(dir_with(&[]), CAT, &[]);
    let mut stdin = run.stdin();
    writeln!(stdin, "line 0").unwrap();
    run.until("the first line", |run| run.read("stdout").contains("line 0"));
    let start = Instant::now();
    for i in 1..=10 {
        writeln!(stdin, "line {i}").unwrap();
        run.until("the next line", |run| run.read("stdout").contains(&format!("line {i}")));
    }
    let took = start.elapsed();
    drop(stdin);
    run.wait().assert_well();
    println!("ten lines, one after the other, took {took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn an_interrupt_from_the_terminal_drains_who_reads_it() {
    let mut run = Run::start_group(dir_with(&[]), CAT, &[]);
    let mut stdin = run.stdin();
    writeln!(stdin, "a line").unwrap();
    run.until("it is printed", |run| run.read("stdout").contains("a line"));
    signal_group(run.pid(), "INT");
    let ended = run.wait();
    drop(stdin);
    assert_eq!(ended.status.code(), Some(130), "{}", ended.stderr);
    ended.assert_accounts();
    assert_eq!((ended.root("acked"), &ended.summary["restarts"]), (1, &0.into()));
}
