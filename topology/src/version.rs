//! What of a spec is a version of it, and what only says how it shall be run just now.

use crate::resource::UpdateStrategy;
use serde_json::{Map, Value};

/// The spec without whether it runs, whether changes wait, and how many tasks were given to what is
/// autoscaled: going back to another version changes none of them.
pub fn of(spec: &Value) -> Value {
    let mut version = spec.clone();
    let Some(fields) = version.as_object_mut() else { return version };
    fields.remove("state");
    for bolt in fields.get_mut("bolts").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(bolt) = bolt.as_object_mut().filter(|bolt| bolt.contains_key("autoscale")) {
            bolt.remove("parallelism");
        }
    }
    // It is left out where it is the default, which is no other version.
    let default = || serde_json::to_value(UpdateStrategy::default()).unwrap_or_default();
    let strategy = fields.entry("updateStrategy").or_insert_with(default);
    if let Some(strategy) = strategy.as_object_mut() {
        strategy.remove("paused");
    }
    version
}

/// What makes the first of the second, as a JSON merge patch (RFC 7386).
pub fn patch(to: &Value, from: &Value) -> Value {
    let (Value::Object(to), Value::Object(from)) = (to, from) else { return to.clone() };
    let gone = from.keys().filter(|key| !to.contains_key(*key));
    let mut patch: Map<String, Value> = gone.map(|key| (key.clone(), Value::Null)).collect();
    for (key, value) in to {
        match from.get(key) {
            Some(before) if before == value => {}
            Some(before) => drop(patch.insert(key.clone(), self::patch(value, before))),
            None => drop(patch.insert(key.clone(), value.clone())),
        }
    }
    Value::Object(patch)
}

/// Where two specs differ, as paths such as `bolts[count].config.limit`: at most so many.
pub fn differences(one: &Value, other: &Value, most: usize) -> Vec<String> {
    let mut found = Vec::new();
    differ("", one, other, most, &mut found);
    found
}

fn differ(path: &str, one: &Value, other: &Value, most: usize, found: &mut Vec<String>) {
    if one == other || found.len() == most {
        return;
    }
    if let (Some(one), Some(other)) = (members(one), members(other)) {
        let keys = one.iter().chain(other.iter().filter(|(key, _)| value(&one, key).is_null()));
        for (key, _) in keys {
            let dot = if path.is_empty() || key.starts_with('[') { "" } else { "." };
            let path = format!("{path}{dot}{key}");
            differ(&path, value(&one, key), value(&other, key), most, found);
        }
        return;
    }
    found.push(path.to_owned());
}

type Members<'a> = Vec<(String, &'a Value)>;

/// The fields of an object, or what has a name in a list.
fn members(value: &Value) -> Option<Members<'_>> {
    match value {
        Value::Object(fields) => Some(fields.iter().map(|(key, v)| (key.clone(), v)).collect()),
        Value::Array(list) => {
            let named = |item| Some((format!("[{}]", Value::get(item, "name")?.as_str()?), item));
            list.iter().map(named).collect()
        }
        _ => None,
    }
}

fn value<'a>(members: &Members<'a>, key: &str) -> &'a Value {
    members.iter().find(|(other, _)| other == key).map_or(&Value::Null, |(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pausing_and_stopping_make_no_other_version() {
        let plain = json!({"image": "a"});
        let mut paused = plain.clone();
        paused["updateStrategy"] = serde_json::to_value(UpdateStrategy::default()).unwrap();
        paused["updateStrategy"]["paused"] = true.into();
        assert_eq!(of(&paused), of(&plain), "the default is the same whether it is written or not");
        let spec = json!({"image": "a", "updateStrategy": {"maxUnavailable": 2}});
        let mut other = spec.clone();
        other["state"] = "Paused".into();
        other["updateStrategy"]["paused"] = true.into();
        assert_eq!(of(&other), spec);
        other["image"] = "b".into();
        assert_ne!(of(&other), spec);
    }

    #[test]
    fn how_many_tasks_were_given_makes_no_other_version() {
        let bolt = |parallelism: u32, max: u32| {
            json!({"bolts": [
                {"name": "fixed", "parallelism": 2},
                {"name": "count", "parallelism": parallelism, "autoscale": {"max": max}},
            ]})
        };
        assert_eq!(of(&bolt(1, 4)), of(&bolt(3, 4)));
        assert_ne!(of(&bolt(1, 4)), of(&bolt(1, 5)));
        assert_eq!(of(&bolt(1, 4))["bolts"][0]["parallelism"], 2, "what the user says is kept");
    }

    #[test]
    fn a_patch_takes_away_what_is_too_much_and_leaves_the_rest_alone() {
        let from = json!({"image": "b", "tracing": {"sampleRate": 1}, "bolts": [{"name": "x"}],
                          "updateStrategy": {"maxUnavailable": 2, "onFailure": "Hold"}});
        let to = json!({"image": "a", "bolts": [{"name": "x"}],
                        "updateStrategy": {"maxUnavailable": 2}});
        let expected =
            json!({"image": "a", "tracing": null, "updateStrategy": {"onFailure": null}});
        assert_eq!(patch(&to, &from), expected);
        assert_eq!(patch(&to, &to), json!({}));
    }

    #[test]
    fn differences_are_told_by_the_names_of_components() {
        let bolts = |limit: u32| json!([{"name": "count", "config": {"limit": limit}}]);
        let one = json!({"image": "a", "pods": 1, "bolts": bolts(1)});
        let other = json!({"image": "b", "pods": 1, "bolts": bolts(2), "maxPending": 7});
        let all = differences(&one, &other, 9);
        assert_eq!(all, ["bolts[count].config.limit", "image", "maxPending"]);
        assert_eq!(differences(&one, &other, 1).len(), 1);
        let more = json!({"bolts": [{"name": "count"}, {"name": "print"}]});
        let fewer = json!({"bolts": [{"name": "count"}]});
        assert_eq!(differences(&fewer, &more, 9), ["bolts[print]"]);
        assert_eq!(differences(&json!([1]), &json!([2]), 9), [""], "a list without names");
    }
}
