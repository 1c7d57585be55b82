//! Processes are killed within their containers: they come back, and the rest goes on.

// Also in the fixtures, which clippy does not take for tests.
#![allow(clippy::unwrap_used)]

use egret_e2e::{Cluster, Deployed, Namespace, processes, wait::Wait};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(90);

const SPEC: &str = "
pods: 2
delivery: AtLeastOnce
spouts: [{name: words, config: {rate: 200}}]
bolts: [{name: count, inputs: [{from: words, grouping: Fields, fields: [word]}]}]
";

/// Kills the process that a container's first process has started.
fn kill(topology: &Deployed<'_>, words: &[&str]) {
    let uid = topology.object().unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
    let words: Vec<&str> = words.iter().copied().chain([uid.as_str()]).collect();
    processes::kill(processes::worker(&words).unwrap()).unwrap();
}

#[test]
fn a_killed_instance_comes_back_within_its_container() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "kill-instance").unwrap();
    let topology = namespace.deploy("t", SPEC).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    let before = topology.pods().unwrap();
    kill(&topology, &["run", "--component", "count"]);
    let waited = Wait::new("count", "another life", PATIENCE).until(|| {
        let lives = before[1].metric("egret_task_restarts_total");
        let lives = lives.map_err(|error| error.to_string())?;
        if lives >= 1.0 { Ok(()) } else { Err(format!("{lives} lives")) }
    });
    waited.unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    flows(&topology);
    assert_eq!(topology.pods().unwrap(), before, "no container was restarted");
}

#[test]
fn a_killed_stream_manager_comes_back_under_living_instances() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "kill-manager").unwrap();
    let topology = namespace.deploy("t", SPEC).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    let before = topology.pods().unwrap();
    kill(&topology, &["--listen", "--pod", "1"]);
    flows(&topology);
    topology.condition("Ready", "True", PATIENCE).unwrap();
    flows(&topology);
    assert_eq!(topology.pods().unwrap(), before, "no container was restarted");
}

/// Waits until the spout has acked more than before.
fn flows(topology: &Deployed<'_>) {
    let pods = topology.pods().unwrap();
    let acked = || pods[0].metric("egret_roots_acked_total").map_err(|error| error.to_string());
    let before = acked().unwrap();
    let waited = Wait::new("words", "tuples flow", PATIENCE).until(|| {
        let now = acked()?;
        // A second's worth: what was on its way before is no proof.
        if now > before + 200.0 { Ok(()) } else { Err(format!("{now} acked")) }
    });
    waited.unwrap();
}
