//! A line that a bolt cannot take: with `maxTries` it leaves as a dead letter, without it is tried
//! for ever.

use crate::run::{Ended, Run, dir_with, trouble};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// `lines` → `trouble` → `out`, in two pods; dead letters of `lines` go to `dead`, if it is.
/// `%` stands for the config of `trouble`, `TRIES` for what the spout says besides.
const LINE: &str = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: poisoned}
spec:
  pods: 2
  spouts:
  - {name: lines, config: {path: DIR/input}, TRIES}
  bolts:
  - {name: trouble, config: {%, contains: ' 77.'}, inputs: [{from: lines}]}
  - {name: out, component: file, config: {path: DIR/out}, inputs: [{from: trouble}]}
";

const DEAD: &str = "
  - name: dead
    component: file
    config: {path: DIR/dead, format: json}
    inputs: [{from: lines, stream: dead-letters}]
";

fn input() -> String {
    (0..3000).map(|i| format!("line {i}.\n")).collect()
}

fn start(does: &str, tries: &str, dead: &str) -> Run {
    let trouble = trouble();
    let dir = dir_with(&[("input", input().as_bytes()), ("while", b"")]);
    let text = format!("{LINE}{dead}").replace('%', does).replace("TRIES", tries);
    Run::start_text(dir, &text, &["--instance", trouble.as_str()])
}

/// Every other line is there.
fn assert_the_others(ended: &Ended) {
    let (input, copy) = (input(), ended.read("out"));
    let expected: BTreeSet<&str> = input.lines().filter(|line| *line != "line 77.").collect();
    assert!(copy.lines().collect::<BTreeSet<_>>() == expected, "{}", ended.stderr);
}

fn letters(ended: &Ended) -> Vec<Value> {
    ended.read("dead").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_line_that_a_bolt_panics_at_leaves_with_its_reason_and_the_others_arrive() {
    let ended = start("does: panic", "maxTries: 3", DEAD).wait();
    ended.assert_well();
    assert_the_others(&ended);
    let [letter] = &letters(&ended)[..] else { panic!("{}\n{}", ended.read("dead"), ended.stderr) };
    let error = "`trouble` panicked: trouble as ordered:  77.";
    let expected =
        json!({"line": "line 77.", "error": error, "component": "trouble", "task": 1, "tries": 3});
    assert_eq!(letter, &expected);
    assert_eq!(ended.root("dead_letters"), 1);
    assert_eq!(ended.summary["restarts"], 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("has failed 3 times and is a dead letter"), "{}", ended.stderr);
}

#[test]
fn a_line_that_a_bolt_fails_leaves_at_once_and_each_other_arrives_once() {
    let ended = start("does: fail", "maxTries: 2", DEAD).wait();
    ended.assert_well();
    assert_the_others(&ended);
    assert_eq!(ended.read("out").lines().count(), 2999, "nobody else is tried again");
    let [letter] = &letters(&ended)[..] else { panic!("{}\n{}", ended.read("dead"), ended.stderr) };
    assert_eq!(letter["error"], "`trouble` failed: trouble as ordered: not this one");
    assert_eq!((ended.root("failed"), ended.root("dead_letters")), (2, 1));
    assert_eq!(ended.summary["restarts"], 0);
}

#[test]
fn a_dead_letter_that_nobody_receives_is_logged_and_the_run_ends() {
    let ended = start("does: fail", "maxTries: 1", "").wait();
    ended.assert_well();
    assert_the_others(&ended);
    assert_eq!(ended.root("dead_letters"), 1);
    let logged = "no bolt receives stream `dead-letters`";
    assert!(ended.stderr.contains(logged), "{}", ended.stderr);
}

#[test]
fn without_a_limit_a_line_is_tried_again_and_again_while_the_others_arrive() {
    let mut run = start("does: panic, while: DIR/while", "parallelism: 1", "");
    run.until("the others are through", |run| {
        let out = run.read("out");
        out.lines().collect::<BTreeSet<_>>().len() == 2999
    });
    run.until("it has crashed often", |run| run.read("stderr").matches("crashed").count() > 3);
    std::fs::remove_file(run.path("while")).unwrap();
    let ended = run.wait();
    ended.assert_well();
    assert_eq!(ended.root("dead_letters"), 0);
    assert!(ended.read("out").lines().any(|line| line == "line 77."), "{}", ended.stderr);
}
