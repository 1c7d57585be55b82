//! A spout emits no more than its rate, and follows the next plan's.

use super::{components::registry, plan::Plan, world::World};
use egret_core::{
    batch::{Completion, ToTask},
    context::context,
    spout_task::SpoutTask,
    stats::Stats,
    task::Step,
};
use egret_sdk::{Metrics, TaskId, Waker};
use egret_topology::{id::Incarnation, plan::PlanIndex};
use serde_json::json;
use std::collections::BTreeMap;

const SPOUT: TaskId = TaskId(0);
const LIFE: Incarnation = Incarnation(1);
const SECOND: u64 = 1_000_000_000;

/// Two tasks of one spout that share this rate.
fn plan(rate: Option<u32>) -> PlanIndex {
    Plan::new()
        .spout("numbers", 2, json!({"limit": 1_000_000}))
        .edit(|plan| {
            plan.max_rates = rate.map(|rate| ("numbers".to_owned(), rate)).into_iter().collect()
        })
        .index()
}

/// What a spout does in a second if every root is acked at once: roots, and calls of `step`.
fn second(spout: &mut SpoutTask, world: &mut World, acked: &mut u64) -> (u64, u64) {
    let (end, before, mut steps) = (world.now + SECOND, *acked, 0);
    while world.now < end {
        steps += 1;
        let next = match spout.step(world).unwrap() {
            Step::Again => world.now + 10_000,
            Step::Park(until) => until.unwrap_or(end).max(world.now + 1),
            Step::Closed => panic!("nobody has stopped it"),
        };
        let pending = spout.pending();
        let completed = (*acked..*acked + pending).map(Completion::acked).collect();
        spout.handle(ToTask::Completed(completed), world).unwrap();
        *acked += pending;
        world.now = next;
    }
    (*acked - before, steps)
}

#[test]
fn a_spout_keeps_its_share_of_the_rate_and_follows_the_next_plan() {
    let (registry, _) = registry();
    let plans = [plan(Some(1000)), plan(Some(200)), plan(None)];
    let mut spout = SpoutTask::new(&plans[0], SPOUT, LIFE, &registry, Stats::default()).unwrap();
    let (metrics, waker) = (Metrics::default(), Waker::new(|| {}));
    let mut context = context(&plans[0], SPOUT, 0, BTreeMap::new(), &metrics, waker).unwrap();
    let (mut world, mut acked) = (World::default(), 0);
    spout.start(&mut context, &mut world).unwrap();
    second(&mut spout, &mut world, &mut acked);
    let (roots, steps) = second(&mut spout, &mut world, &mut acked);
    assert!((490..=510).contains(&roots), "{roots} roots");
    assert!(steps < 5 * roots, "{steps} steps: it waits in between");
    spout.handle(ToTask::Plan(plans[1].clone()), &mut world).unwrap();
    let (roots, _) = second(&mut spout, &mut world, &mut acked);
    assert!((98..=112).contains(&roots), "{roots} roots");
    spout.handle(ToTask::Plan(plans[2].clone()), &mut world).unwrap();
    let (roots, _) = second(&mut spout, &mut world, &mut acked);
    assert!(roots > 10_000, "{roots} roots without a limit");
}
