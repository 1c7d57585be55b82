//! What a user lays over pods: maps are merged, lists of named things by name, all else is
//! replaced. What the operator's own design rests on is put back afterwards.

use crate::names;
use egret_topology::resource::PodTemplate;
use serde_json::{Map, Value};

/// Fields of our containers that stay as they are.
const OWN: [&str; 5] = ["args", "command", "name", "ports", "restartPolicy"];

/// What names of our volumes begin with.
const OURS: &str = "egret-";

/// Lays the template over a pod.
pub(super) fn lay_over(pod: &mut Value, template: &PodTemplate) {
    for (kind, added) in
        [("labels", &template.metadata.labels), ("annotations", &template.metadata.annotations)]
    {
        for (key, value) in added {
            // What the operator has set stays.
            if pod["metadata"][kind].get(key).is_none() {
                pod["metadata"][kind][key] = value.as_str().into();
            }
        }
    }
    if template.spec.is_empty() {
        return;
    }
    let before = pod["spec"].clone();
    if let Value::Object(spec) = &mut pod["spec"] {
        merge(spec, &template.spec);
    }
    for list in ["initContainers", "containers"] {
        for (i, container) in before[list].as_array().into_iter().flatten().enumerate() {
            put_back(&mut pod["spec"][list], i, container, own_fields);
        }
    }
    let ours = |volume: &Value| volume["name"].as_str().is_some_and(|name| name.starts_with(OURS));
    let volumes = before["volumes"].as_array().into_iter().flatten().filter(|volume| ours(volume));
    for (i, volume) in volumes.enumerate() {
        put_back(&mut pod["spec"]["volumes"], i, volume, |kept, ours| *kept = ours.clone());
    }
}

fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (Some(Value::Array(old)), Value::Array(new)) if named(old) && named(new) => {
                merge_named(old, new);
            }
            (Some(old), new) => *old = new.clone(),
            (None, new) => {
                into.insert(key.clone(), new.clone());
            }
        }
    }
}

fn named(list: &[Value]) -> bool {
    list.iter().all(|item| item.get("name").is_some())
}

fn merge_named(into: &mut Vec<Value>, from: &[Value]) {
    for item in from {
        let same = into.iter_mut().find(|old| old.get("name") == item.get("name"));
        match (same, item) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            _ => into.push(item.clone()),
        }
    }
}

/// Puts one of our own things back to where it was, or what makes it ours.
fn put_back(
    list: &mut Value,
    at: usize,
    ours: &Value,
    what: impl FnOnce(&mut Map<String, Value>, &Map<String, Value>),
) {
    let (Value::Object(ours), name) = (ours, ours.get("name")) else { return };
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    let Value::Array(items) = list else { return };
    match items.iter_mut().find(|item| item.get("name") == name) {
        Some(Value::Object(kept)) => what(kept, ours),
        // A list of nameless things has replaced ours.
        _ => items.insert(at.min(items.len()), Value::Object(ours.clone())),
    }
}

/// Our own fields of one of our containers.
fn own_fields(container: &mut Map<String, Value>, ours: &Map<String, Value>) {
    for field in OWN {
        match ours.get(field) {
            Some(value) => container.insert(field.to_owned(), value.clone()),
            None => container.remove(field),
        };
    }
    // A user's component may have any image, a stream manager only that of its release.
    if ours.get("name").and_then(Value::as_str) == Some(names::STREAM_MANAGER) {
        container.insert("image".to_owned(), ours["image"].clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_topology::resource::PodMetadata;
    use serde_json::json;

    fn pod() -> Value {
        json!({
            "metadata": {"labels": {"egret.dev/topology": "t"}, "annotations": {}},
            "spec": {
                "securityContext": {"runAsUser": 65532, "runAsNonRoot": true},
                "initContainers": [{"name": "stream-manager", "image": "m", "args": ["--pod"],
                                    "restartPolicy": "Always"}],
                "containers": [{"name": "a-0", "image": "i", "args": ["run"],
                                "env": [{"name": "X", "value": "1"}]}],
                "volumes": [{"name": "egret-state", "emptyDir": {}}],
            },
        })
    }

    fn laid(spec: Value) -> Value {
        let mut pod = pod();
        let spec = spec.as_object().unwrap().clone();
        lay_over(&mut pod, &PodTemplate { spec, ..PodTemplate::default() });
        pod["spec"].take()
    }

    #[test]
    fn nothing_laid_over_changes_nothing() {
        let mut same = pod();
        lay_over(&mut same, &PodTemplate::default());
        assert_eq!(same, pod());
    }

    #[test]
    fn maps_are_merged_and_named_lists_by_name() {
        let spec = laid(json!({
            "priorityClassName": "high",
            "securityContext": {"runAsUser": 1000},
            "containers": [
                {"name": "a-0", "env": [{"name": "Y", "value": "2"}], "tty": true},
                {"name": "shipper", "image": "s"},
            ],
            "volumes": [{"name": "logs", "emptyDir": {}}],
        }));
        assert_eq!(spec["priorityClassName"], "high");
        assert_eq!(spec["securityContext"], json!({"runAsUser": 1000, "runAsNonRoot": true}));
        assert_eq!(spec["containers"][0]["env"].as_array().unwrap().len(), 2);
        assert_eq!(spec["containers"][0]["tty"], true);
        assert_eq!(spec["containers"][1]["name"], "shipper");
        assert_eq!(spec["volumes"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn what_the_design_rests_on_stays() {
        let spec = laid(json!({
            "initContainers": [{"name": "stream-manager", "image": "evil", "args": ["x"],
                                "restartPolicy": null, "command": ["sh"]}],
            "containers": [{"name": "a-0", "args": [], "image": "own"}],
        }));
        assert_eq!(spec["initContainers"], pod()["spec"]["initContainers"]);
        assert_eq!(spec["containers"][0]["args"], json!(["run"]));
        assert_eq!(spec["containers"][0]["image"], "own");
    }

    #[test]
    fn no_list_makes_what_is_ours_disappear() {
        let ours = &pod()["spec"];
        for (list, over) in [
            ("initContainers", json!(null)),
            ("initContainers", json!([{"image": "nameless"}])),
            ("containers", json!("none")),
            ("volumes", json!([{"name": "egret-state", "hostPath": {"path": "/"}}])),
            ("volumes", json!([{}])),
        ] {
            let spec = laid(json!({list: over}));
            assert_eq!(spec[list][0], ours[list][0], "{list}: {over}");
        }
    }

    #[test]
    fn labels_of_the_operator_cannot_be_replaced() {
        let mut changed = pod();
        let labels = [("egret.dev/topology", "other"), ("team", "data")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let metadata = PodMetadata { labels, ..PodMetadata::default() };
        lay_over(&mut changed, &PodTemplate { metadata, ..PodTemplate::default() });
        let expected = json!({"egret.dev/topology": "t", "team": "data"});
        assert_eq!(changed["metadata"]["labels"], expected);
    }
}
