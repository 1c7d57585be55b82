//! Tasks and pods that are being replaced one after the other while the others go on.

use super::{PhysicalPlan, PlannedComponent};
use crate::id::{PodId, TaskId};
use serde::{Deserialize, Serialize};

/// What a rolling change means for single tasks, and a pod that goes for its own. Empty most of the
/// time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rolling {
    /// Tasks whose input waits: they work off what they have, and then another life takes over.
    pub draining: Vec<TaskId>,
    /// What some tasks still run instead of what their component says.
    pub others: Vec<Other>,
    /// Pods that are asked to end: their tasks work on until they are released.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leaving: Vec<PodId>,
    /// Pods whose tasks may end if they are asked to: nobody waits for anything of theirs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub released: Vec<PodId>,
}

/// What tasks of one component run instead of what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Other {
    /// The tasks.
    pub tasks: Vec<TaskId>,
    /// What they run.
    pub definition: Definition,
}

/// What a task reads when its process starts, and never again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Definition {
    /// Name under which the component is registered in its binary.
    pub component: String,
    /// The user's configuration, as it was written.
    pub config: serde_json::Value,
    /// Interval of tick tuples.
    #[serde(default)]
    pub tick_ms: Option<u64>,
    /// Another text is another life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarted_at: Option<String>,
}

impl Rolling {
    /// Whether every task runs what its component says, and none is replaced.
    pub fn is_empty(&self) -> bool {
        let tasks = self.draining.is_empty() && self.others.is_empty();
        tasks && self.leaving.is_empty() && self.released.is_empty()
    }

    /// What a task runs instead of what its component says.
    pub fn other(&self, task: TaskId) -> Option<&Definition> {
        let of = self.others.iter().find(|other| other.tasks.contains(&task));
        of.map(|other| &other.definition)
    }
}

impl PhysicalPlan {
    /// What tasks of a component run.
    pub fn definition_of(&self, component: &PlannedComponent) -> Definition {
        let PlannedComponent { component, config, tick_ms, .. } = component;
        Definition {
            component: component.clone(),
            config: config.clone(),
            tick_ms: *tick_ms,
            restarted_at: self.restarted_at.clone(),
        }
    }
}
