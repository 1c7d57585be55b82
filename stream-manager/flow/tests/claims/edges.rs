//! What passes over an edge is counted once at each of its ends.

use crate::rig::{Rig, plan};
use egret_flow::Flow;
use std::collections::BTreeMap;

/// Tuples by edge, of the ends that send or of those that receive.
fn tuples(flows: &[Flow], sends: bool) -> BTreeMap<(String, String), u64> {
    let mut sums = BTreeMap::<_, u64>::new();
    for (end, counts) in flows.iter().flat_map(Flow::edge_counts) {
        if end.sends == sends {
            *sums.entry((end.from.clone(), end.to.clone())).or_default() += counts.entries;
        }
    }
    sums
}

fn edge(from: &str, to: &str) -> (String, String) {
    (from.to_owned(), to.to_owned())
}

#[test]
fn both_ends_of_an_edge_count_the_same_wherever_its_tasks_are() {
    let mut rig = Rig::new(&[(&[], &[0, 1]), (&[0], &[0, 1]), (&[0, 1], &[1])]);
    rig.send(0, 2, 0, 5, 100);
    rig.send(0, 3, 0, 7, 100);
    rig.send(1, 2, 0, 11, 100);
    rig.send(0, 4, 0, 13, 100);
    rig.send(3, 4, 0, 17, 100);
    let expected =
        BTreeMap::from([(edge("c0", "c1"), 23), (edge("c0", "c2"), 13), (edge("c1", "c2"), 17)]);
    assert_eq!(tuples(&rig.flows, true), expected);
    assert_eq!(tuples(&rig.flows, false), expected);
    let received = rig.flows[1].edge_counts().filter(|(end, _)| !end.sends);
    let bytes: u64 = received.map(|(_, counts)| counts.bytes).sum();
    assert_eq!(bytes, 100 * (7 + 13 + 17));
}

#[test]
fn counts_stay_when_a_plan_drops_their_tasks() {
    let mut rig = Rig::new(&[(&[], &[0, 0]), (&[0], &[0, 0])]);
    rig.send(1, 3, 0, 9, 100);
    rig.flows[0].set_plan(1, plan(2, 2, &[(&[], &[0]), (&[0], &[0])])).unwrap();
    let expected = BTreeMap::from([(edge("c0", "c1"), 9)]);
    assert_eq!(tuples(&rig.flows, true), expected);
    assert_eq!(tuples(&rig.flows, false), expected);
}
