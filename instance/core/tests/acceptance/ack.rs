//! What becomes of tuple trees.

use super::{components::registry, plan::Plan};
use egret_sdk::{Failure, TaskId};
use egret_topology::{
    grouping::Grouping::{All, Shuffle},
    plan::{Delivery, RunState},
};
use serde_json::json;

const LONG: u64 = 1_000_000_000_000;

#[test]
fn a_branching_tree_is_acked_once_and_whole() {
    let (registry, told) = registry();
    let mut kit = Plan::new()
        .spout("numbers", 1, json!({"limit": 20}))
        .bolt("identity1", 2, &[("numbers", All)])
        .bolt("identity2", 3, &[("numbers", Shuffle), ("identity1", Shuffle)])
        .bolt("identity3", 1, &[("identity1", Shuffle), ("identity2", All)])
        .kit(registry);
    kit.run(LONG).unwrap();
    let mut acked: Vec<u64> = told.lock().unwrap().iter().map(|(id, _)| *id).collect();
    acked.sort_unstable();
    assert_eq!(acked, (0..20).collect::<Vec<_>>());
    assert!(told.lock().unwrap().iter().all(|(_, failure)| failure.is_none()));
}

#[test]
fn a_root_without_consumer_is_acked() {
    let (registry, told) = registry();
    let mut kit = Plan::new().spout("numbers", 1, json!({"limit": 5})).kit(registry);
    kit.run(LONG).unwrap();
    assert_eq!(told.lock().unwrap().len(), 5);
}

#[test]
fn a_tuple_anchored_to_many_completes_the_trees_of_all() {
    let (registry, told) = registry();
    let mut kit = Plan::new()
        .spout("numbers", 2, json!({"limit": 10}))
        .bolt("join1", 1, &[("numbers", Shuffle)])
        .bolt("join2", 1, &[("join1", Shuffle), ("numbers", Shuffle)])
        .bolt("identity", 2, &[("join2", All)])
        .kit(registry);
    kit.run(LONG).unwrap();
    assert_eq!(told.lock().unwrap().len(), 20);
    assert_eq!(kit.all_roots().acked, 20);
    assert!(kit.sent().iter().any(|sent| sent.component == "join2"));
}

#[test]
fn a_tuple_on_the_same_anchor_twice_counts_twice() {
    // Two edges to one task: the tuple arrives twice and must be acked twice.
    let (registry, told) = registry();
    let mut kit = Plan::new()
        .spout("numbers", 1, json!({"limit": 10}))
        .bolt("identity1", 1, &[("numbers", Shuffle), ("numbers", All)])
        .bolt("identity2", 1, &[("identity1", Shuffle)])
        .kit(registry);
    kit.run(LONG).unwrap();
    assert_eq!(told.lock().unwrap().len(), 10);
    assert_eq!(kit.sent().iter().filter(|sent| sent.component == "identity1").count(), 20);
}

#[test]
fn an_error_fails_the_root_with_its_cause_and_the_replay_is_acked() {
    let (registry, told) = registry();
    let mut kit = Plan::new()
        .spout("numbers", 1, json!({"limit": 9, "keys": 3}))
        .bolt("picky", 1, &[("numbers", Shuffle)])
        .kit(registry);
    kit.run(LONG).unwrap();
    let roots = kit.all_roots();
    assert_eq!((roots.emitted, roots.acked, roots.failed, roots.replayed), (12, 9, 3, 3));
    let failed = |told: &(u64, Option<Failure>)| told.1.clone();
    let failures: Vec<Failure> = told.lock().unwrap().iter().filter_map(failed).collect();
    let cause = "`picky` failed: not at first".to_owned();
    assert_eq!(failures, vec![Failure::Failed { cause }; 3]);
    assert_eq!(kit.positions(0)["numbers"], 9);
}

#[test]
fn a_timeout_comes_exactly_then_once_and_names_who_holds_the_tuple() {
    let (registry, told) = registry();
    let mut kit = Plan::new()
        .spout("numbers", 1, json!({"limit": 1, "replay": false}))
        .bolt("hoarder", 1, &[("numbers", Shuffle)])
        .kit(registry);
    let start = kit.now();
    kit.settle().unwrap();
    kit.advance_to(start + 29_999_999_999);
    kit.settle().unwrap();
    assert_eq!((kit.all_roots().pending, kit.all_roots().timed_out), (1, 0));
    kit.advance_to(start + 30_000_000_000);
    kit.settle().unwrap();
    assert_eq!((kit.all_roots().pending, kit.all_roots().timed_out), (0, 1));
    kit.advance_to(start + 31_000_000_000);
    kit.settle().unwrap();
    let told = told.lock().unwrap();
    let [(0, Some(Failure::TimedOut { held_by: Some(held_by) }))] = &told[..] else {
        panic!("{told:?}")
    };
    assert!(held_by.contains("hoarder[0]") && held_by.contains("not acked"), "{held_by}");
}

#[test]
fn pending_never_exceeds_its_maximum() {
    let (registry, _) = registry();
    let mut kit = Plan::new()
        .edit(|plan| plan.max_pending = 7)
        .spout("numbers", 1, json!({"limit": 100, "replay": false}))
        .bolt("hoarder", 1, &[("numbers", Shuffle)])
        .kit(registry);
    kit.settle().unwrap();
    assert_eq!(kit.all_roots().pending, 7);
}

#[test]
fn a_paused_topology_opens_its_spouts_and_emits_when_it_runs() {
    let (registry, told) = registry();
    let mut kit = Plan::new()
        .edit(|plan| plan.state = RunState::Paused)
        .spout("numbers", 1, json!({"limit": 10}))
        .bolt("identity", 1, &[("numbers", Shuffle)])
        .kit(registry);
    kit.settle().unwrap();
    assert_eq!(kit.all_roots().emitted, 0);
    kit.set_state(RunState::Running);
    kit.run(LONG).unwrap();
    assert_eq!(told.lock().unwrap().len(), 10);
}

#[test]
fn a_killed_spout_goes_on_from_its_settled_prefix() {
    let (registry, _) = registry();
    let mut kit = Plan::new()
        .edit(|plan| plan.max_pending = 4)
        .spout("numbers", 1, json!({"limit": 40}))
        .bolt("join", 1, &[("numbers", Shuffle)])
        .kit(registry);
    kit.settle().unwrap();
    let settled = kit.positions(0).get("numbers").copied().unwrap_or(0);
    kit.kill(TaskId(0));
    kit.restart(TaskId(0)).unwrap();
    kit.run(LONG).unwrap();
    assert_eq!(kit.roots(TaskId(0)).acked, 40 - settled);
    assert_eq!(kit.positions(0)["numbers"], 40);
}

#[test]
fn a_killed_bolt_fails_its_trees_and_they_are_replayed() {
    let (registry, told) = registry();
    let mut kit = Plan::new()
        .spout("numbers", 1, json!({"limit": 10}))
        .bolt("hoarder", 1, &[("numbers", Shuffle)])
        .kit(registry);
    kit.settle().unwrap();
    kit.kill(TaskId(1));
    kit.restart(TaskId(1)).unwrap();
    kit.settle().unwrap();
    let roots = kit.all_roots();
    assert_eq!((roots.emitted, roots.failed, roots.pending, roots.replayed), (20, 10, 10, 10));
    assert!(matches!(told.lock().unwrap()[0].1, Some(Failure::Lost { .. })));
}

#[test]
fn at_most_once_acks_at_once_and_tracks_nothing() {
    let (registry, told) = registry();
    let mut kit = Plan::new()
        .edit(|plan| plan.delivery = Delivery::AtMostOnce)
        .spout("numbers", 1, json!({"limit": 10}))
        .bolt("picky", 1, &[("numbers", Shuffle)])
        .kit(registry);
    kit.run(LONG).unwrap();
    assert_eq!(told.lock().unwrap().len(), 10);
    let roots = kit.all_roots();
    assert_eq!((roots.emitted, roots.acked, roots.failed), (10, 10, 0));
}
