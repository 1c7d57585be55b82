//! What a component finds around it: environment variables and mounted volumes.

use super::{Problems, cluster, names};
use crate::{
    limits,
    logical::ComponentOnCluster,
    resource::{Common, EnvFrom, EnvSource, EnvVar, Volume, VolumeMount},
};
use std::collections::BTreeSet;

/// Where a container finds what is Egret's own.
const RESERVED_PATH: &str = "/var/lib/egret";

/// Checks all variables and returns those whose values are written in the topology.
pub(super) fn literals(
    path: &str,
    env: &[EnvVar],
    problems: &mut Problems,
) -> Vec<(String, String)> {
    if problems.too_many(path, env.len(), limits::MAX_ENV) {
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    for (i, EnvVar { name, value, value_from }) in env.iter().enumerate() {
        names::check_identifier(&format!("{path}[{i}].name"), "variable", name, problems);
        if !seen.insert(name) {
            problems.add(format!("{path}[{i}].name"), format!("`{name}` is set twice"));
        }
        if value.len() > limits::MAX_TEXT || value.contains('\0') {
            let most = limits::MAX_TEXT;
            problems.add(
                format!("{path}[{i}].value"),
                format!("a value has at most {most} bytes, none of them zero"),
            );
        }
        let Some(source) = value_from else { continue };
        check_source(&format!("{path}[{i}].valueFrom"), source, problems);
        if !value.is_empty() {
            problems.add(format!("{path}[{i}]"), "`value` and `valueFrom` exclude each other");
        }
    }
    let literal = |var: &EnvVar| (var.name.clone(), var.value.clone());
    env.iter().filter(|var| var.value_from.is_none()).map(literal).collect()
}

/// What matters on a cluster only.
pub(super) fn on_cluster(
    path: &str,
    common: &Common<'_>,
    volumes: &[Volume],
    problems: &mut Problems,
) -> ComponentOnCluster {
    let field = |name: &str| format!("{path}.{name}");
    env_from(&field("envFrom"), common.env_from, problems);
    mounts(&field("volumeMounts"), common.volume_mounts, volumes, problems);
    let sourced = |var: &EnvVar| Some((var.name.clone(), var.value_from.clone()?));
    ComponentOnCluster {
        env: common.env.iter().filter_map(sourced).collect(),
        env_from: common.env_from.to_vec(),
        volume_mounts: common.volume_mounts.to_vec(),
        autoscale: None,
    }
}

fn check_source(path: &str, source: &EnvSource, problems: &mut Problems) {
    let references =
        [("secretKeyRef", &source.secret_key_ref), ("configMapKeyRef", &source.config_map_key_ref)];
    let given = references.iter().filter_map(|(name, reference)| Some((name, reference.as_ref()?)));
    let mut count = 0;
    for (name, reference) in given {
        count += 1;
        cluster::check_object_name(&format!("{path}.{name}.name"), &reference.name, problems);
        cluster::check_key(&format!("{path}.{name}.key"), &reference.key, problems);
    }
    if count != 1 {
        problems.add(path, "write exactly one of `secretKeyRef` and `configMapKeyRef`");
    }
}

fn env_from(path: &str, env_from: &[EnvFrom], problems: &mut Problems) {
    if problems.too_many(path, env_from.len(), limits::MAX_VOLUMES) {
        return;
    }
    for (i, from) in env_from.iter().enumerate() {
        let path = format!("{path}[{i}]");
        if !from.prefix.is_empty() {
            names::check_identifier(&format!("{path}.prefix"), "prefix", &from.prefix, problems);
        }
        match (&from.secret_ref, &from.config_map_ref) {
            (Some(secret), None) => {
                cluster::check_object_name(
                    &format!("{path}.secretRef.name"),
                    &secret.name,
                    problems,
                );
            }
            (None, Some(map)) => {
                cluster::check_object_name(
                    &format!("{path}.configMapRef.name"),
                    &map.name,
                    problems,
                );
            }
            _ => problems.add(path, "write exactly one of `secretRef` and `configMapRef`"),
        }
    }
}

fn mounts(path: &str, mounts: &[VolumeMount], volumes: &[Volume], problems: &mut Problems) {
    if problems.too_many(path, mounts.len(), limits::MAX_VOLUMES) {
        return;
    }
    let mut seen = BTreeSet::new();
    for (i, mount) in mounts.iter().enumerate() {
        let path = format!("{path}[{i}]");
        if !volumes.iter().any(|volume| volume.name == mount.name) {
            let known = volumes.iter().map(|volume| volume.name.as_str());
            problems.add_with(
                format!("{path}.name"),
                format!("there is no volume `{}`", mount.name),
                crate::suggest::remedy(&mount.name, "volumes", known),
            );
        }
        let at = format!("{path}.mountPath");
        let target = mount.mount_path.as_str();
        let within = |parent: &str| target == parent || target.starts_with(&format!("{parent}/"));
        if !target.starts_with('/')
            || target.len() > limits::MAX_TEXT
            || target.contains([':', '\0'])
        {
            problems.add(at, "a mount path is absolute and has no `:`");
        } else if within(RESERVED_PATH) {
            problems.add(at, format!("`{RESERVED_PATH}` is Egret's own"));
        } else if !seen.insert(target) {
            problems.add(at, format!("something is mounted at `{target}` already"));
        }
        let outside =
            |sub: &String| sub.starts_with('/') || sub.split('/').any(|part| part == "..");
        if mount.sub_path.as_ref().is_some_and(|sub| outside(sub) || sub.len() > limits::MAX_TEXT) {
            problems.add(
                format!("{path}.subPath"),
                "a path within the volume is relative, without `..`",
            );
        }
    }
}
