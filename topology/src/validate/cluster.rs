//! What matters on a cluster only: images, volumes, the pod template. Kubernetes checks the rest.

use super::{Problems, component::is_deeper};
use crate::{
    limits,
    logical::{OnCluster, Update},
    resource::{PodTemplate, Spec, UpdateStrategy, Volume},
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Labels, annotations and volumes of Egret itself start like this.
const RESERVED_PREFIXES: [&str; 2] = ["egret.dev/", "egret-"];

pub(super) fn check(spec: &Spec, problems: &mut Problems) -> OnCluster {
    if !problems.too_many(
        "spec.imagePullSecrets",
        spec.image_pull_secrets.len(),
        limits::MAX_PULL_SECRETS,
    ) {
        for (i, secret) in spec.image_pull_secrets.iter().enumerate() {
            let path = format!("spec.imagePullSecrets[{i}].name");
            check_object_name(&path, &secret.name, problems);
        }
    }
    volumes(&spec.volumes, problems);
    if spec.restarted_at.as_ref().is_some_and(|at| at.len() > limits::MAX_NAME) {
        let most = limits::MAX_NAME;
        problems.add("spec.restartedAt", format!("no more than {most} characters are kept"));
    }
    if let Some(template) = &spec.pod_template {
        pod_template(template, problems);
    }
    OnCluster {
        image_pull_policy: spec.image_pull_policy,
        image_pull_secrets: spec.image_pull_secrets.iter().map(|s| s.name.clone()).collect(),
        volumes: spec.volumes.clone(),
        pod_template: spec.pod_template.clone().unwrap_or_default(),
        deletion_policy: spec.deletion_policy,
        drain_timeout_ms: problems.duration("spec.drainTimeout", &spec.drain_timeout),
        update: update(&spec.update_strategy, problems),
    }
}

fn update(strategy: &UpdateStrategy, problems: &mut Problems) -> Update {
    let path = |field: &str| format!("spec.updateStrategy.{field}");
    let deadline = path("progressDeadline");
    Update {
        max_unavailable: problems.within(
            &path("maxUnavailable"),
            strategy.max_unavailable,
            1,
            limits::MAX_TASKS,
        ),
        progress_deadline_ms: problems.duration(&deadline, &strategy.progress_deadline),
        on_failure: strategy.on_failure,
        paused: strategy.paused,
    }
}

fn volumes(volumes: &[Volume], problems: &mut Problems) {
    if problems.too_many("spec.volumes", volumes.len(), limits::MAX_VOLUMES) {
        return;
    }
    let mut seen = BTreeSet::new();
    for (i, volume) in volumes.iter().enumerate() {
        let path = format!("spec.volumes[{i}]");
        let name = volume.name.as_str();
        super::names::check_label(&format!("{path}.name"), name, problems);
        if reserved(name) {
            problems.add(format!("{path}.name"), "names that start with `egret-` are Egret's own");
        }
        if !seen.insert(name) {
            problems.add(format!("{path}.name"), format!("`{name}` is listed twice"));
        }
        if volume.source.len() != 1 {
            problems.add_with(
                path.clone(),
                format!("the volume `{name}` has {} sources instead of one", volume.source.len()),
                "write one as in a pod, such as `persistentVolumeClaim: {claimName: NAME}`",
            );
        }
        check_size(&path, &volume.source, problems);
    }
}

fn pod_template(template: &PodTemplate, problems: &mut Problems) {
    let metadata = &template.metadata;
    for (kind, map) in [("labels", &metadata.labels), ("annotations", &metadata.annotations)] {
        let path = format!("spec.podTemplate.metadata.{kind}");
        problems.too_many(&path, map.len(), limits::MAX_LABELS);
        if let Some(own) = map.keys().find(|key| reserved(key)) {
            problems.add(format!("{path}.{own}"), "what starts with `egret.dev/` is Egret's own");
        }
        if map.values().any(|value| value.len() > limits::MAX_TEXT) {
            problems.add(path, format!("a value has more than {} bytes", limits::MAX_TEXT));
        }
    }
    check_size("spec.podTemplate.spec", &template.spec, problems);
}

/// Far from the sizes at which pods cannot be stored, or readers overflow their stack.
fn check_size(path: &str, map: &Map<String, Value>, problems: &mut Problems) {
    let (most_deep, most) = (limits::MAX_CONFIG_DEPTH, limits::MAX_POD_TEMPLATE);
    if map.values().any(|value| is_deeper(value, most_deep - 1)) {
        return problems.add(path, format!("it nests deeper than {most_deep} levels"));
    }
    let len = serde_json::to_string(map).map_or(usize::MAX, |json| json.len());
    if len > most {
        problems.add(path, format!("it has {len} bytes as JSON; at most {most} are allowed"));
    }
}

fn reserved(name: &str) -> bool {
    RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The name of a Kubernetes object: a DNS subdomain.
pub(super) fn check_object_name(path: &str, name: &str, problems: &mut Problems) {
    let label = |label: &str| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !label.is_empty()
            && label.chars().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > limits::MAX_OBJECT_NAME || !name.split('.').all(label) {
        problems.add_with(
            path,
            format!("`{name}` cannot be the name of a Kubernetes object"),
            "use lower-case letters, digits, `-` and `.`, with a letter or digit at both ends",
        );
    }
}

/// A key of a Secret or ConfigMap.
pub(super) fn check_key(path: &str, key: &str, problems: &mut Problems) {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if key.is_empty() || key.len() > limits::MAX_OBJECT_NAME || !key.chars().all(inner) {
        problems.add_with(
            path,
            format!("`{key}` cannot be a key"),
            "use letters, digits, `-`, `_` and `.`",
        );
    }
}
