//! Every seed keeps every invariant, and repeats itself exactly.

use egret_sim::{Invariant, Options};

/// A hundred seeds, in parts that run beside each other.
fn hold(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let outcome = egret_sim::run(seed);
        let repeat = format!("cargo run --release -p egret-sim -- --seed {seed} --verbose");
        assert_eq!(outcome.violation, None, "seed {seed}; repeat: {repeat}");
    }
}

#[test]
fn seeds_below_25_keep_every_invariant() {
    hold(0..25);
}

#[test]
fn seeds_from_25_keep_every_invariant() {
    hold(25..50);
}

#[test]
fn seeds_from_50_keep_every_invariant() {
    hold(50..75);
}

#[test]
fn seeds_from_75_keep_every_invariant() {
    hold(75..100);
}

#[test]
fn a_seed_repeats_itself_to_the_last_event() {
    for seed in 1000..1005 {
        let mut first = egret_sim::run(seed);
        first.compare(&egret_sim::run(seed));
        assert_eq!(first.violation, None, "seed {seed}");
    }
}

#[test]
fn two_runs_that_differ_are_noticed() {
    let mut first = egret_sim::run(0);
    first.compare(&egret_sim::run(1));
    assert!(first.violation.is_some_and(|found| found.invariant == Invariant::SameTrace));
}

#[test]
fn seeds_differ() {
    let mut digests: Vec<u64> = (0..10).map(|seed| egret_sim::run(seed).digest).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 10);
}

#[test]
fn a_stalled_consumer_holds_back_nobody_else() {
    for seed in 0..3 {
        let outcome = egret_sim::run_with(seed, Options { stall: true, ..Options::default() });
        assert_eq!(outcome.violation, None, "seed {seed}");
    }
}
