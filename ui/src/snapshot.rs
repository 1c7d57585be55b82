//! The one JSON shape that the page, `egret top` and scripts read (`docs/ui.md` explains it).
//!
//! Times are in seconds, rates per second, shares between 0 and 1. What is not known is null, never
//! zero: a rate needs two looks, a latency a root that was acked.

use egret_topology::{
    id::{PodId, TaskId},
    plan::ComponentKind,
};
use egret_wire::{control::Phase, inspect::PastError};
use serde::{Deserialize, Serialize};

/// Version of the shape. New fields do not change it; a field that means something else does.
pub const VERSION: u32 = 1;

/// What a topology is doing, as one moment shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// [`VERSION`].
    pub version: u32,
    /// Name of the topology.
    pub topology: String,
    /// Where it runs: `this machine`, or namespace and cluster.
    pub place: String,
    /// What it is doing, in one word.
    pub state: String,
    /// When this was seen, in milliseconds since 1970.
    pub at_ms: u64,
    /// How old it was when it was sent.
    pub age_seconds: f64,
    /// Why there is nothing newer, if the source does not answer.
    pub stale: Option<String>,
    /// The time over which rates are means.
    pub window_seconds: Option<f64>,
    /// What could not be seen, and why.
    pub troubles: Vec<String>,
    /// Tuple trees in flight that a spout task may have.
    pub max_pending: Option<u32>,
    /// All roots of all spouts.
    pub roots: Roots,
    /// Complete latency of the roots of the window; of all roots, if it had none.
    pub latency: Option<Quantiles>,
    /// What is wrong or slow, the gravest first.
    pub findings: Vec<Finding>,
    /// Spouts, then bolts, in the order of the topology.
    pub components: Vec<Component>,
    /// Who sends to whom.
    pub edges: Vec<Edge>,
    /// Pods in order.
    pub pods: Vec<Pod>,
    /// Tasks in order of their ids.
    pub tasks: Vec<Task>,
    /// Where to draw components and edges.
    pub layouts: Layouts,
}

/// Counts of roots since the start, and rates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Roots {
    /// Emitted, replays included.
    pub emitted: u64,
    /// Whose tree was acked whole.
    pub acked: u64,
    /// Failed with a cause.
    pub failed: u64,
    /// Not complete in time.
    pub timed_out: u64,
    /// In flight.
    pub pending: u64,
    /// Of the emitted, those that repeat a failed one.
    pub replayed: u64,
    /// Of these, those that have failed too often and left as dead letters.
    #[serde(default)]
    pub dead_letters: u64,
    /// Acked per second.
    pub acked_rate: Option<f64>,
    /// Failed or timed out per second.
    pub lost_rate: Option<f64>,
}

/// Latency in seconds that a share of roots kept within.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quantiles {
    /// Half of them.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// All of them.
    pub max: f64,
    /// How many roots that are.
    pub count: u64,
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Something does not work.
    Bad,
    /// Something limits or is lost.
    Warn,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A life of a task has ended with an error.
    Broken,
    /// A task has no link to its stream manager.
    Away,
    /// A pod lacks links, or does not answer.
    Pod,
    /// User code does not return.
    Stuck,
    /// Roots fail or time out.
    Lost,
    /// A component keeps those who send to it waiting.
    HoldsBack,
    /// Spouts have as many trees in flight as they may.
    Full,
}

/// Something worth knowing first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How grave it is.
    pub severity: Severity,
    /// What kind of finding.
    pub kind: Kind,
    /// The component, if it is about one.
    pub component: Option<String>,
    /// The task, if it is about one.
    pub task: Option<TaskId>,
    /// What it is, for people.
    pub words: String,
}

/// What is counted alike of tasks and of components.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// Tuples emitted since the start, once each.
    pub emitted: u64,
    /// Tuples executed since the start.
    pub executed: u64,
    /// Input acked since the start; of spouts roots acked.
    pub acked: u64,
    /// Input failed since the start; of spouts roots failed or timed out.
    pub failed: u64,
    /// Emitted per second.
    pub emitted_rate: Option<f64>,
    /// Executed per second.
    pub executed_rate: Option<f64>,
    /// Acked per second.
    pub acked_rate: Option<f64>,
    /// Failed per second.
    pub failed_rate: Option<f64>,
    /// Mean time in user code per executed tuple; of spouts per emitted one.
    pub execute_seconds: Option<f64>,
    /// Share of time in user code, without what it waited there. Of a component: its busiest task.
    pub busy: Option<f64>,
    /// Share of time in which it could not emit. Of a component: the mean of its tasks.
    pub waiting: Option<f64>,
}

/// A spout or bolt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Name within the topology.
    pub name: String,
    /// Spout or bolt.
    pub kind: ComponentKind,
    /// Name under which it is registered in its binary.
    pub component: String,
    /// Number of tasks.
    pub parallelism: u32,
    /// Tasks that are linked to their stream manager.
    pub connected: u32,
    /// Tasks that have ended as they should.
    pub ended: u32,
    /// Restarts of all its tasks.
    pub restarts: u64,
    /// Roots in flight, of spouts.
    pub pending: u64,
    /// Complete latency, of spouts.
    pub latency: Option<Quantiles>,
    /// Whether it keeps those who send to it waiting.
    pub holds_back: bool,
    /// What it does.
    pub flow: Flow,
}

/// Who sends to whom, over which stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// Name of the source component.
    pub from: String,
    /// Name of its stream.
    pub stream: String,
    /// Name of the destination component.
    pub to: String,
    /// How tuples are shared among the destination's tasks.
    pub grouping: String,
    /// Names of the key fields, if it is keyed.
    pub keys: Vec<String>,
    /// Names of the tuples' fields.
    pub fields: Vec<String>,
    /// Tuples per second, once per destination task.
    pub rate: Option<f64>,
    /// Bytes per second.
    pub byte_rate: Option<f64>,
    /// Share of time in which the source's tasks wait for the destination.
    pub waiting: Option<f64>,
    /// The task that they mostly wait for.
    pub waits_for: Option<TaskId>,
    /// Bytes that wait in streams to the destination which stand still.
    pub stalled_bytes: u64,
}

/// One stream manager with its instances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// Its index.
    pub id: PodId,
    /// Its name.
    pub name: String,
    /// The machine that it runs on.
    pub node: Option<String>,
    /// How it is, in one word.
    pub state: String,
    /// Whether its stream manager has answered.
    pub answers: bool,
    /// Revision of the plan in force there.
    pub revision: u64,
    /// Bytes queued in its stream manager.
    pub queued_bytes: u64,
    /// Pods that it should have a link to, and has not.
    pub peers_down: Vec<PodId>,
    /// Its tasks.
    pub tasks: Vec<TaskId>,
}

/// One parallel copy of a component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Name of its component.
    pub component: String,
    /// Its place among the tasks of its component, from 0.
    pub index: u32,
    /// Its pod.
    pub pod: PodId,
    /// Whether its stream manager has told of it.
    pub known: bool,
    /// Where it is in its life.
    pub phase: Phase,
    /// Whether it is linked to its stream manager.
    pub connected: bool,
    /// Lives before this one.
    pub restarts: u32,
    /// Roots in flight, of spouts.
    pub pending: u64,
    /// The task that it waits for now.
    pub blocked_on: Option<TaskId>,
    /// For how long a call of user code has not returned.
    pub call_seconds: f64,
    /// Where a spout stands, in its own words.
    pub position: Option<String>,
    /// Who held the last of its roots that timed out within a minute, in words.
    pub held_by: Option<String>,
    /// The error that ended its last life, until it works again.
    pub error: Option<String>,
    /// Errors that ended its lives, the newest last.
    pub errors: Vec<PastError>,
    /// What it does.
    pub flow: Flow,
}

/// The same graph for a wide and for a narrow page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layouts {
    /// From left to right.
    pub right: Layout,
    /// From top to bottom.
    pub down: Layout,
}

/// Where to draw, in pixels from the upper left corner.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layout {
    /// Size of the whole.
    pub size: Point,
    /// Size of every component.
    pub node: Point,
    /// Size of every label.
    pub label: Point,
    /// Upper left corners, in order of the components.
    pub nodes: Vec<Point>,
    /// In order of the edges.
    pub edges: Vec<Route>,
}

/// Two lengths, or a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
}

/// The way of an edge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Where it leaves its source, where it passes layers in between, where it arrives.
    pub points: Vec<Point>,
    /// The middle of its label.
    pub label: Point,
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// When it was logged, in milliseconds since 1970; not all lines tell.
    pub at_ms: Option<u64>,
    /// `info`, `warn`, `error`, or `user` for what user code writes.
    pub level: String,
    /// The line.
    pub text: String,
}
