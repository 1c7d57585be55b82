//! An operator with the model of an API server: it looks, dies, comes back, and sees late.

use crate::api::{Key, Mishap, Server, gone_by, managed_by, names_of};
use egret_operator::{
    autoscale::ownership,
    context::{Context, Guarded, Runs, Settings},
    events::Events,
    metrics::Metrics,
    reconcile::reconcile,
    record::Images,
    sweep::sweep,
    validate::{Allowed, builtin},
};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Client, ResourceExt,
    runtime::{reflector, watcher},
};
use serde_json::{Value, json};
use std::{convert::Infallible, sync::Arc};
use tokio::sync::mpsc;

const NAMESPACE: &str = "ns";
const OPERATOR: &str = "egret-system";
/// Field manager of users.
pub(crate) const USER: &str = "kubectl-client-side-apply";

/// The operator as it is now, and the server that outlives it.
pub(crate) struct World {
    pub(crate) server: Server,
    context: Arc<Context>,
    pods: reflector::store::Writer<Pod>,
    /// Somebody answers, or may: else nobody has for as long as anybody waits.
    answers: bool,
    /// What built-in components run by this operator's release.
    instance: String,
}

/// How a look ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Done,
    Failed,
    Killed,
}

impl World {
    /// One in which no stream manager ever answers.
    pub(crate) fn new() -> World {
        World::over(Server::default(), false, "i:1")
    }

    /// One in which stream managers are, or may be.
    pub(crate) fn answering() -> World {
        World::over(Server::default(), true, "i:1")
    }

    /// From now on no stream manager answers.
    pub(crate) fn fall_silent(&mut self) {
        self.answers = false;
        self.restart();
    }

    /// An operator that has just started: it remembers nothing.
    fn over(server: Server, answers: bool, instance: &str) -> World {
        let answering = server.clone();
        let service = tower::service_fn(move |request| {
            let server = answering.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        let client = Client::new(service, NAMESPACE);
        let (store, pods) = reflector::store::<Pod>();
        let (wake, _) = mpsc::channel(16);
        let context = Context {
            client: client.clone(),
            settings: Settings {
                namespace: OPERATOR.to_owned(),
                images: Images { stream_manager: "m:1".into(), instance: instance.into() },
                metrics_namespace: None,
                allowed: Allowed::default(),
            },
            catalog: builtin().unwrap(),
            pods: store,
            runs: Arc::new(Runs::default()),
            sockets: Arc::default(),
            events: Events::new(client, "test"),
            metrics: Arc::new(Metrics::new()),
            wake,
        };
        let run = context.runs.of("topology-uid");
        if !answers {
            run.try_lock().unwrap().began = 1;
        }
        World { server, context: Arc::new(context), pods, answers, instance: instance.to_owned() }
    }

    /// An operator of another release takes over.
    pub(crate) fn upgrade(&mut self, instance: &str) {
        instance.clone_into(&mut self.instance);
        self.restart();
    }

    /// Another operator takes over.
    pub(crate) fn restart(&mut self) {
        *self = World::over(self.server.clone(), self.answers, &self.instance);
        self.see_pods();
    }

    /// The watch brings what pods there are now.
    pub(crate) fn see_pods(&mut self) {
        let api = self.server.lock();
        let pods = api.objects.iter().filter(|(key, _)| key.0 == "pods");
        let pods: Vec<Pod> =
            pods.map(|(_, pod)| serde_json::from_value(pod.clone()).unwrap()).collect();
        self.pods.apply_watcher_event(&watcher::Event::Init);
        for pod in pods {
            self.pods.apply_watcher_event(&watcher::Event::InitApply(pod));
        }
        self.pods.apply_watcher_event(&watcher::Event::InitDone);
    }

    fn key() -> Key {
        ("topologies".to_owned(), NAMESPACE.to_owned(), "t".to_owned())
    }

    /// A user applies the topology.
    pub(crate) fn apply(&self, spec: Value) {
        let there = self.snapshot();
        let mut object = there.unwrap_or_else(|| {
            json!({"apiVersion": "egret.dev/v1alpha1", "kind": "Topology", "metadata": {
                "name": "t", "namespace": NAMESPACE, "uid": "topology-uid", "generation": 0,
            }})
        });
        // As `kubectl apply` does of what has lists: they are replaced whole.
        object["metadata"]["managedFields"] = json!([managed_by(USER, &spec)]);
        object["spec"] = spec;
        self.put(object);
    }

    /// The same with `--server-side`: what others have set and the manifest leaves out stays.
    pub(crate) fn apply_server_side(&self, mut spec: Value) {
        let mut object = self.topology();
        let managed = managed_by(USER, &spec);
        for bolt in spec["bolts"].as_array_mut().into_iter().flatten() {
            let mut there = object["spec"]["bolts"].as_array().into_iter().flatten();
            let there = there.find(|there| there["name"] == bolt["name"]).cloned();
            if let Some(there) = there.filter(|_| bolt["parallelism"].is_null()) {
                bolt["parallelism"] = there["parallelism"].clone();
            }
        }
        let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        let others = entries.into_iter().filter(|entry| entry["manager"] != USER);
        object["metadata"]["managedFields"] = others.chain([managed]).collect();
        object["spec"] = spec;
        self.put(object);
    }

    /// Somebody has changed the topology.
    fn put(&self, mut object: Value) {
        let generation = object["metadata"]["generation"].as_u64().unwrap_or(0) + 1;
        object["metadata"]["generation"] = generation.into();
        self.server.lock().put(World::key(), object);
    }

    /// Whoever led has decided something, recorded it, and died.
    pub(crate) fn decide(&mut self, change: impl FnOnce(&mut Value)) {
        let mut api = self.server.lock();
        let mut record = api.record().unwrap();
        change(&mut record);
        let maps = api
            .objects
            .iter()
            .find(|(key, map)| key.0 == "configmaps" && map["data"]["record.json"].is_string());
        let (key, mut map) = maps.map(|(key, map)| (key.clone(), map.clone())).unwrap();
        map["data"]["record.json"] = record.to_string().into();
        api.put(key, map);
        drop(api);
        self.restart();
    }

    /// The topology as it is.
    pub(crate) fn topology(&self) -> Value {
        self.server.lock().objects[&World::key()].clone()
    }

    /// A user deletes it.
    pub(crate) fn delete(&self) {
        let mut api = self.server.lock();
        let mut object = api.objects[&World::key()].clone();
        object["metadata"]["deletionTimestamp"] = now().into();
        api.put(World::key(), object);
        api.collect();
    }

    /// What kubelets do: pods that shall go are gone, others run and have an address, or have
    /// exited if their tasks were told to close.
    pub(crate) fn kubelets(&mut self) {
        let mut api = self.server.lock();
        let closing = api.record().is_some_and(|record| record["stage"] == "Closing");
        let phase = if closing { "Succeeded" } else { "Running" };
        let pods = api.objects.iter().filter(|(key, _)| key.0 == "pods");
        let pods: Vec<(Key, Value)> = pods.map(|(k, pod)| (k.clone(), pod.clone())).collect();
        for (key, mut pod) in pods {
            if pod["metadata"]["deletionTimestamp"].is_null() {
                pod["status"] = json!({"phase": phase, "podIP": "127.0.0.1"});
                api.put(key, pod);
            } else {
                api.forget(&key);
            }
        }
        drop(api);
        self.see_pods();
    }

    /// A pod is gone, without having been seen to go.
    pub(crate) fn vanish(&mut self, name: &str) {
        let key = ("pods".to_owned(), NAMESPACE.to_owned(), name.to_owned());
        self.server.lock().forget(&key);
        self.see_pods();
    }

    /// Somebody deletes a pod, as an eviction does.
    pub(crate) fn ask_to_end(&mut self, name: &str) {
        let key = ("pods".to_owned(), NAMESPACE.to_owned(), name.to_owned());
        let mut api = self.server.lock();
        let mut pod = api.objects[&key].clone();
        pod["metadata"]["deletionTimestamp"] = gone_by(&pod).into();
        api.put(key, pod);
        drop(api);
        self.see_pods();
    }

    /// Names of the pods that there are.
    pub(crate) fn pods(&self) -> Vec<String> {
        let api = self.server.lock();
        let pods = api.objects.keys().filter(|key| key.0 == "pods");
        pods.map(|key| key.2.clone()).collect()
    }

    /// One look at the topology as it is now, or as it was when `seen` was taken.
    pub(crate) async fn look(&self, seen: Option<Value>) -> Look {
        let there = self.server.lock().objects.get(&World::key()).cloned();
        let Some(object) = seen.or(there) else { return Look::Done };
        let mut topology: Guarded = serde_json::from_value(object).unwrap();
        ownership::keep(&mut topology);
        assert_eq!(topology.name_any(), "t");
        let looking = reconcile(Arc::new(topology), self.context.clone());
        tokio::select! {
            looked = looking => if looked.is_ok() { Look::Done } else { Look::Failed },
            () = self.server.kill() => Look::Killed,
        }
    }

    /// The topology as a watch shows it now, to be looked at later.
    pub(crate) fn snapshot(&self) -> Option<Value> {
        self.server.lock().objects.get(&World::key()).cloned()
    }

    /// Looks and kubelets in turn, with a mishap at the n-th request from now on, until nothing is
    /// written any more.
    pub(crate) async fn settle(&mut self, mishap: Option<(usize, Mishap)>) {
        {
            let mut api = self.server.lock();
            let from = api.requests;
            api.mishap = mishap.map(|(at, mishap)| (from + at, mishap));
        }
        let mut quiet = 0;
        for _ in 0..60 {
            self.kubelets();
            self.server.lock().writes.clear();
            let looked = self.look(None).await;
            if looked == Look::Killed {
                self.restart();
            }
            let idle = looked == Look::Done && self.server.lock().writes.is_empty();
            quiet = if idle { quiet + 1 } else { 0 };
            if quiet == 2 {
                return;
            }
        }
        panic!("it does not settle: {:?}", self.server.lock().writes);
    }

    /// What the operator does now and then: it looks for what topologies have left behind.
    pub(crate) async fn sweep(&self) {
        let Context { client, runs, metrics, .. } = &*self.context;
        sweep(client, OPERATOR, &[], runs, metrics).await.unwrap();
    }

    /// Exactly what was decided is there, and no rule was broken on the way.
    pub(crate) fn judge(&self, what: &str) {
        let api = self.server.lock();
        assert_eq!(api.broken, [""; 0], "{what}");
        let of = |plural: &str| -> Vec<&str> {
            api.objects.keys().filter(|key| key.0 == plural).map(|key| key.2.as_str()).collect()
        };
        let mut wanted = api.record().as_ref().map(names_of).unwrap_or_default();
        wanted.sort();
        assert_eq!(of("pods"), wanted, "{what}: pods");
        for name in wanted {
            let (place, _) = name.rsplit_once('-').unwrap();
            let identity = format!("{place}-identity");
            assert!(of("secrets").contains(&identity.as_str()), "{what}: {identity}");
        }
    }

    /// Nothing is there any more.
    pub(crate) fn judge_gone(&self, what: &str) {
        let api = self.server.lock();
        assert_eq!(api.broken, [""; 0], "{what}");
        let left: Vec<&Key> = api.objects.keys().collect();
        assert!(left.is_empty(), "{what}: {left:?} are left");
    }
}

fn now() -> String {
    jiff::Timestamp::now().round(jiff::Unit::Second).unwrap().to_string()
}
