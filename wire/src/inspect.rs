//! What a stream manager tells whoever looks into it: JSON over HTTP, for people's eyes only.
//!
//! Nothing in a topology depends on it. A reader ignores fields that it does not know.

use crate::control::PodStatus;
use egret_topology::id::TaskId;
use serde::{Deserialize, Serialize};

/// Everything of a pod at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Look {
    /// What the pod is doing.
    pub status: PodStatus,
    /// What the pod's tasks have sent since somebody began to look.
    pub edges: Vec<EdgeCount>,
    /// Tasks that have ended with errors.
    pub errors: Vec<TaskErrors>,
}

/// The last errors of a task, of all its lives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskErrors {
    /// The task.
    pub task: TaskId,
    /// The newest last.
    pub errors: Vec<PastError>,
}

/// An error that has ended lives of a task, once or several times in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PastError {
    /// When it came first, in milliseconds since 1970.
    pub first_ms: u64,
    /// When it came last.
    pub last_ms: u64,
    /// How often in a row.
    pub times: u32,
    /// Lives before the one that it ended last.
    pub restarts: u32,
    /// The user's own words, the beginning.
    pub text: String,
}

/// What one task has sent to another over one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EdgeCount {
    /// The task that emitted.
    pub source: TaskId,
    /// Index of its stream.
    pub stream: u16,
    /// The task that it was for.
    pub dest: TaskId,
    /// Tuples.
    pub tuples: u64,
    /// Bytes of their frames.
    pub bytes: u64,
}

/// Which tuples are asked for: indexes into the plan's components and the source's streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EdgeKey {
    /// The source component.
    pub from: usize,
    /// Its stream.
    pub stream: u16,
    /// The destination component.
    pub to: usize,
}

/// A tuple on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sample {
    /// When it was seen, in milliseconds since 1970.
    pub at_ms: u64,
    /// The task that emitted it.
    pub source: TaskId,
    /// The task that it was for.
    pub dest: TaskId,
    /// Its values, in order of the stream's fields.
    pub values: Vec<SampledValue>,
}

/// A value as people read it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SampledValue {
    /// Its type.
    pub kind: String,
    /// As text.
    pub text: String,
    /// Whether there was more of it.
    pub cut: bool,
}
