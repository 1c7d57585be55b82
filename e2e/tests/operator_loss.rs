//! The operator is killed and upgraded in the middle: nothing restarts.

// Also in the fixtures, which clippy does not take for tests.
#![allow(clippy::unwrap_used)]

use egret_e2e::{
    Cluster, Life, Namespace,
    installed::{DEPLOYMENT, NAMESPACE, SELECTOR},
    wait::Wait,
};
use serde_json::{Value, json};
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

/// Brings the operator back, whatever becomes of the test.
struct Away<'a>(&'a Cluster);

impl Drop for Away<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.operator_kubectl(&["scale", DEPLOYMENT, "--replicas=1"]) {
            eprintln!("{error}");
        }
    }
}

/// Runs something while there is no operator.
fn without_operator(cluster: &Cluster, what: impl FnOnce()) {
    let away = Away(cluster);
    cluster.operator_kubectl(&["scale", DEPLOYMENT, "--replicas=0"]).unwrap();
    let gone = ["wait", "pod", "--selector", SELECTOR, "--for=delete", "--timeout=60s"];
    cluster.operator_kubectl(&gone).unwrap();
    what();
    drop(away);
    cluster.operator_ready().unwrap();
}

#[test]
fn what_is_deleted_while_nobody_looks_is_made_again_from_what_runs() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let namespace = Namespace::new(&cluster, "lost-record").unwrap();
    let names = ["record", "authority", "change"];
    let all = names.map(|name| namespace.deploy(name, SPEC).unwrap());
    let before = all.each_ref().map(|topology| {
        topology.condition("Ready", "True", PATIENCE).unwrap();
        topology.pods().unwrap()
    });
    let [record, authority, change] = &all;
    change.change(&json!({"podTemplate": {"spec": {"hostPID": true}}})).unwrap();
    assert_eq!(change.condition("Accepted", "False", PATIENCE).unwrap(), "Forbidden");
    let uid = authority.object().unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
    without_operator(&cluster, || {
        namespace.kubectl(&["delete", "configmap", "record-plan"]).unwrap();
        let ca = format!("egret-ca-{uid}");
        cluster.operator_kubectl(&["delete", "secret", &ca]).unwrap();
    });
    // Its pods live on, and take the next plans.
    for state in ["Paused", "Running"] {
        record.change(&json!({"state": state})).unwrap();
        record.state(state, PATIENCE).unwrap();
        record.condition("Ready", "True", PATIENCE).unwrap();
    }
    assert_eq!(record.pods().unwrap(), before[0]);
    record.tells(&["RecordLost"], PATIENCE).unwrap();
    // Whom pods trust they read when they start.
    let others = |now: &[Life]| now.len() == 2 && now.iter().all(|pod| !before[1].contains(pod));
    authority.until_pods("pods that trust another CA", PATIENCE, others).unwrap();
    authority.condition("Ready", "True", PATIENCE).unwrap();
    // What was accepted last goes on, although the operator that accepted it is gone.
    assert_eq!(change.condition("Ready", "True", PATIENCE).unwrap(), "Running");
    namespace.kubectl(&["delete", "pod", "change-0-1", "--wait=false"]).unwrap();
    let next = |now: &[Life]| now.iter().any(|pod| pod.name == "change-0-2" && !pod.terminating);
    change.until_pods("another pod", PATIENCE, next).unwrap();
    change.condition("Ready", "True", PATIENCE).unwrap();
}

#[test]
fn an_operator_that_helm_uninstalls_leaves_nothing_that_hangs() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let system = Namespace::new(&cluster, "helm-system").unwrap();
    let namespace = Namespace::new(&cluster, "helm-topologies").unwrap();
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/egret");
    let watch = format!("watchNamespaces={{{}}}", namespace.name());
    let at = ["--namespace", system.name()];
    let helm = |args: &[&str]| cluster.helm(&[args, &at].concat()).unwrap();
    without_operator(&cluster, || {
        let values = ["--set", "crds.enabled=false,rbac.aggregate=false", "--set", &watch];
        helm(&[&["install", "egret", chart, "--wait", "--timeout=120s"], &values[..]].concat());
        helm(&["test", "egret", "--timeout=60s"]);
        let topology = namespace.deploy("t", SPEC).unwrap();
        // Taking many finalizers away takes longer than Helm needs to delete rights.
        let many = "podTemplate: {spec: {nodeSelector: {no: such}}}\nspouts: [{name: words}]\n";
        let many = (0..30).map(|i| namespace.deploy(&format!("m{i}"), many).unwrap());
        for waiting in many.collect::<Vec<_>>() {
            let finalizers =
                |object: &Value| object["metadata"]["finalizers"].as_array().map(Vec::len);
            waiting.until("a finalizer", PATIENCE, finalizers).unwrap();
        }
        topology.condition("Ready", "True", PATIENCE).unwrap();
        let finalizers = || topology.object().unwrap()["metadata"]["finalizers"].take();
        assert_eq!(finalizers(), json!(["egret.dev/drain"]));
        helm(&["uninstall", "egret", "--timeout=120s"]);
        assert!(finalizers().is_null());
        let path = "jsonpath={.items[*].metadata.finalizers}";
        let all = namespace.kubectl(&["get", "topologies", "--output", path]).unwrap();
        assert_eq!(all, "");
        flowing(&topology.pods().unwrap()[0]);
        let left = ["get", "leases,roles,rolebindings,jobs,deployments", "--output=name"];
        system.until("nothing left", PATIENCE, &left, |names| names.trim().is_empty()).unwrap();
        namespace.kubectl(&["delete", &topology.resource(), "--timeout=10s"]).unwrap();
    });
}

#[test]
fn a_namespace_is_deleted_although_there_is_no_operator() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let namespace = Namespace::new(&cluster, "no-operator").unwrap();
    let topology = namespace.deploy("t", SPEC).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    without_operator(&cluster, || {
        flowing(&topology.pods().unwrap()[0]);
        let args = ["delete", "namespace", namespace.name(), "--timeout=120s"];
        cluster.kubectl_with("", PATIENCE + Duration::from_secs(10), &args).unwrap();
    });
}
