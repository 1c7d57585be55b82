//! What tasks and pods report: states, counts, latencies, usage.

use super::Phase;
use crate::durations::Durations;
use egret_topology::id::{Incarnation, PodId, TaskId};
use serde::{Deserialize, Deserializer, Serialize};

/// Counts of roots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RootCounts {
    /// Emitted, replays included.
    pub emitted: u64,
    /// Whose tree was acked whole.
    pub acked: u64,
    /// Failed with a cause, losses included.
    pub failed: u64,
    /// Not complete within the message timeout.
    pub timed_out: u64,
    /// In flight.
    pub pending: u64,
    /// Of the emitted, those that repeat a failed one.
    pub replayed: u64,
    /// Of the replayed, those that had failed too often and left as dead letters.
    pub dead_letters: u64,
    /// Of the failed, those that a loss took.
    pub lost: u64,
    /// Of the failed, those that were pending when the life of their task ended.
    pub orphaned: u64,
}

impl RootCounts {
    /// Adds another's counts. Whoever reports may report anything, so sums end where numbers do.
    pub fn add(&mut self, other: &RootCounts) {
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.emitted, other.emitted);
        add(&mut self.acked, other.acked);
        add(&mut self.failed, other.failed);
        add(&mut self.timed_out, other.timed_out);
        add(&mut self.pending, other.pending);
        add(&mut self.replayed, other.replayed);
        add(&mut self.dead_letters, other.dead_letters);
        add(&mut self.lost, other.lost);
        add(&mut self.orphaned, other.orphaned);
    }
}

/// What one incarnation of a task has done so far; all counts only grow, but for `pending`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskReport {
    /// Where it is in its life.
    pub phase: Phase,
    /// Its process was asked to end, and works on until its pod may go.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
    /// Roots, of spouts only.
    pub roots: RootCounts,
    /// Tuples emitted on any stream (once each, however many tasks received it).
    pub emitted: u64,
    /// Tuples that `execute` was called with.
    pub executed: u64,
    /// Bolts: input tuples acked. Spouts: as `roots.acked`.
    pub acked: u64,
    /// Bolts: input tuples failed. Spouts: roots failed or timed out.
    pub failed: u64,
    /// What a finishing bolt has emitted and is not acked yet, and input that it has not acked.
    pub unfinished: u64,
    /// Bolts: source tasks of which any frame has come in this life.
    pub heard: u32,
    /// Time in which it could not emit, in microseconds.
    pub backpressure_us: u64,
    /// The destination that it waits for now.
    pub blocked_on: Option<TaskId>,
    /// Whom it has waited for since the last report: (task, microseconds).
    pub waited_for: Vec<(TaskId, u64)>,
    /// For how long `execute`, `next` or another call has not returned, in milliseconds.
    pub busy_ms: u64,
    /// Time spent in user code, in microseconds, sampled.
    pub busy_us: u64,
    /// Frames discarded: foreign epoch, duplicate or unknown.
    pub discarded: u64,
    /// Complete latency since the last report: (microseconds, count).
    pub latency: Vec<(u64, u64)>,
    /// How long `execute` took, once per tuple.
    pub execute: Durations,
    /// Time from `execute` to the ack of its tuple.
    pub process: Durations,
    /// Bytes of input that wait for `execute`.
    pub inbox_bytes: u64,
    /// Bytes emitted that wait for the transport.
    pub outbox_bytes: u64,
    /// What its process uses, looked at now and then.
    pub usage: Option<Usage>,
    /// Where a spout stands, in its own words.
    pub position: Option<String>,
    /// Who held the last root that timed out within a minute, in words.
    pub held_by: Option<String>,
    /// Metrics of user code.
    pub user: Vec<UserMetric>,
}

/// What a process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// CPU time of all its threads, in microseconds.
    pub cpu_us: u64,
    /// Resident memory, in bytes.
    pub resident_bytes: u64,
    /// When it started, in milliseconds since 1970.
    pub started_ms: u64,
}

/// A metric of user code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserMetric {
    /// Its name.
    pub name: String,
    /// Whether it can fall.
    pub gauge: bool,
    /// Its value. JSON has no number that is not finite: such a value travels as null, comes back
    /// NaN.
    #[serde(deserialize_with = "float_or_null")]
    pub value: f64,
}

/// Without this one NaN in user code would make every report malformed.
fn float_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// What a task has done over all its incarnations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskStatus {
    /// The task.
    pub task: TaskId,
    /// Whether it is connected in its newest incarnation.
    pub connected: bool,
    /// Its newest incarnation.
    pub incarnation: Incarnation,
    /// Lives before this one.
    pub restarts: u32,
    /// Totals over all lives; `pending` of dead ones is booked as failed.
    pub total: TaskReport,
    /// Complete latency over all lives: (microseconds, count).
    pub latency: Vec<(u64, u64)>,
    /// The error that ended its last life, if it ended by itself.
    pub error: Option<String>,
}

/// A stream in which bytes wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stalled {
    /// The task that the bytes are for.
    pub dest: TaskId,
    /// Bytes that wait.
    pub bytes: u64,
    /// For how long nothing moved, in milliseconds.
    pub for_ms: u64,
}

/// What a pod is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// The pod.
    pub pod: PodId,
    /// Revision of the plan in force.
    pub revision: u64,
    /// Its tasks.
    pub tasks: Vec<TaskStatus>,
    /// Peers that it has a link to.
    pub peers_up: Vec<PodId>,
    /// Peers that it should have a link to, and has not.
    pub peers_down: Vec<PodId>,
    /// Streams that stand still.
    pub stalled: Vec<Stalled>,
    /// Bytes queued.
    pub queued_bytes: u64,
    /// Losses announced.
    pub losses: u64,
    /// Links closed for malformed bytes.
    pub malformed: u64,
}
