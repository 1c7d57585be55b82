//! One stream manager, as the operator sees it.

use crate::{
    pending::{Pending, Request, WAITING},
    positions::Shared,
    session::{Session, State},
};
use egret_link::Endpoint;
use egret_topology::{
    id::{PodId, TaskId},
    plan::PhysicalPlan,
};
use egret_wire::control::PodStatus;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time,
};

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

/// One stream manager. Keeps its link up by itself, until the last handle is dropped; cheap to
/// clone.
#[derive(Clone)]
pub struct Manager {
    pod: PodId,
    requests: mpsc::Sender<Request>,
    address: Arc<watch::Sender<SocketAddr>>,
    state: watch::Receiver<State>,
}

impl Manager {
    /// Starts to connect and stays connected. `endpoint` has the operator's credentials. Needs a
    /// tokio runtime.
    pub fn connect(endpoint: Endpoint, uid: &str, pod: PodId, address: SocketAddr) -> Manager {
        Manager::connect_with(endpoint, uid, pod, address, Shared::default())
    }

    /// As [`Manager::connect`], with positions that others have told or shall be told.
    pub fn connect_with(
        endpoint: Endpoint,
        uid: &str,
        pod: PodId,
        address: SocketAddr,
        positions: Shared,
    ) -> Manager {
        let (requests, received) = mpsc::channel(WAITING);
        let (address, addressed) = watch::channel(address);
        let (told, state) = watch::channel(State::Down("never connected yet".into()));
        let session = Session {
            endpoint,
            uid: uid.to_owned(),
            pod,
            address: addressed,
            requests: received,
            state: told,
            pending: Pending::new(pod, positions),
        };
        tokio::spawn(session.run());
        Manager { pod, requests, address: Arc::new(address), state }
    }

    /// The stream manager is at this address from now on.
    pub fn set_address(&self, address: SocketAddr) {
        self.address.send_if_modified(|was| std::mem::replace(was, address) != address);
    }

    /// Whether the link is up now.
    pub fn connected(&self) -> bool {
        *self.state.borrow() == State::Up
    }

    /// Pushes a plan and waits until it is in force. It is pushed again after a reconnect if need
    /// be, also after the deadline, until it is refused or a newer one is pushed.
    pub async fn push(&self, plan: Arc<PhysicalPlan>, within: Duration) -> Result<(), Error> {
        let pod = self.pod;
        self.request(within, |answer| Request::Push { plan, answer })
            .await?
            .map_err(|why| Error::Refused { pod, why })
    }

    /// What the pod is doing.
    pub async fn status(&self, within: Duration) -> Result<PodStatus, Error> {
        self.request(within, |answer| Request::Status { answer }).await
    }

    /// A task crashed: counted and shown by the stream manager. Does not wait; of reports that
    /// cannot be delivered the newest are kept.
    pub fn crashed(&self, task: TaskId, error: String) -> Result<(), Error> {
        self.requests.try_send(Request::Crashed { task, error }).map_err(|_| Error::Busy(self.pod))
    }

    async fn request<T>(
        &self,
        within: Duration,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, Error> {
        let busy = || Error::Busy(self.pod);
        let (answer, answered) = oneshot::channel();
        self.requests.try_send(request(answer)).map_err(|_| busy())?;
        match time::timeout(within, answered).await {
            Ok(answer) => answer.map_err(|_| busy()),
            Err(_) => Err(Error::Silent { pod: self.pod, within, link: self.link() }),
        }
    }

    fn link(&self) -> String {
        match &*self.state.borrow() {
            State::Up => "connected".into(),
            State::Down(why) => format!("not connected: {why}"),
        }
    }
}
