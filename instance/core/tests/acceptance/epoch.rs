//! Other tasks and groupings while tasks work: those that stay go on in the same life.

use super::{components::registry, plan::Plan};
use egret_core::{batch::ToTask, bolt_task::BoltTask, kit::Kit, stats::Stats};
use egret_sdk::TaskId;
use egret_topology::{
    grouping::Grouping::Shuffle,
    id::{Epoch, Incarnation, PodId},
    plan::{PhysicalPlan, PlannedInput, PlannedTask},
};
use egret_wire::{
    cut::Frame,
    header::{Header, Kind},
};
use serde_json::json;
use std::collections::BTreeSet;

const SPOUT: TaskId = TaskId(0);

fn before() -> Plan {
    let spout = Plan::new().spout("numbers", 1, json!({"limit": 3000}));
    spout.bolt("identity", 2, &[("numbers", Shuffle)])
}

/// A task more for the bolt, and a bolt behind it.
fn grow(plan: &mut PhysicalPlan) {
    plan.epoch = Epoch(2);
    let mut behind = plan.components[1].clone();
    behind.name = "identity2".to_owned();
    behind.inputs = vec![PlannedInput { from: 1, stream: 0, grouping: Shuffle }];
    plan.components.push(behind);
    for (id, component, index) in [(3, 1, 2), (4, 2, 0)] {
        let (id, pod) = (TaskId(id), PodId(0));
        plan.tasks.push(PlannedTask { id, component, index, pod });
    }
}

/// Some of the input has been read, and nothing is in flight.
fn drained() -> Kit {
    let (registry, _) = registry();
    let mut kit = before().kit(registry);
    while kit.roots(SPOUT).emitted < 500 {
        kit.step_once().unwrap();
    }
    kit.edit_plan(|plan| plan.rolling.draining = vec![SPOUT]);
    kit.settle().unwrap();
    let roots = kit.roots(SPOUT);
    assert!(roots.pending == 0 && roots.emitted < 3000, "{roots:?}");
    kit
}

#[test]
fn tasks_that_stay_send_to_those_that_are_new_and_nothing_is_replayed() {
    let mut kit = drained();
    let sent = kit.sent().len();
    kit.edit_plan(grow);
    kit.follow_tasks().unwrap();
    kit.settle().unwrap();
    kit.edit_plan(|plan| plan.rolling.draining.clear());
    kit.settle().unwrap();
    let roots = kit.roots(SPOUT);
    assert_eq!((roots.emitted, roots.acked, roots.failed), (3000, 3000, 0));
    let to: BTreeSet<TaskId> = kit.sent()[sent..].iter().map(|sent| sent.dest).collect();
    assert_eq!(to, [1, 2, 3, 4].map(TaskId).into());
}

#[test]
fn tasks_that_go_get_nothing_any_more() {
    let mut kit = drained();
    let sent = kit.sent().len();
    kit.edit_plan(|plan| {
        plan.epoch = Epoch(2);
        plan.tasks.pop();
    });
    kit.follow_tasks().unwrap();
    kit.edit_plan(|plan| plan.rolling.draining.clear());
    kit.settle().unwrap();
    let roots = kit.roots(SPOUT);
    assert_eq!((roots.emitted, roots.acked, roots.failed), (3000, 3000, 0));
    assert!(kit.sent()[sent..].iter().all(|sent| sent.dest == TaskId(1)));
}

#[test]
fn what_is_in_flight_when_an_epoch_begins_fails_at_once() {
    let (registry, _) = registry();
    let mut kit = before().kit(registry);
    while kit.roots(SPOUT).pending == 0 {
        kit.step_once().unwrap();
    }
    let pending = kit.roots(SPOUT).pending;
    kit.edit_plan(grow);
    assert_eq!((kit.roots(SPOUT).pending, kit.roots(SPOUT).failed), (0, pending));
}

#[test]
fn a_frame_that_is_faster_than_its_plan_waits_for_it() {
    let (registry, _) = registry();
    let (plan, stats) = (before().index(), Stats::default());
    let bolt = |at| BoltTask::new(at, TaskId(1), Incarnation(1), &registry, stats.clone());
    let mut bolt = bolt(&plan).unwrap();
    let mut world = super::world::World::default();
    let header = Header::new(Kind::Flush, Epoch(2), SPOUT, Incarnation(1), TaskId(1));
    bolt.handle(ToTask::Frame(Frame::mark(Header { base: 1, ..header }), 0), &mut world);
    bolt.step(&mut world).unwrap();
    assert_eq!(stats.heard(), 0);
    bolt.handle(ToTask::Plan(before().edit(grow).index()), &mut world);
    bolt.step(&mut world).unwrap();
    bolt.step(&mut world).unwrap();
    assert_eq!(stats.heard(), 1);
}
