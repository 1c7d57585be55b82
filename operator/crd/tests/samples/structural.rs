//! The few keywords of a structural schema that the definition uses.

use regex::Regex;
use serde_json::Value;
use std::collections::BTreeSet;

/// What is wrong with a value, each with its path.
pub(crate) fn check(schema: &Value, value: &Value) -> Vec<String> {
    let mut said = Vec::new();
    // `metadata` is the API server's own.
    walk(schema, value, "", &mut said);
    said
}

fn walk(schema: &Value, value: &Value, path: &str, said: &mut Vec<String>) {
    if let Some(kind) = schema["type"].as_str()
        && !is_a(kind, value)
    {
        return said.push(format!("{path}: must be of type {kind}: {value}"));
    }
    if schema["x-kubernetes-int-or-string"] == true && !value.is_i64() && !value.is_string() {
        return said.push(format!("{path}: must be an integer or a string: {value}"));
    }
    if let Some(listed) = schema["enum"].as_array()
        && !listed.contains(value)
    {
        said.push(format!("{path}: unsupported value {value}"));
    }
    match value {
        Value::String(text) => string(schema, text, path, said),
        Value::Number(number) => {
            let number = number.as_f64().unwrap();
            let beyond = |key: &str, wrong: fn(f64, f64) -> bool| {
                schema[key].as_f64().is_some_and(|bound| wrong(number, bound))
            };
            if beyond("minimum", |n, b| n < b) || beyond("maximum", |n, b| n > b) {
                said.push(format!("{path}: {number} is out of range"));
            }
        }
        Value::Array(items) => list(schema, items, path, said),
        Value::Object(_) => object(schema, value, path, said),
        _ => {}
    }
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("the definition uses the type {kind}"),
    }
}

fn string(schema: &Value, text: &str, path: &str, said: &mut Vec<String>) {
    let len = text.chars().count() as u64;
    if schema["minLength"].as_u64().is_some_and(|least| len < least)
        || schema["maxLength"].as_u64().is_some_and(|most| len > most)
    {
        said.push(format!("{path}: {len} characters are too few or too many"));
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && !Regex::new(pattern).unwrap().is_match(text)
    {
        said.push(format!("{path}: `{text}` does not match {pattern}"));
    }
}

fn list(schema: &Value, items: &[Value], path: &str, said: &mut Vec<String>) {
    let len = items.len() as u64;
    if schema["minItems"].as_u64().is_some_and(|least| len < least)
        || schema["maxItems"].as_u64().is_some_and(|most| len > most)
    {
        said.push(format!("{path}: {len} items are too few or too many"));
    }
    let keys = schema["x-kubernetes-list-map-keys"].as_array().cloned().unwrap_or_default();
    let mut seen = BTreeSet::new();
    for (i, item) in items.iter().enumerate() {
        let path = format!("{path}[{i}]");
        let key = match schema["x-kubernetes-list-type"].as_str() {
            Some("set") => Some(item.to_string()),
            Some("map") => {
                Some(keys.iter().map(|key| item[key.as_str().unwrap()].to_string()).collect())
            }
            _ => None,
        };
        if key.is_some_and(|key| !seen.insert(key)) {
            said.push(format!("{path}: duplicate value"));
        }
        walk(&schema["items"], item, &path, said);
    }
}

fn object(schema: &Value, value: &Value, path: &str, said: &mut Vec<String>) {
    let fields = value.as_object().unwrap();
    let join = |field: &str| {
        if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
    };
    for required in schema["required"].as_array().into_iter().flatten() {
        let required = required.as_str().unwrap();
        if !fields.contains_key(required) {
            said.push(format!("{}: required value", join(required)));
        }
    }
    if schema["maxProperties"].as_u64().is_some_and(|most| fields.len() as u64 > most) {
        said.push(format!("{path}: too many entries"));
    }
    let open = schema["x-kubernetes-preserve-unknown-fields"] == true || path == "metadata";
    for (name, field) in fields {
        if let Some(property) = schema["properties"].get(name) {
            walk(property, field, &join(name), said);
        } else if let Some(values) = schema.get("additionalProperties") {
            walk(values, field, &join(name), said);
        } else if !open {
            said.push(format!("unknown field \"{}\"", join(name)));
        }
    }
    if path == "metadata"
        && !Regex::new("^[a-z0-9.-]+$").unwrap().is_match(value["name"].as_str().unwrap())
    {
        said.push("metadata.name: must be a lower-case RFC 1123 subdomain".to_owned());
    }
}
