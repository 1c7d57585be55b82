//! Rolling changes under load: every line arrives once, whatever becomes of the new version.

use egret_e2e::{
    Cluster, Deployed, Life, Namespace, condition,
    layout::Machine,
    load::{COPIES, Load},
};
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(150);
/// The components of the release, and the same under another name.
const IMAGE: &str = concat!("egret.dev/instance:", env!("CARGO_PKG_VERSION"));
const OTHER: &str = "egret.dev/instance:other-tag";

/// Lines from one node to the other by way of two filters.
fn spec() -> String {
    format!("image: {IMAGE}\nimagePullPolicy: IfNotPresent\n{}", COPIES.trim_start())
}

/// The spec's bolts, with something else in the filter.
fn bolts(keep: &Value) -> Value {
    let mut filter = json!({
        "name": "keep", "component": "filter", "parallelism": 2, "config": {"contains": "line"},
        "streams": [{"fields": ["line"]}], "inputs": [{"from": "lines"}],
    });
    filter.as_object_mut().unwrap().extend(keep.as_object().unwrap().clone());
    json!([filter, {
        "name": "out", "component": "file", "config": {"path": "/data/out.txt", "mode": "append"},
        "streams": [], "inputs": [{"from": "keep"}],
        "volumeMounts": [{"name": "output", "mountPath": "/data"}],
    }])
}

/// Waits until a change of the newest generation has come to rest.
fn rested(topology: &Deployed<'_>) -> String {
    let reason = topology.until("rest", PATIENCE, |object| {
        let progressing = condition(object, "Progressing");
        let newest = progressing["observedGeneration"] == object["metadata"]["generation"];
        let rests = newest && progressing["status"] == "False";
        rests.then(|| progressing["reason"].as_str().unwrap_or_default().to_owned())
    });
    reason.unwrap()
}

fn uids(pods: &[Life]) -> Vec<String> {
    pods.iter().map(|pod| pod.uid.clone()).collect()
}

#[test]
fn tasks_change_one_after_the_other_and_every_line_arrives_once() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let mut namespace = Namespace::new(&cluster, "rollout").unwrap();
    cluster.tag(IMAGE, OTHER).unwrap();
    let input = namespace.volume("input", Machine::A).unwrap().join("in.txt");
    let output = namespace.volume("output", Machine::B).unwrap().join("out.txt");
    namespace.claim("input").unwrap();
    namespace.claim("output").unwrap();
    let mut load = Load::on(&input, output).unwrap();
    let topology = namespace.deploy("roll", &spec()).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    load.flows(PATIENCE).unwrap();
    let before = topology.pods().unwrap();

    // Another config: processes start anew, containers do not.
    topology.change(&json!({"bolts": bolts(&json!({"config": {"contains": "ine"}}))})).unwrap();
    assert_eq!(rested(&topology), "Settled");
    topology.tells(&["RollingOut", "RolledOut"], PATIENCE).unwrap();
    load.flows(PATIENCE).unwrap();
    assert_eq!(topology.pods().unwrap(), before);

    // Another image, which holds the same, for all tasks, the spout too.
    topology.change(&json!({"image": OTHER})).unwrap();
    assert_eq!(rested(&topology), "Settled");
    load.flows(PATIENCE).unwrap();
    let after = topology.pods().unwrap();
    assert_eq!(uids(&after), uids(&before), "containers change where they are");
    let restarts: u64 = after.iter().map(|pod| pod.restarts).sum();
    assert_eq!(restarts, 4, "each of the four tasks has one new container");

    // An image that cannot be had costs nothing.
    topology.change(&json!({"image": "egret.dev/none:1"})).unwrap();
    assert_eq!(rested(&topology), "RolledBack");
    load.flows(PATIENCE).unwrap();
    assert_eq!(topology.pods().unwrap(), after, "no container was touched");
    let message = condition(&topology.object().unwrap(), "Progressing")["message"].to_string();
    assert!(message.contains("egret.dev/none:1"), "{message}");
    topology.change(&json!({"image": OTHER})).unwrap();
    assert_eq!(rested(&topology), "Settled");

    // A version that fails in `prepare` goes back, and has had no input.
    topology.change(&json!({"bolts": bolts(&json!({"config": {"matches": "["}}))})).unwrap();
    assert_eq!(rested(&topology), "RolledBack");
    load.flows(PATIENCE).unwrap();
    topology.tells(&["RolledBack"], PATIENCE).unwrap();
    assert_eq!(uids(&topology.pods().unwrap()), uids(&before));
    assert_eq!(topology.condition("Ready", "True", PATIENCE).unwrap(), "Running");

    let account = load.end(PATIENCE).unwrap();
    eprintln!("{account:?}");
    assert_eq!(account.twice, 0, "with a drain that works nothing is replayed");
}
