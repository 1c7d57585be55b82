//! One consumer of three stalls for long, with enough behind it to fill everything on its way.

use super::{Input, MS, Net, Noise, SECOND, Scenario, faults::Fault};
use crate::rng::Rng;
use egret_topology::{
    grouping::Grouping,
    id::{Epoch, PodId, TaskId},
    plan::{
        ComponentKind, Delivery, PhysicalPlan, PlanIndex, PlannedComponent, PlannedInput,
        PlannedPod, PlannedTask, RunState,
    },
    stream::Stream,
};
use serde_json::json;
use std::net::SocketAddr;

/// Lines of 16 KiB: the stalled third is far more than an inbox, an account and all windows hold.
const LINES: u32 = 900;

impl Scenario {
    /// A calm run, but for one stall. The seed chooses who stalls, and when.
    pub(crate) fn of_stall(seed: u64) -> Scenario {
        let rng = &mut Rng::new(seed);
        let task = TaskId(1 + rng.below(3) as u32);
        let stall = Fault::Stall { task, lasts: 20 * SECOND };
        Scenario {
            seed,
            plan: PlanIndex::new(plan()).expect("it names only what it has"),
            inputs: vec![Input { component: 0, base: 0, splits: 1, lines: LINES, streams: 1 }],
            net: Net {
                latency: MS / 2,
                jitter: MS / 8,
                loss: 0,
                window: 64 << 10,
                stream_bytes: 64 << 10,
                bridge: 5_000,
                report: SECOND,
            },
            noise: Noise::default(),
            faults: vec![(rng.between(300, 1500) * MS, stall)],
            heals_at: 23 * SECOND,
            states: Vec::new(),
            changes: Vec::new(),
            is_quiet: false,
            is_orderly: false,
            fails: false,
            slow: false,
            fat: true,
            bug: None,
        }
    }
}

fn component(name: &str, kind: &str, from: Option<usize>) -> PlannedComponent {
    let streams = Stream::default_of(["uid", "key", "pieces", "pad"]);
    let input = |from| PlannedInput { from, stream: 0, grouping: Grouping::Shuffle };
    PlannedComponent {
        name: name.to_owned(),
        kind: if from.is_none() { ComponentKind::Spout } else { ComponentKind::Bolt },
        component: kind.to_owned(),
        config: json!({
            "cost": 5_000, "pad": if from.is_none() { 16 << 10 } else { 0 }, "hold": 1, "to": [],
            "input": {"base": 0, "splits": 1, "lines": LINES, "idle": 40 * MS},
        }),
        tick_ms: None,
        streams: if kind == "sink" { Vec::new() } else { vec![streams] },
        inputs: from.map(input).into_iter().collect(),
    }
}

fn plan() -> PhysicalPlan {
    let task = |id, component, index, pod| PlannedTask {
        id: TaskId(id),
        component,
        index,
        pod: PodId(pod),
    };
    PhysicalPlan {
        topology: "stall".to_owned(),
        uid: "stall".to_owned(),
        revision: 1,
        epoch: Epoch(1),
        state: RunState::Running,
        delivery: Delivery::AtLeastOnce,
        max_pending: 2 * LINES,
        message_timeout_ms: 60_000,
        edge_key: 7,
        log_levels: Default::default(),
        tracing: None,
        rolling: Default::default(),
        restarted_at: None,
        max_rates: Default::default(),
        max_tries: Default::default(),
        components: vec![
            component("lines", "source", None),
            component("pass", "pass", Some(0)),
            component("out", "sink", Some(1)),
        ],
        pods: (0..2)
            .map(|i| PlannedPod {
                id: PodId(i),
                address: SocketAddr::from(([127, 0, 0, 1], 4000 + i as u16)),
            })
            .collect(),
        tasks: vec![
            task(0, 0, 0, 0),
            task(1, 1, 0, 1),
            task(2, 1, 1, 1),
            task(3, 1, 2, 1),
            task(4, 2, 0, 1),
        ],
    }
}
