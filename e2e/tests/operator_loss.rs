//! The operator is killed and upgraded in the middle: nothing restarts.

// Also in the fixtures, which clippy does not take for tests.
#![allow(clippy::unwrap_used)]

use egret_e2e::{
    Cluster, Life, Namespace,
    installed::{DEPLOYMENT, NAMESPACE, SELECTOR},
    wait::Wait,
};
use serde_json::json;
use std::{sync::Mutex, time::Duration};

const PATIENCE: Duration = Duration::from_secs(120);

/// One trouble at a time.
static ALONE: Mutex<()> = Mutex::new(());

const SPEC: &str = "
pods: 2
delivery: AtLeastOnce
spouts: [{name: words, config: {rate: 200}}]
bolts: [{name: count, inputs: [{from: words, grouping: Fields, fields: [word]}]}]
";

/// Waits until the spout's pod has acked more than before.
fn flowing(pod: &Life) {
    let acked = || pod.metric("egret_roots_acked_total").map_err(|error| error.to_string());
    let before = acked().unwrap();
    let waited = Wait::new(&pod.name, "tuples flow", PATIENCE).until(|| {
        let now = acked()?;
        if now > before { Ok(()) } else { Err(format!("{now} acked")) }
    });
    waited.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn an_operator_that_is_killed_or_upgraded_restarts_nothing() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let namespace = Namespace::new(&cluster, "operator-loss").unwrap();
    let topology = namespace.deploy("t", SPEC).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    let before = topology.pods().unwrap();
    let kill = ["delete", "pod", "--selector", SELECTOR, "--grace-period=0", "--force"];
    for trouble in [&kill[..], &["rollout", "restart", DEPLOYMENT]] {
        cluster.operator_kubectl(trouble).unwrap();
        flowing(&before[0]);
        cluster.operator_ready().unwrap();
        // The operator that follows has taken over when it answers to a change.
        topology.change(&json!({"state": "Paused"})).unwrap();
        topology.state("Paused", PATIENCE).unwrap();
        topology.change(&json!({"state": "Running"})).unwrap();
        topology.state("Running", PATIENCE).unwrap();
        topology.condition("Ready", "True", PATIENCE).unwrap();
        flowing(&before[0]);
        assert_eq!(topology.pods().unwrap(), before);
    }
}

/// The operators that lead.
fn leaders(cluster: &Cluster) -> Vec<String> {
    let path = "jsonpath={range .items[*]}{.metadata.name}{\"\\n\"}{end}";
    let pods = ["get", "pods", "--selector", SELECTOR, "--output", path];
    let pods = cluster.operator_kubectl(&pods).unwrap();
    let leads = |pod: &&str| {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/metrics");
        let page = cluster.kubectl(&["get", "--raw", &path]).unwrap_or_default();
        page.lines().any(|line| line == "egret_operator_leader 1")
    };
    pods.lines().filter(leads).map(str::to_owned).collect()
}

#[test]
fn of_two_operators_one_leads_until_the_other_takes_over() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    cluster.operator_kubectl(&["scale", DEPLOYMENT, "--replicas=2"]).unwrap();
    cluster.operator_ready().unwrap();
    let one = |not: &str| {
        let wait = Wait::new(DEPLOYMENT, "one leader", PATIENCE);
        wait.until(|| match &leaders(&cluster)[..] {
            [leader] if leader != not => Ok(leader.clone()),
            other => Err(format!("{other:?} lead")),
        })
    };
    let first = one("").unwrap();
    let kill = ["delete", "pod", &first, "--grace-period=0", "--force"];
    cluster.operator_kubectl(&kill).unwrap();
    let second = one(&first).unwrap();
    cluster.operator_kubectl(&["scale", DEPLOYMENT, "--replicas=1"]).unwrap();
    assert_ne!(first, second);
}

#[test]
fn a_namespace_is_deleted_although_there_is_no_operator() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let namespace = Namespace::new(&cluster, "no-operator").unwrap();
    let topology = namespace.deploy("t", SPEC).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    cluster.operator_kubectl(&["scale", DEPLOYMENT, "--replicas=0"]).unwrap();
    let gone = ["wait", "pod", "--selector", SELECTOR, "--for=delete", "--timeout=60s"];
    cluster.operator_kubectl(&gone).unwrap();
    flowing(&topology.pods().unwrap()[0]);
    let args = ["delete", "namespace", namespace.name(), "--timeout=120s"];
    let deleted = cluster.kubectl_with("", PATIENCE + Duration::from_secs(10), &args);
    cluster.operator_kubectl(&["scale", DEPLOYMENT, "--replicas=1"]).unwrap();
    cluster.operator_ready().unwrap();
    deleted.unwrap();
}
