//! The controller: watches topologies and their pods in one scope, and looks at what has changed.

use crate::{
    autoscale,
    backoff::Backoff,
    context::{Context, Guarded, Runs, Settings, Wake},
    events::Events,
    metrics::Metrics,
    names, observe,
    reconcile::{self, Error},
    sockets::Sockets,
    validate,
};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    runtime::{
        Config, Controller, WatchStreamExt,
        controller::Action,
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use std::sync::Arc;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// Topologies that wait to be looked at because their stream managers or pods have news. What finds
/// no room is looked at anyway, a little later.
const WAKES: usize = 4096;

/// What all controllers of one operator share.
pub struct Common {
    /// The API server.
    pub client: Client,
    /// What the administrator has set.
    pub settings: Settings,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// What is remembered of each topology.
    pub runs: Arc<Runs>,
    /// What channels are dialed from.
    pub sockets: Arc<Sockets>,
    /// Tells events.
    pub events: Events,
    /// Hears the uids of topologies that are gone.
    pub gone: mpsc::Sender<String>,
    /// Topologies that are looked after at the same time.
    pub concurrency: u16,
}

/// A controller that runs, and what it sees.
pub struct Running {
    /// The topologies of its scope.
    pub topologies: Store<Guarded>,
    /// Whether it has seen all of them once. The store could be asked too, but wakes only one of
    /// those who wait for it, and the controller does.
    pub listed: watch::Receiver<bool>,
    /// Ends when the controller does.
    pub task: JoinHandle<()>,
}

/// Starts a controller for one namespace, or for all.
pub fn start(
    common: &Common,
    namespace: Option<&str>,
    end: impl Future<Output = ()> + Send + Sync + 'static,
) -> Result<Running, serde_json::Error> {
    let client = &common.client;
    let (wake, woken) = mpsc::channel(WAKES);
    let (topologies, pods): (Api<Guarded>, Api<Pod>) = match namespace {
        Some(name) => {
            (Api::namespaced(client.clone(), name), Api::namespaced(client.clone(), name))
        }
        None => (Api::all(client.clone()), Api::all(client.clone())),
    };
    let pods = watch_pods(pods, wake.clone(), common.metrics.clone());
    let context = Arc::new(Context {
        client: client.clone(),
        settings: common.settings.clone(),
        catalog: validate::builtin()?,
        pods,
        runs: common.runs.clone(),
        sockets: common.sockets.clone(),
        events: common.events.clone(),
        metrics: common.metrics.clone(),
        wake,
    });
    // Unbounded by default: an API server in distress would meet one request per topology.
    let config = Config::default().concurrency(common.concurrency);
    let (store, writer) = reflector::store();
    let gone = common.gone.clone();
    let (tell, listed) = watch::channel(false);
    let watched = watcher(topologies, watcher::Config::default())
        .modify(autoscale::ownership::keep)
        .reflect(writer)
        .inspect_ok(move |event| match event {
            watcher::Event::InitDone => {
                tell.send_replace(true);
            }
            watcher::Event::Delete(topology) => {
                // What finds no room is swept up later.
                let _ = topology.uid().map(|uid| gone.try_send(uid));
            }
            _ => {}
        })
        .applied_objects();
    let controller = Controller::for_stream(watched, store.clone())
        .with_config(config)
        .reconcile_on(received(woken))
        .graceful_shutdown_on(end);
    let backoff = Arc::new(Backoff::default());
    let task = tokio::spawn(run(controller, context, backoff));
    Ok(Running { topologies: store, listed, task })
}

async fn run(
    controller: Controller<Guarded>,
    context: Arc<Context>,
    backoff: Arc<Backoff<(Option<String>, String)>>,
) {
    let metrics = context.metrics.clone();
    let key = |topology: &Guarded| (topology.namespace(), topology.name_any());
    let failures = backoff.clone();
    let reconciled = move |topology: Arc<Guarded>, context: Arc<Context>| {
        let (backoff, key) = (failures.clone(), key(&topology));
        async move {
            let looked = reconcile::reconcile(topology, context).await;
            if looked.is_ok() {
                backoff.forget(&key);
            }
            looked
        }
    };
    let failed = move |topology: Arc<Guarded>, error: &Error, _: Arc<Context>| {
        let pause = backoff.failed(&key(&topology));
        let (name, namespace) = (topology.name_any(), topology.namespace().unwrap_or_default());
        tracing::warn!(topology = name, namespace, again_in = ?pause, "{error}");
        Action::requeue(pause)
    };
    controller
        .run(reconciled, failed, context)
        .for_each(|looked| {
            // A failure of ours was told above; a topology that is gone meanwhile is none.
            if let Err(kube::runtime::controller::Error::QueueError(error)) = looked {
                metrics.watch_failed("Topology");
                tracing::warn!("the watch of topologies has failed, and is made again: {error}");
            }
            std::future::ready(())
        })
        .await;
}

/// Watches our pods, keeps of them what is looked at, and wakes the controller.
fn watch_pods(pods: Api<Pod>, wake: Wake, metrics: Arc<Metrics>) -> Store<Pod> {
    let (store, writer) = reflector::store();
    let (label, value) = names::MANAGED_BY;
    let config = watcher::Config::default().labels(&format!("{label}={value}"));
    let stream = watcher(pods, config)
        .default_backoff()
        .modify(observe::keep)
        .reflect(writer)
        .touched_objects();
    tokio::spawn(async move {
        let mut stream = std::pin::pin!(stream);
        while let Some(touched) = stream.next().await {
            match touched {
                Ok(pod) => {
                    let labels = pod.labels();
                    let topology =
                        labels.get(names::TOPOLOGY).or_else(|| labels.get(names::PULLS_FOR));
                    let Some(topology) = topology else { continue };
                    let namespace = pod.namespace().unwrap_or_default();
                    // If the queue is full the controller has enough to do, and looks again anyway.
                    let _ = wake.try_send(ObjectRef::new(topology).within(&namespace));
                }
                Err(error) => {
                    metrics.watch_failed("Pod");
                    tracing::warn!("the watch of pods has failed, and is made again: {error}");
                }
            }
        }
    });
    store
}

fn received<T: Send + 'static>(receiver: mpsc::Receiver<T>) -> impl Stream<Item = T> + Send {
    stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|item| (item, receiver))
    })
}
