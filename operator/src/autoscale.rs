//! How many tasks a bolt shall have, by what is measured of it.
//!
//! As in DS2 (Kalavri et al., OSDI 2018) the number follows from the share of the time in which
//! tasks work: `needed = ceil(tasks * worked / target)`. What is needed must have been needed for a
//! whole minute before tasks are added, and for three cool-downs before some are taken away; each
//! time that they had to be added again soon, that takes twice as long. So load that goes up and
//! down ends with as many tasks as its peaks need.
//!
//! Pure: time and counts come in, a [`Decision`] goes out. What must outlive the operator is
//! [`Scaled`], which the record keeps.

pub mod measure;
pub mod ownership;
pub mod read;
mod reason;

pub use reason::Why;

use egret_topology::logical::Autoscale;
use measure::{Counts, HELD_BACK, Means, Measure, Share};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// For how long more tasks must have been needed.
pub const HOLD_MS: u64 = 60_000;
/// For how many cool-downs fewer must have sufficed.
const DOWN_COOLDOWNS: u64 = 3;
/// How often that time doubles at most.
const MOST_PATIENCE: u8 = 6;
/// The longest time, whatever it is made of: load comes back day by day.
const LONGEST_MS: u64 = 12 * 3_600_000;
/// Tasks that were taken away and are needed again within so many times that time are missed: they
/// were not worth what two changes cost.
const MISSED: u64 = 16;
/// Answers that are older say nothing of now.
const STALE_MS: u64 = 15_000;
/// Within this share of the target there are enough tasks, and not too many.
const TOLERANCE: f64 = 0.1;
/// Who waits this much of the time is not short of tasks, but waits for others.
const PASSES_ON: f64 = 0.3;
/// A task that works this much can do no more.
const AT_ITS_LIMIT: f64 = 0.9;
/// Tasks that work no more than this share of what the busiest does have other work than it.
const SKEWED: f64 = 0.7;
/// Roots that may take longer than the target: what a 99th percentile leaves.
const SLOW: f64 = 0.01;

/// How many tasks a component was given. A part of the record: it is written before it is done, and
/// cool-downs go on whoever leads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scaled {
    /// Tasks that it shall have.
    pub tasks: u32,
    /// Since when, in milliseconds since 1970.
    pub at: u64,
    /// There were more before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub down: bool,
    /// How often tasks that were taken away were missed soon after.
    #[serde(default, skip_serializing_if = "is_none_yet")]
    pub patience: u8,
}

fn is_none_yet(count: &u8) -> bool {
    *count == 0
}

impl Scaled {
    /// As many as it has, when nothing is known of how long.
    #[must_use]
    pub fn adopted(tasks: u32, now: u64) -> Scaled {
        Scaled { tasks, at: now, ..Scaled::default() }
    }

    /// What is decided is done.
    #[must_use]
    pub fn with(&self, policy: &Autoscale, decision: &Decision, now: u64) -> Scaled {
        let tasks = decision.wanted;
        let down = tasks < self.tasks;
        let soon = self.patience_ms(policy).saturating_mul(MISSED).min(LONGEST_MS);
        let patience = match (self.down, down) {
            // Load that comes back later than that is followed.
            (true, false) if now.saturating_sub(self.at) >= soon => 0,
            (true, false) => self.patience.saturating_add(1).min(MOST_PATIENCE),
            _ => self.patience,
        };
        Scaled { tasks, at: now, down, patience }
    }

    /// For how long fewer tasks must have sufficed.
    fn patience_ms(&self, policy: &Autoscale) -> u64 {
        let times = DOWN_COOLDOWNS << self.patience.min(MOST_PATIENCE);
        policy.cooldown_ms.saturating_mul(times).min(LONGEST_MS)
    }
}

/// What is decided for a component.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Tasks that it shall have: as many as it has, unless something is to be changed.
    pub wanted: u32,
    /// Why.
    pub why: Why,
}

/// A component that is autoscaled.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its index in the counts.
    pub index: usize,
    /// What it may be given.
    pub policy: &'a Autoscale,
    /// What it was given.
    pub scaled: &'a Scaled,
}

/// What is measured of one topology, and for how long what was needed.
#[derive(Default)]
pub struct Autoscaler {
    measure: Measure,
    means: Option<Means>,
    /// Why nothing can be told, if so.
    unsettled: Option<String>,
    /// By component.
    streaks: BTreeMap<String, Streaks>,
}

/// Since when more or fewer tasks are needed without a break, and how many at least or at most.
#[derive(Clone, Copy, Debug, Default)]
struct Streaks {
    more: Option<(u64, u32)>,
    fewer: Option<(u64, u32)>,
}

/// How many tasks are needed: from the one to the other.
struct Needs {
    more: u32,
    fewer: u32,
    why: Why,
}

impl Autoscaler {
    /// Takes what tasks have done, or why that says nothing now: then everything is forgotten, so
    /// that no decision is made of what is missing.
    pub fn look(&mut self, now: u64, counts: Result<Counts, String>) {
        let last = self.measure.last();
        match counts {
            Ok(counts) if now.saturating_sub(counts.at) > STALE_MS => {
                self.forget("stream managers have not answered lately".to_owned());
            }
            Ok(counts) if last == Some(counts.at) => {}
            Ok(counts) => {
                self.unsettled = None;
                self.measure.take(counts);
                self.means = self.measure.means();
                if self.means.is_none() {
                    self.streaks.clear();
                }
            }
            Err(why) => self.forget(why),
        }
    }

    fn forget(&mut self, why: String) {
        *self = Autoscaler { unsettled: Some(why), ..Autoscaler::default() };
    }

    /// What a component needed is told no more: it was given that.
    pub fn forget_needs(&mut self, name: &str) {
        self.streaks.remove(name);
    }

    /// The share of the time in which the tasks of a component worked, if that is known.
    #[must_use]
    pub fn utilization(&self, index: usize) -> Option<f64> {
        Some(self.means.as_ref()?.shares.get(index)?.worked)
    }

    /// How many tasks a component shall have from now on.
    pub fn decide(&mut self, now: u64, of: &Subject<'_>) -> Decision {
        let (policy, tasks) = (of.policy, of.scaled.tasks);
        let within = tasks.clamp(policy.min, policy.max);
        if within != tasks {
            return Decision { wanted: within, why: Why::OutOfBounds };
        }
        let stay = |why| Decision { wanted: tasks, why };
        if let Some(why) = &self.unsettled {
            return stay(Why::Unsettled(why.clone()));
        }
        let known = self.means.as_ref().zip(self.measure.last());
        let known = known.and_then(|(means, at)| Some((means, at, means.shares.get(of.index)?)));
        let Some((means, at, share)) = known else { return stay(Why::Watching) };
        let needs = needs(of, means, share);
        let streaks = self.streaks.entry(of.name.to_owned()).or_default();
        streaks.take(at, tasks, &needs);
        let age = now.saturating_sub(of.scaled.at);
        let (since, needed, hold, cooldown) = match (streaks.more, streaks.fewer) {
            (Some((since, least)), _) => (since, least, HOLD_MS, policy.cooldown_ms),
            (_, Some((since, most))) => {
                let patience = of.scaled.patience_ms(policy);
                (since, most, patience, patience)
            }
            (None, None) => return stay(needs.why),
        };
        let held = at.saturating_sub(since) >= hold;
        if held && age >= cooldown {
            return Decision { wanted: needed, why: needs.why };
        }
        let why = Box::new(needs.why);
        stay(match held {
            true => Why::Cooling(needed, why, cooldown),
            false => Why::Holding(needed, why, hold),
        })
    }
}

impl Streaks {
    fn take(&mut self, at: u64, tasks: u32, needs: &Needs) {
        self.more = (needs.more > tasks).then(|| match self.more {
            Some((since, least)) => (since, least.min(needs.more)),
            None => (at, needs.more),
        });
        self.fewer = (needs.fewer < tasks && needs.more <= tasks).then(|| match self.fewer {
            Some((since, most)) => (since, most.max(needs.fewer)),
            None => (at, needs.fewer),
        });
    }
}

/// How many tasks are needed by what was measured.
fn needs(of: &Subject<'_>, means: &Means, share: &Share) -> Needs {
    let (policy, tasks) = (of.policy, of.scaled.tasks);
    let target = policy.target_utilization;
    // Who feeds it would send more if it did not wait; how much more is not known, but no more than
    // this, and a step is never more than twice as many.
    let demand = share.worked / (1.0 - share.waited_for.min(0.5));
    let slow = |ms: u64| means.slower_than(ms).is_some_and(|share| share > SLOW);
    let late = policy.latency_ms.is_some_and(slow);
    let nearly_late = policy.latency_ms.is_some_and(|ms| slow(ms / 2));
    let figures = reason::Figures { worked: share.worked, waited_for: share.waited_for };
    let enough = |why| Needs { more: tasks, fewer: tasks, why };
    if share.held >= PASSES_ON {
        return enough(Why::WaitsItself);
    }
    let alone = share.hottest >= AT_ITS_LIMIT && share.worked <= SKEWED * share.hottest;
    if alone && share.waited_for >= HELD_BACK {
        return enough(Why::Skewed(figures));
    }
    let mut why = Why::Load(figures);
    let mut more = match demand > target * (1.0 + TOLERANCE) {
        true => whole(f64::from(tasks) * demand / target),
        false => tasks,
    };
    if late && more == tasks && means.busiest == Some(of.index) && share.worked >= target / 2.0 {
        (more, why) = (tasks.saturating_add(1), Why::Late(figures));
    }
    if more > tasks && tasks == policy.max {
        return enough(Why::AtMost(Box::new(why)));
    }
    let more = more.min(tasks.saturating_mul(2)).clamp(tasks, policy.max.max(tasks));
    // While something is held back there is less to do than there might be.
    if means.throttled || nearly_late || late {
        return Needs { more, fewer: tasks, why };
    }
    let fewer = whole(f64::from(tasks) * share.worked / (target * (1.0 - TOLERANCE)));
    let least = tasks.div_ceil(2).max(policy.min);
    Needs { more, fewer: fewer.clamp(least.min(tasks), tasks), why }
}

/// As many whole tasks as that takes.
fn whole(tasks: f64) -> u32 {
    // What is a whole number shall not become the next one.
    (tasks - 1e-9).ceil().max(1.0) as u32
}

#[cfg(test)]
mod tests;
