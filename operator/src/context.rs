//! What all reconciliations share, and what is remembered of each topology.

use crate::{
    autoscale::Autoscaler,
    channel::Channel,
    events::Events,
    fetch::Versioned,
    flow::Watch,
    metrics::Metrics,
    nodes::Nodes,
    positions::Standing,
    reconcile::Scaling,
    record::{Images, Record},
    sockets::Sockets,
    validate::Allowed,
};
use egret_crd::{Topology, TopologyStatus};
use egret_link::Authority;
use egret_topology::{
    declaration::Catalog,
    id::{PodId, TaskId},
    logical::Logical,
};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Client,
    core::DeserializeGuard,
    runtime::reflector::{ObjectRef, Store},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio::sync::mpsc;

/// A topology as it is watched: one that cannot be read disturbs no other.
pub type Guarded = DeserializeGuard<Topology>;

/// Names topologies that are worth a look.
pub type Wake = mpsc::Sender<ObjectRef<Guarded>>;

/// What the administrator has set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Namespace of the operator.
    pub namespace: String,
    /// Images of the data plane.
    pub images: Images,
    /// Namespace that may read metrics.
    pub metrics_namespace: Option<String>,
    /// What topologies may lay over their pods.
    pub allowed: Allowed,
}

/// What all reconciliations share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What the administrator has set.
    pub settings: Settings,
    /// The ready-made components.
    pub catalog: Catalog,
    /// The pods of the watched namespaces.
    pub pods: Store<Pod>,
    /// What is remembered of each topology, by uid.
    pub runs: Arc<Runs>,
    /// What channels are dialed from.
    pub sockets: Arc<Sockets>,
    /// Tells events.
    pub events: Events,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Wakes the controller.
    pub wake: Wake,
}

/// What is remembered of each topology. All of it can be read or made again.
#[derive(Default)]
pub struct Runs(Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<Run>>>>);

impl Runs {
    /// What is remembered of a topology.
    pub fn of(&self, uid: &str) -> Arc<tokio::sync::Mutex<Run>> {
        self.lock().entry(uid.to_owned()).or_default().clone()
    }

    /// What is remembered of a topology, if anything is.
    pub fn known(&self, uid: &str) -> Option<Arc<tokio::sync::Mutex<Run>>> {
        self.lock().get(uid).cloned()
    }

    /// Waits until nobody looks at a topology any more.
    pub async fn settled(&self, uid: &str) {
        if let Some(run) = self.known(uid) {
            drop(run.lock().await);
        }
    }

    /// Forgets a topology that is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// Forgets all that are gone.
    pub fn keep(&self, known: impl Fn(&str) -> bool) {
        self.lock().retain(|uid, _| known(uid));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<tokio::sync::Mutex<Run>>>> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Identities of a pod that are in their Secret.
pub struct Issued {
    /// Of which tasks.
    pub tasks: Vec<TaskId>,
    /// When they are to be renewed, in seconds since 1970.
    pub renew_at: u64,
    /// When they were seen: somebody may have deleted them since.
    pub seen: Instant,
}

/// What is remembered of one topology.
#[derive(Default)]
pub struct Run {
    /// Its record, as last read or written; `None` if it must be read.
    pub record: Option<Versioned<Option<Record>>>,
    /// What it was when it was last accepted.
    pub accepted: Option<Arc<Logical>>,
    /// Where its input stands, as last read or written; `None` if it must be read.
    pub positions: Option<Versioned<Standing>>,
    /// When that was written, in milliseconds since 1970, and how often stream managers had told
    /// something new by then.
    pub positions_written: (u64, u64),
    /// Its CA.
    pub authority: Option<Authority>,
    /// Digest of the certificate of the CA.
    pub trusted: String,
    /// The key of its edge ids.
    pub edge_key: u64,
    /// The channel to its stream managers.
    pub channel: Option<Channel>,
    /// The identities of each pod, as they were seen last.
    pub identities: BTreeMap<PodId, Issued>,
    /// Digest of what goes with the pods, and when it was applied.
    pub applied: Option<(String, Instant)>,
    /// Names of its pods when something was last decided: who is missing since has vanished.
    pub lived: BTreeSet<String>,
    /// When this operator first looked at it, in milliseconds since 1970.
    pub began: u64,
    /// When a stream manager was last linked, in milliseconds since 1970.
    pub spoke: u64,
    /// When all tasks and links last worked.
    pub worked: u64,
    /// When pods that are asked to end were last linked, in milliseconds since 1970.
    pub heard: BTreeMap<PodId, u64>,
    /// When something was last decided, in milliseconds since 1970.
    pub looked: u64,
    /// Names of pods that were to pull an image, and were refused.
    pub unpulled: BTreeSet<String>,
    /// Since when nothing has moved.
    pub watch: Watch,
    /// What its bolts do, as far as they are autoscaled.
    pub autoscaler: Autoscaler,
    /// What was told of that, and applied.
    pub scaling: Scaling,
    /// When somebody heard of its pods and their nodes.
    pub nodes: Nodes,
    /// Digest of the version that is kept as the newest.
    pub version: String,
    /// The operator keeps its hands off it, and has said so.
    pub hands_off: bool,
    /// What was told last.
    pub told: Option<TopologyStatus>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::ResourceExt;
    use serde_json::json;

    #[tokio::test]
    async fn a_topology_is_settled_when_the_look_at_it_is_over() {
        let runs = Runs::default();
        let look = runs.of("u").lock_owned().await;
        let mut settled = Box::pin(runs.settled("u"));
        assert!(futures::poll!(&mut settled).is_pending());
        drop(look);
        settled.await;
        runs.settled("unknown").await;
    }

    #[test]
    fn a_topology_that_cannot_be_read_is_still_known_by_its_name() {
        let list = json!([
            {"apiVersion": "egret.dev/v1alpha1", "kind": "Topology",
             "metadata": {"name": "newer", "namespace": "n", "uid": "u"},
             "spec": {"spouts": {"in": "another shape"}}},
            {"apiVersion": "egret.dev/v1alpha1", "kind": "Topology",
             "metadata": {"name": "good", "namespace": "n", "uid": "v"},
             "spec": {"spouts": [{"name": "words"}]}},
        ]);
        let list: Vec<Guarded> = serde_json::from_value(list).unwrap();
        assert_eq!(list[0].name_any(), "newer");
        let invalid = list[0].0.as_ref().unwrap_err();
        assert_eq!(invalid.metadata.uid.as_deref(), Some("u"));
        assert!(list[1].0.is_ok(), "the rest of the list is read");
    }
}
