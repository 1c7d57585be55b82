//! From a YAML value to the resource, with every field that has a wrong shape.

use egret_topology::{resource::Resource, suggest};
use serde_path_to_error::Segment;
use serde_yaml::Value;
use std::collections::BTreeSet;

/// Problems reported at once: each is found by another attempt.
const MAX_PROBLEMS: usize = 20;

/// A field of a wrong shape.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misshapen {
    pub(crate) path: String,
    pub(crate) what: String,
    pub(crate) remedy: Option<String>,
    /// Whether the name is wrong rather than the value.
    pub(crate) key: bool,
}

/// The resource, or what is wrong with its shape.
///
/// Reading stops at the first wrong field. To find the others, that field is taken out and the rest
/// is read again.
pub(crate) fn resource(value: &Value) -> Result<Resource, Vec<Misshapen>> {
    let mut found = Vec::new();
    if let Some(path) = not_finite(value, String::new()) {
        let what = "this is not a finite number".to_owned();
        return Err(vec![Misshapen { path, what, remedy: None, key: false }]);
    }
    let mut rest = value.clone();
    let mut taken_out = BTreeSet::new();
    for _ in 0..MAX_PROBLEMS {
        let error = match serde_path_to_error::deserialize::<_, Resource>(rest.clone()) {
            Ok(resource) if found.is_empty() => return Ok(resource),
            Ok(_) => break,
            Err(error) => error,
        };
        let segments: Vec<Segment> = error.path().iter().cloned().collect();
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        let words = error.into_inner().to_string();
        if let Some(missing) = quoted(&words).next().filter(|_| words.starts_with("missing field"))
            && taken_out.contains(&join(&path, missing))
        {
            break;
        }
        found.push(misshapen(&path, &words));
        if !take_out(&mut rest, &segments) || !taken_out.insert(path) {
            break;
        }
    }
    Err(found)
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// The words of the deserializer in the words of a user.
fn misshapen(path: &str, words: &str) -> Misshapen {
    // The deserializer of YAML values may repeat the path.
    let words = words.strip_prefix(path).and_then(|w| w.strip_prefix(": ")).unwrap_or(words);
    let mut names = quoted(words);
    let plain = |what: String, remedy, key| Misshapen { path: path.to_owned(), what, remedy, key };
    if words.starts_with("unknown field") {
        let field = names.next().unwrap_or_default();
        let remedy = suggest::remedy(field, "fields", names);
        return plain(format!("there is no field `{field}`"), Some(remedy), true);
    }
    if words.starts_with("unknown variant") {
        let value = names.next().unwrap_or_default();
        let remedy = suggest::remedy(value, "possible values", names);
        return plain(format!("`{value}` is not possible here"), Some(remedy), false);
    }
    if words.starts_with("missing field") {
        let field = names.next().unwrap_or_default();
        return plain(format!("the field `{field}` is missing"), None, true);
    }
    let Some((found, expected)) = words
        .strip_prefix("invalid type: ")
        .or_else(|| words.strip_prefix("invalid value: "))
        .and_then(|words| words.split_once(", expected "))
    else {
        return plain(words.to_owned(), None, false);
    };
    let expected = match expected {
        "i64" | "u64" | "i32" | "u32" => "a whole number",
        "a sequence" => "a list",
        struct_ if struct_.starts_with("struct ") => "a map of fields",
        other => other,
    };
    let found = match found {
        "unit value" => "nothing",
        "sequence" => "a list",
        "map" => "a map",
        other => other,
    };
    plain(format!("expected {expected}, found {found}"), None, false)
}

/// What stands in back quotes.
fn quoted(words: &str) -> impl Iterator<Item = &str> + Clone {
    words.split('`').skip(1).step_by(2)
}

/// Takes the field at the end of a path out of its map. Items of lists stay, or others would move
/// up.
fn take_out(value: &mut Value, path: &[Segment]) -> bool {
    let mut value = value;
    let Some((last, way)) = path.split_last() else { return false };
    for segment in way {
        let next = match segment {
            Segment::Seq { index } => value.get_mut(*index),
            Segment::Map { key } => value.get_mut(key.as_str()),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        let Some(next) = next else { return false };
        value = next;
    }
    match (last, value) {
        (Segment::Map { key }, Value::Mapping(fields)) => {
            fields.shift_remove(key.as_str()).is_some()
        }
        _ => false,
    }
}

/// The path of the first infinite number: JSON, in which plans travel, has none.
fn not_finite(value: &Value, path: String) -> Option<String> {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(|n| !n.is_finite()).then_some(path),
        Value::Sequence(items) => {
            items.iter().enumerate().find_map(|(i, item)| not_finite(item, format!("{path}[{i}]")))
        }
        Value::Mapping(fields) => fields.iter().find_map(|(key, field)| {
            not_finite(field, join(&path, key.as_str().unwrap_or_default()))
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(yaml: &str) -> Vec<String> {
        let value: Value = serde_yaml::from_str(yaml).unwrap();
        let words = |m: &Misshapen| {
            let remedy = m.remedy.as_ref().map(|r| format!(" ({r})")).unwrap_or_default();
            format!("{}: {}{remedy}", m.path, m.what)
        };
        match resource(&value) {
            Ok(_) => Vec::new(),
            Err(found) => found.iter().map(words).collect(),
        }
    }

    #[test]
    fn every_field_of_a_wrong_shape_is_found() {
        let found = problems(
            "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: x, uid: 3}
spec:
  maxpending: 3
  pods: many
  delivery: atLeastOnce
  spouts:
  - name: a
    parallelism: [1]
  bolts:
  - nam: b
    inputs: {from: a}
",
        );
        assert_eq!(
            found,
            [
                "metadata.uid: there is no field `uid` (the fields are name, namespace, labels, \
                 annotations)",
                "spec.maxpending: there is no field `maxpending` (did you mean `maxPending`? the \
                 fields are image, imagePullPolicy, imagePullSecrets, delivery, maxPending, \
                 messageTimeout, pods, packing, podCapacity, state, deletionPolicy, drainTimeout, \
                 tracing, updateStrategy, restartedAt, volumes, podTemplate, spouts, bolts)",
                "spec.pods: expected a whole number, found string \"many\"",
                "spec.delivery: `atLeastOnce` is not possible here (did you mean `AtLeastOnce`? \
                 the \
                 possible values are AtLeastOnce, AtMostOnce, EffectivelyOnce)",
                "spec.spouts[0].parallelism: expected a whole number, found a list",
                "spec.bolts[0].nam: there is no field `nam` (did you mean `name`? the fields are \
                 name, parallelism, component, image, config, streams, resources, env, envFrom, \
                 volumeMounts, inputs, tick, autoscale)",
                "spec.bolts[0].inputs: expected a list, found a map",
                "spec.bolts[0]: the field `name` is missing",
            ]
        );
    }

    #[test]
    fn a_file_that_is_no_map_is_refused() {
        assert_eq!(problems("[1]"), [": expected a map of fields, found a list"]);
        assert_eq!(problems("{a: 1}").len(), 2);
    }

    #[test]
    fn infinite_numbers_are_refused() {
        let found = problems("{spec: {spouts: [{config: {a: .inf}}]}}");
        assert_eq!(found, ["spec.spouts[0].config.a: this is not a finite number"]);
    }
}
