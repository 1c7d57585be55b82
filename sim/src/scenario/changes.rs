//! Draws what users and clusters change while a topology runs, and what becomes of the operator
//! meanwhile.

use super::{MS, SECOND};
use crate::rng::Rng;
use egret_topology::{id::PodId, plan::PhysicalPlan};

/// Something that is done on purpose, or that happens to the operator while it does it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Change {
    /// Components get another config, another image, or both; so many tasks at once. A broken
    /// version ends as soon as it starts.
    Roll { components: Vec<usize>, config: bool, image: bool, broken: bool, at_once: u32 },
    /// A pod is asked to end, and killed after its grace period.
    Leave { pod: PodId, grace: u64 },
    /// Stream managers get another image, pod by pod.
    Upgrade,
    /// The operator dies, and another begins after a while.
    OperatorDown { when: When, lasts: u64 },
    /// Nothing passes between the operator and a pod.
    OperatorParted { pod: PodId, lasts: u64 },
}

/// When the operator dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum When {
    Now,
    /// It has recorded that spouts shall hold back, and has told nobody.
    Recorded,
    /// It has pushed a plan with spouts that hold back.
    Pushed,
}

/// How much goes wrong besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Besides {
    /// Nothing: what is planned must lose nothing.
    Nothing,
    /// The operator dies, or is parted from a pod.
    Operator,
    /// All that a seed draws.
    All,
}

/// Tasks of one rolling change, at most: each takes seconds.
const MOST_TASKS: usize = 4;

/// What is changed, and what goes wrong besides; nothing in most seeds.
pub(super) fn draw(
    rng: &mut Rng,
    plan: &PhysicalPlan,
    heals_at: u64,
    hasty: bool,
) -> Option<(Besides, Vec<(u64, Change)>)> {
    if !rng.chance(350) {
        return None;
    }
    let besides = match rng.weighted(&[45, 25, 30]) {
        0 if !hasty => Besides::Nothing,
        1 if !hasty => Besides::Operator,
        _ => Besides::All,
    };
    let mut changes = Vec::new();
    for _ in 0..1 + rng.weighted(&[6, 3, 1]) {
        // Later than tasks have started: who has just begun is replaced without ado.
        let at = rng.between(700, heals_at / MS * 7 / 10) * MS;
        changes.push((at, one(rng, plan, besides)));
        if besides == Besides::Operator || besides == Besides::All && rng.chance(300) {
            changes.push((at + rng.below(2000) * MS, of_operator(rng, plan)));
        }
    }
    changes.sort_by_key(|(at, _)| *at);
    Some((besides, changes))
}

fn one(rng: &mut Rng, plan: &PhysicalPlan, besides: Besides) -> Change {
    let pods = plan.pods.len() as u64;
    match rng.weighted(&[4, 4, 3]) {
        0 => {
            let tasks = |at: usize| plan.tasks.iter().filter(|task| task.component == at).count();
            let mut components = vec![rng.below(plan.components.len() as u64) as usize];
            let other = rng.below(plan.components.len() as u64) as usize;
            if other != components[0] && tasks(components[0]) + tasks(other) <= MOST_TASKS {
                components.push(other);
            }
            let (config, image) = rng.pick(&[(true, false), (false, true), (true, true)]);
            let broken = besides != Besides::Nothing && config && rng.chance(250);
            Change::Roll { components, config, image, broken, at_once: rng.between(1, 3) as u32 }
        }
        1 => Change::Leave {
            pod: PodId(rng.below(pods) as u32),
            grace: if besides == Besides::Nothing { 60 } else { rng.between(8, 60) } * SECOND,
        },
        _ => Change::Upgrade,
    }
}

fn of_operator(rng: &mut Rng, plan: &PhysicalPlan) -> Change {
    let lasts = if rng.chance(500) { rng.between(75, 90) } else { rng.between(1, 20) } * SECOND;
    let pod = PodId(rng.below(plan.pods.len() as u64) as u32);
    match rng.weighted(&[2, 2, 6, 3]) {
        0 => Change::OperatorDown { when: When::Now, lasts },
        1 => Change::OperatorDown { when: When::Recorded, lasts },
        2 => Change::OperatorDown { when: When::Pushed, lasts },
        _ => Change::OperatorParted { pod, lasts: lasts.min(30 * SECOND) },
    }
}
