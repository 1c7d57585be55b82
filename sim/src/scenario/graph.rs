//! Draws a topology: spouts, layers of bolts of every kind, all groupings, and sinks for what is
//! left.

use super::{Input, MS};
use crate::rng::Rng;
use egret_topology::{
    grouping::Grouping,
    id::{PodId, TaskId},
    plan::{ComponentKind, PlannedComponent, PlannedInput, PlannedTask},
    stream::Stream,
};
use serde_json::json;

/// Components with their tasks.
pub(super) struct Graph {
    pub(super) components: Vec<PlannedComponent>,
    pub(super) inputs: Vec<Input>,
    pub(super) fails: bool,
    parallelism: Vec<u32>,
}

/// Fields of every stream.
const FIELDS: [&str; 4] = ["uid", "key", "pieces", "pad"];

/// Tuples to execute in a run without faults: enough to fill windows, few enough for thousands of
/// runs.
const TUPLES: f64 = 2500.0;
/// Tasks of a topology, about.
const TASKS: u32 = 18;

const KINDS: [&str; 5] = ["pass", "split", "join", "hold", "count"];

pub(super) fn draw(rng: &mut Rng, fat: bool, slow: bool, calm: bool, heals_at: u64) -> Graph {
    let mut draft = Draft::default();
    for i in 0..1 + rng.weighted(&[5, 3, 2]) {
        let parallelism = rng.between(1, 3) as u32;
        draft.add(rng, format!("spout{i}"), "source", parallelism, Vec::new());
    }
    let layers = rng.between(1, 4);
    for layer in 0..layers {
        for i in 0..rng.between(1, 2) {
            let room = TASKS.saturating_sub(draft.parallelism.iter().sum::<u32>() + 2);
            if room == 0 || draft.components.len() > 7 {
                break;
            }
            let inputs = draft.inputs(rng);
            let parallelism = rng.between(1, 4).min(room.into()) as u32;
            let kind = KINDS[rng.weighted(&[4, 3, 2, 2, 1])];
            draft.add(rng, format!("bolt{layer}{i}"), kind, parallelism, inputs);
        }
    }
    for i in 0..rng.between(1, 2) {
        let inputs = if i == 0 { draft.inputs(rng) } else { draft.leftovers(rng) };
        if !inputs.is_empty() {
            let parallelism = rng.between(1, 3) as u32;
            draft.add(rng, format!("sink{i}"), "sink", parallelism, inputs);
        }
    }
    let rest = draft.leftovers(rng);
    if !rest.is_empty() {
        draft.add(rng, "rest".to_owned(), "sink", 1, rest);
    }
    draft.finish(rng, fat, slow, calm, heals_at)
}

#[derive(Default)]
struct Draft {
    components: Vec<PlannedComponent>,
    parallelism: Vec<u32>,
    /// Streams that somebody receives.
    taken: Vec<(usize, usize)>,
}

impl Draft {
    fn add(
        &mut self,
        rng: &mut Rng,
        name: String,
        kind: &str,
        parallelism: u32,
        inputs: Vec<PlannedInput>,
    ) {
        let mut streams = vec![Stream::default_of(FIELDS)];
        if rng.chance(250) {
            streams.push(Stream::named("side", FIELDS));
        }
        if rng.chance(120) {
            streams.push(Stream::named("to", FIELDS).direct());
        }
        if kind == "sink" {
            streams.clear();
        }
        let source = kind == "source";
        self.taken.extend(inputs.iter().map(|input| (input.from, input.stream)));
        self.parallelism.push(parallelism);
        self.components.push(PlannedComponent {
            name,
            kind: if source { ComponentKind::Spout } else { ComponentKind::Bolt },
            component: kind.to_owned(),
            config: json!({}),
            tick_ms: (kind == "hold").then(|| rng.between(20, 150)),
            streams,
            inputs,
        });
    }

    fn streams(&self) -> Vec<(usize, usize)> {
        let of = |(at, component): (usize, &PlannedComponent)| {
            (0..component.streams.len()).map(move |stream| (at, stream)).collect::<Vec<_>>()
        };
        self.components.iter().enumerate().flat_map(of).collect()
    }

    fn is_taken(&self, stream: (usize, usize)) -> bool {
        self.taken.contains(&stream)
    }

    fn is_direct(&self, (component, stream): (usize, usize)) -> bool {
        self.components[component].streams[stream].direct
    }

    /// One to three inputs, sooner of streams that nobody receives yet. A direct stream has one
    /// receiver.
    fn inputs(&self, rng: &mut Rng) -> Vec<PlannedInput> {
        let mut inputs: Vec<PlannedInput> = Vec::new();
        for _ in 0..1 + rng.weighted(&[5, 3, 1]) {
            let used = |s: &(usize, usize)| {
                self.is_direct(*s)
                    && (self.is_taken(*s) || inputs.iter().any(|i| (i.from, i.stream) == *s))
            };
            let all: Vec<_> = self.streams().into_iter().filter(|s| !used(s)).collect();
            let new: Vec<_> = all.iter().copied().filter(|s| !self.is_taken(*s)).collect();
            let from = if !new.is_empty() && rng.chance(800) { &new } else { &all };
            if !from.is_empty() {
                let stream = rng.pick(from);
                inputs.push(self.input(rng, stream));
            }
        }
        inputs
    }

    fn leftovers(&self, rng: &mut Rng) -> Vec<PlannedInput> {
        let left: Vec<_> = self.streams().into_iter().filter(|s| !self.is_taken(*s)).collect();
        left.into_iter().map(|stream| self.input(rng, stream)).collect()
    }

    fn input(&self, rng: &mut Rng, stream: (usize, usize)) -> PlannedInput {
        let fields = vec!["key".to_owned()];
        let grouping = if self.is_direct(stream) {
            Grouping::Direct
        } else {
            match rng.weighted(&[25, 25, 8, 8, 12, 10, 8]) {
                0 => Grouping::Shuffle,
                1 => Grouping::Fields { fields },
                2 => Grouping::All,
                3 => Grouping::Global,
                4 => Grouping::LocalOrShuffle,
                5 => Grouping::PartialKey { fields },
                _ => Grouping::Custom { custom: "oneOrTwo".to_owned() },
            }
        };
        PlannedInput { from: stream.0, stream: stream.1, grouping }
    }

    /// Chooses the number of lines so that the work is about the same for every topology.
    fn finish(mut self, rng: &mut Rng, fat: bool, slow: bool, calm: bool, heals_at: u64) -> Graph {
        let work = self.work();
        let tuples = if fat { TUPLES / 4.0 } else { TUPLES };
        let lines = (tuples / work.max(1.0)).clamp(3.0, 300.0) as u32;
        let fails = !calm && rng.chance(300);
        let pad = if fat { rng.between(1 << 10, 24 << 10) } else { rng.between(0, 100) };
        let mut inputs: Vec<Input> = Vec::new();
        let mut first_task = 0;
        let starts: Vec<u32> = self
            .parallelism
            .iter()
            .map(|tasks| {
                first_task += tasks;
                first_task - tasks
            })
            .collect();
        for at in 0..self.components.len() {
            let cost = self.cost(rng, slow);
            let fail = if fails { rng.between(0, 30) } else { 0 };
            let mut config = json!({
                "cost": cost, "fail": fail, "failsUntil": heals_at, "pad": pad,
                "hold": rng.between(1, 12), "loose": if rng.chance(300) { 200 } else { 0 },
                "to": self.receivers(at, &starts),
            });
            if self.components[at].component == "source" {
                let base = inputs.last().map_or(0, |input| input.base + input.pieces());
                let splits = rng.between(1, 2 * u64::from(self.parallelism[at])) as u32;
                let streams = self.components[at].streams.len() as u32;
                let lines = (lines / splits).max(1);
                inputs.push(Input { component: at, base, splits, lines, streams });
                let idle = self.idle(rng, splits * lines, self.parallelism[at], heals_at);
                config["input"] = json!({
                    "base": base, "splits": splits, "lines": lines, "idle": idle,
                });
            }
            self.components[at].config = config;
        }
        Graph { components: self.components, inputs, fails, parallelism: self.parallelism }
    }

    /// The pause of a spout after every eighth call, so that most inputs last as long as faults
    /// come.
    fn idle(&self, rng: &mut Rng, lines: u32, tasks: u32, heals_at: u64) -> u64 {
        let lasts = heals_at * rng.between(20, 120) / 100;
        let pauses = u64::from(lines.div_ceil(tasks * 8).max(1));
        if rng.chance(800) { lasts / pauses } else { 0 }
    }

    /// Nanoseconds for one tuple.
    fn cost(&self, rng: &mut Rng, slow: bool) -> u64 {
        match rng.weighted(&[4, 4, if slow { 3 } else { 0 }]) {
            0 => 1_000,
            1 => rng.between(2_000, 100_000),
            _ => rng.between(MS, 8 * MS),
        }
    }

    /// Tasks that the direct stream of a component leads to.
    fn receivers(&self, from: usize, starts: &[u32]) -> Vec<u32> {
        let direct =
            |input: &PlannedInput| input.from == from && self.is_direct((input.from, input.stream));
        let at = self.components.iter().position(|c| c.inputs.iter().any(direct));
        at.map_or_else(Vec::new, |at| (starts[at]..starts[at] + self.parallelism[at]).collect())
    }

    /// Executions per line, summed over all components.
    fn work(&self) -> f64 {
        let mut out: Vec<f64> = Vec::new();
        let mut work = 0.0;
        for component in &self.components {
            let of = |input: &PlannedInput| {
                let tasks = f64::from(self.parallelism[out.len()]);
                out[input.from]
                    * match &input.grouping {
                        Grouping::All => tasks,
                        Grouping::Custom { .. } => 1.5,
                        _ => 1.0,
                    }
            };
            let executed: f64 = component.inputs.iter().map(of).sum();
            work += executed;
            out.push(match component.component.as_str() {
                "source" => 1.0,
                "split" => 1.5 * executed,
                "join" => executed / 2.0,
                "count" => executed / 8.0,
                _ => executed,
            });
        }
        work
    }
}

impl Graph {
    /// Tasks in order of components, placed round robin or anywhere.
    pub(super) fn place(&self, rng: &mut Rng, pods: u32) -> Vec<PlannedTask> {
        let anywhere = rng.chance(300);
        let mut tasks = Vec::new();
        for (component, parallelism) in self.parallelism.iter().enumerate() {
            for index in 0..*parallelism {
                let id = tasks.len() as u32;
                let pod = if anywhere { rng.below(pods.into()) as u32 } else { id % pods };
                tasks.push(PlannedTask { id: TaskId(id), component, index, pod: PodId(pod) });
            }
        }
        tasks
    }
}
