//! Control messages: handshakes, plans, reports, losses (protocol section 7).
//!
//! JSON behind a 32-bit length: rare, readable in a capture, and open to new fields. A reader
//! ignores fields that it does not know; a writer never changes the meaning of one.

mod report;

pub use report::{PodStatus, RootCounts, Stalled, TaskReport, TaskStatus, Usage, UserMetric};

use crate::{Malformed, data::RootId, limits, profile::Profile, trace::Span};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use egret_topology::{
    id::{Incarnation, PodId, TaskId},
    plan::PhysicalPlan,
    positions::Positions,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// The protocol between stream managers. Its names in ALPN have a version each
/// ([`crate::version`]).
pub const ALPN_PEER: &[u8] = b"egret-peer";
/// The protocol of instances to their stream manager.
pub const ALPN_INSTANCE: &[u8] = b"egret-instance";
/// The protocol of the operator to stream managers.
pub const ALPN_CONTROL: &[u8] = b"egret-control";

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
        /// What the life before died of, if a signal has ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        died_of: Option<String>,
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
    /// The answer to [`ToInstance::Drain`]: all of that is worked off.
    Drained {
        /// Frames of all kinds that were sent over this link.
        frames: u64,
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
    /// The answer to [`ToInstance::Profile`].
    Profile {
        /// Number of the question.
        number: u64,
        /// Where its CPU time went; null if it cannot tell.
        profile: Option<Box<Profile>>,
        /// Why it cannot tell.
        refused: Option<String>,
    },
    /// The task could not start, or has ended with an error. The last message of this incarnation.
    Broken {
        /// The user's own error.
        error: String,
        /// The tuple that was being executed, if one was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        poisoned: Option<Poisoned>,
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
    Loss {
        /// What was lost.
        #[serde(flatten)]
        scope: LossScope,
        /// The tuple that user code failed at, if that was why a task was lost.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        poisoned: Option<Poisoned>,
    },
    /// Work off what you were sent, and stay: another life takes over.
    Drain {
        /// Frames of data streams that were sent over this link.
        frames: u64,
    },
    /// Does this task hold a tuple of the root's tree?
    WhoHolds {
        /// The root.
        root: Root,
    },
    /// Somebody holds a tuple of a root that timed out here.
    Holds(Hold),
    /// Record where this process spends its CPU time.
    Profile {
        /// Number of the question, to be repeated in the answer.
        number: u64,
        /// For how long.
        seconds: u32,
    },
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
        /// The tuple that user code failed at, if that was why a task was lost.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        poisoned: Option<Poisoned>,
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

/// The tuple that was being executed when user code ended the life of its task: its roots have
/// failed, while all else that was in flight is merely lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Poisoned {
    /// The roots of the tuple.
    pub roots: Vec<Root>,
    /// The component and what it died of.
    pub cause: String,
}

impl Poisoned {
    /// No longer than a fail in an ack frame may be. Whoever sends it may send anything.
    #[must_use]
    pub fn bounded(mut self) -> Poisoned {
        self.roots.truncate(limits::MAX_ROOTS);
        self.cause.truncate(self.cause.floor_char_boundary(limits::MAX_CAUSE));
        self
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
    /// About to be replaced, with nothing left to do.
    Drained,
    /// A spout that is exhausted, its last trees still pending.
    Exhausted,
    /// Ended: its end mark is out.
    Ended,
    /// `close` has returned.
    Closed,
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
