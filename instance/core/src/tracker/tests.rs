//! What the ack tracker promises, the facts of Heron's xor-manager tests among it.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const TIMEOUT: u64 = 30;

/// Registers a root; its latency counts from now.
fn register(tracker: &mut Tracker, now: u64, seq: u64, xor: u64) -> bool {
    tracker.register(now, seq, Root { xor, since: now })
}

fn expire(tracker: &mut Tracker, now: u64) -> Vec<u64> {
    std::iter::from_fn(|| tracker.expire(now)).collect()
}

fn tracker(pending: usize) -> Tracker {
    Tracker::new(pending, TIMEOUT)
}

#[test]
fn a_tree_is_complete_when_every_edge_was_acked_in_any_order() {
    let mut tracker = tracker(10);
    assert!(!register(&mut tracker, 7, 0, 0b1 ^ 0b10));
    assert_eq!(tracker.ack(0, 0b10), None);
    // A bolt acks its input and adds two outputs at once.
    assert_eq!(tracker.ack(0, 0b1 ^ 0b100 ^ 0b1000), None);
    assert_eq!(tracker.ack(0, 0b1000), None);
    assert_eq!(tracker.ack(0, 0b100), Some(7));
    assert_eq!(tracker.pending(), 0);
}

#[test]
fn a_root_without_destination_is_complete_at_once() {
    let mut tracker = tracker(10);
    assert!(register(&mut tracker, 0, 0, 0));
    assert_eq!(tracker.pending(), 0);
}

#[test]
fn acks_of_unknown_and_of_finished_roots_are_ignored() {
    let mut tracker = tracker(10);
    assert_eq!(tracker.ack(5, 1), None);
    register(&mut tracker, 0, 5, 7);
    assert!(tracker.ack(5, 7).is_some());
    assert_eq!(tracker.ack(5, 7), None);
    assert!(!tracker.remove(5));
}

#[test]
fn a_root_times_out_exactly_then_and_once() {
    let mut tracker = tracker(10);
    register(&mut tracker, 100, 0, 1);
    register(&mut tracker, 101, 1, 1);
    assert_eq!(tracker.next_timeout(), Some(130));
    assert!(expire(&mut tracker, 129).is_empty());
    assert_eq!(expire(&mut tracker, 130), [0]);
    assert_eq!(expire(&mut tracker, 1000), [1]);
    assert_eq!(tracker.next_timeout(), None);
    assert_eq!(tracker.ack(0, 1), None, "a late ack is ignored");
}

#[test]
fn a_reset_starts_the_timeout_anew() {
    let mut tracker = tracker(10);
    register(&mut tracker, 0, 0, 1);
    register(&mut tracker, 1, 1, 1);
    tracker.reset(20, 0);
    assert_eq!(expire(&mut tracker, 40), [1]);
    assert_eq!(tracker.next_timeout(), Some(50));
    assert!(tracker.ack(0, 1).is_some());
    assert_eq!(tracker.next_timeout(), None);
}

#[test]
fn one_slow_tree_stops_nothing_and_keeps_its_deadline() {
    let mut tracker = tracker(4);
    register(&mut tracker, 0, 0, 9);
    for seq in 1..1_000_000 {
        register(&mut tracker, seq, seq, 1);
        assert!(tracker.ack(seq, 1).is_some());
    }
    assert_eq!((tracker.pending(), tracker.next_timeout()), (1, Some(TIMEOUT)));
    assert!(tracker.ack(0, 9).is_some());
}

#[test]
fn draining_takes_out_everything_in_order() {
    let mut tracker = tracker(10);
    for seq in 0..5000 {
        register(&mut tracker, 0, seq, 1);
    }
    tracker.reset(1, 7);
    tracker.ack(8, 1);
    let drained = tracker.drain();
    assert_eq!(drained.len(), 4999);
    assert!(drained.is_sorted());
    assert_eq!((tracker.pending(), tracker.next_timeout()), (0, None));
}

proptest! {
    /// Against a plain map: the same roots complete, expire and stay, whatever happens in what
    /// order.
    #[test]
    fn it_agrees_with_a_plain_map(ops in prop::collection::vec((0u8..6, any::<u16>()), 1..3000)) {
        let mut tracker = Tracker::new(16, TIMEOUT);
        let mut model: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        let (mut now, mut next) = (0, 0);
        for (op, arg) in ops {
            let seq = next - u64::from(arg) % (next + 1).min(2000);
            match op {
                0..=2 => {
                    let xor = u64::from(arg % 4);
                    let done = register(&mut tracker, now, next, xor);
                    prop_assert_eq!(done, xor == 0);
                    if !done {
                        model.insert(next, (xor, now + TIMEOUT));
                    }
                    next += 1;
                }
                3 => {
                    let xor = u64::from(arg % 4);
                    let complete = model.get_mut(&seq).is_some_and(|entry| {
                        entry.0 ^= xor;
                        entry.0 == 0
                    });
                    if complete {
                        model.remove(&seq);
                    }
                    prop_assert_eq!(tracker.ack(seq, xor).is_some(), complete);
                }
                4 => {
                    if let Some(entry) = model.get_mut(&seq) {
                        entry.1 = now + TIMEOUT;
                    }
                    tracker.reset(now, seq);
                }
                _ => {
                    now += u64::from(arg % 8);
                    let mut seqs = expire(&mut tracker, now);
                    seqs.sort_unstable();
                    let due: Vec<u64> =
                        model.iter().filter(|(_, e)| e.1 <= now).map(|(s, _)| *s).collect();
                    model.retain(|_, entry| entry.1 > now);
                    prop_assert_eq!(seqs, due);
                }
            }
            prop_assert_eq!(tracker.pending(), model.len());
            prop_assert_eq!(tracker.next_timeout(), model.values().map(|entry| entry.1).min());
        }
        for (seq, (xor, _)) in &model {
            prop_assert_eq!(tracker.xor_of(*seq), Some(*xor));
        }
    }
}
