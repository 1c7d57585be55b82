//! Who waits for whom, and how much is held meanwhile.

use crate::rig::{Rig, WINDOW, frame, key};
use egret_flow::{Effect, Flow, Limits, Link};
use egret_topology::id::{Incarnation, PodId, TaskId};
use egret_wire::{header::Kind, preamble::Class};

const LIMIT: usize = 256 << 10;
const MANY: u64 = 100_000;

/// Heron's `test_back_pressure_instance`: a bolt that reads nothing holds its spout back; nothing
/// is lost, and when it reads again everything flows.
#[test]
fn a_bolt_that_reads_nothing_holds_its_spout_back_and_loses_nothing() {
    let mut rig = Rig::new(&[(&[], &[0]), (&[0], &[1])]);
    rig.stalled.insert(1);
    let sent = rig.send(0, 1, 0, MANY, 4000);
    assert!(sent < MANY);
    rig.stalled.clear();
    rig.settle();
    assert_eq!(rig.send(0, 1, sent, 10, 4000), 10);
    assert_eq!(rig.numbers(0, 1), (0..sent + 10).collect::<Vec<_>>());
    assert!(rig.announced.is_empty());
}

#[test]
fn a_stalled_destination_stalls_only_its_own() {
    let mut rig = Rig::new(&[(&[], &[0]), (&[0], &[1, 1]), (&[0], &[1])]);
    rig.stalled.insert(1);
    assert!(rig.send(0, 1, 0, MANY, 4000) < MANY);
    for to in [2, 3] {
        assert_eq!(rig.send(0, to, 0, 5000, 4000), 5000);
        assert_eq!(rig.numbers(0, to).len(), 5000);
    }
}

#[test]
fn acks_pass_a_stalled_data_stream() {
    let mut rig = Rig::new(&[(&[], &[0]), (&[0], &[1]), (&[1], &[0])]);
    rig.stalled.insert(2);
    assert!(rig.send(1, 2, 0, MANY, 4000) < MANY);
    for n in 0..1000 {
        assert!(rig.try_send(frame(Kind::Ack, 1, 0, 1, n, 200)));
    }
    assert_eq!(rig.numbers(1, 0).len(), 1000);
}

#[test]
fn what_is_held_for_a_stalled_task_is_bounded_in_bytes() {
    let mut rig = Rig::new(&[(&[], &[0, 0]), (&[0], &[1])]);
    rig.stalled.insert(2);
    for from in [0, 1] {
        assert!(rig.send(from, 2, 0, MANY, 8000) < MANY);
    }
    let most = LIMIT + 8000;
    assert!(rig.flows[0].queued_bytes() <= 2 * most);
    assert!(rig.flows[1].queued_bytes() <= most + WINDOW);
}

#[test]
fn ack_streams_are_bounded_too() {
    let mut rig = Rig::new(&[(&[], &[0]), (&[0], &[1])]);
    rig.stalled.insert(0);
    let sent = (0..MANY).take_while(|n| rig.try_send(frame(Kind::Ack, 1, 0, 1, *n, 4000)));
    assert!((sent.count() as u64) < MANY);
}

#[test]
fn reconnecting_gains_a_source_no_more_memory() {
    let mut rig = Rig::new(&[(&[], &[0]), (&[0], &[0])]);
    rig.stalled.insert(1);
    for _ in 0..10 {
        rig.send(0, 1, 0, MANY, 8000);
        rig.connect(0, 1);
    }
    assert!(rig.peak <= LIMIT + 2 * 8000, "{}", rig.peak);
}

#[test]
fn a_paused_stream_resumes_once_half_of_its_account_is_free() {
    let mut flow = Flow::new(PodId(0), Incarnation(1), false, Limits::default());
    flow.set_plan(0, crate::rig::plan(1, 1, &[(&[], &[0]), (&[0], &[0])])).unwrap();
    let up = flow.instance_up(0, TaskId(0), Incarnation(1)).unwrap();
    let id = flow.open_in(up.link, key(Class::Data, Some(0), 1)).unwrap();
    for n in 0..64 {
        flow.handle_frame(0, id, frame(Kind::Data, 0, 1, 1, n, 4096)).unwrap();
    }
    assert!(!flow.may_read(id));
    flow.instance_up(0, TaskId(1), Incarnation(1)).unwrap();
    let Some(Effect::Wake(out)) = flow.poll_effect() else { panic!() };
    let mut frames = Vec::new();
    while flow.queued_from(id) > LIMIT / 2 {
        assert!(!flow.may_read(id));
        assert_eq!(flow.poll_effect(), None);
        assert_eq!(flow.poll_transmit(0, out, 1, &mut frames), 4096);
    }
    assert_eq!(flow.poll_effect(), Some(Effect::Resume(id)));
    assert!(flow.may_read(id));
    while flow.poll_transmit(0, out, 65536, &mut frames) > 0 {}
    assert_eq!(flow.poll_effect(), None);
    assert_eq!(frames.len(), 64);
}

/// Heron's `test_spout_death_under_backpressure`: the spout dies while its bolt reads nothing. Its
/// next life is not stuck behind what the last one left.
#[test]
fn a_spout_that_died_under_backpressure_sends_again_in_its_next_life() {
    let mut rig = Rig::new(&[(&[], &[0]), (&[0], &[1])]);
    rig.stalled.insert(1);
    let left = rig.send(0, 1, 0, MANY, 4000);
    rig.disconnect(0);
    rig.connect(0, 2);
    rig.stalled.clear();
    rig.settle();
    for n in 0..100 {
        assert!(rig.try_send(frame(Kind::Data, 0, 1, 2, n, 4000)));
    }
    let numbers: Vec<u64> = (0..left).chain(0..100).collect();
    assert_eq!(rig.numbers(0, 1), numbers);
}

/// Heron's `test_back_pressure_stmgr_reconnect`: a stream manager that goes away while it holds
/// others back must not leave them held back.
#[test]
fn a_peer_that_returns_does_not_leave_its_sources_held_back() {
    let mut rig = Rig::new(&[(&[], &[0]), (&[0], &[1])]);
    rig.stalled.insert(1);
    let sent = rig.send(0, 1, 0, MANY, 4000);
    rig.restart(1, 2);
    rig.connect(1, 2);
    rig.stalled.clear();
    rig.settle();
    assert_eq!(rig.send(0, 1, sent, 100, 4000), 100);
    let read = rig.numbers(0, 1);
    assert_eq!(read.last(), Some(&(sent + 99)));
    assert!(read.is_sorted());
}

#[test]
fn frames_that_wait_survive_a_lost_link_and_frames_written_are_not_repeated() {
    let mut rig = Rig::new(&[(&[], &[0]), (&[0], &[1])]);
    rig.cut(0, 1);
    let sent = rig.send(0, 1, 0, MANY, 4000);
    assert!(sent > 10);
    rig.join(0, 1);
    rig.settle();
    assert_eq!(rig.numbers(0, 1), (0..sent).collect::<Vec<_>>());
    rig.stalled.insert(1);
    rig.send(0, 1, sent, 20, 4000);
    rig.connect(1, 1);
    rig.stalled.clear();
    rig.settle();
    assert_eq!(rig.numbers(0, 1).len() as u64, sent + 20 - (WINDOW as u64).div_ceil(4000));
}

#[test]
fn time_in_backpressure_is_measured_for_the_task_that_causes_it() {
    let mut rig = Rig::new(&[(&[], &[0]), (&[0], &[0, 0])]);
    rig.stalled.insert(1);
    rig.send(0, 1, 0, MANY, 4000);
    rig.send(0, 2, 0, 1000, 4000);
    rig.at(5_000_000_000);
    let stalls: Vec<_> = rig.flows[0].stalls(rig.now).collect();
    let [stall] = &stalls[..] else { panic!("{stalls:?}") };
    assert_eq!(stall.stream.link, Link::Instance(TaskId(1)));
    assert_eq!(stall.for_ns, 5_000_000_000);
    assert!(stall.bytes >= LIMIT);
    rig.stalled.clear();
    rig.settle();
    assert_eq!(rig.flows[0].stalls(rig.now).count(), 0);
    let counts: Vec<_> = rig.flows[0].task_counts().map(|(_, counts)| counts.stalled_ns).collect();
    assert_eq!(counts, [0, 5_000_000_000, 0]);
}
