//! Watches a topology in which the bolt of one path sleeps: what that does to the other path, and
//! how much the stream managers hold meanwhile.

use crate::{
    egret::{Edge, Topology, window},
    report::Run,
};
use anyhow::{Context, ensure};
use std::{collections::BTreeMap, time::Duration};

const WARM_UP: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks after the sleep, which begins after 8 s and takes 10 s (bench/topologies/stall.yaml).
const LOOKS_AFTER: usize = 4;

/// What the sleeper's gauge says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sleep {
    Before,
    Now,
    After,
}

pub(crate) fn watch(topology: &Topology<'_>) -> anyhow::Result<Run> {
    topology.pause(WARM_UP)?;
    let mut looks: Vec<(Sleep, Edge)> = Vec::new();
    while looks.iter().filter(|(sleep, _)| *sleep == Sleep::After).count() < LOOKS_AFTER {
        let edge = topology.edge()?;
        let gauge = edge.sum("egret_user_value", &[("name", "sleeping")]);
        let sleep = match gauge as u32 {
            0 => Sleep::Before,
            1 => Sleep::Now,
            _ => Sleep::After,
        };
        looks.push((sleep, edge));
        topology.pause(LOOK_EVERY)?;
    }
    let rate = |of: Sleep| -> anyhow::Result<f64> {
        let within: Vec<&Edge> =
            looks.iter().filter(|(sleep, _)| *sleep == of).map(|(_, edge)| edge).collect();
        let (Some(first), Some(last)) = (within.first(), within.last()) else {
            anyhow::bail!("the bolt was never seen {of:?} its sleep");
        };
        let window = window(first, last);
        ensure!(window.seconds > 1.0, "the bolt was seen {of:?} its sleep for too short a time");
        Ok(window.done as f64 / window.seconds)
    };
    let (before, asleep, after) = (rate(Sleep::Before)?, rate(Sleep::Now)?, rate(Sleep::After)?);
    let queued = |edge: &Edge| edge.sum("egret_queued_bytes", &[]);
    let most = |of: Sleep, value: &dyn Fn(&Edge) -> f64| {
        let within = looks.iter().filter(|(sleep, _)| *sleep == of);
        within.map(|(_, edge)| value(edge)).fold(0.0, f64::max)
    };
    let peak = |edge: &Edge| {
        let managers = edge.usage.peak.iter().filter(|(part, _)| part.starts_with("manager "));
        managers.map(|(_, peak)| *peak as f64).sum()
    };
    let values = [
        ("rate_before", before),
        ("rate_asleep", asleep),
        ("rate_after", after),
        ("kept", asleep / before),
        ("queued_bytes_before", most(Sleep::Before, &queued)),
        ("queued_bytes_asleep", most(Sleep::Now, &queued)),
        ("manager_bytes_before", most(Sleep::Before, &peak)),
        ("manager_bytes_asleep", most(Sleep::Now, &peak)),
    ];
    let (_, last) = looks.last().context("nothing was seen")?;
    let windows = looks.windows(2).map(|pair| window(&pair[0].1, &pair[1].1));
    Ok(Run {
        windows: windows.collect(),
        peak: last.usage.peak.clone(),
        values: BTreeMap::from(values.map(|(name, value)| (name.to_owned(), value))),
        ..Run::default()
    })
}
