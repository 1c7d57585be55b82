//! What an overlay of pods may contain: whoever may write topologies shall not get more rights than
//! that by way of pods.

use clap::ValueEnum;
use egret_topology::{logical::OnCluster, validate::Problem};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Something that an administrator may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Feature {
    /// Network, process ids, IPC or users of the node.
    HostNamespaces,
    /// Files of the node.
    HostPath,
    /// Other security contexts than those of the operator.
    SecurityContext,
    /// A service account, and its token.
    ServiceAccount,
}

/// What the administrator allows.
pub type Allowed = BTreeSet<Feature>;

/// Fields of a pod's spec that the operator's own design rests on.
const RESERVED: [(&str, &str); 7] = [
    ("activeDeadlineSeconds", "a topology runs until it ends"),
    ("ephemeralContainers", "they are added to running pods only"),
    ("hostname", "pods are known by their addresses"),
    ("restartPolicy", "the operator decides what runs again"),
    ("setHostnameAsFQDN", "pods are known by their addresses"),
    ("shareProcessNamespace", "the first process of each container is its parent"),
    ("subdomain", "pods are known by their addresses"),
];

const HOST: [&str; 4] = ["hostIPC", "hostNetwork", "hostPID", "hostUsers"];
/// What annotations begin with that loosen a profile of the node.
const CONTEXTS: [&str; 3] = [
    "container.apparmor.security.beta.kubernetes.io/",
    "container.seccomp.security.alpha.kubernetes.io/",
    "seccomp.security.alpha.kubernetes.io/",
];
const ACCOUNT: [&str; 3] = ["automountServiceAccountToken", "serviceAccount", "serviceAccountName"];

/// What is not allowed in volumes and in the overlay.
pub(super) fn check(on_cluster: &OnCluster, allowed: &Allowed) -> Vec<Problem> {
    let mut found = Found { allowed, problems: Vec::new() };
    for (i, volume) in on_cluster.volumes.iter().enumerate() {
        found.volume(&format!("spec.volumes[{i}]"), &volume.source);
    }
    found.pod(&on_cluster.pod_template.spec);
    found.annotations(on_cluster.pod_template.metadata.annotations.keys());
    found.problems
}

struct Found<'a> {
    allowed: &'a Allowed,
    problems: Vec<Problem>,
}

impl Found<'_> {
    fn forbid(&mut self, path: String, what: &str, feature: Feature) {
        if self.allowed.contains(&feature) {
            return;
        }
        let flag = feature.to_possible_value().map(|value| value.get_name().to_owned());
        let remedy = format!(
            "an administrator can start the operator with `--allow {}`",
            flag.unwrap_or_default()
        );
        let what = format!("`{what}` is not allowed on this cluster");
        self.problems.push(Problem { path, what, remedy: Some(remedy) });
    }

    fn pod(&mut self, spec: &Map<String, Value>) {
        const PATH: &str = "spec.podTemplate.spec";
        for (field, why) in RESERVED.iter().filter(|(field, _)| spec.contains_key(*field)) {
            let what = format!("`{field}` cannot be set: {why}");
            let path = format!("{PATH}.{field}");
            self.problems.push(Problem { path, what, remedy: None });
        }
        for field in HOST.into_iter().filter(|field| spec.contains_key(*field)) {
            self.forbid(format!("{PATH}.{field}"), field, Feature::HostNamespaces);
        }
        for field in ACCOUNT.into_iter().filter(|field| spec.contains_key(*field)) {
            self.forbid(format!("{PATH}.{field}"), field, Feature::ServiceAccount);
        }
        if spec.contains_key("securityContext") {
            let path = format!("{PATH}.securityContext");
            self.forbid(path, "securityContext", Feature::SecurityContext);
        }
        for list in ["containers", "initContainers"] {
            for (i, container) in objects(spec.get(list)).enumerate() {
                if container.contains_key("securityContext") {
                    let path = format!("{PATH}.{list}[{i}].securityContext");
                    self.forbid(path, "securityContext", Feature::SecurityContext);
                }
                for (p, port) in objects(container.get("ports")).enumerate() {
                    if port.contains_key("hostPort") || port.contains_key("hostIP") {
                        let path = format!("{PATH}.{list}[{i}].ports[{p}].hostPort");
                        self.forbid(path, "hostPort", Feature::HostNamespaces);
                    }
                }
            }
        }
        for (i, volume) in objects(spec.get("volumes")).enumerate() {
            self.volume(&format!("{PATH}.volumes[{i}]"), volume);
        }
    }

    /// Some annotations are security contexts by another name.
    fn annotations<'k>(&mut self, keys: impl Iterator<Item = &'k String>) {
        for key in keys.filter(|key| CONTEXTS.iter().any(|known| key.starts_with(known))) {
            let path = format!("spec.podTemplate.metadata.annotations.{key}");
            self.forbid(path, key, Feature::SecurityContext);
        }
    }

    fn volume(&mut self, path: &str, volume: &Map<String, Value>) {
        if volume.contains_key("hostPath") {
            self.forbid(path.to_owned(), "hostPath", Feature::HostPath);
        }
        let sources = volume.get("projected").and_then(|projected| projected.get("sources"));
        if objects(sources).any(|source| source.contains_key("serviceAccountToken")) {
            self.forbid(path.to_owned(), "serviceAccountToken", Feature::ServiceAccount);
        }
    }
}

fn objects(list: Option<&Value>) -> impl Iterator<Item = &Map<String, Value>> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_topology::resource::{PodMetadata, PodTemplate};
    use serde_json::json;

    fn found(spec: Value, allowed: &[Feature]) -> Vec<String> {
        let spec = spec.as_object().unwrap().clone();
        let pod_template = PodTemplate { spec, ..PodTemplate::default() };
        let on_cluster = OnCluster { pod_template, ..OnCluster::default() };
        let allowed = allowed.iter().copied().collect();
        check(&on_cluster, &allowed).into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn each_way_to_more_rights_is_forbidden_and_can_be_allowed() {
        for (spec, feature) in [
            (json!({"hostNetwork": true}), Feature::HostNamespaces),
            (json!({"serviceAccountName": "admin"}), Feature::ServiceAccount),
            (json!({"automountServiceAccountToken": true}), Feature::ServiceAccount),
            (json!({"securityContext": {"runAsUser": 0}}), Feature::SecurityContext),
            (
                json!({"containers": [{"name": "a", "securityContext": {"privileged": true}}]}),
                Feature::SecurityContext,
            ),
            (
                json!({"containers": [{"name": "a", "ports": [{"hostPort": 22}]}]}),
                Feature::HostNamespaces,
            ),
            (json!({"volumes": [{"name": "h", "hostPath": {}}]}), Feature::HostPath),
            (
                json!({"volumes": [{"name": "t", "projected": {"sources": [
                    {"serviceAccountToken": {"path": "token"}}]}}]}),
                Feature::ServiceAccount,
            ),
        ] {
            assert_eq!(found(spec.clone(), &[]).len(), 1, "{spec}");
            assert!(found(spec.clone(), &[feature]).is_empty(), "{spec}");
        }
    }

    #[test]
    fn an_annotation_that_is_a_security_context_is_one() {
        let key = "container.apparmor.security.beta.kubernetes.io/count-0";
        let annotations = [key, "example.org/note"].map(|key| (key.to_owned(), String::new()));
        let metadata = PodMetadata { annotations: annotations.into(), ..PodMetadata::default() };
        let pod_template = PodTemplate { metadata, ..PodTemplate::default() };
        let on_cluster = OnCluster { pod_template, ..OnCluster::default() };
        let found = check(&on_cluster, &Allowed::default());
        assert_eq!(found.len(), 1);
        assert!(found[0].path.ends_with(key), "{}", found[0].path);
        assert!(check(&on_cluster, &[Feature::SecurityContext].into()).is_empty());
    }

    #[test]
    fn what_the_design_rests_on_can_never_be_set() {
        let spec = json!({"restartPolicy": "Always", "priorityClassName": "high"});
        let all = Feature::value_variants();
        assert_eq!(found(spec, all), ["spec.podTemplate.spec.restartPolicy"]);
    }
}
