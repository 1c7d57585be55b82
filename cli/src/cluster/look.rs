//! Looks at a topology on a cluster, for `egret ui` and `egret top`: the resource, its pods, and
//! what their stream managers say through the API server's port-forward.

use super::{
    Target,
    ask::Ask,
    connect::Session,
    logs::tail,
    pods::{PodView, STREAM_MANAGER},
    trouble::Trouble,
};
use egret_process::Exit;
use egret_topology::{id::PodId, plan::PhysicalPlan};
use egret_ui::{
    ask::Connection,
    live::{Live, now_ms},
    pods::{Dial, Pods},
    seen::{Seen, SeenPod},
    snapshot::LogLine,
    source::{Source, TaskName},
};
use egret_wire::inspect::{EdgeKey, Look, Sample};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use std::collections::{BTreeMap, BTreeSet};
use tokio::io::DuplexStream;

/// Where stream managers let themselves be looked into, on the loopback of their pods.
const INSPECT_PORT: u16 = 4740;
/// Where they serve metrics and probes.
pub(super) const ADMIN_PORT: u16 = 4739;

/// A topology on a cluster.
pub(crate) struct OnCluster {
    session: Session,
    name: String,
    pods: Pods<Forward>,
}

/// Works with a topology on a cluster, or says why it cannot be found.
pub(crate) fn watch(
    target: &Target,
    name: &str,
    work: impl AsyncFnOnce(Live<OnCluster>) -> Exit,
) -> Exit {
    super::run(target, async |session| {
        let found = OnCluster::find(session, name).await?;
        Ok(work(Live::new(found)).await)
    })
}

impl OnCluster {
    /// A name that is wrong is told at once, and with those that there are.
    async fn find(session: Session, name: &str) -> Result<OnCluster, Trouble> {
        session.topology(name).await?;
        let pods = Pods::new(Forward::to(&session, INSPECT_PORT));
        Ok(OnCluster { session, name: name.to_owned(), pods })
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// To the inspect endpoint of a pod's stream manager.
    pub(crate) async fn connect(&self, pod: &str) -> Result<Connection, String> {
        let forward = Forward::to(&self.session, INSPECT_PORT);
        Connection::over(forward.dial(pod).await?).await
    }

    /// Pods that answer, or should.
    async fn running(&self) -> Result<Vec<PodView>, String> {
        self.session.pods(&self.name).await.map_err(|trouble| trouble.what().to_owned())
    }
}

impl Source for OnCluster {
    async fn see(&self) -> Result<Seen, String> {
        let topology = self.session.topology(&self.name).await;
        let topology = topology.map_err(|trouble| trouble.what().to_owned())?;
        let views = self.running().await?;
        let names: Vec<String> =
            views.iter().filter(|pod| has_manager(pod)).map(|pod| pod.name.clone()).collect();
        let answers = self.pods.look(&names).await;
        let mut looks = BTreeMap::<String, Look>::new();
        // Mostly all fail alike.
        let mut troubles = BTreeSet::new();
        for (name, answer) in names.into_iter().zip(answers) {
            match answer {
                Ok(look) => drop(looks.insert(name, look)),
                Err(why) => drop(troubles.insert(why)),
            }
        }
        let answered: Vec<(String, Look)> = looks.clone().into_iter().collect();
        let pod = |view: PodView| SeenPod {
            id: PodId(view.id),
            look: looks.remove(&view.name),
            name: view.name,
            node: Some(view.node).filter(|node| !node.is_empty()),
            state: view.state,
        };
        let Session { namespace, cluster, .. } = &self.session;
        Ok(Seen {
            at_ms: now_ms(),
            topology: self.name.clone(),
            place: format!("namespace {namespace} of {cluster}"),
            state: topology.status().state.unwrap_or_else(|| "Pending".to_owned()),
            plan: self.pods.plan(&answered).await,
            pods: views.into_iter().map(pod).collect(),
            troubles: troubles.into_iter().collect(),
        })
    }

    async fn log(&self, task: &TaskName) -> Result<Vec<LogLine>, String> {
        let views = self.running().await?;
        // Of an old and a new life of a pod the new one.
        let found = views.iter().rev().find_map(|pod| {
            let runs = |container: &&super::pods::ContainerView| {
                container.task.as_ref().is_some_and(|one| one.id == task.id.0)
            };
            pod.containers.iter().find(runs).map(|container| (pod, container))
        });
        let Some((pod, container)) = found else {
            return Err(format!("{}[{}] has no container", task.component, task.index));
        };
        tail(&self.session, pod, container).await.map_err(|trouble| trouble.what().to_owned())
    }

    async fn samples(&self, plan: &PhysicalPlan, edge: EdgeKey) -> Result<Vec<Sample>, String> {
        // A tuple is seen where it is emitted.
        let sources = plan.tasks.iter().filter(|task| task.component == edge.from);
        let sources: BTreeSet<u32> = sources.map(|task| task.pod.0).collect();
        let views = self.running().await?;
        let pods = views.iter().filter(|pod| has_manager(pod) && sources.contains(&pod.id));
        let names: Vec<String> = pods.map(|pod| pod.name.clone()).collect();
        self.pods.samples(&names, edge).await
    }
}

/// Whether its stream manager could answer.
fn has_manager(pod: &PodView) -> bool {
    pod.containers.iter().any(|container| container.name == STREAM_MANAGER && container.runs)
}

/// Streams through the API server and the kubelet to a port of a pod.
pub(super) struct Forward {
    session: Session,
    port: u16,
}

impl Forward {
    pub(super) fn to(session: &Session, port: u16) -> Forward {
        Forward { session: session.clone(), port }
    }
}

impl Dial for Forward {
    type Stream = DuplexStream;

    async fn dial(&self, pod: &str) -> Result<DuplexStream, String> {
        let Session { client, namespace, .. } = &self.session;
        let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let resource = "pods/portforward";
        let ask = Ask { verb: "create", resource, namespace: Some(namespace), name: Some(pod) };
        let forwarded = self.session.got(ask, api.portforward(pod, &[self.port])).await;
        let mut forwarded = forwarded.map_err(|trouble| trouble.what().to_owned())?;
        forwarded.take_stream(self.port).ok_or_else(|| "no stream was forwarded".to_owned())
    }
}
