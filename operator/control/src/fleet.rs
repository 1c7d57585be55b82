//! All stream managers of one topology.

use crate::{Error, Manager, positions::Shared};
use egret_link::Endpoint;
use egret_topology::{
    id::{PodId, TaskId},
    plan::PhysicalPlan,
};
use egret_wire::control::PodStatus;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::task::JoinSet;

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
pub struct Fleet {
    endpoint: Endpoint,
    uid: Arc<str>,
    managers: Arc<Mutex<BTreeMap<PodId, Manager>>>,
    positions: Shared,
}

impl Fleet {
    /// No pods yet. `endpoint` has the operator's credentials.
    pub fn new(endpoint: Endpoint, uid: &str) -> Fleet {
        let (managers, positions) = (Arc::default(), Shared::default());
        Fleet { endpoint, uid: uid.into(), managers, positions }
    }

    /// Where a pod's stream manager is. The first call for a pod starts to connect, which needs a
    /// tokio runtime.
    pub fn set_address(&self, pod: PodId, address: SocketAddr) {
        self.managers()
            .entry(pod)
            .and_modify(|manager| manager.set_address(address))
            .or_insert_with(|| {
                let (endpoint, positions) = (self.endpoint.clone(), self.positions.clone());
                Manager::connect_with(endpoint, &self.uid, pod, address, positions)
            });
    }

    /// Where the input stands.
    pub fn positions(&self) -> &Shared {
        &self.positions
    }

    /// Forgets a pod; its link closes when nobody else holds its [`Manager`].
    pub fn remove(&self, pod: PodId) {
        self.managers().remove(&pod);
    }

    /// One stream manager.
    pub fn manager(&self, pod: PodId) -> Option<Manager> {
        self.managers().get(&pod).cloned()
    }

    /// Pushes a plan to all at once and waits for all answers or the deadline.
    pub async fn push(&self, plan: &Arc<PhysicalPlan>, within: Duration) -> Pushed {
        let mut pushed = Pushed::default();
        let answers = self.all(|manager| {
            let plan = plan.clone();
            async move { manager.push(plan, within).await }
        });
        for (pod, answer) in answers.await {
            match answer {
                Ok(()) => pushed.accepted.push(pod),
                Err(error) => pushed.failed.push((pod, error)),
            }
        }
        pushed
    }

    /// Asks all at once and waits for all answers or the deadline.
    pub async fn statuses(&self, within: Duration) -> Statuses {
        let mut statuses = Statuses::default();
        let answers = self.all(|manager| async move { manager.status(within).await });
        for (pod, answer) in answers.await {
            match answer {
                Ok(status) => statuses.pods.push(status),
                Err(error) => statuses.failed.push((pod, error)),
            }
        }
        statuses
    }

    /// Tells the stream manager of `pod` that one of its tasks crashed.
    pub fn crashed(&self, pod: PodId, task: TaskId, error: String) -> Result<(), Error> {
        self.manager(pod).ok_or(Error::Unknown(pod))?.crashed(task, error)
    }

    /// Does the same with all managers at once; the outcomes in order of pods.
    async fn all<T, F>(&self, what: impl Fn(Manager) -> F) -> BTreeMap<PodId, T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let mut all = JoinSet::new();
        for (&pod, manager) in &*self.managers() {
            let answer = what(manager.clone());
            all.spawn(async move { (pod, answer.await) });
        }
        all.join_all().await.into_iter().collect()
    }

    fn managers(&self) -> MutexGuard<'_, BTreeMap<PodId, Manager>> {
        // Nothing panics while it holds the lock.
        self.managers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
