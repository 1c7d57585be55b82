//! What the operator tells of a topology.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The resource is valid and its pods could be made.
pub const ACCEPTED: &str = "Accepted";
/// No tuple tree is pending without progress.
pub const FLOW_HEALTHY: &str = "FlowHealthy";
/// The operator is on its way to what was asked for.
pub const PROGRESSING: &str = "Progressing";
/// Every task is registered and all links are up.
pub const READY: &str = "Ready";

/// What a topology is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopologyStatus {
    /// The generation of the spec that this speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// In one word: Pending, Running, Paused, Draining, Stopped, Completed, Invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Pods that are ready, of all: `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<String>,
    /// Tasks that are registered, of all: `9/10`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<String>,
    /// Number of pods, for the scale subresource.
    #[serde(default)]
    pub replicas: i32,
    /// Selects the pods, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Revision of the physical plan that was recorded last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Epoch of tasks and groupings in that plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
    /// How many tasks components have and would have that are given them by what is measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub autoscale: Vec<AutoscaleStatus>,
    /// Accepted, Ready, Progressing, FlowHealthy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// How many tasks a component has and would have, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoscaleStatus {
    /// Its name.
    pub component: String,
    /// Tasks that it has.
    pub current: i64,
    /// Tasks that it would have by what is measured.
    pub wanted: i64,
    /// Why, for people.
    pub reason: String,
    /// Nothing is changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// What was changed last, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_change: Option<String>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_change_time: Option<String>,
}

/// One thing that holds or not, as in KEP-1623.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What.
    pub r#type: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The generation of the spec that this speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When the status last changed.
    pub last_transition_time: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, for people.
    pub message: String,
}
