//! Runs a small topology deterministically inside a unit test.
//!
//! The real task halves work in one thread under a virtual clock, without processes or links. Every
//! tuple that any component emits can be looked at afterwards, also on streams that nobody
//! consumes.
//!
//! ```
//! use egret_instance::{testkit::TestTopology, *};
//!
//! struct Exclaim;
//!
//! impl Bolt for Exclaim {
//!     fn execute(&mut self, tuple: &Tuple<'_>, out: &mut BoltOutput<'_>) -> Result<()> {
//!         out.emit((format!("{}!", tuple.str("word")?),))?;
//!         Ok(())
//!     }
//! }
//!
//! let mut registry = Registry::new();
//! registry.bolt("exclaim", Declared::fixed([Stream::default_of(["word"])]), || Box::new(Exclaim));
//!
//! let run = TestTopology::new(registry)
//!     .feed("words", ["word"], [["hello".into()], ["world".into()]])
//!     .bolt("exclaim", 2, "{inputs: [{from: words}]}")
//!     .run()
//!     .expect("the topology is sound");
//! let mut emitted = run.emitted("exclaim", DEFAULT_STREAM);
//! emitted.sort_by_key(|tuple| format!("{tuple:?}"));
//! assert_eq!(emitted, [["hello!".into()], ["world!".into()]]);
//! assert_eq!(run.roots().acked, 2);
//! ```

use egret_core::kit::{Kit, KitError, Sent};
use egret_sdk::{
    Bolt, BoltOutput, Declared, Next, Registry, Result, Root, Spout, SpoutOutput, Stream, Tuple,
    Value,
};
use egret_topology::{
    declaration::Catalog,
    grouping::Grouping,
    id::{Epoch, PodId, TaskId},
    logical::Logical,
    plan::{
        ComponentKind, Delivery, PhysicalPlan, PlanIndex, PlannedComponent, PlannedInput,
        PlannedPod, PlannedTask, RunState,
    },
    resource::Resource,
    validate::{Problem, validate},
};
use egret_wire::control::RootCounts;
use serde_json::json;
use std::{collections::BTreeSet, fmt::Write};

/// Name of the bolt that receives what nobody else does.
const CAPTURE: &str = "testkit-capture";

/// A day: a topology that does not end by itself is stopped looking at.
const LONG_NS: u64 = 24 * 3600 * 1_000_000_000;

/// A topology under test.
#[derive(Debug)]
pub struct TestTopology {
    registry: Registry,
    resource: serde_json::Value,
    broken: Option<String>,
}

/// Why a topology under test did not run.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// It is not written as a topology is.
    #[error("the topology does not parse: {0}")]
    Syntax(String),
    /// It is not sound.
    #[error("the topology is not sound:\n{0}")]
    Unsound(String),
    /// A component failed, or it does not come to rest.
    #[error(transparent)]
    Run(#[from] KitError),
}

/// What a run did.
pub struct TestRun {
    kit: Kit,
}

impl TestTopology {
    /// An empty topology of components from this registry.
    pub fn new(registry: Registry) -> TestTopology {
        let resource = json!({
            "apiVersion": "egret.dev/v1alpha1",
            "kind": "Topology",
            "metadata": {"name": "test"},
            "spec": {"spouts": [], "bolts": []},
        });
        TestTopology { registry, resource, broken: None }
    }

    /// A topology from its file's text.
    pub fn from_yaml(text: &str, registry: Registry) -> TestTopology {
        let mut test = TestTopology::new(registry);
        match serde_yaml::from_str(text) {
            Ok(resource) => test.resource = resource,
            Err(error) => test.broken = Some(error.to_string()),
        }
        test
    }

    /// Adds a spout that emits these tuples once; in a topology from a file, it takes the place of
    /// the spout of this name.
    #[must_use]
    pub fn feed<T: IntoIterator<Item = Value>>(
        mut self,
        name: &str,
        fields: impl IntoIterator<Item = &'static str>,
        tuples: impl IntoIterator<Item = T>,
    ) -> TestTopology {
        let stream = Stream::default_of(fields);
        let tuples: Vec<Vec<Value>> =
            tuples.into_iter().map(|tuple| tuple.into_iter().collect()).collect();
        let component = format!("testkit-feed-{name}");
        self.registry.spout(&component, Declared::fixed([stream]), move || {
            Box::new(Feed { tuples: tuples.clone(), next: 0, replay: Vec::new() })
        });
        let spout = json!({"name": name, "component": component});
        if let Some(spouts) = self.resource["spec"]["spouts"].as_array_mut() {
            spouts.retain(|spout| spout["name"] != name);
            spouts.push(spout);
        }
        self
    }

    /// Adds a spout of the registry; `rest` is what else its entry in a topology file says, as
    /// YAML.
    #[must_use]
    pub fn spout(self, name: &str, parallelism: u32, rest: &str) -> TestTopology {
        self.component("spouts", name, parallelism, rest)
    }

    /// Adds a bolt of the registry; `rest` is what else its entry in a topology file says, as YAML.
    #[must_use]
    pub fn bolt(self, name: &str, parallelism: u32, rest: &str) -> TestTopology {
        self.component("bolts", name, parallelism, rest)
    }

    /// Runs it until it ends, or for a day of virtual time.
    pub fn run(mut self) -> Result<TestRun, TestError> {
        if let Some(broken) = self.broken {
            return Err(TestError::Syntax(broken));
        }
        let resource: Resource = serde_json::from_value(self.resource)
            .map_err(|error| TestError::Syntax(error.to_string()))?;
        let catalog = Catalog::new(self.registry.describe().components);
        let logical = validate(&resource, &catalog).map_err(|problems| unsound(&problems))?;
        let plan = with_capture(plan(&logical));
        self.registry.bolt(CAPTURE, Declared::none(), || Box::new(Capture));
        let plan = PlanIndex::new(plan).map_err(|error| TestError::Unsound(error.to_string()))?;
        let mut kit = Kit::new(plan, self.registry)?;
        kit.run(LONG_NS)?;
        Ok(TestRun { kit })
    }

    fn component(mut self, list: &str, name: &str, tasks: u32, rest: &str) -> TestTopology {
        match serde_yaml::from_str::<serde_json::Value>(rest) {
            Ok(mut component) => {
                if component.is_null() {
                    component = json!({});
                }
                component["name"] = name.into();
                component["parallelism"] = tasks.into();
                if let Some(components) = self.resource["spec"][list].as_array_mut() {
                    components.push(component);
                }
            }
            Err(error) => self.broken = Some(format!("`{name}`: {error}")),
        }
        self
    }
}

impl TestRun {
    /// The tuples that a component emitted on a stream, each once, in order.
    ///
    /// A tuple that several components consume is counted at the first of them; one that `All`
    /// sends to several tasks, at the first task.
    pub fn emitted(&self, component: &str, stream: &str) -> Vec<Vec<Value>> {
        let of_stream = |sent: &&Sent| sent.component == component && sent.stream == stream;
        let plan = self.kit.plan();
        let first = self.kit.sent().iter().find(of_stream).and_then(|s| plan.task(s.dest));
        let Some(first) = first.map(|task| task.component) else { return Vec::new() };
        let source = plan.plan().components.iter().position(|c| c.name == component);
        let everywhere = plan.plan().components[first]
            .inputs
            .iter()
            .any(|input| Some(input.from) == source && input.grouping == Grouping::All);
        let counted: BTreeSet<TaskId> = match plan.tasks_of(first) {
            [task, ..] if everywhere => BTreeSet::from([*task]),
            tasks => tasks.iter().copied().collect(),
        };
        let sent = self.kit.sent().iter().filter(of_stream);
        sent.filter(|sent| counted.contains(&sent.dest)).map(|sent| sent.values.clone()).collect()
    }

    /// Counts of the roots of all spouts.
    pub fn roots(&self) -> RootCounts {
        self.kit.all_roots()
    }

    /// Errors of `execute`, in words.
    pub fn warnings(&self) -> Vec<&str> {
        self.kit.warnings()
    }
}

impl std::fmt::Debug for TestRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestRun").field("roots", &self.roots()).finish_non_exhaustive()
    }
}

fn unsound(problems: &[Problem]) -> TestError {
    let mut text = String::new();
    for problem in problems {
        let _ = writeln!(text, "{problem}");
    }
    TestError::Unsound(text)
}

/// Everything in one pod.
fn plan(logical: &Logical) -> PhysicalPlan {
    let mut tasks = Vec::new();
    let components: Vec<PlannedComponent> = logical
        .components
        .iter()
        .enumerate()
        .map(|(component, logical)| {
            for index in 0..logical.parallelism {
                let id = TaskId(tasks.len() as u32);
                tasks.push(PlannedTask { id, component, index, pod: PodId(0) });
            }
            PlannedComponent {
                name: logical.name.clone(),
                kind: logical.kind,
                component: logical.component.clone(),
                config: logical.config.clone(),
                tick_ms: logical.tick_ms,
                streams: logical.streams.clone(),
                inputs: logical.inputs.clone(),
            }
        })
        .collect();
    PhysicalPlan {
        topology: logical.name.clone(),
        uid: "test".to_owned(),
        revision: 1,
        epoch: Epoch(1),
        state: RunState::Running,
        delivery: Delivery::AtLeastOnce,
        max_pending: logical.max_pending,
        message_timeout_ms: logical.message_timeout_ms,
        edge_key: 1,
        log_levels: Default::default(),
        tracing: None,
        rolling: Default::default(),
        restarted_at: None,
        max_rates: Default::default(),
        max_tries: logical
            .components
            .iter()
            .filter_map(|of| Some((of.name.clone(), of.max_tries?)))
            .collect(),
        components,
        pods: vec![PlannedPod { id: PodId(0), address: ([127, 0, 0, 1], 1).into() }],
        tasks,
    }
}

/// Adds a bolt that receives every stream without a consumer.
fn with_capture(mut plan: PhysicalPlan) -> PhysicalPlan {
    let consumed: BTreeSet<(usize, usize)> = plan
        .components
        .iter()
        .flat_map(|component| component.inputs.iter().map(|input| (input.from, input.stream)))
        .collect();
    let unconsumed = plan.components.iter().enumerate().flat_map(|(from, component)| {
        let streams = component.streams.iter().enumerate().filter(|(_, stream)| !stream.direct);
        streams.map(move |(stream, _)| (from, stream)).collect::<Vec<_>>()
    });
    let inputs: Vec<PlannedInput> = unconsumed
        .filter(|edge| !consumed.contains(edge))
        .map(|(from, stream)| PlannedInput { from, stream, grouping: Grouping::Global })
        .collect();
    if inputs.is_empty() {
        return plan;
    }
    let id = TaskId(plan.tasks.len() as u32);
    let component = plan.components.len();
    plan.tasks.push(PlannedTask { id, component, index: 0, pod: PodId(0) });
    plan.components.push(PlannedComponent {
        name: CAPTURE.to_owned(),
        kind: ComponentKind::Bolt,
        component: CAPTURE.to_owned(),
        config: serde_json::Value::Null,
        tick_ms: None,
        streams: Vec::new(),
        inputs,
    });
    plan
}

/// Emits given tuples once, and again what fails.
struct Feed {
    tuples: Vec<Vec<Value>>,
    next: usize,
    replay: Vec<u64>,
}

impl Spout for Feed {
    fn next(&mut self, out: &mut SpoutOutput<'_>) -> Result<Next> {
        let root = match self.replay.pop() {
            Some(id) => Root::id(id).replay(),
            None if self.next < self.tuples.len() => {
                self.next += 1;
                Root::id(self.next as u64 - 1)
            }
            None => return Ok(Next::Exhausted),
        };
        out.emit(&self.tuples[root.id as usize], root)?;
        Ok(Next::Emitted)
    }

    fn fail(&mut self, id: u64, _: &egret_sdk::Failure) -> Result<()> {
        self.replay.push(id);
        Ok(())
    }
}

/// Takes what nobody else does; the kit has seen it pass.
struct Capture;

impl Bolt for Capture {
    fn execute(&mut self, _: &Tuple<'_>, _: &mut BoltOutput<'_>) -> Result<()> {
        Ok(())
    }
}
