//! Frames and questions that no sound task sends: a bolt stays unharmed.

use super::{components::registry, plan::Plan, world::World};
use bytes::Bytes;
use egret_core::{batch::ToTask, bolt_task::BoltTask, gateway::Gateway, stats::Stats, task::Step};
use egret_sdk::{Metrics, TaskId};
use egret_topology::{
    grouping::Grouping::Shuffle,
    id::{Epoch, Incarnation},
    plan::PlanIndex,
};
use egret_wire::{
    control::Root,
    cut::Frame,
    data::{DataWriter, RootId},
    header::{Header, Kind},
    preamble::Class,
    value,
};
use serde_json::json;

const SPOUT: TaskId = TaskId(0);
const BOLT: TaskId = TaskId(1);

fn plan() -> PlanIndex {
    Plan::new()
        .spout("numbers", 1, json!({}))
        .bolt("identity", 1, &[("numbers", Shuffle)])
        .spout("others", 1, json!({}))
        .index()
}

fn frame(root: TaskId, stream: u16, arity: u16) -> Bytes {
    let mut values = Vec::new();
    (0..arity).for_each(|n| value::put_int(&mut values, n.into()));
    let mut writer = DataWriter::with_capacity(256);
    writer.push(&[RootId { task: root, incarnation: Incarnation(1), seq: 0 }], &values);
    let header = Header::new(Kind::Data, Epoch(1), SPOUT, Incarnation(1), BOLT);
    writer.finish(Header { stream, ..header }, arity)
}

/// What a bolt does with a frame: tuples executed, ack frames, warnings.
fn executed(frame: Bytes) -> (u64, usize, usize) {
    let (stats, mut outlet) = (Stats::default(), World::default());
    let life = Incarnation(1);
    let mut bolt = BoltTask::new(&plan(), BOLT, life, &registry().0, stats.clone()).unwrap();
    bolt.handle(ToTask::Frame(Frame::whole(frame).unwrap(), 0), &mut outlet);
    while bolt.step(&mut outlet).unwrap() == Step::Again {}
    let frames = outlet.batches.iter().flat_map(|batch| &batch.frames);
    let acks = frames.filter(|frame| frame.key.class == Class::Ack).count();
    assert_eq!(stats.busy_time(u64::MAX).1, 0, "no call is running");
    (stats.totals().executed, acks, outlet.warnings)
}

#[test]
fn a_frame_of_its_source_is_executed_and_acked() {
    assert_eq!(executed(frame(SPOUT, 0, 2)), (1, 1, 0));
}

#[test]
fn an_ack_never_goes_to_a_task_that_does_not_send_here() {
    for root in [BOLT, TaskId(2), TaskId(77)] {
        assert_eq!(executed(frame(root, 0, 2)), (0, 0, 1), "{root}");
    }
}

#[test]
fn a_frame_of_another_stream_or_arity_than_declared_is_discarded() {
    for (stream, arity) in [(1, 2), (u16::MAX, 2), (0, 1), (0, 3)] {
        assert_eq!(executed(frame(SPOUT, stream, arity)), (0, 0, 1), "{stream} {arity}");
    }
}

#[test]
fn a_frame_that_breaks_off_leaves_no_call_running() {
    let mut bytes = frame(SPOUT, 0, 2).to_vec();
    // Two tuples are promised, one is there.
    bytes[22] = 2;
    assert_eq!(executed(bytes.into()), (1, 1, 1));
}

#[test]
fn questions_do_not_pile_up_before_a_task_that_hangs() {
    let (plan, stats) = (plan(), Stats::default());
    let bolt = BoltTask::new(&plan, BOLT, Incarnation(1), &registry().0, stats.clone()).unwrap();
    let budget = egret_core::task::Task::Bolt(Box::new(bolt)).budget().clone();
    let metrics = Metrics::default();
    let mut gateway = Gateway::new(&plan, BOLT, Incarnation(1), budget, stats.clone(), metrics);
    let root = Root { task: SPOUT, incarnation: Incarnation(1), seq: 7 };
    gateway.handle_who_holds(1_000_000_000, root);
    assert_eq!(gateway.take_to_task().len(), 1);
    stats.busy(1_000_000_000);
    for second in 2..1000 {
        gateway.handle_who_holds(second * 1_000_000_000, root);
    }
    assert!(gateway.take_to_task().is_empty());
}
