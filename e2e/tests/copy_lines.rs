//! AtLeastOnce with pods deleted in the middle: every line arrives and is acked, and only what was
//! in flight comes twice.

// Also in the fixtures, which clippy does not take for tests.
#![allow(clippy::unwrap_used)]

use egret_e2e::{Cluster, Namespace, layout::Machine, wait::Wait};
use serde_json::json;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write,
    path::Path,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(120);
/// Lines appended before each fault, and after the last.
const LINES: usize = 5_000;
const SPEC: &str = "
pods: 3
delivery: AtLeastOnce
maxPending: 500
volumes:
- {name: input, persistentVolumeClaim: {claimName: input}}
- {name: output, persistentVolumeClaim: {claimName: output}}
spouts:
- name: lines
  config: {path: /data/in.txt, follow: true}
  volumeMounts: [{name: input, mountPath: /data, readOnly: true}]
bolts:
- name: keep
  component: filter
  parallelism: 3
  inputs: [{from: lines}]
- name: out
  component: file
  config: {path: /data/out.txt, mode: append}
  inputs: [{from: keep}]
  volumeMounts: [{name: output, mountPath: /data}]
";

/// Waits until the output has every line from 0 to `count`.
fn arrived(output: &Path, count: usize) {
    let what = format!("{count} lines");
    let waited = Wait::new("out.txt", &what, PATIENCE).until(|| {
        let text = fs::read_to_string(output).unwrap_or_default();
        let lines: BTreeSet<usize> =
            text.lines().filter_map(|line| line.strip_prefix("line ")?.parse().ok()).collect();
        if lines.len() == count { Ok(()) } else { Err(format!("{} lines", lines.len())) }
    });
    waited.unwrap_or_else(|error| panic!("{error}"));
}

/// Lines of the output that came before.
fn duplicates(output: &Path) -> usize {
    let text = fs::read_to_string(output).unwrap();
    text.lines().count() - text.lines().collect::<BTreeSet<_>>().len()
}

#[test]
fn every_line_arrives_although_pods_are_deleted() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let mut namespace = Namespace::new(&cluster, "copy-lines").unwrap();
    let input = namespace.volume("input", Machine::A).unwrap().join("in.txt");
    let output = namespace.volume("output", Machine::B).unwrap().join("out.txt");
    namespace.claim("input").unwrap();
    namespace.claim("output").unwrap();
    let mut text = File::create(&input).unwrap();
    let mut written = 0;
    let mut append = || {
        let more: String = (written..written + LINES).map(|n| format!("line {n}\n")).collect();
        text.write_all(more.as_bytes()).unwrap();
        written += LINES;
        written
    };
    append();
    let topology = namespace.deploy("copy", SPEC).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    // Pods of a filter, of the spout and of the sink, each while lines are on their way.
    for pod in 0..3 {
        let life = format!("copy-{pod}-1");
        append();
        namespace.kubectl(&["delete", "pod", &life, "--wait=false"]).unwrap();
        arrived(&output, append());
    }
    topology.condition("Ready", "True", PATIENCE).unwrap();
    let flow = topology.condition("FlowHealthy", "True", PATIENCE).unwrap();
    assert_eq!(flow, "Flowing");
    // A drain ends in time only if every tuple tree is acked.
    topology.change(&json!({"state": "Stopped"})).unwrap();
    topology.state("Stopped", PATIENCE).unwrap();
    let reasons = topology.reasons().unwrap();
    assert!(!reasons.iter().any(|told| told == "DrainTimedOut"), "{reasons:?}");
    let twice = duplicates(&output);
    eprintln!("{twice} lines came twice");
    // What is in flight at each pod, and what a spout's pod has acked since it last told. A spout
    // without positions reads at least the lines again that were there before its pod went.
    assert!(twice < 2 * LINES, "{twice} lines came twice");
    // What was worked off is not read again either when all pods are new.
    topology.change(&json!({"state": "Running"})).unwrap();
    arrived(&output, append());
    assert_eq!(duplicates(&output), twice);
}
