//! What can be said of one component alone: its numbers, config, resources and environment.

use super::{Draft, Problems, autoscale, dead_letters, environment, names};
use crate::{
    limits,
    logical::{Amounts, ComponentOnCluster, LogicalComponent},
    resource::{self, Resources, Spec},
};
use serde_json::Value;

/// The component without its streams and inputs, which need the others.
pub(super) fn check(draft: &Draft<'_>, spec: &Spec, problems: &mut Problems) -> LogicalComponent {
    let common = &draft.common;
    let field = |name: &str| format!("{}.{name}", draft.path);
    if let Some(component) = common.component {
        names::check_identifier(&field("component"), "component", component, problems);
    }
    if let Some(image) = common.image {
        check_image(&field("image"), image, problems);
    }
    check_config(&field("config"), common.config, problems);
    let (requests, limits) = resources(&field("resources"), common.resources, problems);
    LogicalComponent {
        name: common.name.to_owned(),
        kind: draft.kind,
        component: draft.registered().to_owned(),
        image: common.image.or(spec.image.as_deref()).map(str::to_owned),
        parallelism: problems.within(
            &field("parallelism"),
            common.parallelism,
            1,
            limits::MAX_PARALLELISM,
        ),
        config: Value::Object(common.config.clone()),
        tick_ms: draft.tick.map(|tick| problems.duration(&field("tick"), tick)),
        max_rate: draft
            .max_rate
            .map(|rate| problems.within(&field("maxRate"), rate, 1, limits::MAX_RATE)),
        max_tries: dead_letters::check(draft, spec, problems),
        restarted_at: spec.restarted_at.clone(),
        streams: Vec::new(),
        inputs: Vec::new(),
        requests,
        limits,
        env: environment::literals(&field("env"), common.env, problems),
        on_cluster: ComponentOnCluster {
            autoscale: autoscale::check(draft, spec, problems),
            ..environment::on_cluster(&draft.path, common, &spec.volumes, problems)
        },
    }
}

pub(super) fn check_image(path: &str, image: &str, problems: &mut Problems) {
    if image.is_empty() || image.len() > limits::MAX_TEXT || image.contains(char::is_whitespace) {
        problems.add_with(
            path,
            "this is no image reference",
            "write one such as `registry.example/word-count:1.4.0`, or leave the field out for the \
             built-in components",
        );
    }
}

fn check_config(path: &str, config: &serde_json::Map<String, Value>, problems: &mut Problems) {
    let (most_deep, most) = (limits::MAX_CONFIG_DEPTH, limits::MAX_CONFIG);
    // Depth first: writing the JSON recurses.
    if config.values().any(|value| is_deeper(value, most_deep - 1)) {
        problems.add(path, format!("it nests deeper than {most_deep} levels"));
        return;
    }
    let len = serde_json::to_string(config).map_or(usize::MAX, |json| json.len());
    if len > most {
        problems.add_with(
            path,
            format!("it has {len} bytes as JSON; at most {most} are allowed"),
            "give a path to the data instead of the data",
        );
    }
}

pub(super) fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if levels == 0 => true,
        Value::Array(values) => values.iter().any(|value| is_deeper(value, levels - 1)),
        Value::Object(values) => values.values().any(|value| is_deeper(value, levels - 1)),
        _ => false,
    }
}

fn resources(path: &str, resources: &Resources, problems: &mut Problems) -> (Amounts, Amounts) {
    let mut requests = amounts(&format!("{path}.requests"), &resources.requests, problems);
    let limits = amounts(&format!("{path}.limits"), &resources.limits, problems);
    let mut compare = |name: &str, request: Option<u64>, limit: Option<u64>| {
        if request.zip(limit).is_some_and(|(request, limit)| request > limit) {
            problems.add(
                format!("{path}.requests.{name}"),
                format!("more is requested than {path}.limits.{name} allows"),
            );
        }
    };
    compare("cpu", requests.cpu_millis, limits.cpu_millis);
    compare("memory", requests.memory_bytes, limits.memory_bytes);
    // As in Kubernetes, a limit without a request is also the request.
    requests.cpu_millis = requests.cpu_millis.or(limits.cpu_millis);
    requests.memory_bytes = requests.memory_bytes.or(limits.memory_bytes);
    (requests, limits)
}

pub(super) fn amounts(path: &str, amounts: &resource::Amounts, problems: &mut Problems) -> Amounts {
    let mut read = |name: &str, amount: Option<Result<u64, crate::quantity::BadQuantity>>| {
        let error = match amount? {
            Ok(0) => "it is zero".to_owned(),
            Ok(amount) => return Some(amount),
            Err(error) => error.to_string(),
        };
        problems.add(format!("{path}.{name}"), error);
        None
    };
    Amounts {
        cpu_millis: read("cpu", amounts.cpu.as_ref().map(|cpu| cpu.millis())),
        memory_bytes: read("memory", amounts.memory.as_ref().map(|memory| memory.units())),
    }
}
