//! What parts of the data path cost, in time and allocations: `cargo bench -p egret-bench`.
//!
//! Every figure is of [`WORDS`] tuples of 20 letters or of one frame of them, so that parts can be
//! added up. Divan, because it counts allocations itself; criterion would need an allocator with
//! `unsafe` code of ours.

mod codec;
mod credit;
mod grouping;
mod tracker;

use divan::AllocProfiler;
use egret_topology::{
    grouping::Grouping,
    id::{Epoch, Incarnation, PodId, TaskId},
    plan::{
        ComponentKind, Delivery, PhysicalPlan, PlanIndex, PlannedComponent, PlannedInput,
        PlannedPod, PlannedTask, RunState,
    },
    stream::Stream,
};
use egret_wire::value;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// Tuples per iteration: about what a frame of 32 KiB holds.
const WORDS: usize = 1400;
/// The life of every task here.
const LIFE: Incarnation = Incarnation(1 << 50);
/// The plan's.
const EDGE_KEY: u64 = 7;

fn main() {
    divan::main();
}

/// The encoded fields of different words.
fn words() -> Vec<Vec<u8>> {
    let word = |n: usize| {
        let mut values = Vec::new();
        value::put_str(&mut values, &format!("{:020}", n * 7919));
        values
    };
    (0..WORDS).map(word).collect()
}

/// A spout, task 0 in pod 0, and a bolt with this many tasks in pod 1.
fn plan(tasks: u32, grouping: Grouping) -> PlanIndex {
    let component = |name: &str, kind, inputs| PlannedComponent {
        name: name.into(),
        kind,
        component: name.into(),
        config: serde_json::Value::Null,
        tick_ms: None,
        streams: vec![Stream::default_of(["word"])],
        inputs,
    };
    let inputs = vec![PlannedInput { from: 0, stream: 0, grouping }];
    let spout = PlannedTask { id: TaskId(0), component: 0, index: 0, pod: PodId(0) };
    let bolt = |n| PlannedTask { id: TaskId(n + 1), component: 1, index: n, pod: PodId(1) };
    let pod = |n| PlannedPod { id: PodId(n), address: ([127, 0, 0, 1], 1).into() };
    PlanIndex::new(PhysicalPlan {
        topology: "micro".into(),
        uid: "micro".into(),
        revision: 1,
        epoch: Epoch(1),
        state: RunState::Running,
        delivery: Delivery::AtLeastOnce,
        max_pending: 10_000,
        message_timeout_ms: 30_000,
        edge_key: EDGE_KEY,
        log_levels: Default::default(),
        tracing: None,
        rolling: Default::default(),
        restarted_at: None,
        max_rates: Default::default(),
        max_tries: Default::default(),
        components: vec![
            component("words", ComponentKind::Spout, vec![]),
            component("count", ComponentKind::Bolt, inputs),
        ],
        pods: vec![pod(0), pod(1)],
        tasks: std::iter::once(spout).chain((0..tasks).map(bolt)).collect(),
    })
    .expect("the plan is sound")
}

/// By the key of the only field.
fn by_word() -> Grouping {
    Grouping::Fields { fields: vec!["word".to_owned()] }
}
