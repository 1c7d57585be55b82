//! The ack tracker, with 10,000 roots pending.

use crate::WORDS;
use divan::{Bencher, counter::ItemsCount};
use egret_core::tracker::{Root, Tracker};

const PENDING: u64 = 10_000;
const TIMEOUT: u64 = 30_000_000_000;

/// Each root is acked by one tuple, `distance` roots after it was registered.
fn register_and_ack(bencher: Bencher<'_, '_>, distance: impl Fn(u64) -> u64) {
    let mut tracker = Tracker::new(PENDING as usize, TIMEOUT);
    let root = |seq: u64| Root { xor: seq | 1, since: 0 };
    for seq in 0..PENDING {
        tracker.register(0, seq, root(seq));
    }
    let mut next = PENDING;
    bencher.counter(ItemsCount::new(WORDS)).bench_local(|| {
        for _ in 0..WORDS {
            tracker.register(0, next, root(next));
            let done = next - distance(next);
            divan::black_box(tracker.ack(done, done | 1));
            next += 1;
        }
    });
}

#[divan::bench]
fn in_order(bencher: Bencher<'_, '_>) {
    register_and_ack(bencher, |_| PENDING);
}

/// As from several tasks: eight neighbours in another order.
#[divan::bench]
fn out_of_order(bencher: Bencher<'_, '_>) {
    register_and_ack(bencher, |seq| PENDING - 7 + 2 * (seq % 8));
}
