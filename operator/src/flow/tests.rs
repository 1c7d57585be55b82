//! What answers mean, by example.

use super::*;
use egret_topology::{
    grouping::Grouping,
    id::Epoch,
    plan::{
        ComponentKind, PhysicalPlan, PlannedComponent, PlannedInput, PlannedPod, PlannedTask,
        RunState,
    },
    stream::Stream,
};
use egret_wire::control::{RootCounts, Stalled, TaskReport};

pub(crate) fn plan() -> PlanIndex {
    let component = |name: &str, kind| PlannedComponent {
        name: name.into(),
        kind,
        component: name.into(),
        config: serde_json::json!({}),
        tick_ms: None,
        streams: vec![Stream::default_of(["line"])],
        inputs: match kind {
            ComponentKind::Spout => vec![],
            ComponentKind::Bolt => {
                vec![PlannedInput { from: 0, stream: 0, grouping: Grouping::Shuffle }]
            }
        },
    };
    let task = |id, component| PlannedTask { id: TaskId(id), component, index: 0, pod: PodId(id) };
    let pod = |id| PlannedPod { id: PodId(id), address: ([10, 0, 0, 1], 4738).into() };
    PlanIndex::new(PhysicalPlan {
        topology: "t".into(),
        uid: "u".into(),
        revision: 3,
        epoch: Epoch(1),
        state: RunState::Running,
        delivery: Delivery::AtLeastOnce,
        max_pending: 1,
        message_timeout_ms: 1,
        edge_key: 0,
        log_levels: Default::default(),
        tracing: None,
        rolling: Default::default(),
        restarted_at: None,
        max_rates: Default::default(),
        max_tries: Default::default(),
        components: vec![
            component("lines", ComponentKind::Spout),
            component("print", ComponentKind::Bolt),
        ],
        pods: vec![pod(0), pod(1)],
        tasks: vec![task(0, 0), task(1, 1)],
    })
    .unwrap()
}

#[test]
fn a_pod_is_linked_when_both_ends_of_all_its_links_to_those_that_answer_say_so() {
    let answer = |pod, down: &[u32]| PodStatus {
        pod: PodId(pod),
        peers_down: down.iter().copied().map(PodId).collect(),
        ..PodStatus::default()
    };
    let linked = |pods: Vec<PodStatus>| Answers { pods, ..Answers::default() }.are_linked(PodId(1));
    assert!(linked(vec![answer(0, &[]), answer(1, &[]), answer(2, &[])]));
    assert!(!linked(vec![answer(0, &[]), answer(1, &[2]), answer(2, &[])]), "its own end");
    assert!(!linked(vec![answer(0, &[]), answer(1, &[]), answer(2, &[1])]), "the other end");
    assert!(linked(vec![answer(0, &[2]), answer(1, &[2])]), "who is silent is another matter");
    assert!(!linked(vec![answer(0, &[])]), "it does not answer");
}

fn task(id: u32, phase: Phase, pending: u64, acked: u64) -> TaskStatus {
    let roots = RootCounts { pending, ..RootCounts::default() };
    TaskStatus {
        task: TaskId(id),
        connected: true,
        total: TaskReport { phase, roots, acked, heard: id, ..TaskReport::default() },
        ..TaskStatus::default()
    }
}

fn answers(tasks: [TaskStatus; 2]) -> Answers {
    let pods = tasks.into_iter().map(|task| PodStatus {
        pod: PodId(task.task.0),
        revision: 3,
        tasks: vec![task],
        ..PodStatus::default()
    });
    Answers { pods: pods.collect(), ..Answers::default() }
}

pub(crate) fn running(pending: u64, acked: u64) -> Answers {
    answers([task(0, Phase::Active, pending, acked), task(1, Phase::Active, 0, 0)])
}

#[test]
fn a_plan_is_linked_when_all_tasks_links_and_edges_are_there() {
    let mut answers = running(0, 0);
    assert!(Flow::of(&plan(), &answers).is_linked());
    answers.pods[1].peers_down.push(PodId(0));
    let flow = Flow::of(&plan(), &answers);
    assert_eq!(flow.unlinked.as_deref(), Some("pod 1 to pod 0"));
    assert!(!flow.is_linked());
    answers.pods[1].peers_down.clear();
    answers.pods[1].tasks[0].total.heard = 0;
    let flow = Flow::of(&plan(), &answers);
    let unheard = "print[0] (task 1) has heard from 0 of 1 source tasks";
    assert_eq!(flow.unheard.as_deref(), Some(unheard));
    assert!(!flow.is_linked());
    answers.pods[1].tasks[0].total.heard = 1;
    answers.pods[1].tasks[0].connected = false;
    answers.pods[1].tasks[0].error = Some("no such file".into());
    let flow = Flow::of(&plan(), &answers);
    assert_eq!(flow.missing.as_deref(), Some("print[0] (task 1)"));
    assert_eq!(flow.crashed.as_deref(), Some("print[0] (task 1): no such file"));
    assert!(!flow.is_linked());
}

#[test]
fn what_is_pending_does_not_add_up_to_nothing() {
    let mut answers =
        answers([task(0, Phase::Inactive, u64::MAX, 5), task(1, Phase::Inactive, 1, 5)]);
    answers.pods[0].queued_bytes = u64::MAX;
    answers.pods[1].queued_bytes = 1;
    let flow = Flow::of(&plan(), &answers);
    assert_eq!((flow.pending, flow.queued), (u64::MAX, u64::MAX));
    let mut watch = Watch::default();
    watch.look(0, &flow);
    assert!(!watch.is_drained(60_000, &flow, Delivery::AtLeastOnce));
}

#[test]
fn answers_of_an_older_plan_prove_nothing() {
    let mut answers = answers([task(0, Phase::Ended, 0, 5), task(1, Phase::Ended, 0, 5)]);
    assert!(Flow::of(&plan(), &answers).has_ended());
    answers.pods[0].tasks[0].total.leaving = true;
    assert!(!Flow::of(&plan(), &answers).has_ended(), "it goes on elsewhere");
    answers.pods[0].tasks[0].total.leaving = false;
    answers.pods[0].revision = 2;
    assert!(!Flow::of(&plan(), &answers).has_ended());
    answers.pods.clear();
    let flow = Flow::of(&plan(), &answers);
    assert!(!flow.in_force && !flow.spouts_off);
}

#[test]
fn pending_trees_are_stuck_after_a_minute_without_progress() {
    let mut watch = Watch::default();
    let flow = Flow::of(&plan(), &running(5, 10));
    watch.look(0, &flow);
    assert!(!watch.is_stuck(STUCK_MS - 1, &flow));
    assert!(watch.is_stuck(STUCK_MS, &flow));
    let moved = Flow::of(&plan(), &running(5, 11));
    watch.look(STUCK_MS, &moved);
    assert!(!watch.is_stuck(STUCK_MS + 1, &moved));
}

#[test]
fn idle_is_healthy() {
    let mut watch = Watch::default();
    let flow = Flow::of(&plan(), &running(0, 10));
    watch.look(0, &flow);
    assert!(!watch.is_stuck(STUCK_MS * 100, &flow));
}

#[test]
fn drained_means_that_spouts_are_off_and_nothing_is_pending() {
    let (mut watch, once) = (Watch::default(), Delivery::AtLeastOnce);
    let drained = |watch: &Watch, phase, pending, delivery, now| {
        let answers = answers([task(0, phase, pending, 0), task(1, Phase::Active, 0, 0)]);
        watch.is_drained(now, &Flow::of(&plan(), &answers), delivery)
    };
    assert!(!drained(&watch, Phase::Active, 0, once, 0));
    assert!(!drained(&watch, Phase::Inactive, 1, once, 0));
    assert!(drained(&watch, Phase::Inactive, 0, once, 0));
    watch.look(0, &Flow::of(&plan(), &running(0, 0)));
    let untracked = Delivery::AtMostOnce;
    assert!(!drained(&watch, Phase::Inactive, 0, untracked, QUIET_MS - 1));
    assert!(drained(&watch, Phase::Inactive, 0, untracked, QUIET_MS));
}

#[test]
fn the_task_that_holds_the_flow_up_is_named() {
    let mut answers = running(5, 0);
    assert_eq!(holder(&plan(), &answers), None);
    answers.pods[0].stalled = vec![Stalled { dest: TaskId(1), bytes: 9, for_ms: 70_000 }];
    assert_eq!(
        holder(&plan(), &answers).as_deref(),
        Some("print[0] (task 1) has taken nothing for 70 s")
    );
    answers.pods[1].tasks[0].total.busy_ms = 61_000;
    assert_eq!(
        holder(&plan(), &answers).as_deref(),
        Some("print[0] (task 1) has been in user code for 61 s")
    );
}
