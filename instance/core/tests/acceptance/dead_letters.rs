//! Roots that fail again and again, and those that merely were next to them.

use super::{components::registry, plan::Plan};
use egret_core::kit::{Kit, Sent};
use egret_sdk::{Failure, TaskId, Value};
use egret_topology::{
    dead_letters::{DEAD_LETTERS, declared},
    grouping::Grouping::{Global, Shuffle},
};
use egret_wire::control::{Poisoned, Root};
use serde_json::json;
use std::panic::{AssertUnwindSafe, catch_unwind};

const LONG: u64 = 1_000_000_000_000;
const SPOUT: TaskId = TaskId(0);
const BOLT: TaskId = TaskId(1);

/// Twenty numbers through a bolt; their dead letters after so many tries go to another, if there
/// is one.
fn plan(bolt: &str, tries: Option<u32>, dead: Option<&str>) -> Plan {
    let plan = Plan::new().spout("numbers", 1, json!({"limit": 20}));
    let mut plan = plan.bolt(bolt, 1, &[("numbers", Shuffle)]);
    if let Some(dead) = dead {
        plan = plan.bolt(dead, 1, &[("numbers", Global)]);
    }
    plan.edit(|plan| {
        plan.max_tries = tries.map(|tries| ("numbers".to_owned(), tries)).into_iter().collect();
        let letters = declared(&plan.components[0].streams[0]);
        plan.components[0].streams.push(letters);
        if let Some(dead) = plan.components.get_mut(2) {
            dead.inputs[0].stream = 1;
        }
    })
}

fn letters(kit: &Kit) -> Vec<&Sent> {
    kit.sent().iter().filter(|sent| sent.stream == DEAD_LETTERS).collect()
}

fn letter(error: &str, component: &str, tries: i64) -> Vec<Value> {
    vec!["k1".into(), 7.into(), error.into(), component.into(), 1.into(), tries.into()]
}

#[test]
fn a_root_that_always_fails_leaves_with_its_reason_after_so_many_tries() {
    let (registry, told) = registry();
    let mut kit = plan("stumble", Some(3), Some("takes")).kit(registry);
    kit.run(LONG).unwrap();
    let [letter_of_seven] = letters(&kit)[..] else { panic!("{:?}", letters(&kit)) };
    let expected = letter("`stumble` failed: not this one", "stumble", 3);
    assert_eq!(letter_of_seven.values, expected);
    let roots = kit.roots(SPOUT);
    assert_eq!((roots.emitted, roots.acked, roots.failed, roots.pending), (23, 20, 3, 0));
    assert_eq!((roots.replayed, roots.dead_letters), (3, 1));
    let acked = told.lock().unwrap().iter().filter(|(_, failure)| failure.is_none()).count();
    assert_eq!(acked, 20, "the spout is told of all");
    assert_eq!(kit.positions(0)["numbers"], 20);
}

#[test]
fn a_dead_letter_that_nobody_receives_is_logged_and_settled() {
    let (registry, _) = registry();
    let mut kit = plan("stumble", Some(1), None).kit(registry);
    kit.run(LONG).unwrap();
    let roots = kit.roots(SPOUT);
    assert_eq!((roots.acked, roots.failed, roots.dead_letters), (20, 1, 1));
    assert_eq!(kit.positions(0)["numbers"], 20);
    let logged = kit.warnings().join("\n");
    let expected = "root 7 (at 8 of `numbers`) has failed 1 times and is a dead letter: `stumble` \
                    failed: not this one; no bolt receives stream `dead-letters`";
    assert!(logged.contains(expected), "{logged}");
}

#[test]
fn a_root_is_tried_for_ever_unless_somebody_says_how_often() {
    let (registry, _) = registry();
    let mut kit = plan("stumble", None, Some("takes")).kit(registry);
    for _ in 0..1000 {
        kit.step_once().unwrap();
    }
    let roots = kit.roots(SPOUT);
    assert!(roots.failed > 100 && roots.acked == 19, "{roots:?}");
    assert_eq!((roots.dead_letters, letters(&kit).len()), (0, 0));
    kit.edit_plan(|plan| plan.max_tries = [("numbers".to_owned(), 2)].into());
    kit.run(LONG).unwrap();
    assert_eq!((kit.roots(SPOUT).acked, letters(&kit).len()), (20, 1));
}

#[test]
fn what_is_lost_is_no_failed_try() {
    let (registry, _) = registry();
    let mut kit = plan("hoarder", Some(1), Some("takes")).kit(registry);
    for _ in 0..5 {
        kit.settle().unwrap();
        kit.kill(BOLT);
        kit.restart(BOLT).unwrap();
    }
    kit.settle().unwrap();
    let roots = kit.roots(SPOUT);
    assert_eq!((roots.lost, roots.pending, roots.dead_letters), (100, 20, 0));
}

/// Runs until user code panics; what a real process would say of it.
fn panics(kit: &mut Kit) -> Option<Poisoned> {
    match catch_unwind(AssertUnwindSafe(|| kit.run(LONG))) {
        Ok(ran) => ran.map(|()| None).unwrap(),
        Err(_) => {
            let roots = kit.task(BOLT).unwrap().executing();
            Some(Poisoned { roots, cause: "`explode` panicked: seven".to_owned() })
        }
    }
}

#[test]
fn a_panic_counts_for_the_tuple_that_was_executed_and_for_no_other() {
    let (registry, told) = registry();
    let mut kit = plan("explode", Some(3), Some("takes")).kit(registry);
    for _ in 0..3 {
        let poisoned = panics(&mut kit).unwrap();
        let [Root { task: SPOUT, .. }] = poisoned.roots[..] else { panic!("{poisoned:?}") };
        kit.kill(BOLT);
        kit.restart_poisoned(BOLT, &poisoned).unwrap();
    }
    assert_eq!(panics(&mut kit), None);
    let [letter_of_seven] = letters(&kit)[..] else { panic!("{:?}", letters(&kit)) };
    assert_eq!(letter_of_seven.values, letter("`explode` panicked: seven", "explode", 3));
    let roots = kit.roots(SPOUT);
    assert_eq!((roots.acked, roots.dead_letters, roots.failed - roots.lost), (20, 1, 3));
    let blamed = |failure: &Option<Failure>| matches!(failure, Some(Failure::Failed { .. }));
    let told = told.lock().unwrap();
    assert!(told.iter().filter(|(_, failure)| blamed(failure)).all(|(id, _)| *id == 7));
    let fails: Vec<u64> =
        told.iter().filter(|(_, failure)| failure.is_some()).map(|(id, _)| *id).collect();
    assert!(fails.len() > 3 && fails.ends_with(&[7]), "it comes after all others: {fails:?}");
}

#[test]
fn between_two_tuples_nothing_is_executed() {
    let (registry, _) = registry();
    let mut kit = plan("identity1", None, None).kit(registry);
    kit.run(LONG).unwrap();
    assert_eq!(kit.task(BOLT).unwrap().executing(), []);
}

#[test]
fn a_dead_letter_that_fails_comes_again_as_one_and_is_counted_once() {
    let (registry, _) = registry();
    let mut kit = plan("stumble", Some(2), Some("hesitates")).kit(registry);
    kit.run(LONG).unwrap();
    let expected = letter("`stumble` failed: not this one", "stumble", 2);
    let values: Vec<_> = letters(&kit).iter().map(|sent| sent.values.clone()).collect();
    assert_eq!(values, [expected.clone(), expected]);
    let roots = kit.roots(SPOUT);
    assert_eq!((roots.acked, roots.failed, roots.dead_letters), (20, 3, 1));
}
