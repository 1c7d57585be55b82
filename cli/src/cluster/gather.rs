//! What a report of a topology on a cluster needs: the resource and all that belongs to it, as far
//! as whoever asks may read it.

use super::{
    ask::{Answer, Ask},
    look::{ADMIN_PORT, Forward, OnCluster},
    pods::TOPOLOGY,
    record,
};
use crate::report::Parts;
use egret_ui::{ask::Connection, pods::Dial};
use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod};
use kube::{
    Api, ResourceExt,
    api::{ListParams, LogParams},
};
use serde_json::{Value, json};

/// Lines of a log.
const LINES: i64 = 5000;
/// Bytes of a log.
const BYTES: i64 = 2 << 20;
/// Pods whose metrics and logs are collected.
const PODS: usize = 50;
/// Objects of a list.
const MOST: u32 = 500;
/// Pods of the operator.
const OPERATOR: &str = "app.kubernetes.io/name=egret-operator";

impl OnCluster {
    /// Collects it. The operator is in any namespace for who may look into all of them.
    pub(crate) async fn gather(&self, logs: bool, operator: &str, parts: &mut Parts) {
        parts.object_or_why("cluster.yaml", self.versions().await);
        parts.object_or_why("topology.yaml", self.resource().await);
        parts.object_or_why("plan.yaml", self.plan().await);
        let events = self.events(parts).await;
        parts.object_or_why("events.yaml", events);
        let pods = self.pods_of_it().await;
        match pods {
            Ok(pods) => {
                parts.object("pods.yaml", json!(pods));
                if pods.len() > PODS {
                    let why = format!("there are {} pods; only {PODS} are looked into", pods.len());
                    parts.missing("metrics and logs of some pods", &why);
                }
                for pod in pods.iter().take(PODS) {
                    let path = format!("metrics/{}.txt", pod.name_any());
                    parts.text_or_why(&path, self.metrics(&pod.name_any()).await);
                    if logs {
                        self.logs(pod, "logs", parts).await;
                    }
                }
            }
            Err(why) => parts.missing("pods.yaml", &why),
        }
        self.operator(logs, operator, parts).await;
    }

    async fn versions(&self) -> Result<Value, String> {
        let ask = Ask { verb: "get", resource: "/version", namespace: None, name: None };
        let session = self.session();
        let version = session.got(ask, session.client.apiserver_version()).await;
        let version = version.map_err(|trouble| trouble.what().to_owned())?;
        Ok(json!({"cluster": session.cluster, "kubernetes": version.git_version}))
    }

    async fn resource(&self) -> Result<Value, String> {
        let topology = self.session().topology(self.name()).await;
        topology.map(|topology| topology.whole()).map_err(|trouble| trouble.what().to_owned())
    }

    async fn plan(&self) -> Result<Value, String> {
        let session = self.session();
        let name = record::name(self.name());
        let maps: Api<ConfigMap> = Api::namespaced(session.client.clone(), &session.namespace);
        let ask = self.ask("get", "configmaps", Some(&name));
        match session.ask(ask, maps.get(&name)).await {
            Ok(Answer::Got(map)) => {
                let text = map.data.and_then(|mut data| data.remove(record::KEY));
                let text = text.ok_or("the operator's record is empty")?;
                serde_json::from_str(&text).map_err(|error| error.to_string())
            }
            Ok(Answer::Missing) => Err(format!("there is no ConfigMap {name}")),
            Err(trouble) => Err(trouble.what().to_owned()),
        }
    }

    /// Events of the topology and of its pods, whose names begin with its name.
    async fn events(&self, parts: &mut Parts) -> Result<Value, String> {
        let session = self.session();
        let events: Api<Event> = Api::namespaced(session.client.clone(), &session.namespace);
        let params = ListParams::default().limit(MOST);
        let found = session.got(self.ask("list", "events", None), events.list(&params)).await;
        let found = found.map_err(|trouble| trouble.what().to_owned())?;
        let pod = format!("{}-", self.name());
        let concerns = |event: &&Event| {
            let name = event.involved_object.name.as_deref().unwrap_or_default();
            name == self.name() || name.starts_with(&pod)
        };
        if found.metadata.continue_.is_some_and(|token| !token.is_empty()) {
            let why = format!("the namespace has more than the first {MOST}, which were read");
            parts.missing("some events", &why);
        }
        Ok(json!(found.items.iter().filter(concerns).collect::<Vec<_>>()))
    }

    async fn pods_of_it(&self) -> Result<Vec<Pod>, String> {
        let session = self.session();
        let pods: Api<Pod> = Api::namespaced(session.client.clone(), &session.namespace);
        let labels = format!("{TOPOLOGY}={}", self.name());
        let params = ListParams::default().labels(&labels).limit(MOST);
        let found = session.got(self.ask("list", "pods", None), pods.list(&params)).await;
        found.map(|found| found.items).map_err(|trouble| trouble.what().to_owned())
    }

    /// What the stream manager of a pod shows to Prometheus.
    async fn metrics(&self, pod: &str) -> Result<String, String> {
        let stream = Forward::to(self.session(), ADMIN_PORT).dial(pod).await?;
        let page = Connection::over(stream).await?.get("/metrics").await?;
        Ok(String::from_utf8_lossy(&page).into_owned())
    }

    /// What each container of a pod has logged, also in the life before this one.
    async fn logs(&self, pod: &Pod, place: &str, parts: &mut Parts) {
        let (name, namespace) = (pod.name_any(), pod.namespace().unwrap_or_default());
        let pods: Api<Pod> = Api::namespaced(self.session().client.clone(), &namespace);
        let status = pod.status.clone().unwrap_or_default();
        let containers = [status.init_container_statuses, status.container_statuses];
        for container in containers.into_iter().flatten().flatten() {
            let lives = if container.restart_count > 0 { &[false, true][..] } else { &[false] };
            for &previous in lives {
                let params = LogParams {
                    container: Some(container.name.clone()),
                    limit_bytes: Some(BYTES),
                    previous,
                    tail_lines: Some(LINES),
                    timestamps: true,
                    ..LogParams::default()
                };
                let ask = Ask {
                    verb: "get",
                    resource: "pods/log",
                    namespace: Some(&namespace),
                    name: Some(&name),
                };
                let log = self.session().got(ask, pods.logs(&name, &params)).await;
                let life = if previous { ".previous" } else { "" };
                let path = format!("{place}/{name}/{}{life}.log", container.name);
                parts.text_or_why(&path, log.map_err(|trouble| trouble.what().to_owned()));
            }
        }
    }

    /// The operator's pods and logs, which not everybody may read.
    async fn operator(&self, logs: bool, namespace: &str, parts: &mut Parts) {
        let found = match self.operator_pods(None).await {
            Err(_) => self.operator_pods(Some(namespace)).await,
            found => found,
        };
        let found = match found {
            Ok(found) => found,
            Err(why) => return parts.missing("operator", &why),
        };
        parts.object("operator/pods.yaml", json!(found));
        for pod in found.iter().filter(|_| logs).take(PODS) {
            self.logs(pod, "operator/logs", parts).await;
        }
    }

    async fn operator_pods(&self, namespace: Option<&str>) -> Result<Vec<Pod>, String> {
        let session = self.session();
        let client = session.client.clone();
        let pods: Api<Pod> = namespace
            .map_or_else(|| Api::all(client.clone()), |at| Api::namespaced(client.clone(), at));
        let params = ListParams::default().labels(OPERATOR).limit(MOST);
        let ask = Ask { verb: "list", resource: "pods", namespace, name: None };
        let found = session.got(ask, pods.list(&params)).await;
        found.map(|found| found.items).map_err(|trouble| trouble.what().to_owned())
    }

    fn ask<'a>(
        &'a self,
        verb: &'static str,
        resource: &'static str,
        name: Option<&'a str>,
    ) -> Ask<'a> {
        Ask { verb, resource, namespace: Some(&self.session().namespace), name }
    }
}
