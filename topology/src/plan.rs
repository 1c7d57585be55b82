//! The physical plan: everything a stream manager or an instance must know to do its part.
//!
//! Whoever plays the operator builds it from a packing plan and pushes it; a greater revision
//! replaces a lesser one as a whole. There are no loose commands: pause, drain and stop are fields
//! of it. [`PlanIndex`] answers the questions that the data path asks.

mod index;
mod rolling;

pub use index::{BadPlan, Downstream, PlanIndex};
pub use rolling::{Definition, Other, Rolling};

use crate::{
    grouping::Grouping,
    id::{Epoch, PodId, TaskId},
    log_level::LogLevels,
    stream::Stream,
    tracing::Tracing,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::SocketAddr};

/// What is delivered when something fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// Every tuple tree is tracked; what fails can be replayed.
    #[default]
    AtLeastOnce,
    /// Nothing is tracked or replayed.
    AtMostOnce,
}

/// Spout or bolt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ComponentKind {
    /// Receives tuples.
    Bolt,
    /// Emits roots.
    Spout,
}

/// What all tasks of the topology should be doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunState {
    /// Spouts emit.
    #[default]
    Running,
    /// Spouts are deactivated; what is in flight goes on.
    Paused,
    /// Spouts are deactivated for good, held-back work is flushed, nothing is finished.
    Draining,
    /// As `Draining`, and when nothing is pending the input counts as ended: bolts finish.
    Finishing,
    /// Instances close their task and exit, then the stream managers.
    Stopped,
}

/// The physical plan of one topology.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PhysicalPlan {
    /// Name of the topology.
    pub topology: String,
    /// Unique id of this topology; a plan with another uid is refused.
    pub uid: String,
    /// Grows with every push.
    pub revision: u64,
    /// Grows when tasks or groupings change.
    pub epoch: Epoch,
    /// What all tasks should be doing.
    pub state: RunState,
    /// Delivery class.
    pub delivery: Delivery,
    /// Tuple trees in flight per spout task.
    pub max_pending: u32,
    /// How long a tuple tree may take.
    pub message_timeout_ms: u64,
    /// Key of the edge id hash, secret enough that no user data can aim at it.
    pub edge_key: u64,
    /// Which lines processes log.
    #[serde(default, skip_serializing_if = "LogLevels::is_empty")]
    pub log_levels: LogLevels,
    /// Which roots are traced; none: none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Tracing>,
    /// Tasks that are being replaced one after the other.
    #[serde(default, skip_serializing_if = "Rolling::is_empty")]
    pub rolling: Rolling,
    /// Roots per second at most, by the names of spouts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub max_rates: BTreeMap<String, u32>,
    /// After how many failed tries a root becomes a dead letter, by the names of spouts; without
    /// one, it is tried for ever.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub max_tries: BTreeMap<String, u32>,
    /// Processes that have started under another text start anew, once they have drained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarted_at: Option<String>,
    /// Components; indexes into this list are used below.
    pub components: Vec<PlannedComponent>,
    /// Pods, `pods[i].id == PodId(i)`.
    pub pods: Vec<PlannedPod>,
    /// Tasks in order of their ids.
    pub tasks: Vec<PlannedTask>,
}

/// A component as planned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedComponent {
    /// Name within the topology.
    pub name: String,
    /// Spout or bolt.
    pub kind: ComponentKind,
    /// Name under which the component is registered in its binary.
    pub component: String,
    /// The user's configuration, as it was written.
    pub config: serde_json::Value,
    /// Interval of tick tuples.
    #[serde(default)]
    pub tick_ms: Option<u64>,
    /// Output streams; a stream's number on the wire is its place in this list.
    pub streams: Vec<Stream>,
    /// Where a bolt's tuples come from.
    #[serde(default)]
    pub inputs: Vec<PlannedInput>,
}

/// One input of a bolt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedInput {
    /// Index of the source component.
    pub from: usize,
    /// Index of the source's stream.
    pub stream: usize,
    /// How tuples are shared among this bolt's tasks.
    #[serde(flatten)]
    pub grouping: Grouping,
}

/// A pod as planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedPod {
    /// Its index.
    pub id: PodId,
    /// Where its stream manager listens.
    pub address: SocketAddr,
}

/// A task as planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedTask {
    /// Its id.
    pub id: TaskId,
    /// Index of its component.
    pub component: usize,
    /// Its place among the tasks of its component, from 0.
    pub index: u32,
    /// Its pod.
    pub pod: PodId,
}
