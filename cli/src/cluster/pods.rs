//! Pods and containers of a topology as the API server shows them.

use super::{ask::Ask, connect::Session, trouble::Trouble};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod};
use kube::{Api, api::ListParams};

/// Label with the topology's name.
pub(super) const TOPOLOGY: &str = "egret.dev/topology";
/// Label with the index of a pod.
const POD: &str = "egret.dev/pod";
/// Annotation with the life of a pod.
const LIFE: &str = "egret.dev/life";
/// Container of the stream manager.
pub(super) const STREAM_MANAGER: &str = "stream-manager";
/// Pods per answer.
const PAGE: u32 = 250;

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PodView {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) id: u32,
    pub(super) life: u32,
    pub(super) node: String,
    /// In one word.
    pub(super) state: String,
    pub(super) ready: bool,
    pub(super) created: Option<Timestamp>,
    /// The stream manager first, then tasks in the order of the pod.
    pub(super) containers: Vec<ContainerView>,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ContainerView {
    pub(super) name: String,
    /// None: the stream manager, or a container that a user has added.
    pub(super) task: Option<TaskName>,
    /// In one word.
    pub(super) state: String,
    pub(super) restarts: i32,
    /// There is, or was, something that could log.
    pub(super) has_log: bool,
    /// It runs.
    pub(super) runs: bool,
}

/// The task that a container runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TaskName {
    pub(super) id: u32,
    pub(super) component: String,
    pub(super) index: u32,
}

impl PodView {
    /// Restarts of all its containers.
    pub(super) fn restarts(&self) -> i32 {
        self.containers.iter().map(|container| container.restarts).sum()
    }
}

impl Session {
    /// The pods of a topology in order of their indexes, the older life before the newer.
    pub(super) async fn pods(&self, topology: &str) -> Result<Vec<PodView>, Trouble> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let namespace = Some(self.namespace.as_str());
        let ask = Ask { verb: "list", resource: "pods", namespace, name: None };
        let mut params =
            ListParams::default().labels(&format!("{TOPOLOGY}={topology}")).limit(PAGE);
        let mut pods = Vec::new();
        loop {
            let page = self.got(ask, api.list(&params)).await?;
            pods.extend(page.items.iter().filter_map(pod));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => break,
            }
        }
        pods.sort_by_key(|pod| (pod.id, pod.life));
        Ok(pods)
    }
}

/// What a pod of ours says; `None` if it is not one.
fn pod(pod: &Pod) -> Option<PodView> {
    let metadata = &pod.metadata;
    let spec = pod.spec.as_ref()?;
    let status = pod.status.clone().unwrap_or_default();
    let phase = status.phase.as_deref().unwrap_or("Unknown");
    let condition = |kind: &str| status.conditions.iter().flatten().find(|c| c.type_ == kind);
    let unschedulable = condition("PodScheduled").is_some_and(|scheduled| {
        scheduled.status == "False" && scheduled.reason.as_deref() == Some("Unschedulable")
    });
    let state = match &status.reason {
        _ if metadata.deletion_timestamp.is_some() => "Terminating",
        Some(reason) if phase == "Failed" => reason,
        _ if unschedulable => "Unschedulable",
        _ => phase,
    };
    let statuses = [&status.init_container_statuses, &status.container_statuses];
    let statuses: Vec<&ContainerStatus> = statuses.into_iter().flatten().flatten().collect();
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    let container = |container: &Container| {
        let status = statuses.iter().find(|status| status.name == container.name);
        view(container, status.copied(), state)
    };
    Some(PodView {
        name: metadata.name.clone()?,
        uid: metadata.uid.clone().unwrap_or_default(),
        id: metadata.labels.as_ref()?.get(POD)?.parse().ok()?,
        life: metadata
            .annotations
            .as_ref()
            .and_then(|annotations| annotations.get(LIFE)?.parse().ok())
            .unwrap_or(0),
        node: spec.node_name.clone().unwrap_or_default(),
        state: state.to_owned(),
        ready: condition("Ready").is_some_and(|ready| ready.status == "True"),
        created: metadata.creation_timestamp.as_ref().map(|time| time.0),
        containers: containers.map(container).collect(),
    })
}

fn view(container: &Container, status: Option<&ContainerStatus>, pod: &str) -> ContainerView {
    let current = status.and_then(|status| status.state.as_ref());
    let runs = current.is_some_and(|state| state.running.is_some());
    let ended = current.and_then(|state| state.terminated.as_ref());
    let waits = current.and_then(|state| state.waiting.as_ref());
    let restarts = status.map_or(0, |status| status.restart_count);
    let state = match (ended, waits) {
        _ if pod == "Terminating" && ended.is_none() => pod.to_owned(),
        _ if runs => "Running".to_owned(),
        (Some(ended), _) if ended.exit_code == 0 => "Completed".to_owned(),
        (Some(ended), _) => {
            let reason = ended.reason.as_deref().unwrap_or("Error");
            format!("{reason}({})", ended.exit_code)
        }
        (None, Some(waits)) => waits.reason.clone().unwrap_or_else(|| "Waiting".to_owned()),
        (None, None) => pod.to_owned(),
    };
    ContainerView {
        name: container.name.clone(),
        task: task(container),
        state,
        restarts,
        has_log: runs || ended.is_some() || restarts > 0,
        runs,
    }
}

/// The task of a container: its arguments name it, and its name ends with the task's index.
fn task(container: &Container) -> Option<TaskName> {
    let args = container.args.as_ref()?;
    let after = |option: &str| {
        let at = args.iter().position(|arg| arg == option)?;
        args.get(at + 1)
    };
    Some(TaskName {
        id: after("--task")?.parse().ok()?,
        component: after("--component")?.clone(),
        index: container.name.rsplit_once('-')?.1.parse().ok()?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A pod as the operator makes them, with one task per (id, component, index).
    pub(in super::super) fn object(
        name: &str,
        tasks: &[(u32, &str, u32)],
        states: &[Value],
    ) -> Value {
        let container = |(id, component, index): &(u32, &str, u32)| {
            json!({
                "name": format!("{component}-{index}"),
                "args": ["run", "--task", id.to_string(), "--component", component],
            })
        };
        let names = tasks.iter().map(|(_, component, index)| format!("{component}-{index}"));
        let statuses: Vec<Value> = names
            .zip(states)
            .map(|(name, state)| {
                json!({"name": name, "image": "i", "imageID": "", "ready": true,
                       "restartCount": 2, "state": state})
            })
            .collect();
        let mut parts = name.rsplit('-');
        let (life, id) = (parts.next().unwrap(), parts.next().unwrap());
        json!({
            "metadata": {
                "name": name, "uid": name,
                "labels": {"egret.dev/pod": id}, "annotations": {"egret.dev/life": life},
            },
            "spec": {
                "nodeName": "node-a",
                "initContainers": [{"name": "stream-manager", "args": ["--pod", id]}],
                "containers": tasks.iter().map(container).collect::<Vec<_>>(),
            },
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": statuses,
            },
        })
    }

    pub(in super::super) fn viewed(object: Value) -> PodView {
        pod(&serde_json::from_value(object).unwrap()).unwrap()
    }

    #[test]
    fn a_pod_tells_its_tasks_and_how_they_are() {
        let running = json!({"running": {}});
        let crashed = json!({"terminated": {"exitCode": 70, "reason": "Error"}});
        let waiting = json!({"waiting": {"reason": "ImagePullBackOff"}});
        let tasks = [(4, "count", 1), (5, "a-0", 0), (6, "c", 0)];
        let pod = viewed(object("wc-1-3", &tasks, &[running, crashed, waiting]));
        assert_eq!((pod.id, pod.life, pod.ready, pod.restarts()), (1, 3, true, 6));
        assert_eq!(pod.containers[0].task, None, "the stream manager runs no task");
        let told: Vec<_> = pod.containers[1..]
            .iter()
            .map(|container| {
                let task = container.task.as_ref().unwrap();
                (task.id, task.component.as_str(), task.index, container.state.as_str())
            })
            .collect();
        let expected = [
            (4, "count", 1, "Running"),
            (5, "a-0", 0, "Error(70)"),
            (6, "c", 0, "ImagePullBackOff"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_pod_that_is_on_its_way_out_says_so() {
        let mut value = object("wc-0-1", &[(1, "c", 0)], &[json!({"running": {}})]);
        value["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        let pod = viewed(value);
        assert_eq!(pod.state, "Terminating");
        assert_eq!(pod.containers[1].state, "Terminating");
        assert!(pod.containers[1].runs);
    }

    #[test]
    fn a_pod_without_a_node_says_why() {
        let mut value = object("wc-0-1", &[(1, "c", 0)], &[]);
        value["status"]["phase"] = "Pending".into();
        value["status"]["conditions"] =
            json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]);
        let pod = viewed(value);
        assert_eq!(pod.state, "Unschedulable");
        assert_eq!(pod.containers[1].state, "Unschedulable");
        assert!(!pod.containers[1].has_log);
    }
}
