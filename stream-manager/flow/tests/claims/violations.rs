//! Who breaks a rule is refused, and nothing else changes.

use crate::rig::{Rig, frame, key};
use egret_flow::{Link, Violation};
use egret_topology::id::{Incarnation, PodId, TaskId};
use egret_wire::{
    header::Kind,
    preamble::Class::{self, Ack, Data},
};
use proptest::prelude::*;

/// Spouts 0 (pod 0) and 1 (pod 1), bolts 2 (pod 0) and 3 (pod 1), and 4 (pod 1) behind 3's
/// component.
fn rig() -> Rig {
    Rig::new(&[(&[], &[0, 1]), (&[0], &[0, 1]), (&[1], &[1])])
}

#[test]
fn a_forged_source_is_refused_from_an_instance() {
    let mut rig = rig();
    let link = rig.link(0, Link::Instance(TaskId(0)));
    let refused = rig.flows[0].open_in(link, key(Data, Some(1), 2));
    assert_eq!(refused, Err(Violation::ForeignSource(TaskId(1))));
    let forged = frame(Kind::Data, 1, 2, 1, 0, 100);
    let refused = rig.handle(0, key(Data, Some(0), 2), forged);
    assert_eq!(refused, Err(Violation::ForeignSource(TaskId(1))));
    assert!(rig.delivered.is_empty());
}

#[test]
fn a_forged_source_is_refused_from_a_peer() {
    let mut rig = rig();
    let link = rig.link(0, Link::Peer(PodId(1)));
    let id = rig.flows[0].open_in(link, key(Data, None, 2)).unwrap();
    let refused = rig.flows[0].handle_frame(0, id, frame(Kind::Data, 0, 2, 1, 0, 100));
    assert_eq!(refused, Err(Violation::ForeignSource(TaskId(0))));
    let refused = rig.flows[0].handle_frame(0, id, frame(Kind::Data, 77, 2, 1, 0, 100));
    assert_eq!(refused, Err(Violation::UnknownTask(TaskId(77))));
}

#[test]
fn another_life_than_the_one_that_registered_is_refused() {
    let mut rig = rig();
    for life in [0, 2] {
        let refused = rig.handle(0, key(Data, Some(0), 2), frame(Kind::Data, 0, 2, life, 0, 99));
        let (got, registered) = (Incarnation(life), Incarnation(1));
        assert_eq!(refused, Err(Violation::ForeignIncarnation { got, registered }));
    }
}

#[test]
fn acks_and_data_keep_to_their_own_streams() {
    let mut rig = rig();
    let refused = rig.handle(0, key(Data, Some(0), 2), frame(Kind::Ack, 0, 2, 1, 0, 100));
    assert_eq!(refused, Err(Violation::WrongClass { kind: Kind::Ack, class: Data }));
    let refused = rig.handle(2, key(Ack, Some(2), 0), frame(Kind::End, 2, 0, 1, 0, 48));
    assert_eq!(refused, Err(Violation::WrongClass { kind: Kind::End, class: Ack }));
}

#[test]
fn nothing_flows_where_the_plan_has_no_edge() {
    let mut rig = rig();
    let link = rig.link(0, Link::Instance(TaskId(0)));
    let no_edge = |class, to| Err(Violation::NoEdge { from: TaskId(0), to: TaskId(to), class });
    let mut open = |class, to| rig.flows[0].open_in(link, key(class, Some(0), to));
    assert_eq!(open(Data, 4), no_edge(Data, 4));
    assert_eq!(open(Data, 1), no_edge(Data, 1));
    assert_eq!(open(Ack, 2), no_edge(Ack, 2));
    assert_eq!(open(Data, 99), Err(Violation::UnknownTask(TaskId(99))));
}

#[test]
fn a_peer_may_send_only_to_tasks_of_this_pod() {
    let mut rig = rig();
    let link = rig.link(0, Link::Peer(PodId(1)));
    let mut open = |source, dest| rig.flows[0].open_in(link, key(Data, source, dest));
    assert_eq!(open(None, 3), Err(Violation::ForeignDest(TaskId(3))));
    assert_eq!(open(None, 99), Err(Violation::UnknownTask(TaskId(99))));
    assert_eq!(open(Some(1), 2), Err(Violation::WrongKey));
}

#[test]
fn a_stream_is_opened_once() {
    let mut rig = rig();
    let link = rig.link(0, Link::Instance(TaskId(0)));
    let id = rig.flows[0].open_in(link, key(Data, Some(0), 2)).unwrap();
    let again = rig.flows[0].open_in(link, key(Data, Some(0), 2));
    assert_eq!(again, Err(Violation::Duplicate));
    rig.flows[0].close_in(id);
    assert!(rig.flows[0].open_in(link, key(Data, Some(0), 2)).is_ok());
}

proptest! {
    /// Nothing that an instance or peer can put into a preamble or header reaches a task that the
    /// plan does not let it reach, or makes the flow panic.
    #[test]
    fn hostile_streams_and_headers_reach_nobody_else(
        tries in prop::collection::vec(
            (any::<bool>(), any::<bool>(), prop::option::of(0u32..7), 0u32..7, 0u8..4, 0u32..7,
             0u32..7, 0u64..4, 0u32..3), 1..60)
    ) {
        let mut rig = rig();
        for (peer, ack, source, dest, kind, from, to, life, epoch) in tries {
            let link = if peer { Link::Peer(PodId(1)) } else { Link::Instance(TaskId(0)) };
            let link = rig.link(0, link);
            let class = if ack { Class::Ack } else { Class::Data };
            let kind = [Kind::Data, Kind::Ack, Kind::End, Kind::Flush][usize::from(kind)];
            let mut frame = frame(kind, from, to, life, 0, 48);
            frame.header.epoch.0 = epoch;
            if let Ok(id) = rig.flows[0].open_in(link, key(class, source, dest)) {
                let _ = rig.flows[0].handle_frame(0, id, frame);
                rig.flows[0].close_in(id);
            }
            rig.settle();
        }
        for (task, headers) in &rig.delivered {
            for header in headers {
                prop_assert_eq!(header.dest, TaskId(*task));
                prop_assert_eq!(header.epoch.0, 1);
                let pod = rig.pod(header.source.0);
                prop_assert!(header.source == TaskId(0) || pod == 1);
            }
        }
    }
}
