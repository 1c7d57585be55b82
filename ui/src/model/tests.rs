//! Claims about what is shown of what was seen.

use super::*;
use crate::{
    seen::SeenPod,
    snapshot::{Kind, Severity},
};
use egret_topology::id::PodId;
use egret_wire::{
    control::{PodStatus, TaskReport, TaskStatus},
    inspect::{EdgeCount, Look, PastError, TaskErrors},
};
use serde_json::json;

/// A spout `s`, and bolts `a` and `b` in a row; `b` has two tasks.
fn plan() -> Arc<PhysicalPlan> {
    let stream = json!([{"name": "default", "fields": ["x"]}]);
    let input = |from: usize| json!([{"from": from, "stream": 0, "grouping": "Shuffle"}]);
    let plan = json!({
        "topology": "t", "uid": "u", "revision": 1, "epoch": 1, "state": "Running",
        "delivery": "AtLeastOnce", "maxPending": 100, "messageTimeoutMs": 1, "edgeKey": 1,
        "components": [
            {"name": "s", "kind": "spout", "component": "s", "config": {}, "streams": stream},
            {"name": "a", "kind": "bolt", "component": "a", "config": {}, "streams": stream,
             "inputs": input(0)},
            {"name": "b", "kind": "bolt", "component": "b", "config": {}, "streams": [],
             "inputs": input(1)},
        ],
        "pods": [{"id": 0, "address": "127.0.0.1:1"}],
        "tasks": [{"id": 0, "component": 0, "index": 0, "pod": 0},
                  {"id": 1, "component": 1, "index": 0, "pod": 0},
                  {"id": 2, "component": 2, "index": 0, "pod": 0},
                  {"id": 3, "component": 2, "index": 1, "pod": 0}],
    });
    Arc::new(serde_json::from_value(plan).unwrap())
}

fn task(id: u32, total: TaskReport) -> TaskStatus {
    TaskStatus { task: TaskId(id), connected: true, total, ..TaskStatus::default() }
}

fn report(phase: Phase) -> TaskReport {
    TaskReport { phase, ..TaskReport::default() }
}

fn seen(at_ms: u64, tasks: Vec<TaskStatus>, edges: Vec<EdgeCount>) -> Seen {
    let status = PodStatus { revision: 1, tasks, ..PodStatus::default() };
    let look = Look { status, edges, errors: Vec::new() };
    let pod =
        SeenPod { id: PodId(0), name: "pod 0".into(), look: Some(look), ..SeenPod::default() };
    Seen { at_ms, topology: "t".into(), plan: Some(plan()), pods: vec![pod], ..Seen::default() }
}

/// All tasks of [`plan`], each changed a little.
fn all(change: impl Fn(u32, &mut TaskReport)) -> Vec<TaskStatus> {
    let of = |id: u32| {
        let mut report = report(Phase::Active);
        change(id, &mut report);
        task(id, report)
    };
    (0..4).map(of).collect()
}

/// What is shown after two looks, two seconds apart.
fn shown(before: Vec<TaskStatus>, after: Vec<TaskStatus>) -> Snapshot {
    let mut model = Model::default();
    model.see(seen(1_000, before, vec![]));
    model.see(seen(3_000, after, vec![]));
    model.snapshot().unwrap()
}

fn component<'a>(snapshot: &'a Snapshot, name: &str) -> &'a Component {
    snapshot.components.iter().find(|component| component.name == name).unwrap()
}

#[test]
fn one_look_makes_no_rate() {
    let mut model = Model::default();
    assert!(model.snapshot().is_none());
    model.see(seen(1_000, all(|_, report| report.emitted = 5), vec![]));
    let snapshot = model.snapshot().unwrap();
    assert_eq!(component(&snapshot, "s").flow.emitted, 5);
    assert_eq!(component(&snapshot, "s").flow.emitted_rate, None);
    assert_eq!((snapshot.window_seconds, snapshot.edges[0].rate), (None, None));
    assert_eq!(snapshot.edges[0].waiting, None);
}

#[test]
fn rates_are_means_over_the_window_and_summed_over_tasks() {
    let snapshot = shown(
        all(|_, report| report.executed = 10),
        all(|id, report| report.executed = 10 + 100 * u64::from(id)),
    );
    assert_eq!(snapshot.window_seconds, Some(2.0));
    // Tasks 2 and 3 are those of `b`.
    assert_eq!(component(&snapshot, "b").flow.executed_rate, Some(250.0));
    assert_eq!(snapshot.tasks[1].flow.executed_rate, Some(50.0));
}

#[test]
fn the_window_moves_on_and_the_history_stays_short() {
    let mut model = Model::default();
    for second in 0..100 {
        let tasks = all(|_, report| report.emitted = second * second);
        model.see(seen(second * 1000, tasks, vec![]));
    }
    let snapshot = model.snapshot().unwrap();
    assert_eq!(snapshot.window_seconds, Some(5.0));
    let expected = (99.0 * 99.0 - 94.0 * 94.0) / 5.0;
    assert_eq!(snapshot.tasks[0].flow.emitted_rate, Some(expected));
    for at in 0..1000 {
        model.see(seen(99_000 + at, all(|_, _| {}), vec![]));
    }
    assert!(model.history.len() <= 16);
}

#[test]
fn rates_do_not_reach_back_to_when_nobody_looked() {
    let mut model = Model::default();
    model.see(seen(1_000, all(|_, _| {}), vec![]));
    model.see(seen(61_000, all(|_, report| report.emitted = 600), vec![]));
    assert_eq!(model.snapshot().unwrap().tasks[0].flow.emitted_rate, None);
    model.see(seen(62_000, all(|_, report| report.emitted = 650), vec![]));
    assert_eq!(model.snapshot().unwrap().tasks[0].flow.emitted_rate, Some(50.0));
}

#[test]
fn counts_that_fall_make_no_rate_below_zero() {
    // A stream manager has lost its state.
    let snapshot = shown(all(|_, report| report.emitted = 50), all(|_, _| {}));
    assert_eq!(component(&snapshot, "s").flow.emitted_rate, Some(0.0));
}

#[test]
fn waiting_does_not_count_as_work() {
    let snapshot = shown(
        all(|_, _| {}),
        all(|id, report| {
            if id == 1 {
                (report.busy_us, report.backpressure_us, report.executed) =
                    (1_800_000, 1_000_000, 4);
            }
        }),
    );
    let flow = &component(&snapshot, "a").flow;
    assert_eq!((flow.busy, flow.waiting), (Some(0.4), Some(0.5)));
    assert_eq!(flow.execute_seconds, Some(0.2));
}

#[test]
fn who_waits_and_for_whom_is_shown_on_the_edge_and_told() {
    let snapshot = shown(
        all(|id, report| report.blocked_on = (id == 1).then_some(TaskId(3))),
        all(|id, report| match id {
            1 => (report.blocked_on, report.backpressure_us) = (Some(TaskId(3)), 1_600_000),
            3 => report.busy_us = 2_000_000,
            _ => {}
        }),
    );
    let edge = &snapshot.edges[1];
    assert_eq!((edge.from.as_str(), edge.to.as_str()), ("a", "b"));
    assert_eq!((edge.waiting, edge.waits_for), (Some(0.8), Some(TaskId(3))));
    assert_eq!(snapshot.edges[0].waiting, Some(0.0));
    assert!(component(&snapshot, "b").holds_back && !component(&snapshot, "a").holds_back);
    let [finding] = &snapshot.findings[..] else { panic!("{:?}", snapshot.findings) };
    assert_eq!((finding.kind, finding.task), (Kind::HoldsBack, Some(TaskId(3))));
    assert_eq!(finding.words, "b[1] holds back: a waits 80 % of the time for it, it works 100 %");
}

#[test]
fn who_only_passes_on_that_it_waits_is_not_blamed() {
    let snapshot = shown(
        all(|_, _| {}),
        all(|id, report| match id {
            0 => (report.blocked_on, report.backpressure_us) = (Some(TaskId(1)), 1_900_000),
            1 => (report.blocked_on, report.backpressure_us) = (Some(TaskId(2)), 1_900_000),
            2 => report.busy_us = 2_000_000,
            _ => {}
        }),
    );
    let blamed: Vec<&str> =
        snapshot.components.iter().filter(|c| c.holds_back).map(|c| c.name.as_str()).collect();
    assert_eq!(blamed, ["b"]);
}

#[test]
fn a_little_waiting_for_somebody_who_has_time_is_no_finding() {
    let waits = |busy: u64| {
        shown(
            all(|_, _| {}),
            all(|id, report| match id {
                1 => (report.blocked_on, report.backpressure_us) = (Some(TaskId(2)), 300_000),
                2 => report.busy_us = busy,
                _ => {}
            }),
        )
    };
    assert_eq!(waits(100_000).findings, []);
    assert!(component(&waits(1_200_000), "b").holds_back);
}

#[test]
fn a_wait_between_two_looks_belongs_to_the_only_edge() {
    let snapshot = shown(
        all(|_, _| {}),
        all(|id, report| report.backpressure_us = if id == 0 { 1_000_000 } else { 0 }),
    );
    assert_eq!((snapshot.edges[0].waiting, snapshot.edges[0].waits_for), (Some(0.5), None));
}

#[test]
fn spouts_at_max_pending_point_at_the_bolt_that_can_do_no_more() {
    let full = |busy: u64| {
        shown(
            all(|_, _| {}),
            all(|id, report| match id {
                0 => report.roots.pending = 100,
                2 => report.busy_us = busy,
                _ => {}
            }),
        )
    };
    let snapshot = full(2_000_000);
    assert!(component(&snapshot, "b").holds_back);
    assert!(snapshot.findings[0].words.starts_with("b[0] holds back: it works 100 %"));
    let snapshot = full(200_000);
    assert_eq!(snapshot.findings[0].kind, Kind::Full);
    assert!(!component(&snapshot, "b").holds_back);
}

#[test]
fn trees_that_time_out_are_told_with_who_held_one() {
    let snapshot = shown(
        all(|_, _| {}),
        all(|id, report| {
            if id == 0 {
                report.roots.timed_out = 4;
                report.held_by = Some("b[0]: executed it but has not acked it for 9 ms".into());
            }
        }),
    );
    let words = &snapshot.findings[0].words;
    assert!(words.contains(" per second fail or time out; of the last, one was held by b[0]: "));
}

#[test]
fn an_idle_topology_has_nothing_to_tell() {
    let snapshot = shown(all(|_, _| {}), all(|_, _| {}));
    assert_eq!(snapshot.findings, []);
    assert_eq!(snapshot.latency, None);
}

#[test]
fn errors_come_first_and_are_remembered_when_the_task_works_again() {
    let mut model = Model::default();
    let broken =
        || TaskStatus { error: Some("boom\nmore".into()), ..task(2, report(Phase::Starting)) };
    let past = PastError { last_ms: 900, times: 3, text: "boom".into(), ..PastError::default() };
    let failed = |at_ms, tasks| {
        let mut seen = seen(at_ms, tasks, vec![]);
        let errors = TaskErrors { task: TaskId(2), errors: vec![past.clone()] };
        seen.pods[0].look.as_mut().unwrap().errors = vec![errors];
        seen
    };
    model.see(failed(2_000, vec![broken()]));
    let snapshot = model.snapshot().unwrap();
    assert_eq!(snapshot.findings[0].severity, Severity::Bad);
    assert_eq!(snapshot.findings[0].words, "b[0] has failed: boom");
    model.see(failed(3_000, vec![task(2, report(Phase::Active))]));
    let snapshot = model.snapshot().unwrap();
    assert_eq!(snapshot.tasks[2].error, None);
    assert_eq!(snapshot.tasks[2].errors, std::slice::from_ref(&past));
    // Nor are they forgotten while the pod does not answer.
    let mut silent = seen(4_000, vec![], vec![]);
    silent.pods[0].look = None;
    model.see(silent);
    assert_eq!(model.snapshot().unwrap().tasks[2].errors, std::slice::from_ref(&past));
}

#[test]
fn a_pod_that_does_not_answer_is_told_and_its_tasks_are_unknown() {
    let mut model = Model::default();
    model.see(seen(1_000, all(|_, _| {}), vec![]));
    let mut silent = seen(2_000, vec![], vec![]);
    (silent.pods[0].look, silent.plan) = (None, None);
    model.see(silent);
    let snapshot = model.snapshot().unwrap();
    assert!(snapshot.tasks.iter().all(|task| !task.known));
    assert!(!snapshot.pods[0].answers);
    assert_eq!(snapshot.findings[0].words, "the stream manager of pod 0 does not answer");
    assert_eq!(snapshot.components.len(), 3, "what is planned stays known");
}

#[test]
fn edges_have_the_rates_that_stream_managers_counted() {
    let count = |source, dest, tuples| EdgeCount {
        source: TaskId(source),
        stream: 0,
        dest: TaskId(dest),
        tuples,
        bytes: tuples * 10,
    };
    let mut model = Model::default();
    model.see(seen(1_000, all(|_, _| {}), vec![count(1, 2, 100)]));
    // The second pair is new, and its count is all that came.
    model.see(seen(3_000, all(|_, _| {}), vec![count(1, 2, 300), count(1, 3, 40)]));
    let snapshot = model.snapshot().unwrap();
    assert_eq!((snapshot.edges[1].rate, snapshot.edges[1].byte_rate), (Some(120.0), Some(1200.0)));
    assert_eq!(snapshot.edges[0].rate, Some(0.0));
    // It has begun anew.
    model.see(seen(4_000, all(|_, _| {}), vec![count(1, 2, 5), count(1, 3, 50)]));
    assert!(model.snapshot().unwrap().edges[1].rate.unwrap() < 120.0);
}

#[test]
fn latency_is_that_of_the_window_if_roots_were_acked_in_it() {
    let with =
        |latency: Vec<(u64, u64)>| vec![TaskStatus { latency, ..task(0, report(Phase::Active)) }];
    let snapshot = shown(with(vec![(9_000_000, 50)]), with(vec![(1_000, 10), (9_000_000, 50)]));
    let latency = snapshot.latency.unwrap();
    assert_eq!((latency.p50, latency.p99, latency.count), (0.001, 0.001, 10));
    assert_eq!(component(&snapshot, "s").latency, Some(latency));
    let idle = shown(with(vec![(9_000_000, 50)]), with(vec![(9_000_000, 50)]));
    assert_eq!(idle.latency.unwrap().p50, 9.0);
}

#[test]
fn the_shape_is_what_the_page_reads() {
    let snapshot = shown(all(|_, _| {}), all(|_, _| {}));
    let json = serde_json::to_value(&snapshot).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["components"][1]["flow"]["executedRate"], 0.0);
    assert_eq!(json["edges"][0]["waitsFor"], serde_json::Value::Null);
    assert_eq!(json["layouts"]["right"]["nodes"].as_array().unwrap().len(), 3);
    assert_eq!(json["tasks"][0]["phase"], "active");
    let back: Snapshot = serde_json::from_value(json).unwrap();
    assert_eq!(back, snapshot);
}
