//! What is lost is told, at once, to those whom it concerns.

use crate::rig::{Rig, frame};
use egret_flow::{Link, Refused};
use egret_topology::id::{Incarnation, PodId, TaskId};
use egret_wire::{
    control::LossScope::{self, Link as LostLink, Pod, Task},
    header::Kind,
};

const SECOND: u64 = 1_000_000_000;

/// Spout 0 in pod 0 to bolt 2 in pod 1; spout 1 in pod 2 to bolt 3 in pod 2.
fn two_lines() -> Rig {
    Rig::new(&[(&[], &[0]), (&[], &[2]), (&[0], &[1]), (&[1], &[2])])
}

fn task(id: u32) -> LossScope {
    Task { task: TaskId(id) }
}

fn told(rig: &Rig, scope: LossScope) -> Vec<u32> {
    let mut told: Vec<u32> =
        rig.told.iter().filter(|(_, s)| *s == scope).map(|(task, _)| *task).collect();
    told.sort_unstable();
    told.dedup();
    told
}

#[test]
fn a_first_connection_loses_nothing() {
    let rig = two_lines();
    assert!(rig.announced.is_empty());
    assert!(rig.told.is_empty());
}

#[test]
fn an_instance_that_connects_again_loses_what_was_under_way_whatever_its_life() {
    for life in [1, 2] {
        let mut rig = two_lines();
        rig.disconnect(2);
        rig.settle();
        assert!(rig.announced.is_empty());
        rig.connect(2, life);
        rig.settle();
        assert_eq!(rig.announced, [(1, task(2))]);
        assert_eq!(told(&rig, task(2)), [0, 2]);
    }
}

#[test]
fn a_second_hello_replaces_the_first_link_and_is_a_loss() {
    let mut rig = two_lines();
    let old = rig.link(1, Link::Instance(TaskId(2)));
    let up = rig.flows[1].instance_up(0, TaskId(2), Incarnation(2)).unwrap();
    assert!(up.replaced);
    rig.settle();
    assert_eq!(rig.announced, [(1, task(2))]);
    rig.flows[1].link_down(0, old);
    assert!(rig.flows[1].is_up(Link::Instance(TaskId(2))));
}

#[test]
fn an_instance_that_stays_away_for_three_seconds_is_a_loss() {
    let mut rig = two_lines();
    rig.disconnect(2);
    rig.at(3 * SECOND - 1);
    assert!(rig.announced.is_empty());
    rig.at(3 * SECOND);
    assert_eq!(rig.announced, [(1, task(2))]);
    rig.at(100 * SECOND);
    assert_eq!(rig.announced.len(), 1);
}

#[test]
fn an_earlier_life_is_refused_and_learns_of_the_newest() {
    let mut rig = two_lines();
    rig.connect(2, 5);
    let refused = rig.flows[1].instance_up(0, TaskId(2), Incarnation(4)).unwrap_err();
    assert_eq!(refused, Refused::Outlived { got: Incarnation(4), newest: Incarnation(5) });
    assert!(rig.flows[1].is_up(Link::Instance(TaskId(2))));
}

#[test]
fn a_task_of_another_pod_is_refused() {
    let mut rig = two_lines();
    let refused = rig.flows[0].instance_up(0, TaskId(2), Incarnation(9)).unwrap_err();
    assert_eq!(refused, Refused::NotHere { task: TaskId(2), pod: PodId(0) });
}

#[test]
fn a_lost_link_is_announced_by_both_sides_to_those_whose_tuples_cross_it() {
    let mut rig = two_lines();
    rig.cut(0, 1);
    rig.settle();
    let scope = |a, b| LostLink { a: PodId(a), b: PodId(b) };
    assert_eq!(rig.announced, [(0, scope(0, 1)), (1, scope(1, 0))]);
    assert_eq!(told(&rig, scope(0, 1)), [0]);
    assert_eq!(told(&rig, scope(1, 0)), [] as [u32; 0]);
}

#[test]
fn a_spout_behind_a_third_pod_hears_of_a_link_that_its_tuples_cross() {
    let mut rig = Rig::new(&[(&[], &[0]), (&[0], &[1]), (&[1], &[2]), (&[], &[0])]);
    rig.cut(1, 2);
    rig.settle();
    assert_eq!(told(&rig, LostLink { a: PodId(1), b: PodId(2) }), [0, 1]);
}

#[test]
fn a_peer_in_a_new_life_is_a_lost_pod() {
    let mut rig = two_lines();
    rig.restart(1, 2);
    rig.settle();
    let lost = Pod { pod: PodId(1) };
    for pod in [0, 2] {
        assert!(rig.announced.contains(&(pod, lost)));
    }
    assert_eq!(told(&rig, lost), [0]);
}

#[test]
fn instances_of_a_stream_manager_in_a_new_life_are_told_when_they_return() {
    let mut rig = two_lines();
    rig.restart(2, 2);
    rig.settle();
    rig.told.clear();
    rig.connect(1, 1);
    rig.settle();
    assert_eq!(told(&rig, task(1)), [1]);
}

#[test]
fn losses_announced_while_a_link_was_down_are_made_up_for_when_it_is_back() {
    let mut rig = two_lines();
    rig.cut(0, 1);
    rig.connect(2, 2);
    rig.settle();
    assert_eq!(told(&rig, task(2)), [2]);
    rig.join(0, 1);
    rig.settle();
    assert_eq!(told(&rig, Pod { pod: PodId(1) }), [0]);
}

#[test]
fn a_gap_in_the_numbers_of_losses_counts_as_a_lost_pod() {
    let mut rig = two_lines();
    let link = rig.link(0, Link::Peer(PodId(1)));
    rig.flows[0].peer_loss(link, 3, task(3));
    rig.settle();
    assert_eq!(told(&rig, Pod { pod: PodId(1) }), [0]);
    rig.told.clear();
    rig.flows[0].peer_loss(link, 3, task(2));
    rig.flows[0].peer_loss(link, 4, task(2));
    rig.settle();
    assert_eq!(rig.told, [(0, task(2))]);
}

#[test]
fn frames_of_an_earlier_life_are_discarded_and_announced_but_not_one_by_one() {
    let mut rig = two_lines();
    assert!(rig.try_send(frame(Kind::Data, 0, 2, 1, 0, 100)));
    rig.connect(0, 2);
    assert!(rig.try_send(frame(Kind::Data, 0, 2, 2, 0, 100)));
    rig.announced.clear();
    let link = rig.link(1, Link::Peer(PodId(0)));
    let flow = &mut rig.flows[1];
    let key = crate::rig::key(egret_wire::preamble::Class::Data, None, 2);
    // The rig has this stream open; a peer that broke off may open it again.
    let id = flow.open_in(link, key);
    assert!(id.is_err());
    rig.cut(0, 1);
    rig.settle();
    rig.announced.clear();
    rig.join(0, 1);
    let link = rig.link(1, Link::Peer(PodId(0)));
    let id = rig.flows[1].open_in(link, key).unwrap();
    for n in 0..1000 {
        rig.flows[1].handle_frame(rig.now, id, frame(Kind::Data, 0, 2, 1, n, 100)).unwrap();
    }
    rig.settle();
    assert_eq!(rig.flows[1].discards().total(), 1000);
    assert_eq!(rig.announced, [(1, task(2))]);
    rig.at(SECOND);
    assert_eq!(rig.announced, [(1, task(2)), (1, task(2))]);
    assert_eq!(rig.delivered[&2].len(), 2);
}

#[test]
fn a_stream_manager_that_restarts_still_refuses_a_life_that_was_replaced() {
    let mut rig = two_lines();
    rig.restart(1, 9);
    rig.flows[1].remember(TaskId(2), Incarnation(5));
    let refused = rig.flows[1].instance_up(0, TaskId(2), Incarnation(4)).unwrap_err();
    assert_eq!(refused, Refused::Outlived { got: Incarnation(4), newest: Incarnation(5) });
    assert!(rig.flows[1].instance_up(0, TaskId(2), Incarnation(5)).is_ok());
}
