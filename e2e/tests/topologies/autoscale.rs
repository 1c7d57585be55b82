//! A bolt that is too slow for what comes gets another task, which is its own to keep.

use egret_e2e::{Cluster, Deployed, Namespace};
use serde_json::Value;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(150);
/// A minute of watching, half a minute before that, and what a busy machine adds.
const SCALES: Duration = Duration::from_secs(420);

/// Work for 1.2 tasks: one cannot do it, and two have to do most of their time.
const SPEC: &str = "
pods: 1
messageTimeout: 60s
maxPending: 100
spouts:
- name: words
  config: {rate: 120}
bolts:
- name: slow
  component: discard
  config: {delayMs: 10}
  inputs: [{from: words}]
  autoscale: {min: 1, max: 3, cooldown: 30s}
";

fn number(object: &Value) -> &Value {
    &object["spec"]["bolts"][0]["parallelism"]
}

/// Whoever manages the number of tasks.
fn managers(topology: &Deployed<'_>) -> Vec<String> {
    let args = ["get", &topology.resource(), "--show-managed-fields", "--output", "json"];
    let text = topology.namespace().kubectl(&args).unwrap();
    let object: Value = serde_json::from_str(&text).unwrap();
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let of_number = entries.iter().filter(|entry| {
        let bolts = &entry["fieldsV1"]["f:spec"]["f:bolts"];
        bolts[r#"k:{"name":"slow"}"#]["f:parallelism"].is_object()
    });
    of_number.map(|entry| entry["manager"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_slow_bolt_gets_a_task_that_the_same_manifest_does_not_take_away() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "autoscale").unwrap();
    let topology = namespace.deploy("slow", SPEC).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    assert_eq!(managers(&topology), ["egret-autoscaler"], "it has set what was left out");

    let more = |object: &Value| number(object).as_u64().filter(|tasks| *tasks >= 2);
    topology.until("another task", SCALES, more).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    topology.tells(&["Autoscaled"], PATIENCE).unwrap();
    assert_eq!(managers(&topology), ["egret-autoscaler"]);
    // It begins when its pod has started and what was in flight is worked off.
    let works = |object: &Value| {
        let told = object["status"]["autoscale"][0].clone();
        (told["current"].as_u64() >= Some(2)).then_some(told)
    };
    let told = topology.until("another task that works", PATIENCE, works).unwrap();
    assert_eq!(told["component"], "slow", "{told}");
    assert!(told["lastChange"].as_str().unwrap().contains("its tasks work"), "{told}");
    assert!(told["lastChangeTime"].is_string(), "{told}");

    // The manifest has no number, and its list of bolts takes the place of that with one.
    let before = topology.object().unwrap();
    namespace.deploy("slow", SPEC).unwrap();
    let back = |object: &Value| {
        let newest = object["status"]["observedGeneration"] == object["metadata"]["generation"];
        more(object).filter(|_| newest).map(|_| object.clone())
    };
    let after = topology.until("its number back", PATIENCE, back).unwrap();
    // What waits may have been worth one more meanwhile.
    if number(&after) == number(&before) {
        let epoch = |object: &Value| object["status"]["epoch"].clone();
        assert_eq!(epoch(&after), epoch(&before), "nothing has begun anew");
    }
    assert_eq!(managers(&topology), ["egret-autoscaler"]);
}
