//! What a source has seen at one moment: the raw material of a snapshot.

use egret_topology::{id::PodId, plan::PhysicalPlan};
use egret_wire::inspect::Look;
use std::sync::Arc;

/// Everything at one moment.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Name of the topology.
    pub topology: String,
    /// Where it runs.
    pub place: String,
    /// What it is doing, in one word.
    pub state: String,
    /// The newest plan that is known; configurations may be left out.
    pub plan: Option<Arc<PhysicalPlan>>,
    /// Pods in order.
    pub pods: Vec<SeenPod>,
    /// What could not be seen, and why.
    pub troubles: Vec<String>,
}

/// A pod at one moment.
#[derive(Clone, Debug, Default)]
pub struct SeenPod {
    /// Its index.
    pub id: PodId,
    /// Its name.
    pub name: String,
    /// The machine that it runs on.
    pub node: Option<String>,
    /// How it is, in one word.
    pub state: String,
    /// What its stream manager says, if it answers.
    pub look: Option<Look>,
}
