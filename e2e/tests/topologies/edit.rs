//! Tasks and components that are added and removed under load: every line arrives once, and pods
//! whose own tasks do not change stay.

use egret_e2e::{
    Cluster, Deployed, Life, Namespace, condition,
    layout::Machine,
    load::{COPIES, Load},
};
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(150);

/// A bolt that passes all lines on.
fn keep(name: &str, tasks: u32, from: &str) -> Value {
    json!({
        "name": name, "component": "filter", "parallelism": tasks, "config": {"contains": "line"},
        "streams": [{"fields": ["line"]}], "inputs": [{"from": from}],
    })
}

/// Filters, and who writes what the last of them passes on.
fn bolts(filters: &[Value]) -> Value {
    let last = filters.last().unwrap()["name"].clone();
    let out = json!({
        "name": "out", "component": "file", "config": {"path": "/data/out.txt", "mode": "append"},
        "streams": [], "inputs": [{"from": last}],
        "volumeMounts": [{"name": "output", "mountPath": "/data"}],
    });
    filters.iter().cloned().chain([out]).collect()
}

/// Changes the bolts and waits until that is in force and all lines so far have arrived. The pods
/// from then on.
fn change(topology: &Deployed<'_>, load: &mut Load, filters: &[Value]) -> Vec<Life> {
    topology.change(&json!({"bolts": bolts(filters)})).unwrap();
    let reason = topology.until("the change to be over", PATIENCE, |object| {
        let progressing = condition(object, "Progressing");
        let newest = progressing["observedGeneration"] == object["metadata"]["generation"];
        let rests = newest && progressing["status"] == "False";
        rests.then(|| progressing["reason"].as_str().unwrap_or_default().to_owned())
    });
    assert_eq!(reason.unwrap(), "Settled");
    load.flows(PATIENCE).unwrap();
    topology.until_pods("two pods", PATIENCE, |pods| pods.len() == 2).unwrap()
}

/// Pods that are the same, and in which nothing has started anew.
fn stayed(before: &[Life], after: &[Life]) -> usize {
    after.iter().filter(|pod| before.contains(pod)).count()
}

#[test]
fn bolts_get_other_tasks_and_neighbours_and_every_line_arrives_once() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let mut namespace = Namespace::new(&cluster, "edit").unwrap();
    let input = namespace.volume("input", Machine::A).unwrap().join("in.txt");
    let output = namespace.volume("output", Machine::B).unwrap().join("out.txt");
    namespace.claim("input").unwrap();
    namespace.claim("output").unwrap();
    let mut load = Load::on(&input, output).unwrap();
    let topology = namespace.deploy("edit", COPIES).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    load.flows(PATIENCE).unwrap();
    let before = topology.pods().unwrap();

    let more = change(&topology, &mut load, &[keep("keep", 3, "lines")]);
    assert_eq!(stayed(&before, &more), 1, "one pod has another task");
    topology.tells(&["GraphChanging", "GraphChanged"], PATIENCE).unwrap();

    let longer = [keep("keep", 3, "lines"), keep("again", 1, "keep")];
    let longer = change(&topology, &mut load, &longer);
    assert_eq!(stayed(&more, &longer), 1);

    change(&topology, &mut load, &[keep("keep", 2, "lines")]);
    assert_eq!(topology.condition("Ready", "True", PATIENCE).unwrap(), "Running");

    let account = load.end(PATIENCE).unwrap();
    eprintln!("{account:?}");
    assert_eq!(account.twice, 0, "with a drain that works nothing is replayed");
}
