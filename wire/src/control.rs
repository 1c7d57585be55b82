//! Control messages: handshakes, plans, reports, losses (protocol section 7).
//!
//! JSON behind a 32-bit length: rare, readable in a capture, and open to new fields. A reader
//! ignores fields that it does not know; a writer never changes the meaning of one.

use crate::{Malformed, data::RootId, durations::Durations, limits, trace::Span};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use egret_topology::{
    id::{Incarnation, PodId, TaskId},
    plan::PhysicalPlan,
    positions::Positions,
};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// ALPN between stream managers.
pub const ALPN_PEER: &[u8] = b"egret-peer/1";
/// ALPN of instances to their stream manager.
pub const ALPN_INSTANCE: &[u8] = b"egret-instance/1";
/// ALPN of the operator to stream managers.
pub const ALPN_CONTROL: &[u8] = b"egret-control/1";

/// From an instance to its stream manager.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FromInstance {
    /// The first message on every connection.
    Hello {
        /// Protocol version.
        version: u8,
        /// The topology that it believes to belong to.
        uid: String,
        /// The task that it runs.
        task: TaskId,
        /// The life of that task.
        incarnation: Incarnation,
    },
    /// Counters since the start of this incarnation.
    Report(Box<TaskReport>),
    /// Settled prefixes of splits that moved since the last such message.
    Positions {
        /// Split to position.
        splits: BTreeMap<String, u64>,
    },
    /// A root has timed out here: who holds a tuple of its tree?
    WhoHolds {
        /// The root.
        root: Root,
    },
    /// The answer to [`ToInstance::WhoHolds`] of an instance that holds something of it.
    Holds(Hold),
    /// Steps of traced tuples that are over.
    Spans {
        /// The steps.
        spans: Vec<Span>,
        /// How many more there were since the last such message, for which there was no room.
        dropped: u64,
    },
    /// The task could not start, or has ended with an error. The last message of this incarnation.
    Broken {
        /// The user's own error.
        error: String,
    },
}

/// From a stream manager to an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ToInstance {
    /// The answer to the hello: run this.
    Assign {
        /// The current plan.
        plan: Box<PhysicalPlan>,
        /// Where the splits of this component stand.
        positions: BTreeMap<String, u64>,
        /// How many lives of the task there were before this one.
        restarts: u32,
    },
    /// The hello was refused for good, or the link must be made anew.
    Refused {
        /// Why.
        why: String,
        /// A life that the stream manager has already seen, if that is the reason.
        newest: Option<Incarnation>,
    },
    /// A newer plan.
    Plan(Box<PhysicalPlan>),
    /// Tuples were lost.
    Loss(LossScope),
    /// Does this task hold a tuple of the root's tree?
    WhoHolds {
        /// The root.
        root: Root,
    },
    /// Somebody holds a tuple of a root that timed out here.
    Holds(Hold),
}

/// Between stream managers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Peer {
    /// The first message on every connection, from both sides.
    Hello {
        /// Protocol version.
        version: u8,
        /// The topology.
        uid: String,
        /// The sender's pod.
        pod: PodId,
        /// The life of the sender's stream manager.
        incarnation: Incarnation,
        /// Revision of the sender's plan.
        revision: u64,
        /// How many losses this incarnation has announced.
        losses: u64,
    },
    /// A copy of the sender's plan, which is newer than the receiver's hello said.
    Plan(Box<PhysicalPlan>),
    /// A loss, by its number in the sender's incarnation.
    Loss {
        /// Counts from 1 without gaps.
        number: u64,
        /// What was lost.
        scope: LossScope,
    },
    /// Who of your tasks holds a tuple of this root's tree?
    WhoHolds {
        /// The root.
        root: Root,
    },
    /// A task of the sender holds one.
    Holds(Hold),
}

/// From the operator to a stream manager.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FromOperator {
    /// The first message.
    Hello {
        /// Protocol version.
        version: u8,
        /// The topology.
        uid: String,
    },
    /// A plan to take over if its revision is higher.
    Plan(Box<PhysicalPlan>),
    /// Where the input of the pod's spouts stands, as far as anybody knows. Comes before the first
    /// plan; a spout is assigned only after it.
    Positions {
        /// Settled prefixes.
        positions: Positions,
    },
    /// Answer with a status.
    Status,
    /// A task will not come back by itself: its parent gave up, or backs off. Counted, shown.
    Crashed {
        /// The task.
        task: TaskId,
        /// The user's own error.
        error: String,
    },
}

/// From a stream manager to the operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ToOperator {
    /// The answer to the hello.
    Hello {
        /// The sender's pod.
        pod: PodId,
        /// The life of the sender.
        incarnation: Incarnation,
        /// Revision of its plan, 0 if it has none.
        revision: u64,
    },
    /// The plan of this revision is in force, or was refused.
    Plan {
        /// Revision of the plan that was pushed.
        revision: u64,
        /// Why it was refused.
        refused: Option<String>,
    },
    /// What has settled since the last such message, before each status and as last words.
    Positions {
        /// Settled prefixes.
        positions: Positions,
    },
    /// What the pod is doing.
    Status(Box<PodStatus>),
}

/// What was lost, as seen by the stream manager that noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum LossScope {
    /// Anything on its way into or out of this task.
    Task {
        /// The task.
        task: TaskId,
    },
    /// Anything on its way between these pods.
    Link {
        /// One pod.
        a: PodId,
        /// The other.
        b: PodId,
    },
    /// Anything that touched this pod.
    Pod {
        /// The pod.
        pod: PodId,
    },
}

/// A root in a control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Root {
    /// The task that emitted it.
    pub task: TaskId,
    /// The life of that task.
    pub incarnation: Incarnation,
    /// Its number in that life.
    pub seq: u64,
}

impl From<RootId> for Root {
    fn from(RootId { task, incarnation, seq }: RootId) -> Root {
        Root { task, incarnation, seq }
    }
}

/// Where a tuple of a timed-out tree is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// The root.
    pub root: Root,
    /// The task that holds it.
    pub task: TaskId,
    /// What it does with it.
    pub how: Holding,
    /// For how long it does, in milliseconds.
    pub for_ms: u64,
}

/// What a task does with a tuple that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Holding {
    /// `execute` has not returned.
    Executing,
    /// Executed, neither acked nor failed.
    Unacked,
    /// Waits in the instance's input.
    Queued,
    /// The stream to the task stands still; the tuple may be in it.
    Stalled,
}

/// Where a task is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Not connected, or `open`/`prepare` has not returned.
    #[default]
    Starting,
    /// Works, or could.
    Active,
    /// Deactivated: paused or draining.
    Inactive,
    /// A spout that is exhausted, its last trees still pending.
    Exhausted,
    /// Ended: its end mark is out.
    Ended,
    /// `close` has returned.
    Closed,
}

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

/// The message with its length in front.
pub fn encode<T: Serialize>(message: &T) -> Result<Bytes, Malformed> {
    let json =
        serde_json::to_vec(message).map_err(|error| Malformed::Control(error.to_string()))?;
    check(json.len())?;
    let mut bytes = BytesMut::with_capacity(4 + json.len());
    bytes.put_u32_le(json.len() as u32);
    bytes.extend_from_slice(&json);
    Ok(bytes.freeze())
}

/// Takes the next message off the front of `buffer` if all of it is there.
pub fn decode<T: DeserializeOwned>(buffer: &mut BytesMut) -> Result<Option<T>, Malformed> {
    let Some(len) = buffer.first_chunk::<4>() else { return Ok(None) };
    let len = u32::from_le_bytes(*len) as usize;
    check(len)?;
    if buffer.len() < 4 + len {
        return Ok(None);
    }
    buffer.advance(4);
    let json = buffer.split_to(len);
    serde_json::from_slice(&json).map(Some).map_err(|error| Malformed::Control(error.to_string()))
}

fn check(len: usize) -> Result<(), Malformed> {
    if len > limits::MAX_CONTROL {
        let limit = limits::MAX_CONTROL as u64;
        return Err(Malformed::Limit { what: "a control message", got: len as u64, limit });
    }
    Ok(())
}
