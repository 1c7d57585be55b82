//! A task that is about to be replaced works off what it has, says so, and does nothing more.

use super::{components::registry, plan::Plan, world::World};
use bytes::Bytes;
use egret_core::{
    batch::{Batch, Completion, ToTask},
    bolt_task::BoltTask,
    context::context,
    gateway::{Event, Gateway},
    spout_task::SpoutTask,
    stats::Stats,
    task::Step,
};
use egret_sdk::{Metrics, TaskId, Waker};
use egret_topology::{
    grouping::Grouping::Shuffle,
    id::{Epoch, Incarnation},
    plan::{Definition, Other, PlanIndex},
};
use egret_wire::{
    control::Phase,
    cut::Frame,
    data::{DataWriter, RootId},
    header::{Header, Kind},
    value,
};
use serde_json::json;
use std::collections::BTreeMap;

const SPOUT: TaskId = TaskId(0);
const BOLT: TaskId = TaskId(1);
const LIFE: Incarnation = Incarnation(1);

/// A plan under which these tasks are about to be replaced.
fn plan(draining: &[TaskId]) -> PlanIndex {
    Plan::new()
        .spout("numbers", 1, json!({"limit": 1000}))
        .bolt("identity", 1, &[("numbers", Shuffle)])
        .edit(|plan| plan.rolling.draining = draining.to_vec())
        .index()
}

fn frame(seq: u64) -> Bytes {
    let mut values = Vec::new();
    (0..2).for_each(|n| value::put_int(&mut values, n));
    let mut writer = DataWriter::with_capacity(256);
    writer.push(&[RootId { task: SPOUT, incarnation: LIFE, seq }], &values);
    let header = Header::new(Kind::Data, Epoch(1), SPOUT, LIFE, BOLT);
    writer.finish(Header { base: seq, ..header }, 2)
}

/// The last phase that was handed over.
fn phase(world: &World) -> Option<Phase> {
    world.batches.iter().rev().find_map(|batch| batch.phase)
}

#[test]
fn a_spout_has_drained_when_none_of_its_trees_is_pending() {
    let (registry, _) = registry();
    let mut spout = SpoutTask::new(&plan(&[]), SPOUT, LIFE, &registry, Stats::default()).unwrap();
    let (metrics, waker) = (Metrics::default(), Waker::new(|| {}));
    let mut context = context(&plan(&[]), SPOUT, 0, BTreeMap::new(), &metrics, waker).unwrap();
    let mut world = World::default();
    spout.start(&mut context, &mut world).unwrap();
    for _ in 0..5 {
        spout.step(&mut world).unwrap();
    }
    let emitted = spout.pending();
    assert!(emitted > 0);
    spout.handle(ToTask::Plan(plan(&[SPOUT])), &mut world).unwrap();
    spout.handle(ToTask::Drain, &mut world).unwrap();
    while spout.step(&mut world).unwrap() == Step::Again {}
    assert_eq!(spout.pending(), emitted, "it emits nothing more");
    assert_ne!(phase(&world), Some(Phase::Drained));
    let completed = ToTask::Completed((0..emitted).map(Completion::acked).collect());
    spout.handle(completed, &mut world).unwrap();
    while spout.step(&mut world).unwrap() == Step::Again {}
    assert_eq!((spout.pending(), phase(&world)), (0, Some(Phase::Drained)));
    spout.handle(ToTask::Plan(plan(&[])), &mut world).unwrap();
    spout.step(&mut world).unwrap();
    assert!(spout.pending() > 0, "it goes on if nobody takes over");
}

#[test]
fn a_bolt_works_off_its_input_before_it_has_drained() {
    let (registry, _) = registry();
    let (stats, mut world) = (Stats::default(), World::default());
    let mut bolt = BoltTask::new(&plan(&[BOLT]), BOLT, LIFE, &registry, stats.clone()).unwrap();
    for seq in 0..3 {
        bolt.handle(ToTask::Frame(Frame::whole(frame(seq)).unwrap(), 0), &mut world);
    }
    bolt.handle(ToTask::Drain, &mut world);
    bolt.step(&mut world).unwrap();
    assert_ne!(phase(&world), Some(Phase::Drained));
    while bolt.step(&mut world).unwrap() == Step::Again {}
    assert_eq!((stats.totals().executed, phase(&world)), (3, Some(Phase::Drained)));
    bolt.handle(ToTask::Leave, &mut world);
    assert_eq!(bolt.step(&mut world).unwrap(), Step::Closed);
    assert_eq!(phase(&world), Some(Phase::Drained), "it has no end of its own");
}

#[test]
fn a_task_whose_process_is_to_end_closes_and_says_so() {
    let plan = plan(&[]);
    let (registry, _) = registry();
    let mut world = World::default();
    let mut bolt = BoltTask::new(&plan, BOLT, LIFE, &registry, Stats::default()).unwrap();
    bolt.handle(ToTask::Close, &mut world);
    assert_eq!(bolt.step(&mut world).unwrap(), Step::Closed);
    assert_eq!(phase(&world), Some(Phase::Closed));
    let mut spout = SpoutTask::new(&plan, SPOUT, LIFE, &registry, Stats::default()).unwrap();
    spout.handle(ToTask::Close, &mut world).unwrap();
    assert_eq!(spout.step(&mut world).unwrap(), Step::Closed);
    assert_eq!(phase(&world), Some(Phase::Closed));
}

#[test]
fn a_task_is_told_when_all_its_input_has_come_and_tells_when_all_its_output_has_left() {
    let plan = plan(&[BOLT]);
    let (registry, _) = registry();
    let stats = Stats::default();
    let bolt = BoltTask::new(&plan, BOLT, LIFE, &registry, stats.clone()).unwrap();
    let mut bolt = egret_core::task::Task::Bolt(Box::new(bolt));
    let budget = bolt.budget().clone();
    let mut gateway = Gateway::new(&plan, BOLT, LIFE, budget, stats, Metrics::default());
    let mut world = World::default();
    gateway.handle_drain(2);
    gateway.handle_frame(0, Frame::whole(frame(0)).unwrap()).unwrap();
    let told = |told: &[ToTask]| told.iter().any(|event| matches!(event, ToTask::Drain));
    let first = gateway.take_to_task();
    assert!(!told(&first), "a frame is on its way");
    gateway.handle_frame(0, Frame::whole(frame(1)).unwrap()).unwrap();
    let second = gateway.take_to_task();
    assert!(matches!(second.last(), Some(ToTask::Drain)));
    for event in first.into_iter().chain(second) {
        bolt.handle(event, &mut world).unwrap();
    }
    while bolt.step(&mut world).unwrap() == Step::Again {}
    let batches: Vec<Batch> = std::mem::take(&mut world.batches);
    for mut batch in batches {
        gateway.handle_batch(0, &mut batch);
    }
    let events = |gateway: &mut Gateway| {
        let all: Vec<Event> = std::iter::from_fn(|| gateway.poll_event()).collect();
        all.into_iter().filter(|event| matches!(event, Event::Drained { .. })).collect::<Vec<_>>()
    };
    assert_eq!(events(&mut gateway), [], "its acks have not left");
    let mut frames = 0;
    for stream in gateway.waiting_streams() {
        let mut chunks = Vec::new();
        while gateway.poll_transmit(stream, usize::MAX, &mut chunks) > 0 {}
        frames += chunks.len() as u64;
    }
    assert!(frames > 0);
    assert_eq!(events(&mut gateway), [Event::Drained { frames }]);
}

/// End marks that were handed over.
fn ends(world: &World) -> usize {
    let frames = world.batches.iter().flat_map(|batch| &batch.frames);
    let kind = |bytes: &Bytes| Frame::whole(bytes.clone()).unwrap().header.kind;
    frames.filter(|frame| kind(&frame.bytes) == Kind::End).count()
}

#[test]
fn a_task_that_has_ended_says_so_again_under_each_plan_since_some_may_have_passed_it_by() {
    let under = |revision| {
        Plan::new()
            .spout("numbers", 1, json!({"limit": 3}))
            .bolt("identity", 1, &[("numbers", Shuffle)])
            .edit(|plan| plan.revision = revision)
            .index()
    };
    let (registry, _) = registry();
    let mut spout = SpoutTask::new(&under(1), SPOUT, LIFE, &registry, Stats::default()).unwrap();
    let (metrics, waker) = (Metrics::default(), Waker::new(|| {}));
    let mut context = context(&under(1), SPOUT, 0, BTreeMap::new(), &metrics, waker).unwrap();
    let mut world = World::default();
    spout.start(&mut context, &mut world).unwrap();
    while spout.step(&mut world).unwrap() == Step::Again {}
    let completed = ToTask::Completed((0..spout.pending()).map(Completion::acked).collect());
    spout.handle(completed, &mut world).unwrap();
    while spout.step(&mut world).unwrap() == Step::Again {}
    assert_eq!((phase(&world), ends(&world)), (Some(Phase::Ended), 1));
    // Under revision 2 the bolt was replaced.
    spout.handle(ToTask::Plan(under(3)), &mut world).unwrap();
    while spout.step(&mut world).unwrap() == Step::Again {}
    assert_eq!(ends(&world), 2);
    spout.handle(ToTask::Plan(under(3)), &mut world).unwrap();
    while spout.step(&mut world).unwrap() == Step::Again {}
    assert_eq!(ends(&world), 2, "the same plan is no news");
}

#[test]
fn a_task_that_a_change_has_not_reached_starts_with_what_ran_before() {
    let definition = Definition {
        component: "numbers".into(),
        config: json!({"count": 7}),
        tick_ms: None,
        restarted_at: None,
    };
    let other = Other { tasks: vec![SPOUT], definition };
    let plan = Plan::new()
        .spout("numbers", 2, json!({"count": 9}))
        .edit(|plan| plan.rolling.others = vec![other])
        .index();
    let count = |task| {
        let waker = Waker::new(|| {});
        let context = context(&plan, task, 0, BTreeMap::new(), &Metrics::default(), waker).unwrap();
        context.config["count"].clone()
    };
    assert_eq!((count(SPOUT), count(TaskId(1))), (json!(7), json!(9)));
}
