//! Every frame reaches its task, once, in order.

use crate::rig::{Rig, frame, key};
use egret_flow::{Flow, Limits};
use egret_topology::id::{Incarnation, PodId, TaskId};
use egret_wire::{header::Kind, preamble::Class};
use proptest::prelude::*;

/// Heron's `test_tuple_route`: spouts and bolts in several pods, every spout task to every bolt
/// task.
#[test]
fn every_frame_reaches_its_task_in_whatever_pod() {
    let mut rig = Rig::new(&[(&[], &[0, 1, 2, 3]), (&[0], &[0, 1, 2, 3, 0, 1])]);
    for from in 0..4 {
        for to in 4..10 {
            assert_eq!(rig.send(from, to, 0, 50, 1000), 50);
        }
    }
    for to in 4..10 {
        assert_eq!(rig.delivered[&to].len(), 200);
        for from in 0..4 {
            assert_eq!(rig.numbers(from, to), (0..50).collect::<Vec<_>>());
        }
    }
}

#[test]
fn acks_reach_the_spout_from_any_pod_and_any_distance() {
    let mut rig = Rig::new(&[(&[], &[0]), (&[0], &[1]), (&[1], &[2])]);
    for from in [1, 2] {
        assert!(rig.try_send(frame(Kind::Ack, from, 0, 1, 0, 100)));
    }
    assert_eq!(rig.delivered[&0].len(), 2);
}

#[test]
fn end_marks_and_flushes_keep_their_place_behind_data() {
    let mut rig = Rig::new(&[(&[], &[0]), (&[0], &[1])]);
    rig.stalled.insert(1);
    rig.send(0, 1, 0, 3, 1000);
    for kind in [Kind::Flush, Kind::End] {
        assert!(rig.try_send(frame(kind, 0, 1, 1, 0, 48)));
    }
    rig.stalled.clear();
    rig.settle();
    let kinds: Vec<Kind> = rig.delivered[&1].iter().map(|header| header.kind).collect();
    assert_eq!(kinds, [Kind::Data, Kind::Data, Kind::Data, Kind::Flush, Kind::End]);
}

#[test]
fn sources_that_share_a_stream_get_equal_shares_of_its_bytes() {
    let mut flow = Flow::new(PodId(0), Incarnation(1), false, Limits::default());
    flow.set_plan(0, crate::rig::plan(1, 1, &[(&[], &[0, 0]), (&[0], &[1])])).unwrap();
    let sizes = [4000, 30_000];
    for (source, size) in sizes.into_iter().enumerate() {
        let source = source as u32;
        let up = flow.instance_up(0, TaskId(source), Incarnation(1)).unwrap();
        let id = flow.open_in(up.link, key(Class::Data, Some(source), 2)).unwrap();
        for n in 0.. {
            if !flow.may_read(id) {
                break;
            }
            flow.handle_frame(0, id, frame(Kind::Data, source, 2, 1, n, size)).unwrap();
        }
    }
    flow.peer_up(0, PodId(1), Incarnation(1), 0).unwrap();
    let Some(egret_flow::Effect::Wake(out)) = flow.poll_effect() else { panic!() };
    let mut frames = Vec::new();
    flow.poll_transmit(0, out, 300_000, &mut frames);
    let share = |source| -> usize {
        let from = frames.iter().filter(|frame| frame.header.source == TaskId(source));
        from.map(egret_wire::cut::Frame::len).sum()
    };
    let (small, large) = (share(0), share(1));
    assert!(small.abs_diff(large) <= 2 * egret_flow::limits::QUANTUM, "{small} {large}");
}

#[test]
fn a_frame_longer_than_a_write_goes_alone() {
    let mut rig = Rig::new(&[(&[], &[0]), (&[0], &[0])]);
    assert!(rig.try_send(frame(Kind::Data, 0, 1, 1, 0, 1 << 20)));
    assert_eq!(rig.numbers(0, 1), [0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever is sent while whoever stalls: order per source and destination, nothing twice,
    /// nothing left when all read again.
    #[test]
    fn order_holds_per_source_and_destination_whoever_stalls(
        steps in prop::collection::vec((0u8..4, 0u32..3, 3u32..6, 48usize..40_000), 1..400)
    ) {
        let mut rig = Rig::new(&[(&[], &[0, 1, 0]), (&[0], &[0, 1, 2])]);
        let mut sent = std::collections::BTreeMap::<(u32, u32), u64>::new();
        for (step, from, to, size) in steps {
            match step {
                0 => { rig.stalled.insert(to); }
                1 => { rig.stalled.remove(&to); rig.settle(); }
                _ => {
                    let next = sent.entry((from, to)).or_default();
                    *next += rig.send(from, to, *next, 3, size);
                }
            }
        }
        rig.stalled.clear();
        rig.settle();
        for ((from, to), n) in sent {
            prop_assert_eq!(rig.numbers(from, to), (0..n).collect::<Vec<_>>());
        }
        prop_assert!(rig.flows.iter().all(|flow| flow.queued_bytes() == 0));
        prop_assert!(rig.announced.is_empty());
    }
}
