//! Load that rises and falls again and again never makes the number of tasks do the same for long.

use super::{Chance, HOUR, MINUTE, Model, STEP_MS, policy};
use std::{collections::BTreeMap, sync::OnceLock};

/// A day of load that rises from a tenth to all of its peak and then falls at once.
fn day(period: u64, phase: u64, peak: f64, seed: u64) -> Model {
    let mut chance = Chance(seed);
    let mut model = Model::new(policy(), 1);
    let began = model.now;
    while model.now < began + 24 * HOUR {
        let at = (model.now - began + phase) % period;
        let rises = 0.1 + 0.9 * at as f64 / period as f64;
        model.step(peak * rises * (1.0 + 0.05 * chance.next()));
    }
    model
}

/// Periods of a sawtooth, in milliseconds: from one look to hours.
const PERIODS: [u64; 10] = [
    2 * STEP_MS,
    MINUTE / 2,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    20 * MINUTE,
    40 * MINUTE,
    HOUR,
    2 * HOUR,
];

/// A day, and what made it.
struct Day {
    period: u64,
    phase: u64,
    peak: f64,
    seed: u64,
    model: Model,
}

/// Days of all periods, with several phases and peaks, lived once for all tests.
fn days() -> &'static [Day] {
    static DAYS: OnceLock<Vec<Day>> = OnceLock::new();
    DAYS.get_or_init(|| {
        let mut days = Vec::new();
        for (n, period) in PERIODS.into_iter().enumerate() {
            for part in 0..4 {
                for peak in [0.6, 2.0, 5.0] {
                    let (phase, seed) = (period * part / 4, n as u64 * 100 + part);
                    let model = day(period, phase, peak, seed);
                    days.push(Day { period, phase, peak, seed, model });
                }
            }
        }
        days
    })
}

fn each(check: impl Fn(&str, u64, u64, &Model)) {
    for Day { period, phase, peak, seed, model } in days() {
        let (every, from, changes) = (period / 1000, phase / 1000, &model.changes);
        let what =
            format!("period {every} s, phase {from} s, peak {peak}, seed {seed}: {changes:?}");
        check(&what, *period, *phase, model);
    }
}

/// How often the number turned from more to fewer, or from fewer to more.
fn turns(changes: &[(u64, u32, u32)]) -> usize {
    let ups: Vec<bool> = changes.iter().map(|(_, from, to)| to > from).collect();
    ups.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

#[test]
fn a_sawtooth_makes_few_changes_in_a_day_and_none_in_the_end() {
    each(|what, period, _, model| {
        // Tasks that are missed again and again stay: each time the patience doubles.
        assert!(turns(&model.changes) <= 8, "{what}");
        assert!(model.changes.len() <= 24, "{what}");
        if period <= HOUR {
            let late = model.changes.iter().filter(|(at, ..)| *at > model.now - 12 * HOUR);
            assert_eq!(late.count(), 0, "{what}");
        }
    });
}

#[test]
fn within_a_period_there_is_no_up_and_down_and_up() {
    each(|what, period, phase, model| {
        let began = model.now - 24 * HOUR;
        let mut within = BTreeMap::<u64, Vec<_>>::new();
        for change in &model.changes {
            // What is decided right after the peak is decided of the peak.
            let tooth = (change.0 - began + phase).saturating_sub(MINUTE / 2) / period;
            within.entry(tooth).or_default().push(*change);
        }
        for changes in within.values() {
            assert!(turns(changes) <= 1, "{what}");
        }
    });
}

#[test]
fn what_rises_and_falls_within_minutes_never_costs_a_task_that_its_peaks_need() {
    each(|what, period, _, model| {
        if period <= 10 * MINUTE {
            assert_eq!(turns(&model.changes), 0, "{what}");
        }
    });
}
