//! What the API server says of the pods of a topology.

use crate::{names, rollout::Pull};
use egret_topology::id::PodId;
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, PodSpec, PodStatus};
use std::{collections::BTreeMap, net::IpAddr};

/// A pod as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedPod {
    /// Its name.
    pub name: String,
    /// Its index.
    pub id: PodId,
    /// Its unique id.
    pub uid: String,
    /// Which life of its place it is.
    pub life: u32,
    /// Digest of what it was made of.
    pub definition: String,
    /// Its node, once it has one.
    pub node: Option<String>,
    /// The images that its containers shall run, by their names.
    pub images: BTreeMap<String, String>,
    /// Its containers as they run, by their names: another one has another id.
    pub ids: BTreeMap<String, String>,
    /// Its address, once it has one.
    pub ip: Option<IpAddr>,
    /// It will be gone soon.
    pub terminating: bool,
    /// By when, in milliseconds since 1970, if so.
    pub gone_by: Option<u64>,
    /// Why it will never do all its work again, if so: it was evicted, its node is lost, or a task
    /// has exited as if that were planned.
    pub ended: Option<String>,
    /// All its containers run.
    pub started: bool,
    /// None of its tasks runs any more, however they ended.
    pub over: bool,
    /// Its stream manager is ready.
    pub ready: bool,
    /// Every task has exited as planned.
    pub exited: bool,
    /// Why it does not start, if somebody has to do something about it.
    pub trouble: Option<Trouble>,
}

/// Why a pod does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What kind of trouble.
    pub kind: TroubleKind,
    /// In the words of Kubernetes.
    pub message: String,
}

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// No node takes it.
    Unschedulable,
    /// An image cannot be had.
    Image,
    /// A Secret, ConfigMap or volume is missing, or a container cannot be made.
    Config,
    /// A container ends again and again.
    Crash,
}

/// Reasons of waiting containers that somebody has to look at.
const WAITING: [(&str, TroubleKind); 8] = [
    ("ErrImagePull", TroubleKind::Image),
    ("ErrImageNeverPull", TroubleKind::Image),
    ("ImagePullBackOff", TroubleKind::Image),
    ("InvalidImageName", TroubleKind::Image),
    ("CreateContainerConfigError", TroubleKind::Config),
    ("CreateContainerError", TroubleKind::Config),
    ("RunContainerError", TroubleKind::Config),
    ("CrashLoopBackOff", TroubleKind::Crash),
];

/// What a pod of ours says; `None` if it is not one.
pub fn pod(pod: &Pod) -> Option<ObservedPod> {
    let metadata = &pod.metadata;
    let index = metadata.labels.as_ref()?.get(names::POD)?.parse().ok()?;
    let annotation = |name: &str| metadata.annotations.as_ref()?.get(name);
    let status = pod.status.clone().unwrap_or_default();
    let phase = status.phase.as_deref().unwrap_or_default();
    let condition =
        |name: &str| status.conditions.iter().flatten().find(|condition| condition.type_ == name);
    let containers = status.container_statuses.as_deref().unwrap_or_default();
    let sidecars = status.init_container_statuses.as_deref().unwrap_or_default();
    Some(ObservedPod {
        name: metadata.name.clone()?,
        id: PodId(index),
        uid: metadata.uid.clone().unwrap_or_default(),
        life: annotation(names::LIFE).and_then(|life| life.parse().ok()).unwrap_or(0),
        definition: annotation(names::DEFINITION).cloned().unwrap_or_default(),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        images: pod
            .spec
            .iter()
            .flat_map(|spec| spec.containers.iter().chain(spec.init_containers.iter().flatten()))
            .filter_map(|container| Some((container.name.clone(), container.image.clone()?)))
            .collect(),
        ids: sidecars
            .iter()
            .chain(containers)
            .filter_map(|status| Some((status.name.clone(), status.container_id.clone()?)))
            .collect(),
        ip: status.pod_ip.as_deref().and_then(|ip| ip.parse().ok()),
        terminating: metadata.deletion_timestamp.is_some(),
        gone_by: metadata
            .deletion_timestamp
            .as_ref()
            .map(|by| u64::try_from(by.0.as_millisecond()).unwrap_or(0)),
        ended: ended(&status),
        started: has_started(pod.spec.as_ref(), containers),
        over: !containers.is_empty() && containers.iter().all(has_ended),
        ready: condition("Ready").is_some_and(|ready| ready.status == "True"),
        exited: phase == "Succeeded"
            || (!containers.is_empty() && containers.iter().all(has_exited)),
        trouble: unschedulable(condition("PodScheduled"))
            .or_else(|| sidecars.iter().chain(containers).find_map(waiting)),
    })
}

/// What is kept of a pod: nobody looks at the rest, and there may be thousands.
pub fn keep(pod: &mut Pod) {
    pod.metadata.managed_fields = None;
    let spec = pod.spec.take().unwrap_or_default();
    let kept = |container: Container| Container {
        name: container.name,
        image: container.image,
        ..Container::default()
    };
    pod.spec = Some(PodSpec {
        containers: spec.containers.into_iter().map(kept).collect(),
        init_containers: spec.init_containers.map(|all| all.into_iter().map(kept).collect()),
        node_name: spec.node_name,
        ..PodSpec::default()
    });
}

/// How far a pod is that pulls an image; `None` if it is none of a topology's.
pub fn pull(pod: &Pod, topology: &str) -> Option<(String, Pull)> {
    let labels = pod.metadata.labels.as_ref()?;
    if labels.get(names::PULLS_FOR).map(String::as_str) != Some(topology) {
        return None;
    }
    let status = pod.status.clone().unwrap_or_default();
    let containers = status.container_statuses.unwrap_or_default();
    let state = containers.first().and_then(|container| container.state.as_ref());
    let started = state.is_some_and(|state| state.running.is_some() || state.terminated.is_some());
    let phase = status.phase.as_deref().unwrap_or_default();
    let pull = match containers.first().and_then(waiting) {
        _ if started => Pull::There,
        Some(trouble) if trouble.kind == TroubleKind::Image => {
            let never = ["InvalidImageName", "ErrImageNeverPull"];
            let never = never.iter().any(|reason| trouble.message.contains(reason));
            if never { Pull::Failed(trouble.message) } else { Pull::Failing(trouble.message) }
        }
        // It is there, and cannot be started: a new life of the task shows that.
        Some(_) => Pull::There,
        // The node has no room for another pod: the image is pulled when the task needs it.
        None if phase == "Failed" => Pull::There,
        None => Pull::Pending,
    };
    Some((pod.metadata.name.clone()?, pull))
}

fn ended(status: &PodStatus) -> Option<String> {
    let phase = status.phase.as_deref().unwrap_or_default();
    let reason = status.reason.as_deref().unwrap_or_default();
    if phase == "Failed" || reason == "NodeLost" {
        let words = [reason, status.message.as_deref().unwrap_or_default()];
        let words: Vec<&str> = words.into_iter().filter(|words| !words.is_empty()).collect();
        let words = if words.is_empty() { "it failed".to_owned() } else { words.join(": ") };
        return Some(words);
    }
    let containers = status.container_statuses.as_deref().unwrap_or_default();
    if let Some(exited) = containers.iter().find(|container| has_exited(container)) {
        return Some(format!("container {} exited with code 0", exited.name));
    }
    (phase == "Succeeded").then(|| "all its containers have exited".to_owned())
}

fn has_started(spec: Option<&PodSpec>, containers: &[ContainerStatus]) -> bool {
    let runs = |status: &ContainerStatus| {
        status.state.as_ref().is_some_and(|state| state.running.is_some())
    };
    let all = spec.is_some_and(|spec| spec.containers.len() == containers.len());
    all && !containers.is_empty() && containers.iter().all(runs)
}

fn has_ended(container: &ContainerStatus) -> bool {
    container.state.as_ref().is_some_and(|state| state.terminated.is_some())
}

fn has_exited(container: &ContainerStatus) -> bool {
    let terminated = container.state.as_ref().and_then(|state| state.terminated.as_ref());
    terminated.is_some_and(|terminated| terminated.exit_code == 0)
}

fn unschedulable(scheduled: Option<&k8s_openapi::api::core::v1::PodCondition>) -> Option<Trouble> {
    let scheduled = scheduled.filter(|scheduled| scheduled.status == "False")?;
    let message = scheduled.message.clone().unwrap_or_else(|| "no node takes it".to_owned());
    Some(Trouble { kind: TroubleKind::Unschedulable, message })
}

fn waiting(container: &ContainerStatus) -> Option<Trouble> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    let (_, kind) = WAITING.iter().find(|(known, _)| *known == reason)?;
    let words = waiting.message.as_deref().unwrap_or_default();
    let message = format!("container {}: {reason}: {words}", container.name);
    Some(Trouble { kind: *kind, message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn observed(status: Value) -> ObservedPod {
        let value = json!({
            "metadata": {"name": "t-1-2", "uid": "p", "labels": {"egret.dev/pod": "1"}},
            "status": status,
        });
        pod(&serde_json::from_value(value).unwrap()).unwrap()
    }

    fn container(state: Value) -> Value {
        json!({"name": "a-0", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
               "state": state})
    }

    #[test]
    fn a_running_pod_has_an_address() {
        let pod = observed(json!({
            "phase": "Running", "podIP": "10.1.2.3",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [container(json!({"running": {}}))],
        }));
        assert_eq!((pod.id, pod.ip), (PodId(1), Some([10, 1, 2, 3].into())));
        assert!(pod.ready && !pod.exited && pod.trouble.is_none());
    }

    #[test]
    fn a_pod_has_exited_when_all_its_tasks_have_as_planned() {
        let ended = |code: i32| container(json!({"terminated": {"exitCode": code}}));
        let with = |codes: &[i32]| {
            let containers: Vec<Value> = codes.iter().map(|code| ended(*code)).collect();
            observed(json!({"phase": "Running", "containerStatuses": containers})).exited
        };
        assert!(with(&[0, 0]));
        assert!(!with(&[0, 1]));
        assert!(!with(&[]));
    }

    #[test]
    fn a_pod_has_started_when_all_its_tasks_run_and_is_over_when_none_does() {
        let with = |states: &[Value]| {
            let containers: Vec<Value> = states.iter().cloned().map(container).collect();
            let value = json!({
                "metadata": {"name": "t-1-2", "uid": "p", "labels": {"egret.dev/pod": "1"}},
                "spec": {"containers": [{"name": "a-0"}, {"name": "b-0"}]},
                "status": {"containerStatuses": containers},
            });
            let seen = pod(&serde_json::from_value(value).unwrap()).unwrap();
            (seen.started, seen.over)
        };
        let (runs, waits) = (json!({"running": {}}), json!({"waiting": {"reason": "x"}}));
        let ended = json!({"terminated": {"exitCode": 137}});
        assert_eq!(with(&[]), (false, false));
        assert_eq!(with(std::slice::from_ref(&runs)), (false, false), "one is not told of yet");
        assert_eq!(with(&[runs.clone(), waits]), (false, false));
        assert_eq!(with(&[runs.clone(), runs.clone()]), (true, false));
        assert_eq!(with(&[runs, ended.clone()]), (false, false));
        assert_eq!(with(&[ended.clone(), ended]), (false, true));
    }

    #[test]
    fn a_pod_that_has_ended_says_why() {
        let exited = |code: i32| container(json!({"terminated": {"exitCode": code}}));
        let ended = |status: Value| observed(status).ended;
        let evicted = json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"});
        assert_eq!(ended(evicted).unwrap(), "Evicted: low on memory");
        assert_eq!(ended(json!({"phase": "Failed"})).unwrap(), "it failed");
        let one = json!({"phase": "Running", "containerStatuses": [exited(1), exited(0)]});
        assert_eq!(ended(one).unwrap(), "container a-0 exited with code 0");
        let crashed = json!({"phase": "Running", "containerStatuses": [exited(1)]});
        assert_eq!(ended(crashed), None, "it is started again");
    }

    #[test]
    fn a_pod_that_pulls_shows_whether_its_node_has_the_image() {
        let pull = |status: Value| {
            let labels = json!({"egret.dev/pulls-for": "t"});
            let value = json!({"metadata": {"name": "p", "labels": labels}, "status": status});
            let pod: Pod = serde_json::from_value(value).unwrap();
            assert!(super::pod(&pod).is_none(), "it is none of the topology's pods");
            assert_eq!(super::pull(&pod, "u"), None);
            super::pull(&pod, "t").unwrap().1
        };
        let with = |state: Value| json!({"containerStatuses": [container(state)]});
        assert_eq!(pull(json!({"phase": "Pending"})), Pull::Pending);
        let creating = json!({"waiting": {"reason": "ContainerCreating"}});
        assert_eq!(pull(with(creating)), Pull::Pending);
        assert_eq!(pull(with(json!({"running": {}}))), Pull::There);
        assert_eq!(pull(with(json!({"terminated": {"exitCode": 2}}))), Pull::There);
        let missing = json!({"waiting": {"reason": "ErrImagePull", "message": "not found"}});
        let Pull::Failing(why) = pull(with(missing)) else { panic!("it is tried again") };
        assert!(why.contains("not found"));
        let misspelt = json!({"waiting": {"reason": "InvalidImageName", "message": "`:`"}});
        assert!(matches!(pull(with(misspelt)), Pull::Failed(_)));
        let full = json!({"phase": "Failed", "reason": "OutOfpods"});
        assert_eq!(pull(full), Pull::There, "it is pulled when it is needed");
    }

    #[test]
    fn of_a_pod_only_what_is_looked_at_is_kept() {
        let value = json!({
            "metadata": {"name": "t-0-1", "labels": {"egret.dev/pod": "0"}},
            "spec": {
                "nodeName": "a",
                "containers": [{"name": "x-0", "image": "i:1", "args": ["y"]}],
            },
            "status": {"containerStatuses": [{
                "name": "x-0", "image": "i:1", "imageID": "", "ready": true, "restartCount": 0,
                "containerID": "containerd://7",
            }]},
        });
        let mut kept: Pod = serde_json::from_value(value).unwrap();
        keep(&mut kept);
        assert_eq!(kept.spec.as_ref().unwrap().containers[0].args, None);
        let seen = super::pod(&kept).unwrap();
        assert_eq!((seen.node.as_deref(), seen.images["x-0"].as_str()), (Some("a"), "i:1"));
        assert_eq!(seen.ids["x-0"], "containerd://7");
    }

    #[test]
    fn trouble_is_told_in_kubernetes_own_words() {
        let pod = observed(json!({
            "phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "False",
                            "message": "0/2 nodes are available"}],
        }));
        let trouble = pod.trouble.unwrap();
        assert_eq!(trouble.kind, TroubleKind::Unschedulable);
        assert_eq!(trouble.message, "0/2 nodes are available");
        let waiting = json!({"waiting": {"reason": "ErrImagePull", "message": "not found"}});
        let pod = observed(json!({"containerStatuses": [container(waiting)]}));
        let trouble = pod.trouble.unwrap();
        assert_eq!(trouble.kind, TroubleKind::Image);
        assert_eq!(trouble.message, "container a-0: ErrImagePull: not found");
        let starting = json!({"waiting": {"reason": "PodInitializing"}});
        assert_eq!(observed(json!({"containerStatuses": [container(starting)]})).trouble, None);
    }
}
