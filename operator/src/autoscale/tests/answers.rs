//! What stream managers and the API server say, as far as it matters here.

use super::super::{measure::Measure, ownership, read};
use crate::context::Guarded;
use crate::flow::{
    Answers,
    tests::{plan, running},
};
use egret_crd::Topology;
use egret_topology::id::TaskId;
use egret_wire::control::Phase;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

/// A spout that waits for a bolt: what both have done after so many milliseconds.
fn after(ms: u64) -> Answers {
    let mut answers = running(0, 0);
    answers.at = 1_000 + ms;
    answers.pods[0].tasks[0].total.busy_us = ms * 1000;
    answers.pods[0].tasks[0].total.backpressure_us = ms * 250;
    answers.pods[0].tasks[0].total.blocked_on = Some(TaskId(1));
    answers.pods[0].tasks[0].latency = vec![(5_000, ms), (900_000, ms / 10)];
    answers.pods[1].tasks[0].total.busy_us = ms * 900;
    answers
}

#[test]
fn shares_of_time_follow_from_counts() {
    let mut measure = Measure::default();
    for seconds in 0..=30 {
        assert!(measure.means().is_none(), "after {seconds} s");
        measure.take(read::counts(&plan(), &after(seconds * 1000)).unwrap());
    }
    let means = measure.means().unwrap();
    let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
    let (spout, bolt) = (means.shares[0], means.shares[1]);
    assert!(near(spout.worked, 0.75) && near(spout.held, 0.25), "{spout:?}");
    assert!(near(bolt.worked, 0.9) && near(bolt.waited_for, 0.25), "{bolt:?}");
    assert!(means.throttled, "the spout waits");
    assert_eq!(means.busiest, Some(1), "spouts are not looked at");
    assert_eq!(means.slower_than(100).map(|share| (share * 100.0).round()), Some(9.0));
    assert_eq!(means.slower_than(1000), Some(0.0));
}

#[test]
fn what_lies_far_back_is_forgotten() {
    let mut measure = Measure::default();
    let mut answers = after(0);
    for seconds in 0..=90 {
        answers.at = 1_000 + seconds * 1000;
        // It works for a minute, and then no more.
        answers.pods[1].tasks[0].total.busy_us = seconds.min(60) * 1_000_000;
        measure.take(read::counts(&plan(), &answers).unwrap());
    }
    assert_eq!(measure.means().unwrap().shares[1].worked, 0.0);
}

#[test]
fn of_a_task_that_does_not_work_or_report_nothing_is_counted() {
    let why = |change: &dyn Fn(&mut Answers)| {
        let mut answers = after(0);
        change(&mut answers);
        read::counts(&plan(), &answers).map(drop).unwrap_err()
    };
    assert_eq!(why(&|it| it.pods[1].tasks.clear()), "print[0] (task 1) does not work");
    assert_eq!(why(&|it| drop(it.pods.pop())), "print[0] (task 1) does not work");
    let why_not = why(&|it| it.pods[1].tasks[0].connected = false);
    assert_eq!(why_not, "print[0] (task 1) does not work");
    let phase = |pod: usize, phase| why(&move |it| it.pods[pod].tasks[0].total.phase = phase);
    assert_eq!(phase(1, Phase::Starting), "print[0] (task 1) does not work");
    assert_eq!(phase(1, Phase::Ended), "print[0] (task 1) is about to end");
    assert_eq!(phase(0, Phase::Exhausted), "no spout emits");
    // As many trees as there may be: the plan allows one.
    let mut full = after(0);
    full.pods[0].tasks[0].total.roots.pending = 1;
    assert!(read::counts(&plan(), &full).unwrap().full);
}

/// What the API server keeps of a topology that was created by kubectl and scaled.
fn metadata(others: Value) -> ObjectMeta {
    let ours = json!({
        "manager": "egret-autoscaler", "operation": "Apply", "apiVersion": "egret.dev/v1alpha1",
        "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:bolts": {
            "k:{\"name\":\"count\"}": {".": {}, "f:name": {}, "f:parallelism": {}},
        }}},
    });
    let status = json!({
        "manager": "egret-operator", "operation": "Apply", "subresource": "status",
        "fieldsV1": {"f:status": {"f:state": {}}},
    });
    let bolts = json!({"k:{\"name\":\"count\"}": others, "k:{\"name\":\"split\"}": {
        ".": {}, "f:name": {}, "f:parallelism": {},
    }});
    let user = json!({
        "manager": "kubectl-client-side-apply", "operation": "Update",
        "fieldsV1": {"f:spec": {".": {}, "f:bolts": bolts}},
    });
    serde_json::from_value(json!({"managedFields": [user, ours, status]})).unwrap()
}

#[test]
fn whose_number_it_is_says_the_api_server() {
    let left_out = metadata(json!({".": {}, "f:name": {}, "f:inputs": {}}));
    assert_eq!(ownership::other_manager(&left_out, "count"), None);
    assert!(ownership::is_ours(&left_out, "count"));
    let user = Some("kubectl-client-side-apply".to_owned());
    assert_eq!(ownership::other_manager(&left_out, "split"), user);
    assert!(!ownership::is_ours(&left_out, "split"));
    let both = metadata(json!({".": {}, "f:name": {}, "f:parallelism": {}}));
    assert_eq!(ownership::other_manager(&both, "count"), user, "who shares it may mean it");
    assert!(!ownership::is_ours(&both, "count"));
    let nobody = ObjectMeta::default();
    assert_eq!(ownership::other_manager(&nobody, "count"), None);
    assert!(!ownership::is_ours(&nobody, "count"));
}

#[test]
fn who_manages_fields_is_kept_only_where_it_may_matter() {
    let kept = |bolt: serde_json::Value, managers: &[&str]| {
        let fields = managers.iter().map(|name| json!({"manager": name, "operation": "Apply"}));
        let mut topology: Guarded = serde_json::from_value(json!({
            "apiVersion": "egret.dev/v1alpha1", "kind": "Topology",
            "metadata": {"name": "t", "managedFields": fields.collect::<Vec<_>>()},
            "spec": {"spouts": [{"name": "words"}], "bolts": [bolt]},
        }))
        .unwrap();
        ownership::keep(&mut topology);
        topology.0.map_or_else(|it| it.metadata, |it| it.metadata).managed_fields.is_some()
    };
    let plain = || json!({"name": "count", "inputs": [{"from": "words"}]});
    let mut scaled = plain();
    scaled["autoscale"] = json!({"max": 4});
    assert!(!kept(plain(), &["kubectl", "egret-operator"]));
    assert!(!kept(json!({"name": 7}), &["kubectl"]), "what cannot be read");
    assert!(kept(scaled, &["kubectl"]));
    assert!(kept(plain(), &["kubectl", "egret-autoscaler"]), "what is still to be let go");
}

#[test]
fn only_what_is_left_out_is_filled_in() {
    let spec = json!({
        "spouts": [{"name": "words"}],
        "bolts": [
            {"name": "a", "inputs": [{"from": "words"}], "autoscale": {"max": 4}},
            {"name": "b", "inputs": [{"from": "a"}], "autoscale": {"max": 4}, "parallelism": 2},
            {"name": "c", "inputs": [{"from": "b"}]},
        ],
    });
    let topology = Topology::new("t", serde_json::from_value(spec).unwrap());
    let filled = ownership::filled(&topology, |_| Some(3)).unwrap();
    let numbers: Vec<_> = filled.spec.bolts.iter().map(|bolt| bolt.parallelism).collect();
    assert_eq!(numbers, [Some(3), Some(2), None]);
    assert!(ownership::filled(&filled, |_| Some(9)).is_none(), "it is whole");
    assert!(ownership::filled(&topology, |_| None).is_none(), "nothing is known yet");
    assert_eq!(ownership::applied("t", "u", &[])["spec"], Value::Null);
}
