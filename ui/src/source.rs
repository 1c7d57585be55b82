//! Where looks come from: a run on this machine, or a cluster.

use crate::{seen::Seen, snapshot::LogLine};
use egret_topology::{
    id::{PodId, TaskId},
    plan::PhysicalPlan,
};
use egret_wire::inspect::{EdgeKey, Sample};
use serde::{Deserialize, Serialize};

/// Lines of a log that are shown.
pub const LOG_LINES: usize = 200;
/// Tuples of an edge that are shown.
pub const SAMPLES: usize = 50;

/// Somebody who can look at a topology. Errors are words for people.
pub trait Source: Send + Sync + 'static {
    /// Looks at everything.
    fn see(&self) -> impl Future<Output = Result<Seen, String>> + Send;

    /// The last lines of a task's log, up to [`LOG_LINES`], the newest last.
    fn log(&self, task: &TaskName) -> impl Future<Output = Result<Vec<LogLine>, String>> + Send;

    /// Tuples that flowed over an edge lately, up to [`SAMPLES`], the newest last. Being asked is
    /// what makes somebody keep some: the first answer may be empty.
    fn samples(
        &self,
        plan: &PhysicalPlan,
        edge: EdgeKey,
    ) -> impl Future<Output = Result<Vec<Sample>, String>> + Send;
}

/// A task with all of its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskName {
    /// Its id.
    pub id: TaskId,
    /// Its component.
    pub component: String,
    /// Its place among the tasks of its component.
    pub index: u32,
    /// Its pod.
    pub pod: PodId,
}

/// The log of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// The task.
    pub task: TaskId,
    /// Its last lines, the newest last.
    pub lines: Vec<LogLine>,
}

/// Tuples of an edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Samples {
    /// Names of their fields.
    pub fields: Vec<String>,
    /// The tuples, the newest last.
    pub samples: Vec<Sample>,
}
