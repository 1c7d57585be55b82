//! What one seed stands for: a topology, where it runs, how its links behave, and what goes wrong
//! when.

pub(crate) mod changes;
pub(crate) mod faults;
mod graph;
mod stall;

use crate::{bug::Bug, rng::Rng};
use changes::{Besides, Change};
use egret_topology::{
    id::Epoch,
    plan::{Delivery, PhysicalPlan, PlanIndex, RunState},
};
use faults::Fault;
use std::net::SocketAddr;

/// A millisecond of virtual time.
pub(crate) const MS: u64 = 1_000_000;
/// A second of virtual time.
pub(crate) const SECOND: u64 = 1000 * MS;

/// Everything that is decided before the first event.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) plan: PlanIndex,
    pub(crate) inputs: Vec<Input>,
    pub(crate) net: Net,
    pub(crate) noise: Noise,
    pub(crate) faults: Vec<(u64, Fault)>,
    /// From here on nothing new goes wrong.
    pub(crate) heals_at: u64,
    /// When the operator pushes plans with these states.
    pub(crate) states: Vec<(u64, RunState)>,
    /// What users, clusters and operators do on purpose, and what becomes of the operator.
    pub(crate) changes: Vec<(u64, Change)>,
    /// Things change, and nothing goes wrong: nothing may be replayed.
    pub(crate) is_quiet: bool,
    /// Things change, and nothing goes wrong but what becomes of the operator.
    pub(crate) is_orderly: bool,
    /// Some task may need as long as the message timeout by its nature.
    pub(crate) slow: bool,
    /// User code fails some tuples.
    pub(crate) fails: bool,
    /// Tuples are large.
    pub(crate) fat: bool,
    pub(crate) bug: Option<Bug>,
}

/// What a spout component reads: splits of lines; every line is one piece per stream.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) component: usize,
    /// Its first piece; pieces are numbered through all spouts.
    pub(crate) base: u32,
    pub(crate) splits: u32,
    /// Lines per split.
    pub(crate) lines: u32,
    pub(crate) streams: u32,
}

impl Input {
    /// The piece of a line on a stream.
    pub(crate) fn piece(&self, split: u32, line: u32, stream: u32) -> u32 {
        self.base + (split * self.lines + line) * self.streams + stream
    }

    /// How many pieces there are.
    pub(crate) fn pieces(&self) -> u32 {
        self.splits * self.lines * self.streams
    }
}

/// How links behave when nothing is wrong with them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Net {
    /// Latency of a packet, and what chance may add.
    pub(crate) latency: u64,
    pub(crate) jitter: u64,
    /// Packets between pods that are lost and sent again, per mille.
    pub(crate) loss: u64,
    /// Credit per stream.
    pub(crate) window: u64,
    /// Limit of the account of an incoming stream of a stream manager.
    pub(crate) stream_bytes: usize,
    /// How late one half of an instance hears of the other, at most.
    pub(crate) bridge: u64,
    /// Time between reports.
    pub(crate) report: u64,
}

impl Net {
    /// How long a packet takes at most, unless chance will have it lost again and again.
    pub(crate) fn slowest(&self) -> u64 {
        let once = self.latency + self.jitter;
        if self.loss > 0 { once + 3 * self.resend() } else { once }
    }

    /// After this time a packet is sent again: as QUIC probes.
    pub(crate) fn resend(&self) -> u64 {
        3 * (self.latency + self.jitter) + 25 * MS
    }
}

/// What happens to single frames during the fault phase, in ten thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Noise {
    /// Arrives twice.
    pub(crate) twice: u64,
    /// An earlier frame of the stream arrives again.
    pub(crate) again: u64,
    /// Does not arrive.
    pub(crate) lost: u64,
    /// Arrives besides as a frame of another epoch.
    pub(crate) foreign: u64,
}

impl Noise {
    pub(crate) fn sum(&self) -> u64 {
        self.twice + self.again + self.lost + self.foreign
    }
}

/// A window that fat tuples do not fit into.
const NARROW: u64 = 16 << 10;

impl Scenario {
    /// The scenario of a seed.
    pub(crate) fn of(seed: u64) -> Scenario {
        let rng = &mut Rng::new(seed);
        let fat = rng.chance(120);
        let delivery = if rng.chance(220) { Delivery::AtMostOnce } else { Delivery::AtLeastOnce };
        let calm = rng.chance(100);
        let slow = rng.chance(150);
        let heals_at = rng.between(3, 12) * SECOND;
        let graph = graph::draw(rng, fat, slow, calm, heals_at);
        let pods = rng.between(1, 4) as u32;
        let mut plan = plan(rng, &graph, pods, delivery, slow);
        let states = if calm { Vec::new() } else { states(rng, heals_at) };
        let faults = if calm { Vec::new() } else { faults::draw(rng, &plan, heals_at) };
        let net = net(rng);
        if fat && net.window <= NARROW {
            // What takes a stream several round trips may wait for minutes behind tuples that
            // nobody tracks, and so nobody limits. Timing out would only add to it.
            plan.message_timeout_ms *= 10;
        }
        let scenario = Scenario {
            seed,
            inputs: graph.inputs,
            net,
            noise: if calm { Noise::default() } else { noise(rng) },
            faults,
            heals_at,
            states,
            changes: Vec::new(),
            is_quiet: false,
            is_orderly: false,
            fails: graph.fails,
            slow,
            fat,
            bug: None,
            plan: PlanIndex::new(plan).expect("the generator names only what it has made"),
        };
        scenario.with_changes()
    }

    /// The same with what changes while it runs, if its seed wants that.
    fn with_changes(mut self) -> Scenario {
        // A source of chance of its own: topologies and faults of seeds stay what they are.
        let rng = &mut Rng::new(self.seed ^ 0x0c4a_6e9e);
        let hasty = self.slow || self.fat || !self.is_tracked();
        let mut plan = self.plan.plan().clone();
        let Some((besides, changes)) = changes::draw(rng, &plan, self.heals_at, hasty) else {
            return self;
        };
        self.changes = changes;
        self.is_orderly = besides != Besides::All;
        self.is_quiet = besides == Besides::Nothing;
        // The operator looks at what tasks have told last; that is as new as it is there.
        self.net.report = 500 * MS;
        // On a cluster nobody asks for an early end.
        self.states.retain(|(_, state)| *state != RunState::Finishing);
        if self.is_orderly {
            (self.faults, self.noise) = (Vec::new(), Noise::default());
        }
        if self.is_quiet {
            (self.states, self.fails) = (Vec::new(), false);
            plan.components.iter_mut().for_each(|component| component.config["fail"] = 0.into());
            // A drain and a start must fit into it.
            plan.message_timeout_ms = plan.message_timeout_ms.max(20_000);
        }
        self.plan = PlanIndex::new(plan).expect("only times and configs differ");
        self
    }

    /// Whether nothing goes wrong at all.
    pub(crate) fn is_calm(&self) -> bool {
        let noise = self.noise;
        self.faults.is_empty() && noise.sum() == 0 && self.changes.is_empty()
    }

    pub(crate) fn is_tracked(&self) -> bool {
        self.plan.plan().delivery == Delivery::AtLeastOnce
    }

    /// The number of pieces of all inputs.
    pub(crate) fn pieces(&self) -> u32 {
        self.inputs.last().map_or(0, |input| input.base + input.pieces())
    }

    /// Since when the plan has had its last state.
    pub(crate) fn states_since(&self) -> u64 {
        self.states.last().map_or(0, |(at, _)| at + 2 * SECOND)
    }

    /// When everything must have come to its end.
    pub(crate) fn deadline(&self) -> u64 {
        let timeout = self.plan.plan().message_timeout_ms * MS;
        let changes = if self.changes.is_empty() { 0 } else { 240 * SECOND };
        self.heals_at + 4 * timeout + 120 * SECOND + changes
    }

    /// The run in words.
    pub(crate) fn describe(&self) -> String {
        let plan = self.plan.plan();
        let mut text = format!(
            "{:?}, {} pods, maxPending {}, timeout {} ms, {} pieces, {:?}, {:?}, heals at {} ms\n",
            plan.delivery,
            plan.pods.len(),
            plan.max_pending,
            plan.message_timeout_ms,
            self.pieces(),
            self.net,
            self.noise,
            self.heals_at / MS
        );
        for component in &plan.components {
            let inputs: Vec<String> = component
                .inputs
                .iter()
                .map(|input| {
                    let from = &plan.components[input.from];
                    let stream = &from.streams[input.stream].name;
                    format!("{}.{stream} {}", from.name, input.grouping.name())
                })
                .collect();
            let at = plan.components.iter().position(|c| c.name == component.name);
            let tasks: Vec<String> = self
                .plan
                .tasks_of(at.unwrap_or_default())
                .iter()
                .map(|task| {
                    let pod = self.plan.pod_of(*task).unwrap_or_default();
                    format!("{task}@{pod}")
                })
                .collect();
            text += &format!(
                "  {} ({}) tasks {} <- {} {}\n",
                component.name,
                component.component,
                tasks.join(" "),
                inputs.join(", "),
                component.config
            );
        }
        for (at, fault) in &self.faults {
            text += &format!("  {} ms: {fault:?}\n", at / MS);
        }
        for (at, change) in &self.changes {
            text += &format!("  {} ms: {change:?}\n", at / MS);
        }
        for (at, state) in &self.states {
            text += &format!("  {} ms: {state:?}\n", at / MS);
        }
        text
    }
}

fn plan(
    rng: &mut Rng,
    graph: &graph::Graph,
    pods: u32,
    delivery: Delivery,
    slow: bool,
) -> PhysicalPlan {
    let address = |i: u32| SocketAddr::from(([127, 0, 0, 1], 4000 + i as u16));
    PhysicalPlan {
        topology: "sim".to_owned(),
        uid: "sim".to_owned(),
        revision: 1,
        epoch: Epoch(1),
        state: RunState::Running,
        delivery,
        max_pending: [1, 2, 5, 20, 100, 1000][rng.weighted(&[1, 1, 2, 4, 4, 3])],
        // What waits for a slow task may wait for minutes; timing out would only add to it.
        message_timeout_ms: rng.between(5, 30) * if slow { 10_000 } else { 1000 },
        edge_key: rng.next(),
        log_levels: Default::default(),
        tracing: None,
        rolling: Default::default(),
        restarted_at: None,
        max_rates: Default::default(),
        max_tries: Default::default(),
        components: graph.components.clone(),
        pods: (0..pods)
            .map(|i| egret_topology::plan::PlannedPod {
                id: egret_topology::id::PodId(i),
                address: address(i),
            })
            .collect(),
        tasks: graph.place(rng, pods),
    }
}

fn net(rng: &mut Rng) -> Net {
    let latency = rng.between(20_000, 2 * MS);
    Net {
        latency,
        jitter: rng.pick(&[latency / 4, latency, 4 * latency]),
        loss: if rng.chance(200) { rng.between(1, 50) } else { 0 },
        window: rng.pick(&[4 << 10, 16 << 10, 64 << 10, 256 << 10]),
        stream_bytes: rng.pick(&[2 << 10, 16 << 10, 64 << 10, 256 << 10]),
        bridge: rng.pick(&[0, 5_000, 50_000]),
        report: rng.between(2, 10) * SECOND,
    }
}

fn noise(rng: &mut Rng) -> Noise {
    let mut rate = |chance, most| if rng.chance(chance) { rng.between(1, most) } else { 0 };
    let (twice, again, lost) = (rate(400, 300), rate(400, 300), rate(250, 100));
    Noise { twice, again, lost, foreign: rate(150, 10) }
}

/// Pauses, and at times an early end.
fn states(rng: &mut Rng, heals_at: u64) -> Vec<(u64, RunState)> {
    let mut states = Vec::new();
    if rng.chance(150) {
        let at = rng.between(0, heals_at);
        states.push((at, RunState::Paused));
        states.push((at + rng.between(1, 2000) * MS, RunState::Running));
    }
    if rng.chance(120) {
        let last = states.last().map_or(0, |(at, _)| *at);
        states.push((last.max(rng.between(0, heals_at)) + MS, RunState::Finishing));
    }
    states
}
