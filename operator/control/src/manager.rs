//! One stream manager, as the operator sees it.

use egret_link::Endpoint;
use egret_topology::{
    id::{PodId, TaskId},
    plan::PhysicalPlan,
};
use egret_wire::control::PodStatus;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// Why a stream manager gave no good answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too many requests wait for it.
    #[error("the stream manager of pod {0} has too many requests waiting")]
    Busy(PodId),
    /// It refused the plan.
    #[error("the stream manager of pod {pod} refused the plan: {why}")]
    Refused {
        /// The pod.
        pod: PodId,
        /// Its words.
        why: String,
    },
    /// It did not answer in time.
    #[error("the stream manager of pod {pod} did not answer within {within:?} ({link})")]
    Silent {
        /// The pod.
        pod: PodId,
        /// The deadline.
        within: Duration,
        /// How the link is: connected, or the last error.
        link: String,
    },
    /// The pod is not known here.
    #[error("there is no pod {0}")]
    Unknown(PodId),
}

/// One stream manager. Keeps its link up by itself; cheap to clone.
#[derive(Clone)]
pub struct Manager {}

impl Manager {
    /// Starts to connect and stays connected. Needs a tokio runtime.
    pub fn connect(_endpoint: Endpoint, _uid: &str, _pod: PodId, _address: SocketAddr) -> Manager {
        todo!()
    }

    /// The stream manager is at another address from now on.
    pub fn set_address(&self, _address: SocketAddr) {
        todo!()
    }

    /// Whether the link is up now.
    pub fn connected(&self) -> bool {
        todo!()
    }

    /// Pushes a plan and waits until it is in force. It is pushed again after a reconnect if need be, also
    /// after the deadline, until a newer one is pushed.
    pub async fn push(&self, _plan: Arc<PhysicalPlan>, _within: Duration) -> Result<(), Error> {
        todo!()
    }

    /// What the pod is doing.
    pub async fn status(&self, _within: Duration) -> Result<PodStatus, Error> {
        todo!()
    }

    /// A task crashed: counted and shown by the stream manager. Does not wait.
    pub fn crashed(&self, _task: TaskId, _error: String) -> Result<(), Error> {
        todo!()
    }
}
