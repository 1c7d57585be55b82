//! A task that is replaced as planned: its input waits, and its end is no loss.

use crate::rig::{Rig, frame};
use egret_topology::id::TaskId;
use egret_wire::header::Kind;

const SECOND: u64 = 1_000_000_000;

/// Spout 0 and bolt 1 in pod 0, bolt 2 in pod 1: 0 to 1 to 2.
fn line() -> Rig {
    Rig::new(&[(&[], &[0]), (&[0], &[0]), (&[1], &[1])])
}

#[test]
fn input_waits_for_the_next_life_and_nothing_is_lost() {
    let mut rig = line();
    assert_eq!(rig.send(0, 1, 0, 3, 100), 3);
    rig.send(1, 2, 0, 2, 100);
    rig.replaces(&[1]);
    assert_eq!(rig.asked, [(1, 3)], "what it was sent before");
    assert_eq!(rig.send(0, 1, 3, 4, 100), 4);
    assert_eq!(rig.numbers(0, 1), [0, 1, 2]);
    assert!(!rig.flows[0].is_drained(TaskId(1)));
    rig.drained(1, 2);
    assert!(rig.flows[0].is_drained(TaskId(1)));
    rig.disconnect(1);
    rig.at(100 * SECOND);
    assert!(rig.announced.is_empty(), "nobody misses it");
    rig.connect(1, 2);
    rig.settle();
    assert_eq!(rig.asked, [(1, 3), (1, 0)]);
    assert_eq!(rig.numbers(0, 1), [0, 1, 2], "it must show first that it works");
    rig.replaces(&[]);
    assert_eq!(rig.numbers(0, 1), [0, 1, 2, 3, 4, 5, 6]);
    assert!(rig.announced.is_empty());
}

#[test]
fn a_source_is_held_back_while_its_destination_is_replaced() {
    let mut rig = line();
    rig.replaces(&[1]);
    let taken = rig.send(0, 1, 0, 1_000_000, 1000);
    assert!(taken < 1_000_000, "what waits is bounded");
    rig.drained(1, 0);
    rig.disconnect(1);
    rig.connect(1, 2);
    rig.replaces(&[]);
    assert_eq!(rig.numbers(0, 1).len() as u64, taken);
    assert!(rig.send(0, 1, taken, 10, 1000) > 0);
}

#[test]
fn what_it_has_sent_must_have_come() {
    let mut rig = line();
    rig.send(1, 2, 0, 2, 100);
    rig.replaces(&[1]);
    rig.drained(1, 3);
    assert!(!rig.flows[0].is_drained(TaskId(1)), "a frame is on its way");
    rig.send(1, 2, 2, 1, 100);
    assert!(rig.flows[0].is_drained(TaskId(1)));
}

#[test]
fn a_task_that_ends_before_it_has_drained_is_a_loss() {
    let mut rig = line();
    rig.send(0, 1, 0, 3, 100);
    rig.replaces(&[1]);
    rig.disconnect(1);
    rig.connect(1, 2);
    rig.settle();
    assert_eq!(rig.announced.len(), 1);
}

#[test]
fn a_task_that_is_not_replaced_after_all_goes_on() {
    let mut rig = line();
    rig.replaces(&[1]);
    rig.send(0, 1, 0, 3, 100);
    rig.drained(1, 0);
    rig.replaces(&[]);
    assert_eq!(rig.numbers(0, 1), [0, 1, 2]);
    rig.disconnect(1);
    rig.connect(1, 2);
    rig.settle();
    assert_eq!(rig.announced.len(), 1, "its end is a loss again");
}

#[test]
fn what_a_life_has_left_behind_still_arrives_when_the_next_one_sends() {
    // 0 to 1, and 1 to 2 and 3 in another pod; 2 reads nothing for now.
    let mut rig = Rig::new(&[(&[], &[0]), (&[0], &[0]), (&[1], &[1]), (&[1], &[1])]);
    rig.stalled.insert(2);
    let sent = rig.send(1, 2, 0, 1000, 1000);
    rig.replaces(&[1]);
    rig.drained(1, sent);
    rig.disconnect(1);
    rig.connect(1, 2);
    rig.replaces(&[]);
    assert!(rig.try_send(frame(Kind::Data, 1, 3, 2, 0, 100)));
    rig.stalled.clear();
    rig.settle();
    assert_eq!(rig.numbers(1, 3), [0]);
    assert_eq!(rig.numbers(1, 2).len() as u64, sent);
    assert!(rig.announced.is_empty(), "{:?}", rig.announced);
}

#[test]
fn a_life_that_ends_before_it_has_had_anything_is_no_loss() {
    let mut rig = line();
    rig.send(0, 1, 0, 3, 100);
    rig.replaces(&[1]);
    rig.drained(1, 0);
    rig.disconnect(1);
    for life in 2..5 {
        // A version that fails at once, again and again.
        rig.connect(1, life);
        rig.settle();
        rig.disconnect(1);
    }
    rig.connect(1, 5);
    rig.send(0, 1, 3, 2, 100);
    rig.replaces(&[]);
    assert_eq!(rig.numbers(0, 1), [0, 1, 2, 3, 4]);
    assert!(rig.announced.is_empty(), "{:?}", rig.announced);
}
