//! What users do with a topology that runs: pause, resume, scale, stop, delete.

use egret_e2e::{Cluster, Deployed, Life, Namespace, condition, wait::Wait};
use serde_json::json;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(90);

/// Two pods, one task each, so that every tuple goes from one to the other.
const SPEC: &str = "
pods: 2
delivery: AtLeastOnce
spouts: [{name: words, config: {rate: 200}}]
bolts: [{name: count, inputs: [{from: words, grouping: Fields, fields: [word]}]}]
";

fn running<'a>(namespace: &'a Namespace, name: &str, spec: &str) -> Deployed<'a> {
    let topology = namespace.deploy(name, spec).unwrap();
    assert_eq!(topology.condition("Ready", "True", PATIENCE).unwrap(), "Running");
    topology
}

#[test]
fn a_topology_pauses_and_resumes_with_the_same_pods() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "pause").unwrap();
    let topology = running(&namespace, "t", SPEC);
    let before = topology.pods().unwrap();
    topology.change(&json!({"state": "Paused"})).unwrap();
    topology.state("Paused", PATIENCE).unwrap();
    assert_eq!(topology.condition("Ready", "True", PATIENCE).unwrap(), "Paused");
    topology.change(&json!({"state": "Running"})).unwrap();
    topology.state("Running", PATIENCE).unwrap();
    assert_eq!(topology.condition("Ready", "True", PATIENCE).unwrap(), "Running");
    assert_eq!(topology.pods().unwrap(), before);
}

#[test]
fn kubectl_shows_what_matters_and_finds_topologies_by_state() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "columns").unwrap();
    let topology = running(&namespace, "t", SPEC);
    let counted =
        topology.until("2/2", PATIENCE, |object| (object["status"]["pods"] == "2/2").then_some(()));
    counted.unwrap();
    let columns = |args: &[&str]| {
        let table = namespace.kubectl(args).unwrap();
        let rows = table.lines().map(|row| row.split_whitespace().map(str::to_owned).collect());
        rows.collect::<Vec<Vec<String>>>()
    };
    let table = columns(&["get", "topo"]);
    assert_eq!(table[0], ["NAME", "READY", "STATE", "PODS", "REASON", "AGE"]);
    assert_eq!(table[1][..5], ["t", "True", "Running", "2/2", "Running"]);
    let wide = columns(&["get", "streaming", "--output=wide"]);
    assert_eq!(wide[0], ["NAME", "READY", "STATE", "PODS", "REASON", "REVISION", "AGE"]);
    for (selector, found) in [
        ("status.state=Running", "topology.egret.dev/t"),
        ("spec.delivery=AtLeastOnce,spec.state=Running", "topology.egret.dev/t"),
        ("status.state=Paused", ""),
    ] {
        let args = ["get", "topo", "--output=name", "--field-selector", selector];
        assert_eq!(namespace.kubectl(&args).unwrap().trim(), found, "{selector}");
    }
}

#[test]
fn pods_scale_from_one_to_three_and_back() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "scale").unwrap();
    let spec = "
pods: 1
spouts: [{name: words, config: {rate: 200}}]
bolts: [{name: count, parallelism: 2, inputs: [{from: words, grouping: Fields, fields: [word]}]}]
";
    let topology = running(&namespace, "t", spec);
    for pods in [3, 1] {
        let replicas = format!("--replicas={pods}");
        namespace.kubectl(&["scale", &topology.resource(), &replicas]).unwrap();
        topology.condition("Ready", "True", PATIENCE).unwrap();
        let what = format!("{pods} pods");
        topology.until_pods(&what, PATIENCE, |now| now.len() == pods).unwrap();
        // The kubelet takes a moment to see that a pod is ready, and tasks to register; their
        // number stays.
        let counted = topology.until(&what, PATIENCE, |object| {
            let status = object["status"].clone();
            let all = status["pods"] == format!("{pods}/{pods}") && status["tasks"] == "3/3";
            all.then_some(status)
        });
        assert_eq!(counted.unwrap()["replicas"], pods);
    }
}

#[test]
fn a_stopped_topology_has_drained_and_has_no_pods_until_it_runs_again() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "stop").unwrap();
    let topology = running(&namespace, "t", SPEC);
    topology.change(&json!({"state": "Stopped"})).unwrap();
    topology.state("Stopped", PATIENCE).unwrap();
    topology.until_pods("no pods", PATIENCE, <[_]>::is_empty).unwrap();
    assert_eq!(topology.condition("Ready", "False", PATIENCE).unwrap(), "Stopped");
    topology.tells(&["Draining"], PATIENCE).unwrap();
    let reasons = topology.reasons().unwrap();
    assert!(!reasons.iter().any(|told| told == "DrainTimedOut"), "{reasons:?}");
    topology.change(&json!({"delivery": "AtMostOnce"})).unwrap();
    topology.change(&json!({"state": "Running"})).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
}

#[test]
fn a_deleted_topology_drains_and_leaves_nothing() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "delete").unwrap();
    let topology = running(&namespace, "t", SPEC);
    let finalizers = topology.object().unwrap()["metadata"]["finalizers"].take();
    assert_eq!(finalizers, json!(["egret.dev/drain"]));
    namespace.kubectl(&["delete", &topology.resource(), "--timeout=90s"]).unwrap();
    topology.tells(&["Deleted"], PATIENCE).unwrap();
    // What it owned is collected.
    let kinds = "pods,secrets,networkpolicies,poddisruptionbudgets";
    let left = ["get", kinds, "--output=name"];
    namespace.until("nothing left", PATIENCE, &left, |names| names.trim().is_empty()).unwrap();
    let record = ["get", "configmap", "t-plan", "--ignore-not-found", "--output=name"];
    namespace.until("no record", PATIENCE, &record, |names| names.trim().is_empty()).unwrap();
}

#[test]
fn a_topology_that_need_not_drain_is_deleted_at_once() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "at-once").unwrap();
    let topology = running(&namespace, "t", &format!("{SPEC}deletionPolicy: Immediate\n"));
    let object = topology.object().unwrap();
    assert!(object["metadata"]["finalizers"].is_null());
    namespace.kubectl(&["delete", &topology.resource(), "--timeout=10s"]).unwrap();
    topology.until_pods("no pods", PATIENCE, <[_]>::is_empty).unwrap();
    // The operator has heard of it, and leaves nothing in its own namespace.
    let ca = format!("--selector=egret.dev/ca-of={}", object["metadata"]["uid"].as_str().unwrap());
    let waited = Wait::new("the CA", "gone", PATIENCE).until(|| {
        let left = cluster.operator_kubectl(&["get", "secrets", &ca, "--output=name"]);
        let left = left.map_err(|error| error.to_string())?;
        if left.trim().is_empty() { Ok(()) } else { Err(left) }
    });
    waited.unwrap();
}

#[test]
fn a_state_that_flips_faster_than_it_is_seen_is_told_as_it_is_at_the_end() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "flips").unwrap();
    let topology = running(&namespace, "t", SPEC);
    for _ in 0..15 {
        topology.change(&json!({"state": "Paused"})).unwrap();
        topology.state("Paused", PATIENCE).unwrap();
        topology.change(&json!({"state": "Running"})).unwrap();
        topology.state("Running", PATIENCE).unwrap();
        assert_eq!(topology.condition("Ready", "True", PATIENCE).unwrap(), "Running");
    }
}

#[test]
fn what_is_deleted_by_hand_comes_back() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "by-hand").unwrap();
    let topology = running(&namespace, "t", SPEC);
    let before = topology.pods().unwrap();
    namespace.kubectl(&["delete", "configmap", "t-plan"]).unwrap();
    topology.change(&json!({"state": "Paused"})).unwrap();
    topology.state("Paused", PATIENCE).unwrap();
    topology.change(&json!({"state": "Running"})).unwrap();
    topology.state("Running", PATIENCE).unwrap();
    assert_eq!(topology.condition("Ready", "True", PATIENCE).unwrap(), "Running");
    assert_eq!(topology.pods().unwrap(), before);
    namespace.kubectl(&["get", "configmap", "t-plan"]).unwrap();
    namespace.kubectl(&["delete", "secret", "t-1-identity"]).unwrap();
    namespace.kubectl(&["delete", "pod", "t-1-1", "--wait=false"]).unwrap();
    let next = |pods: &[Life]| pods.iter().any(|pod| pod.name == "t-1-2" && !pod.terminating);
    topology.until_pods("another pod", PATIENCE, next).unwrap();
    assert_eq!(topology.condition("Ready", "True", PATIENCE).unwrap(), "Running");
}

#[test]
fn a_drain_that_takes_too_long_is_cut_short() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "cut-short").unwrap();
    // Nobody claims the volume's volume: the bolt never starts, and the trees stay pending.
    let spec = "
pods: 2
drainTimeout: 3s
volumes: [{name: none, persistentVolumeClaim: {claimName: none}}]
spouts: [{name: words, config: {rate: 200}}]
bolts:
- name: count
  inputs: [{from: words, grouping: Fields, fields: [word]}]
  volumeMounts: [{name: none, mountPath: /none}]
";
    let topology = namespace.deploy("t", spec).unwrap();
    let reason = topology.until("trouble", PATIENCE, |object| {
        let reason = condition(object, "Ready")["reason"].as_str()?.to_owned();
        (reason == "PodsUnschedulable").then_some(reason)
    });
    reason.unwrap();
    namespace.kubectl(&["delete", &topology.resource(), "--timeout=60s"]).unwrap();
}

#[test]
fn a_deleted_namespace_goes_with_its_topologies() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "whole").unwrap();
    let topology = running(&namespace, "t", SPEC);
    drop(topology);
    let limit = Duration::from_secs(150);
    let args = ["delete", "namespace", namespace.name(), "--timeout=140s"];
    cluster.kubectl_with("", limit, &args).unwrap();
}

#[test]
fn a_deleted_pod_comes_back_under_another_name() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "deleted-pod").unwrap();
    let topology = running(&namespace, "t", SPEC);
    let before = topology.pods().unwrap();
    namespace.kubectl(&["delete", "pod", &before[1].name, "--wait=false"]).unwrap();
    let after = topology
        .until_pods("a new pod beside the old one", PATIENCE, |now| {
            now.len() == 2 && now.iter().all(|pod| !pod.terminating && pod != &before[1])
        })
        .unwrap();
    assert_eq!(after[0], before[0], "the other pod is left alone");
    assert_eq!((before[1].name.as_str(), after[1].name.as_str()), ("t-1-1", "t-1-2"));
    topology.condition("Ready", "True", PATIENCE).unwrap();
    topology.tells(&["PodReplaced"], PATIENCE).unwrap();
}

#[test]
fn an_evicted_pod_comes_back_and_only_one_may_be_away() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "evicted").unwrap();
    let topology = running(&namespace, "t", SPEC);
    let evict = |pod: &str| {
        let name = namespace.name();
        let object = json!({"apiVersion": "policy/v1", "kind": "Eviction",
                            "metadata": {"name": pod, "namespace": name}});
        let path = format!("/api/v1/namespaces/{name}/pods/{pod}/eviction");
        let args = ["create", "--raw", &path, "--filename", "-"];
        namespace.kubectl_with(&object.to_string(), PATIENCE, &args)
    };
    let allowed = ["get", "pdb", "t", "--output=jsonpath={.status.disruptionsAllowed}"];
    namespace.until("one may be away", PATIENCE, &allowed, |count| count == "1").unwrap();
    evict("t-0-1").unwrap();
    let refused = evict("t-1-1").unwrap_err().to_string();
    assert!(refused.contains("disruption budget"), "{refused}");
    topology
        .until_pods("the pod's successor", PATIENCE, |now| {
            now.iter().any(|pod| pod.name == "t-0-2" && !pod.terminating)
        })
        .unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
}
