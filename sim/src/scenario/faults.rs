//! Draws what goes wrong, and when.

use super::{MS, SECOND};
use crate::rng::Rng;
use egret_topology::{
    id::{PodId, TaskId},
    plan::PhysicalPlan,
};

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// The link between two pods dies with all that is on it; each side notices by itself.
    CutPeers {
        a: PodId,
        b: PodId,
        notice: (u64, u64),
    },
    /// The link of an instance dies likewise. `notice` of the instance, then of the stream manager.
    CutInstance {
        task: TaskId,
        notice: (u64, u64),
    },
    /// Nothing passes between two pods. Short: packets arrive late. Long: the link is given up.
    Partition {
        a: PodId,
        b: PodId,
        lasts: u64,
    },
    /// Nothing passes from one pod to another, and what the other says arrives. Long: the link is
    /// given up.
    OneWay {
        from: PodId,
        to: PodId,
        lasts: u64,
    },
    /// An instance is killed and respawned.
    KillTask {
        task: TaskId,
        back_after: u64,
        notice: u64,
    },
    /// A stream manager is killed and respawned.
    KillManager {
        pod: PodId,
        back_after: u64,
        notice: u64,
    },
    /// A stream manager and all its instances are killed and respawned.
    KillPod {
        pod: PodId,
        back_after: u64,
        notice: u64,
    },
    /// A pod is gone with its disk; another takes its place, maybe on a node with another clock.
    ReplacePod {
        pod: PodId,
        back_after: u64,
        notice: u64,
        clock: i64,
    },
    /// The wall clock of a pod's node is moved by this many seconds.
    MoveClock {
        pod: PodId,
        by: i64,
    },
    /// Nothing can be written to the disk of a pod.
    FillDisk {
        pod: PodId,
        lasts: u64,
    },
    /// Another life of a task starts while the last one still runs.
    Twin {
        task: TaskId,
    },
    /// A process stands still for this long, its I/O thread too; longer than a silent link lasts,
    /// it has missed its own end.
    FreezeTask {
        task: TaskId,
        lasts: u64,
    },
    FreezeManager {
        pod: PodId,
        lasts: u64,
    },
    /// A call into user code does not return for this long.
    Stall {
        task: TaskId,
        lasts: u64,
    },
}

/// Silence that is noticed at the latest.
pub(crate) const IDLE: u64 = 3 * SECOND;

pub(super) fn draw(rng: &mut Rng, plan: &PhysicalPlan, heals_at: u64) -> Vec<(u64, Fault)> {
    let count = match rng.weighted(&[3, 4, 3]) {
        0 => rng.between(0, 2),
        1 => rng.between(2, 6),
        _ => rng.between(6, 16),
    };
    // Some seeds know one kind of fault only, so that each is met without the noise of others.
    let only = rng.chance(300).then(|| rng.below(KINDS.len() as u64) as usize);
    // In others all goes wrong at about the same time.
    let burst = rng.chance(300).then(|| rng.between(50, heals_at / MS - 500));
    let mut faults: Vec<(u64, Fault)> = (0..count)
        .map(|_| {
            let at = burst.map_or(rng.between(50, heals_at / MS), |at| at + rng.below(500));
            (at * MS, one(rng, plan, only))
        })
        .collect();
    faults.sort_by_key(|(at, _)| *at);
    faults
}

fn one(rng: &mut Rng, plan: &PhysicalPlan, only: Option<usize>) -> Fault {
    let pods = plan.pods.len() as u64;
    let tasks: Vec<TaskId> = plan.tasks.iter().map(|task| task.id).collect();
    let task = rng.pick(&tasks);
    let a = rng.below(pods);
    let b = (a + 1 + rng.below(pods.saturating_sub(1))) % pods;
    let (pod, other) = (PodId(a as u32), PodId(b as u32));
    let kind = only.unwrap_or_else(|| rng.weighted(&KINDS));
    let kind = if pods == 1 && matches!(kind, 0 | 2 | 10) { 3 } else { kind };
    match kind {
        0 => Fault::CutPeers { a: pod, b: other, notice: (notice(rng), notice(rng)) },
        1 => Fault::CutInstance { task, notice: (notice(rng), notice(rng)) },
        2 => Fault::Partition { a: pod, b: other, lasts: rng.between(10, 6000) * MS },
        3 => Fault::KillTask { task, back_after: back(rng), notice: notice(rng) },
        4 => Fault::KillManager { pod, back_after: back(rng), notice: notice(rng) },
        5 => Fault::KillPod { pod, back_after: back(rng), notice: notice(rng) },
        6 => Fault::Twin { task },
        7 => Fault::FreezeTask { task, lasts: rng.between(10, 6000) * MS },
        8 => Fault::FreezeManager { pod, lasts: rng.between(10, 12_000) * MS },
        9 => Fault::Stall { task, lasts: rng.pick(&[100, 1000, 5000]) * MS },
        10 => Fault::OneWay { from: pod, to: other, lasts: rng.between(10, 8000) * MS },
        11 => {
            let (back_after, notice) = (back(rng), notice(rng));
            Fault::ReplacePod { pod, back_after, notice, clock: clock(rng) }
        }
        12 => Fault::MoveClock { pod, by: clock(rng) },
        _ => Fault::FillDisk { pod, lasts: rng.between(100, 5000) * MS },
    }
}

/// How often each kind occurs among others.
const KINDS: [u64; 14] = [3, 3, 2, 4, 3, 1, 1, 3, 1, 1, 2, 1, 1, 1];

/// Seconds that a clock is moved by: an hour to and fro, or what no time server would bear.
fn clock(rng: &mut Rng) -> i64 {
    rng.pick(&[-3600, -60, -1, 0, 1, 60, 3600])
}

/// A reset is noticed at once, silence after a while.
fn notice(rng: &mut Rng) -> u64 {
    if rng.chance(500) { rng.below(2 * MS) } else { rng.between(MS, IDLE) }
}

fn back(rng: &mut Rng) -> u64 {
    if rng.chance(700) { rng.between(50, 400) * MS } else { rng.between(400, 5000) * MS }
}
