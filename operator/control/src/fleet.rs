//! All stream managers of one topology.

use crate::{Error, Manager};
use egret_link::Endpoint;
use egret_topology::{
    id::{PodId, TaskId},
    plan::PhysicalPlan,
};
use egret_wire::control::PodStatus;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// Who took a plan over, in order of pods.
#[derive(Clone, Debug, Default)]
pub struct Pushed {
    /// Where it is in force.
    pub accepted: Vec<PodId>,
    /// Where it is not, and why. Those who were silent get it later.
    pub failed: Vec<(PodId, Error)>,
}

/// What all pods are doing, in order of pods.
#[derive(Clone, Debug, Default)]
pub struct Statuses {
    /// The answers.
    pub pods: Vec<PodStatus>,
    /// Who did not answer, and why.
    pub failed: Vec<(PodId, Error)>,
}

/// All stream managers of one topology. Cheap to clone.
#[derive(Clone)]
pub struct Fleet {}

impl Fleet {
    /// No pods yet. `endpoint` has the operator's credentials.
    pub fn new(_endpoint: Endpoint, _uid: &str) -> Fleet {
        todo!()
    }

    /// Where a pod's stream manager is. The first call for a pod starts to connect.
    pub fn set_address(&self, _pod: PodId, _address: SocketAddr) {
        todo!()
    }

    /// Forgets a pod and closes its link.
    pub fn remove(&self, _pod: PodId) {
        todo!()
    }

    /// One stream manager.
    pub fn manager(&self, _pod: PodId) -> Option<Manager> {
        todo!()
    }

    /// Pushes a plan to all at once and waits for all answers or the deadline.
    pub async fn push(&self, _plan: &Arc<PhysicalPlan>, _within: Duration) -> Pushed {
        todo!()
    }

    /// Asks all at once and waits for all answers or the deadline.
    pub async fn statuses(&self, _within: Duration) -> Statuses {
        todo!()
    }

    /// Tells the stream manager of `pod` that one of its tasks crashed.
    pub fn crashed(&self, _pod: PodId, _task: TaskId, _error: String) -> Result<(), Error> {
        todo!()
    }
}
