//! Newer plans, and frames made under older ones.

use crate::rig::{Rig, frame, key, plan};
use egret_flow::{Discard, Effect, Flow, Limits, PlanRefused, Refused, Violation};
use egret_topology::{
    id::{Epoch, Incarnation, PodId, TaskId},
    plan::PlanIndex,
};
use egret_wire::{control::LossScope, header::Kind, preamble::Class};

const LINE: &[(&[usize], &[u32])] = &[(&[], &[0]), (&[0], &[0])];

fn flow() -> Flow {
    let mut flow = Flow::new(PodId(0), Incarnation(1), false, Limits::default());
    assert_eq!(flow.set_plan(0, plan(1, 1, LINE)), Ok(true));
    flow
}

#[test]
fn only_a_greater_revision_is_taken_over() {
    let mut flow = flow();
    assert_eq!(flow.set_plan(0, plan(1, 9, LINE)), Ok(false));
    assert_eq!(flow.set_plan(0, plan(2, 1, LINE)), Ok(true));
    assert_eq!(flow.plan().unwrap().plan().revision, 2);
}

#[test]
fn a_plan_that_cannot_be_ours_is_refused() {
    let mut flow = flow();
    let mut other = plan(5, 5, LINE).plan().clone();
    other.uid = "other".into();
    let refused = flow.set_plan(0, PlanIndex::new(other).unwrap());
    assert!(matches!(refused, Err(PlanRefused::OtherTopology { .. })));
    let refused = flow.set_plan(0, plan(5, 0, LINE));
    assert_eq!(refused, Err(PlanRefused::EpochFalls { got: Epoch(0), ours: Epoch(1) }));
    let mut far = Flow::new(PodId(7), Incarnation(1), false, Limits::default());
    assert_eq!(far.set_plan(0, plan(1, 1, LINE)), Err(PlanRefused::NoSuchPod(PodId(7))));
}

#[test]
fn nobody_is_let_in_before_there_is_a_plan() {
    let mut flow = Flow::new(PodId(0), Incarnation(1), false, Limits::default());
    assert_eq!(flow.instance_up(0, TaskId(0), Incarnation(1)), Err(Refused::NoPlan));
    assert_eq!(flow.peer_up(0, PodId(1), Incarnation(1), 0), Err(Refused::NoPlan));
}

#[test]
fn no_frame_of_another_epoch_is_delivered_and_its_loss_is_told() {
    let mut rig = Rig::new(LINE);
    rig.stalled.insert(1);
    let waiting = rig.send(0, 1, 0, 100, 4000);
    let written = crate::rig::WINDOW.div_ceil(4000) as u64;
    let now = rig.now;
    rig.flows[0].set_plan(now, plan(2, 2, LINE)).unwrap();
    assert_eq!(rig.flows[0].queued_bytes(), 0);
    for n in 0..3 {
        let late = frame(Kind::Data, 0, 1, 1, n, 100);
        rig.handle(0, key(Class::Data, Some(0), 1), late).unwrap();
    }
    rig.stalled.clear();
    rig.settle();
    assert_eq!(rig.flows[0].discards().of(Discard::Epoch), waiting - written + 3);
    assert_eq!(rig.announced, [(0, LossScope::Task { task: TaskId(1) })]);
    assert_eq!(rig.delivered[&1].len() as u64, written);
    let mut fresh = frame(Kind::Data, 0, 1, 1, 7, 100);
    fresh.header.epoch = Epoch(2);
    rig.handle(0, key(Class::Data, Some(0), 1), fresh).unwrap();
    assert_eq!(rig.numbers(0, 1).last(), Some(&7));
}

#[test]
fn a_plan_of_the_same_epoch_disturbs_nothing_that_waits() {
    let mut rig = Rig::new(LINE);
    rig.stalled.insert(1);
    let sent = rig.send(0, 1, 0, 1000, 4000);
    rig.flows[0].set_plan(0, plan(2, 1, LINE)).unwrap();
    rig.stalled.clear();
    rig.settle();
    let more = rig.send(0, 1, sent, 10, 4000);
    assert_eq!(rig.numbers(0, 1), (0..sent + more).collect::<Vec<_>>());
}

#[test]
fn what_waits_for_a_task_that_moved_is_discarded_and_announced() {
    let mut flow = flow();
    flow.set_plan(0, plan(2, 1, &[(&[], &[0, 1]), (&[0], &[0])])).unwrap();
    let up = flow.instance_up(0, TaskId(0), Incarnation(1)).unwrap();
    let id = flow.open_in(up.link, key(Class::Data, Some(0), 2)).unwrap();
    flow.handle_frame(0, id, frame(Kind::Data, 0, 2, 1, 0, 100)).unwrap();
    flow.set_plan(0, plan(3, 1, &[(&[], &[0, 1]), (&[0], &[1])])).unwrap();
    assert_eq!(flow.discards().of(Discard::Moved), 1);
    assert_eq!((flow.queued_bytes(), flow.queued_from(id)), (0, 0));
    let effects: Vec<Effect> = std::iter::from_fn(|| flow.poll_effect()).collect();
    let scope = LossScope::Task { task: TaskId(2) };
    assert!(effects.contains(&Effect::Announce { number: 1, scope }));
    assert!(effects.contains(&Effect::TellInstance { task: TaskId(0), scope }));
    flow.handle_frame(0, id, frame(Kind::Data, 0, 2, 1, 1, 100)).unwrap();
    flow.peer_up(0, PodId(1), Incarnation(1), 0).unwrap();
    assert!(matches!(flow.poll_effect(), Some(Effect::Wake(_))));
}

#[test]
fn a_handle_of_an_earlier_life_has_no_effect() {
    let mut flow = flow();
    let up = flow.instance_up(0, TaskId(0), Incarnation(1)).unwrap();
    let id = flow.open_in(up.link, key(Class::Data, Some(0), 1)).unwrap();
    flow.link_down(0, up.link);
    let again = flow.instance_up(0, TaskId(0), Incarnation(1)).unwrap();
    let new = flow.open_in(again.link, key(Class::Data, Some(0), 1)).unwrap();
    let late = frame(Kind::Data, 0, 1, 1, 0, 100);
    assert_eq!(flow.handle_frame(0, id, late), Err(Violation::Closed));
    assert!(!flow.may_read(id) && flow.may_read(new));
    flow.close_in(id);
    assert!(flow.may_read(new));
}
