//! Conditions by example.

use super::*;
use crate::observe::Trouble;
use egret_topology::{
    id::{PodId, TaskId},
    packing_plan::{PackedPod, PackedTask, PackingPlan, PodResources},
};

fn record(stage: Stage) -> Record {
    let task = PackedTask { task: TaskId(0), component: "a".into(), index: 0 };
    let pod = PackedPod { id: PodId(0), tasks: vec![task], resources: PodResources::default() };
    let mut record = Record::new("u", 0);
    let packing = PackingPlan { pods: vec![pod], next_task: TaskId(1) };
    record.take_packing(packing, vec!["d".into()]);
    record.revision = 3;
    record.enter(stage, 1);
    record
}

fn pod() -> ObservedPod {
    ObservedPod {
        name: "t-0-1".into(),
        ip: Some([10, 0, 0, 1].into()),
        ready: true,
        ..ObservedPod::default()
    }
}

fn linked() -> Flow {
    Flow { tasks: 1, registered: 1, in_force: true, ..Flow::default() }
}

/// Of a topology of which nothing is known yet.
fn report() -> Report<'static> {
    Report {
        owner: Owner { name: "t", namespace: "n", uid: "u" },
        generation: Some(4),
        now: "2026-01-01T00:00:00Z".into(),
        before: None,
        refused: None,
        blind: false,
        paused: false,
        changes_pause: false,
        record: None,
        ends_again: None,
        pods: &[],
        flow: None,
        plan_refused: None,
        stuck: None,
        autoscale: Vec::new(),
    }
}

fn told(change: impl FnOnce(&mut Report<'_>)) -> TopologyStatus {
    let (record, pods, flow) = (record(Stage::Live), [pod()], linked());
    let mut report = Report { record: Some(&record), pods: &pods, flow: Some(&flow), ..report() };
    change(&mut report);
    status(&report)
}

fn short(status: &TopologyStatus, kind: &str) -> String {
    let condition = status.conditions.iter().find(|condition| condition.r#type == kind).unwrap();
    format!("{} {}", condition.status, condition.reason)
}

#[test]
fn a_running_topology_is_ready() {
    let status = told(|_| {});
    assert_eq!(status.state.as_deref(), Some("Running"));
    assert_eq!(status.pods.as_deref(), Some("1/1"));
    assert_eq!(status.tasks.as_deref(), Some("1/1"));
    assert_eq!(status.selector.as_deref(), Some("egret.dev/topology=t"));
    assert_eq!((status.replicas, status.revision), (1, Some(3)));
    for (kind, expected) in [
        (ACCEPTED, "True Valid"),
        (READY, "True Running"),
        (PROGRESSING, "False Settled"),
        (FLOW_HEALTHY, "True Flowing"),
    ] {
        assert_eq!(short(&status, kind), expected, "{kind}");
    }
    assert!(status.conditions.iter().all(|c| c.observed_generation == Some(4)));
}

#[test]
fn paused_stopped_and_completed_are_reasons_of_their_own() {
    let status = told(|report| report.paused = true);
    assert_eq!(short(&status, READY), "True Paused");
    assert_eq!(status.state.as_deref(), Some("Paused"));
    for (stage, state, ready, pods) in [
        (Stage::Down, "Stopped", "False Stopped", "0/0"),
        (Stage::Draining, "Draining", "False Draining", "1/1"),
        (Stage::Completed, "Completed", "False Completed", "1/1"),
    ] {
        let record = record(stage);
        let ready_pods = [pod()];
        let (record, ready_pods) = (Box::leak(Box::new(record)), Box::leak(Box::new(ready_pods)));
        let status = told(|report| {
            report.record = Some(record);
            report.pods = if stage == Stage::Down { &[] } else { ready_pods };
        });
        assert_eq!(status.state.as_deref(), Some(state));
        assert_eq!(short(&status, READY), ready);
        assert_eq!(status.pods.as_deref(), Some(pods));
    }
}

#[test]
fn the_cause_is_told_before_its_effects() {
    let trouble = Trouble { kind: TroubleKind::Image, message: "not found".into() };
    let troubled = [ObservedPod { trouble: Some(trouble), ip: None, ready: false, ..pod() }];
    let status = told(|report| {
        report.pods = Box::leak(Box::new(troubled));
        report.flow = None;
    });
    assert_eq!(short(&status, READY), "False ImageUnavailable");
    let missing = Flow {
        registered: 0,
        missing: Some("a[0] (task 0)".into()),
        unlinked: Some("pod 0 to pod 1".into()),
        ..linked()
    };
    let status = told(|report| report.flow = Some(Box::leak(Box::new(missing))));
    assert_eq!(short(&status, READY), "False TasksMissing");
    let ready = status.conditions.iter().find(|c| c.r#type == READY).unwrap();
    assert_eq!(ready.message, "0 of 1 tasks work; a[0] (task 0) does not yet");
}

#[test]
fn a_pod_that_ends_again_and_again_is_the_cause_until_all_tasks_work() {
    let why = "container a-0 exited with code 0".to_owned();
    let ends: &Ends = Box::leak(Box::new(Ends { pod: PodId(0), why, at: 1 }));
    let waiting = Flow { registered: 0, missing: Some("a[0] (task 0)".into()), ..linked() };
    let status = told(|report| {
        report.ends_again = Some(ends);
        report.flow = Some(Box::leak(Box::new(waiting)));
    });
    assert_eq!(short(&status, READY), "False Crashing");
    let ready = status.conditions.iter().find(|c| c.r#type == READY).unwrap();
    let why = "pod 0 ends by itself again and again: container a-0 exited with code 0";
    assert_eq!(ready.message, why);
    let status = told(|report| report.ends_again = Some(ends));
    assert_eq!(short(&status, READY), "True Running");
}

#[test]
fn what_is_not_accepted_says_why_and_what_ran_before_runs_on() {
    let status = told(|report| report.refused = Some((Reason::Invalid, "spec.pods: 0".into())));
    assert_eq!(short(&status, ACCEPTED), "False Invalid");
    assert_eq!(short(&status, READY), "True Running");
    let status = told(|report| {
        report.refused = Some((Reason::Invalid, "spec.pods: 0".into()));
        report.record = None;
        report.pods = &[];
        report.flow = None;
    });
    assert_eq!(short(&status, READY), "False NotRunning");
    assert_eq!(status.state.as_deref(), Some("Invalid"));
}

#[test]
fn conditions_agree_while_something_does_not_work() {
    let image = Trouble { kind: TroubleKind::Image, message: "not found".into() };
    let troubled = [ObservedPod { trouble: Some(image), ip: None, ready: false, ..pod() }];
    let missing = Flow { registered: 0, ..linked() };
    let crashed = Flow { crashed: Some("a[0]: no such file".into()), ..missing.clone() };
    for (pods, flow, ready, progressing, flows) in [
        (
            &troubled[..],
            &linked(),
            "False ImageUnavailable",
            "False ImageUnavailable",
            "Unknown ImageUnavailable",
        ),
        (&[pod()], &crashed, "False Crashing", "False Crashing", "Unknown Crashing"),
        (&[pod()], &missing, "False TasksMissing", "True TasksMissing", "Unknown TasksMissing"),
    ] {
        for stage in [Stage::Starting, Stage::Live] {
            let record = record(stage);
            let status =
                status(&Report { record: Some(&record), pods, flow: Some(flow), ..report() });
            assert_eq!(short(&status, READY), ready);
            if stage == Stage::Live {
                assert_eq!(short(&status, PROGRESSING), progressing);
            }
            assert_eq!(short(&status, FLOW_HEALTHY), flows);
        }
    }
}

#[test]
fn of_what_cannot_be_read_nothing_is_claimed() {
    let pods = [pod()];
    let refused = Some((Reason::Unreadable, "the record is torn".to_owned()));
    let blind = Report { refused, blind: true, pods: &pods, ..report() };
    let record = record(Stage::Live);
    for report in [blind.clone(), Report { record: Some(&record), ..blind }] {
        let status = status(&report);
        assert_eq!(short(&status, ACCEPTED), "False Unreadable");
        for kind in [READY, FLOW_HEALTHY] {
            assert_eq!(short(&status, kind), "Unknown Unknown", "{kind}");
        }
        assert_eq!(short(&status, PROGRESSING), "False Unknown");
        assert_eq!(status.pods.as_deref(), Some("1/1"));
    }
}

#[test]
fn of_what_never_ran_it_is_not_said_that_it_goes_on() {
    let refused = Some((Reason::Invalid, "spec.pods: 0".to_owned()));
    let status = status(&Report { refused, blind: true, ..report() });
    assert_eq!(short(&status, READY), "False NotRunning");
    assert_eq!(short(&status, PROGRESSING), "False NotRunning");
    assert_eq!(short(&status, FLOW_HEALTHY), "Unknown NotRunning");
}

#[test]
fn pods_that_are_refused_are_the_cause_of_all_else() {
    let status = told(|report| {
        report.refused = Some((Reason::ApiRefused, "exceeded quota".to_owned()));
        report.pods = &[];
    });
    assert_eq!(short(&status, ACCEPTED), "False ApiRefused");
    assert_eq!(short(&status, READY), "False ApiRefused");
    assert_eq!(short(&status, PROGRESSING), "False ApiRefused");
}

#[test]
fn stuck_trees_name_who_holds_them() {
    let status = told(|report| report.stuck = Some("a[0] (task 0) sleeps".into()));
    assert_eq!(short(&status, FLOW_HEALTHY), "False Stuck");
}

#[test]
fn a_transition_has_the_time_of_its_change() {
    let before = told(|_| {});
    let before: &TopologyStatus = Box::leak(Box::new(before));
    let again = told(|report| {
        report.before = Some(before);
        report.now = "2026-01-02T00:00:00Z".into();
    });
    assert_eq!(&again, before, "nothing has changed");
    let paused = told(|report| {
        report.before = Some(before);
        report.now = "2026-01-02T00:00:00Z".into();
        report.plan_refused = Some("no");
    });
    let ready = paused.conditions.iter().find(|c| c.r#type == READY).unwrap();
    assert_eq!(ready.last_transition_time, "2026-01-02T00:00:00Z");
}

#[test]
fn a_rolling_change_is_progress_until_it_rests() {
    use crate::{record::Rejected, rollout::Rollout};
    let rollout = Rollout::new(serde_json::json!({}), [TaskId(0)].into());
    let with = |rollout: Option<Rollout>, rejected: Option<Rejected>| {
        let record = Record { rollout, rejected, ..record(Stage::Live) };
        let (pods, flow) = ([pod()], linked());
        let report = Report { record: Some(&record), pods: &pods, flow: Some(&flow), ..report() };
        status(&report)
    };
    assert_eq!(short(&with(None, None), PROGRESSING), "False Settled");
    assert_eq!(short(&with(Some(rollout.clone()), None), PROGRESSING), "True RollingOut");
    let held = Rollout { held: true, why: Some("it panicked".into()), ..rollout.clone() };
    assert_eq!(short(&with(Some(held), None), PROGRESSING), "False RolloutHeld");
    let back = Rollout { back: true, ..rollout };
    assert_eq!(short(&with(Some(back), None), PROGRESSING), "True RolledBack");
    let rejected = Rejected { definitions: "d".into(), why: "task 3: it panicked".into() };
    let status = with(None, Some(rejected));
    assert_eq!(short(&status, PROGRESSING), "False RolledBack");
    assert_eq!(short(&status, READY), "True Running", "what ran before works");
    let message = status.conditions.iter().find(|it| it.r#type == PROGRESSING).unwrap();
    assert!(message.message.contains("it panicked"));
}

#[test]
fn other_tasks_are_progress_until_their_pods_have_not_started_for_long() {
    let with = |edit: Edit| {
        let record = Record { edit: Some(edit), ..record(Stage::Live) };
        let (pods, flow) = ([pod()], linked());
        let status =
            status(&Report { record: Some(&record), pods: &pods, flow: Some(&flow), ..report() });
        let of = |kind: &str| short(&status, kind);
        (of(READY), of(PROGRESSING))
    };
    let (ready, progressing) = with(Edit::default());
    assert!(ready.starts_with("True Running"), "what ran before runs on: {ready}");
    assert!(progressing.starts_with("True GraphChanging"), "{progressing}");
    let why = Some("pod t-1-1: no node takes it".to_owned());
    let (_, waits) = with(Edit { why: why.clone(), ..Edit::default() });
    assert!(waits.starts_with("True GraphChanging"), "{waits}");
    let (ready, late) = with(Edit { why, late: true, ..Edit::default() });
    assert!(ready.starts_with("True Running"), "{ready}");
    assert!(late.starts_with("False GraphWaits"), "{late}");
}
