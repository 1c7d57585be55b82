//! The plan that the state machines are fed under: two pods, and every kind of edge.

use egret_topology::{
    grouping::Grouping,
    id::{Epoch, PodId, TaskId},
    plan::{
        ComponentKind, Delivery, PhysicalPlan, PlanIndex, PlannedComponent, PlannedInput,
        PlannedPod, PlannedTask, RunState,
    },
    stream::Stream,
};
use serde_json::{Value, json};

/// Tasks of the plan, and one number that is none.
pub(crate) const TASKS: u32 = 6;

/// `words` (two tasks) to `split` (two) to `count` (one). `change` makes it another plan: a state,
/// another epoch, tasks that have moved, a shorter timeout.
pub(crate) fn plan(revision: u64, change: u8) -> PlanIndex {
    let moved = u32::from(change & 1);
    let task = |id: u32, component, index| PlannedTask {
        id: TaskId(id),
        component,
        index,
        pod: PodId((id + moved) % 2),
    };
    let state = [RunState::Running, RunState::Paused, RunState::Finishing, RunState::Stopped];
    let plan = PhysicalPlan {
        topology: "t".into(),
        uid: "u".into(),
        revision,
        epoch: Epoch(1 + u32::from(change >> 1 & 1)),
        state: state[usize::from(change >> 2 & 3)],
        delivery: Delivery::AtLeastOnce,
        max_pending: 20,
        message_timeout_ms: if change & 16 == 0 { 30_000 } else { 10 },
        edge_key: 7,
        log_levels: Default::default(),
        tracing: None,
        rolling: Default::default(),
        restarted_at: None,
        max_rates: Default::default(),
        max_tries: Default::default(),
        components: vec![
            component("words", json!({"words": 50, "length": 3}), ["word"], None),
            component("split", Value::Null, ["word"], Some((0, Grouping::Shuffle))),
            component("count", Value::Null, ["word", "count"], Some((1, fields()))),
        ],
        pods: (0..2).map(|id| PlannedPod { id: PodId(id), address: here() }).collect(),
        tasks: vec![task(0, 0, 0), task(1, 0, 1), task(2, 1, 0), task(3, 1, 1), task(4, 2, 0)],
    };
    PlanIndex::new(plan).expect("it names only what it has")
}

fn here() -> std::net::SocketAddr {
    ([127, 0, 0, 1], 1).into()
}

fn fields() -> Grouping {
    Grouping::Fields { fields: vec!["word".to_owned()] }
}

fn component<const N: usize>(
    name: &str,
    config: Value,
    fields: [&str; N],
    from: Option<(usize, Grouping)>,
) -> PlannedComponent {
    PlannedComponent {
        name: name.to_owned(),
        kind: if from.is_none() { ComponentKind::Spout } else { ComponentKind::Bolt },
        component: name.to_owned(),
        config,
        tick_ms: None,
        streams: vec![Stream::default_of(fields)],
        inputs: from
            .map(|(from, grouping)| PlannedInput { from, stream: 0, grouping })
            .into_iter()
            .collect(),
    }
}
