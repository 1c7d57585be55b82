//! A topology on the cluster, as its user sees it.

use crate::{Error, Namespace, Result, wait::Wait};
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

/// Where stream managers serve metrics.
const METRICS: u16 = 4739;
/// For an answer of a stream manager.
const ANSWER: Duration = Duration::from_secs(10);

/// A topology in a test's namespace.
#[derive(Debug)]
pub struct Deployed<'a> {
    namespace: &'a Namespace,
    name: String,
}

/// One life of a pod of a topology.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life {
    /// Name of the pod.
    pub name: String,
    /// Its unique id: another pod of that name has another.
    pub uid: String,
    /// Its node, once it has one.
    pub node: String,
    /// Its address, once it has one.
    pub ip: String,
    /// Restarts of all its containers.
    pub restarts: u64,
    /// Somebody has asked it to end.
    pub terminating: bool,
}

impl Namespace {
    /// Applies a topology of this name.
    pub fn deploy(&self, name: &str, spec: &str) -> Result<Deployed<'_>> {
        let indented: String = spec.lines().map(|line| format!("  {line}\n")).collect();
        self.apply(&format!(
            "apiVersion: egret.dev/v1alpha1\nkind: Topology\nmetadata: {{name: {name}}}\nspec:\n\
             {indented}"
        ))?;
        Ok(self.deployed(name))
    }

    /// A topology that was applied before.
    pub fn deployed(&self, name: &str) -> Deployed<'_> {
        Deployed { namespace: self, name: name.to_owned() }
    }

    /// Claims a volume that [`Namespace::volume`] has made, under the same name.
    pub fn claim(&self, volume: &str) -> Result<()> {
        let name = self.name();
        self.apply(&format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {volume}}}\nspec:\n  \
             accessModes: [ReadWriteMany]\n  storageClassName: egret-local\n  \
             volumeName: {name}-{volume}\n  resources: {{requests: {{storage: 1Gi}}}}\n"
        ))
        .map(drop)
    }
}

impl Deployed<'_> {
    /// Where it is.
    pub fn namespace(&self) -> &Namespace {
        self.namespace
    }

    /// As `kubectl` names it.
    pub fn resource(&self) -> String {
        format!("topology/{}", self.name)
    }

    /// The whole object.
    pub fn object(&self) -> Result<Value> {
        let text = self.namespace.kubectl(&["get", &self.resource(), "--output", "json"])?;
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Changes the spec by a merge patch.
    pub fn change(&self, spec: &Value) -> Result<()> {
        let patch = serde_json::json!({ "spec": spec }).to_string();
        let args = ["patch", &self.resource(), "--type=merge", "--patch", &patch];
        self.namespace.kubectl(&args).map(drop)
    }

    /// Waits until a condition has this status for the newest generation, and returns its reason.
    pub fn condition(&self, kind: &str, status: &str, limit: Duration) -> Result<String> {
        self.until(&format!("{kind}={status}"), limit, |object| {
            let condition = condition(object, kind);
            let newest = condition["observedGeneration"] == object["metadata"]["generation"];
            let reason = condition["reason"].as_str().unwrap_or_default().to_owned();
            (newest && condition["status"] == status).then_some(reason)
        })
    }

    /// Waits until the topology is in this state for the newest generation.
    pub fn state(&self, state: &str, limit: Duration) -> Result<()> {
        self.until(state, limit, |object| {
            let status = &object["status"];
            let newest = status["observedGeneration"] == object["metadata"]["generation"];
            (newest && status["state"] == state).then_some(())
        })
    }

    /// Waits until the object satisfies somebody; shows its conditions and events if it never does.
    pub fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        mut found: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T> {
        let waited = Wait::new(&self.resource(), what, limit).until(|| {
            let object = self.object().map_err(|error| error.to_string())?;
            found(&object).ok_or_else(|| object["status"].to_string())
        });
        waited.map_err(|error| match error {
            Error::Late { component, what, limit, last, .. } => {
                Error::Late { component, what, limit, last, tail: self.events() }
            }
            other => other,
        })
    }

    /// What has happened in the namespace, and its pods.
    fn events(&self) -> String {
        let told = |args: &[&str]| self.namespace.kubectl(args).unwrap_or_default();
        let events = told(&["get", "events", "--sort-by=.lastTimestamp"]);
        format!("{}\n{}", told(&["get", "pods", "--output=wide"]), events)
    }

    /// The pods that there are, by name.
    pub fn pods(&self) -> Result<Vec<Life>> {
        let selector = format!("egret.dev/topology={}", self.name);
        let args = ["get", "pods", "--selector", &selector, "--output", "json"];
        let list: Value = serde_json::from_str(&self.namespace.kubectl(&args)?).unwrap_or_default();
        let mut pods: Vec<Life> =
            list["items"].as_array().into_iter().flatten().map(Life::of).collect();
        pods.sort();
        Ok(pods)
    }

    /// Waits until the pods satisfy somebody.
    pub fn until_pods(
        &self,
        what: &str,
        limit: Duration,
        mut good: impl FnMut(&[Life]) -> bool,
    ) -> Result<Vec<Life>> {
        Wait::new(&self.resource(), what, limit).until(|| {
            let pods = self.pods().map_err(|error| error.to_string())?;
            if good(&pods) { Ok(pods) } else { Err(format!("{pods:#?}")) }
        })
    }

    /// Waits for events with these reasons: they are told after what they tell of.
    pub fn tells(&self, reasons: &[&str], limit: Duration) -> Result<()> {
        Wait::new(&self.resource(), "its events", limit).until(|| {
            let told = self.reasons().map_err(|error| error.to_string())?;
            let all = reasons.iter().all(|reason| told.iter().any(|told| told == reason));
            all.then_some(()).ok_or_else(|| format!("{told:?} are not all of {reasons:?}"))
        })
    }

    /// Reasons of the events of the topology, the oldest first.
    pub fn reasons(&self) -> Result<Vec<String>> {
        let selector = format!("involvedObject.kind=Topology,involvedObject.name={}", self.name);
        let path = "jsonpath={range .items[*]}{.reason}{\"\\n\"}{end}";
        let args = ["get", "events", "--field-selector", &selector, "--output", path];
        Ok(self.namespace.kubectl(&args)?.lines().map(str::to_owned).collect())
    }
}

/// A condition of a topology.
pub fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or(&Value::Null)
}

impl Life {
    /// What the stream manager tells Prometheus, asked from the host and not by way of the API
    /// server. Only pods of a cluster of our own can be reached like that.
    pub fn metrics(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect((self.ip.as_str(), METRICS))?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }

    /// The sum of one metric over all its labels.
    pub fn metric(&self, name: &str) -> std::io::Result<f64> {
        let metrics = self.metrics()?;
        let ours = metrics.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        Ok(ours.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    fn of(pod: &Value) -> Life {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (metadata, status) = (&pod["metadata"], &pod["status"]);
        let of = |list: &str| status[list].as_array().cloned().unwrap_or_default();
        let containers = of("initContainerStatuses").into_iter().chain(of("containerStatuses"));
        Life {
            name: text(&metadata["name"]),
            uid: text(&metadata["uid"]),
            node: text(&pod["spec"]["nodeName"]),
            ip: text(&status["podIP"]),
            restarts: containers.map(|one| one["restartCount"].as_u64().unwrap_or(0)).sum(),
            terminating: !metadata["deletionTimestamp"].is_null(),
        }
    }
}
