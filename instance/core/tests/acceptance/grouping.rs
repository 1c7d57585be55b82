//! Which task a tuple goes to.

use super::{
    components::registry,
    plan::{Plan, fields},
};
use egret_core::kit::{Kit, Sent};
use egret_sdk::{CustomGrouping, TaskId, Tuple, Value};
use egret_topology::grouping::Grouping;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const LONG: u64 = 1_000_000_000_000;

fn run(grouping: Grouping, tasks: u32, limit: u64) -> Kit {
    let (mut registry, _) = registry();
    registry.grouping("third", || Box::new(Third));
    let mut kit = Plan::new()
        .spout("numbers", 1, json!({"limit": limit, "keys": 50}))
        .bolt("identity", tasks, &[("numbers", grouping)])
        .kit(registry);
    kit.run(LONG).unwrap();
    kit
}

/// Sends everything to the third task.
struct Third;

impl CustomGrouping for Third {
    fn choose(&mut self, _: &Tuple<'_>, tasks: &[TaskId], chosen: &mut Vec<usize>) {
        assert!(tasks.len() > 2);
        chosen.push(2);
    }
}

fn by_dest(sent: &[Sent]) -> BTreeMap<TaskId, usize> {
    let mut counts = BTreeMap::new();
    sent.iter().for_each(|sent| *counts.entry(sent.dest).or_default() += 1);
    counts
}

#[test]
fn fields_grouping_keeps_a_key_at_one_task_and_uses_all_tasks() {
    let kit = run(fields(&["key"]), 4, 2000);
    let mut tasks_of: BTreeMap<String, BTreeSet<TaskId>> = BTreeMap::new();
    for sent in kit.sent() {
        let Value::String(key) = &sent.values[0] else { panic!("{sent:?}") };
        tasks_of.entry(key.clone()).or_default().insert(sent.dest);
    }
    assert_eq!(tasks_of.len(), 50);
    assert!(tasks_of.values().all(|tasks| tasks.len() == 1));
    assert_eq!(by_dest(kit.sent()).len(), 4);
}

#[test]
fn partial_key_grouping_splits_a_key_over_two_tasks_at_most() {
    let kit = run(Grouping::PartialKey { fields: vec!["key".into()] }, 6, 2000);
    let mut tasks_of: BTreeMap<String, BTreeSet<TaskId>> = BTreeMap::new();
    for sent in kit.sent() {
        let Value::String(key) = &sent.values[0] else { panic!("{sent:?}") };
        tasks_of.entry(key.clone()).or_default().insert(sent.dest);
    }
    assert!(tasks_of.values().all(|tasks| tasks.len() <= 2));
    assert!(tasks_of.values().any(|tasks| tasks.len() == 2));
}

#[test]
fn all_grouping_reaches_every_task_once() {
    let kit = run(Grouping::All, 3, 10);
    assert_eq!(by_dest(kit.sent()).into_values().collect::<Vec<_>>(), [10, 10, 10]);
    assert_eq!(kit.all_roots().acked, 10);
}

#[test]
fn global_grouping_reaches_the_lowest_task_only() {
    let kit = run(Grouping::Global, 3, 10);
    assert_eq!(by_dest(kit.sent()), BTreeMap::from([(TaskId(1), 10)]));
}

#[test]
fn shuffle_grouping_is_even() {
    let kit = run(Grouping::Shuffle, 4, 4000);
    let counts = by_dest(kit.sent());
    assert_eq!(counts.len(), 4);
    assert!(counts.values().all(|count| count.abs_diff(1000) <= 100), "{counts:?}");
}

#[test]
fn local_or_shuffle_stays_in_the_pod_while_it_has_a_task() {
    let kit = run(Grouping::LocalOrShuffle, 4, 1000);
    // The spout runs in pod 0, and so do the bolt's first and third task.
    assert_eq!(by_dest(kit.sent()).into_keys().collect::<Vec<_>>(), [TaskId(1), TaskId(3)]);
}

#[test]
fn a_custom_grouping_decides() {
    let kit = run(Grouping::Custom { custom: "third".into() }, 3, 10);
    assert_eq!(by_dest(kit.sent()), BTreeMap::from([(TaskId(3), 10)]));
}

#[test]
fn a_custom_grouping_that_chooses_a_task_beyond_the_last_loses_nothing_silently() {
    struct Beyond;
    impl CustomGrouping for Beyond {
        fn choose(&mut self, _: &Tuple<'_>, tasks: &[TaskId], chosen: &mut Vec<usize>) {
            chosen.extend([0, tasks.len()]);
        }
    }
    let (mut registry, _) = registry();
    registry.grouping("beyond", || Box::new(Beyond));
    let mut kit = Plan::new()
        .spout("numbers", 1, json!({}))
        .bolt("identity", 3, &[("numbers", Grouping::Custom { custom: "beyond".into() })])
        .kit(registry);
    let error = kit.run(LONG).unwrap_err().to_string();
    assert!(error.contains("place 3") && error.contains("3 tasks"), "{error}");
    assert_eq!(kit.all_roots().acked, 0);
}

#[test]
fn order_holds_between_two_tasks() {
    let kit = run(fields(&["key"]), 4, 2000);
    let mut last: BTreeMap<TaskId, i64> = BTreeMap::new();
    for sent in kit.sent() {
        let Value::Int(n) = sent.values[1] else { panic!("{sent:?}") };
        assert!(last.insert(sent.dest, n).is_none_or(|before| before < n));
    }
}
