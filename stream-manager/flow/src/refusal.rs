//! What [`Flow`](crate::Flow) refuses, and why.

use egret_topology::id::{Epoch, Incarnation, PodId, TaskId};
use egret_wire::{header::Kind, preamble::Class};

/// A peer or instance broke a rule. Its link must be closed and the event counted; what arrived on
/// the stream before stays valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The handle belongs to an earlier life of the link or stream: end the reader, count nothing.
    #[error("the stream is closed")]
    Closed,
    /// A frame of this kind does not belong on a stream of this class.
    #[error("a frame of kind {kind:?} on a stream of class {class:?}")]
    WrongClass {
        /// Kind of the frame.
        kind: Kind,
        /// Class of the stream.
        class: Class,
    },
    /// The frame names another source than the stream, the link or the handshake allows.
    #[error(
        "a frame that claims to come from task {0}, which is not at the other end of this link"
    )]
    ForeignSource(TaskId),
    /// The frame or stream is for a task that is not served over this link.
    #[error("a frame or stream for task {0}, which this link has nothing to send to")]
    ForeignDest(TaskId),
    /// The frame claims another life than the one that registered.
    #[error("a frame of life {got} on the link of life {registered}")]
    ForeignIncarnation {
        /// Of the frame.
        got: Incarnation,
        /// Of the link.
        registered: Incarnation,
    },
    /// The plan has no such task.
    #[error("task {0} is not in the plan")]
    UnknownTask(TaskId),
    /// The plan has no edge between these tasks.
    #[error("no {class:?} flows from task {from} to task {to} in the plan")]
    NoEdge {
        /// The source.
        from: TaskId,
        /// The destination.
        to: TaskId,
        /// Class of the frame.
        class: Class,
    },
    /// The stream names a source where it must not, or does not where it must.
    #[error("a stream whose source is stated wrongly for this kind of link")]
    WrongKey,
    /// The stream is open already.
    #[error("a second stream for the same purpose")]
    Duplicate,
    /// No plan is in force yet.
    #[error("a stream before there is a plan")]
    NoPlan,
}

/// A link was refused; the other end may try again with what it learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No plan is in force yet: try again later.
    #[error("there is no plan yet")]
    NoPlan,
    /// The plan places the task elsewhere, or has no such task.
    #[error("task {task} does not belong to pod {pod}")]
    NotHere {
        /// The task.
        task: TaskId,
        /// This pod.
        pod: PodId,
    },
    /// The plan has no such pod, or it is this one.
    #[error("pod {0} is no peer of this one")]
    NoPeer(PodId),
    /// A later life has been here already.
    #[error("life {got} is over: life {newest} was here already")]
    Outlived {
        /// The life that was refused.
        got: Incarnation,
        /// The newest one known.
        newest: Incarnation,
    },
}

/// A plan was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanRefused {
    /// It belongs to another topology.
    #[error("the plan belongs to topology uid `{got}`, this stream manager to `{ours}`")]
    OtherTopology {
        /// Of the plan.
        got: String,
        /// Ours.
        ours: String,
    },
    /// It has no such pod.
    #[error("the plan has no pod {0}")]
    NoSuchPod(PodId),
    /// Its revision is higher but its epoch is lower.
    #[error("the plan's epoch {got} is behind epoch {ours}, which is in force")]
    EpochFalls {
        /// Of the plan.
        got: Epoch,
        /// In force.
        ours: Epoch,
    },
}
