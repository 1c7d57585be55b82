//! A component that cannot start: its own error is where its user looks first.

use egret_e2e::{Cluster, Namespace};
use serde_json::json;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn the_error_of_a_task_that_cannot_start_stands_in_the_condition() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "broken").unwrap();
    let spec = "spouts: [{name: words, config: {rate: 10}}]\nbolts:\n- name: count\n  \
                config: {fild: word}\n  \
                inputs: [{from: words, grouping: Fields, fields: [word]}]\n";
    let topology = namespace.deploy("broken", spec).unwrap();
    let told = topology.until("its error", PATIENCE, |object| {
        let conditions = object["status"]["conditions"].as_array()?;
        let ready = conditions.iter().find(|condition| condition["type"] == "Ready")?;
        let message = ready["message"].as_str()?.to_owned();
        (ready["reason"] == "Crashing" && ready["status"] == "False").then_some(message)
    });
    let told = told.unwrap();
    for (kind, status) in [("Progressing", "False"), ("FlowHealthy", "Unknown")] {
        let reason = topology.condition(kind, status, PATIENCE).unwrap();
        assert_eq!(reason, "Crashing", "{kind}");
    }
    assert!(told.contains("count[0]") && told.contains("unknown field `fild`"), "{told}");
    let inputs = json!([{"from": "words", "grouping": "Fields", "fields": ["word"]}]);
    let bolt = json!({"name": "count", "config": {"field": "word"}, "inputs": inputs});
    topology.change(&json!({"bolts": [bolt]})).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
}
