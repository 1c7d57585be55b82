//! What records decide, and that they stay small enough.

use super::*;
use egret_topology::packing_plan::{PackedPod, PackedTask, PodResources};

fn packing(pods: u32) -> PackingPlan {
    let pod = |i| PackedPod {
        id: PodId(i),
        tasks: vec![PackedTask { task: TaskId(i), component: "a".into(), index: i }],
        resources: PodResources::default(),
    };
    PackingPlan { pods: (0..pods).map(pod).collect(), next_task: TaskId(pods) }
}

fn lives(record: &Record) -> Vec<u32> {
    record.pods().map(|(_, pod)| pod.life).collect()
}

#[test]
fn only_a_pod_with_another_definition_begins_a_new_life() {
    let mut record = Record::new("u", 0);
    record.take_packing(packing(2), vec!["x".into(), "y".into()]);
    assert_eq!(lives(&record), [1, 1]);
    record.take_packing(packing(2), vec!["x".into(), "z".into()]);
    assert_eq!(lives(&record), [1, 2]);
    record.replace(PodId(0), 5, None);
    assert_eq!(lives(&record), [2, 2]);
}

#[test]
fn a_pod_is_born_after_all_before_it_wherever_its_tasks_were() {
    let births = |record: &Record| record.pods().map(|(_, pod)| pod.birth).collect::<Vec<_>>();
    let mut record = Record::new("u", 0);
    record.take_packing(packing(2), vec!["x".into(), "y".into()]);
    assert_eq!(births(&record), [1, 2]);
    record.replace(PodId(0), 5, None);
    record.take_packing(packing(3), vec!["x".into(), "z".into(), "w".into()]);
    assert_eq!(births(&record), [3, 4, 5]);
    record.replace_all();
    assert_eq!(births(&record), [6, 7, 8]);
}

#[test]
fn a_lost_node_is_avoided_for_a_while() {
    let mut record = Record::new("u", 0);
    record.take_packing(packing(2), vec!["x".into(), "y".into()]);
    for n in 0..20 {
        record.lose(PodId(0), &format!("node-{}", n % 10), 100);
    }
    assert_eq!(lives(&record), [21, 1]);
    assert_eq!(record.lost.len(), MAX_LOST);
    record.forget_lost(100 + LOST_FOR_MS - 1);
    assert_eq!(record.lost.last().unwrap().node, "node-9");
    record.forget_lost(100 + LOST_FOR_MS);
    assert!(record.lost.is_empty());
}

#[test]
fn pods_that_end_at_once_are_replaced_now_and_then_only() {
    let mut record = Record::new("u", 0);
    record.take_packing(packing(2), vec!["x".into(), "y".into()]);
    let now = REPLACED_EVERY_MS * 100;
    assert!(record.may_replace(PodId(0), now));
    record.replace(PodId(0), now, None);
    assert!(!record.may_replace(PodId(0), now + REPLACED_EVERY_MS - 1));
    assert!(record.may_replace(PodId(0), now + REPLACED_EVERY_MS));
    assert!(record.may_replace(PodId(1), now), "each has its own time");
}

#[test]
fn a_pod_that_ends_again_and_again_says_why_for_a_while() {
    let mut record = Record::new("u", 0);
    record.take_packing(packing(1), vec!["x".into()]);
    let mut now = LATELY_MS * 100;
    let mut end = |record: &mut Record, after: u64, why: Option<&str>| {
        now += after;
        record.replace(PodId(0), now, why);
        record.ends_again(now + LATELY_MS - 1).map(|ends| ends.why.clone())
    };
    assert_eq!(end(&mut record, 0, Some("evicted")), None, "once is no cause for alarm");
    assert_eq!(end(&mut record, LATELY_MS - 1, Some("exited")).unwrap(), "exited");
    assert_eq!(record.ends_again(now + LATELY_MS), None);
    record.take_packing(packing(1), vec!["y".into()]);
    assert_eq!(record.ends_again(now), None, "it is made otherwise now");
}

#[test]
fn a_pod_that_comes_back_has_a_name_never_used() {
    let mut record = Record::new("u", 0);
    let definitions = |n: u32| (0..n).map(|i| i.to_string()).collect();
    record.take_packing(packing(3), definitions(3));
    record.take_packing(packing(1), definitions(1));
    assert_eq!(lives(&record), [1]);
    assert_eq!(record.pod(PodId(2)), None);
    record.take_packing(packing(3), definitions(3));
    assert_eq!(lives(&record), [1, 2, 2]);
}

#[test]
fn epochs_and_revisions_grow_with_what_they_stand_for_only() {
    let mut record = Record::new("u", 0);
    record.take_shape("a".into());
    record.take_shape("a".into());
    record.take_plan("p".into());
    record.take_plan("p".into());
    assert_eq!((record.epoch, record.revision), (Epoch(1), 1));
    record.take_shape("b".into());
    record.take_plan("q".into());
    assert_eq!((record.epoch, record.revision), (Epoch(2), 2));
}

#[test]
fn a_plan_that_somebody_has_is_followed_by_a_newer_one() {
    let mut record = Record::new("u", 0);
    record.take_plan("p".into());
    record.rise_to(1);
    record.take_plan("p".into());
    assert_eq!(record.revision, 1);
    record.rise_to(7);
    record.take_plan("p".into());
    assert_eq!(record.revision, 8);
    record.rise_to(u64::MAX);
    record.take_plan("q".into());
    assert_eq!(record.revision, u64::MAX, "nothing that is read makes it panic");
}

#[test]
fn pods_that_trust_another_ca_begin_a_new_life() {
    let mut record = Record::new("u", 0);
    record.take_packing(packing(1), vec!["x".into()]);
    record.enter(Stage::Live, 1);
    record.take_authority("a".into());
    record.take_authority("a".into());
    assert_eq!(lives(&record), [1], "the first, and the same again");
    record.take_authority("b".into());
    assert_eq!(lives(&record), [2]);
}

#[test]
fn the_largest_record_fits_into_a_config_map() {
    use egret_topology::limits::{MAX_COMPONENTS, MAX_NAME, MAX_PODS, MAX_TASKS};
    let mut record = Record::new("00000000-0000-0000-0000-000000000000", u64::MAX);
    let task = |task: u32| PackedTask {
        task: TaskId(u32::MAX - task),
        component: "c".repeat(MAX_NAME),
        index: 4095,
    };
    let pod = |i| {
        let tasks = (i..MAX_TASKS).step_by(MAX_PODS as usize).map(task).collect();
        PackedPod { id: PodId(i), tasks, resources: PodResources::default() }
    };
    let pods = (0..MAX_PODS).map(pod).collect();
    let packing = PackingPlan { pods, next_task: TaskId(u32::MAX) };
    record.take_packing(packing, vec!["d".repeat(32); MAX_PODS as usize]);
    for pod in &mut record.pods {
        let address = Some("[2001:db8:1111:2222:3333:4444:5555:6666]:4738".parse().unwrap());
        let (life, birth, replaced) = (u32::MAX, u32::MAX, u64::MAX);
        *pod = PodRecord { life, birth, replaced, address, ..pod.clone() };
    }
    let scaled = Scaled { tasks: 4096, at: u64::MAX, down: true, patience: 6 };
    for bolt in 0..MAX_COMPONENTS {
        record.autoscale.insert(format!("{bolt:b>MAX_NAME$}"), scaled.clone());
    }
    record.take_accepted(&Value::from("s".repeat(MAX_ACCEPTED - 2)));
    assert!(record.accepted.is_some());
    let size = record.write().len();
    assert!(size < 1 << 20, "{size} bytes");
    record.take_accepted(&Value::from("s".repeat(MAX_ACCEPTED)));
    assert_eq!(record.accepted, None);
}

#[test]
fn a_record_survives_and_one_of_a_namesake_does_not_count() {
    let mut record = Record::new("u", 7);
    record.take_packing(packing(1), vec!["x".into()]);
    record.enter(Stage::Live, 9);
    assert_eq!(Record::read(&record.write(), "u").unwrap(), Some(record.clone()));
    assert_eq!(Record::read(&record.write(), "v").unwrap(), None);
    assert!(Record::read("{", "u").is_err());
}

#[test]
fn a_pod_that_never_had_its_place_does_not_leave_it() {
    let mut record = Record::new("u", 0);
    record.leave(Leave::new(PodId(0), 5));
    record.leave(Leave::new(PodId(1), 6));
    record.leave(Leave::new(PodId(0), 7));
    let since = |record: &Record| record.leaves.iter().map(|leave| leave.since).collect::<Vec<_>>();
    assert_eq!(since(&record), [5, 6], "its predecessor has its place");
    assert_eq!(Record::read(&record.write(), "u").unwrap(), Some(record.clone()));
    record.leaves[0].step = crate::leave::Step::Starting;
    record.leave(Leave::new(PodId(0), 8));
    assert_eq!(since(&record), [8, 6]);
    record.replace_all();
    assert_eq!(since(&record), [0; 0]);
}
