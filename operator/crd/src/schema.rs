//! From Rust types to what Kubernetes takes for a structural schema.

use crate::{TopologyStatus, bounds, definition::BadSchema, rules};
use egret_topology::resource::Spec;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// The schema of the whole resource.
pub(crate) fn schema() -> Result<Value, BadSchema> {
    let mut schema = json!({
        "type": "object",
        "required": ["spec"],
        "description": "A streaming topology: spouts, bolts, and what flows between them.",
        "properties": {
            "apiVersion": {"type": "string", "maxLength": 64},
            "kind": {"type": "string", "maxLength": 64},
            "metadata": {"type": "object"},
            "spec": of::<Spec>(),
            "status": of::<TopologyStatus>(),
        },
    });
    bounds::apply(&mut schema)?;
    rules::apply(&mut schema)?;
    Ok(schema)
}

fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    make_structural(&mut schema);
    schema
}

/// Rewrites what JSON schema allows and a structural schema does not, everywhere.
fn make_structural(schema: &mut Value) {
    let Value::Object(fields) = schema else { return };
    for absent in ["title", "$schema", "nullable", "components"] {
        fields.remove(absent);
    }
    unwrap_option(fields);
    name_variants(fields);
    match fields.remove("additionalProperties") {
        Some(Value::Bool(true)) => {
            fields.insert("x-kubernetes-preserve-unknown-fields".to_owned(), true.into());
        }
        Some(map @ Value::Object(_)) => {
            fields.insert("additionalProperties".to_owned(), map);
        }
        _ => {}
    }
    for within in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(within) {
            make_structural(inner);
        }
    }
    if let Some(Value::Object(properties)) = fields.get_mut("properties") {
        properties.values_mut().for_each(make_structural);
    }
    // Sentences of the sources end where their lines do.
    if let Some(Value::String(text)) = fields.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

/// `anyOf: [X, null]` and `allOf: [X]` become X, which keeps what stands beside.
fn unwrap_option(fields: &mut Map<String, Value>) {
    for wrapper in ["anyOf", "allOf"] {
        let Some(Value::Array(parts)) = fields.remove(wrapper) else { continue };
        let is_null = |part: &Value| part.get("enum") == Some(&json!([null]));
        for part in parts.into_iter().filter(|part| !is_null(part)) {
            let Value::Object(part) = part else { continue };
            for (key, value) in part {
                if key != "nullable" {
                    fields.entry(key).or_insert(value);
                }
            }
        }
    }
}

/// Documented variants of an enum come as `oneOf` constants; their words move to the description.
fn name_variants(fields: &mut Map<String, Value>) {
    let Some(Value::Array(variants)) = fields.remove("oneOf") else { return };
    let mut names = Vec::new();
    let mut words = Vec::new();
    for variant in &variants {
        let listed = variant.get("enum").and_then(Value::as_array).cloned().unwrap_or_default();
        let constant = variant.get("const").cloned();
        let described = variant.get("description").and_then(Value::as_str);
        for name in listed.into_iter().chain(constant) {
            if let (Some(name), Some(described)) = (name.as_str(), described) {
                words.push(format!("{name}: {described}"));
            }
            names.push(name);
        }
    }
    fields.insert("type".to_owned(), "string".into());
    fields.insert("enum".to_owned(), names.into());
    if let Some(Value::String(text)) = fields.get_mut("description")
        && !words.is_empty()
    {
        text.push(' ');
        text.push_str(&words.join(" "));
    }
}

/// The schema at a path such as `spec.bolts[].inputs[].from`; `{}` stands for a map's values.
pub(crate) fn at<'a>(
    schema: &'a mut Value,
    path: &str,
) -> Result<&'a mut Map<String, Value>, BadSchema> {
    let missing = || BadSchema { path: path.to_owned() };
    let mut here = schema;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let name = step.trim_end_matches("[]").trim_end_matches("{}");
        here = here.pointer_mut(&format!("/properties/{name}")).ok_or_else(missing)?;
        if step.ends_with("[]") {
            here = here.get_mut("items").ok_or_else(missing)?;
        } else if step.ends_with("{}") {
            here = here.get_mut("additionalProperties").ok_or_else(missing)?;
        }
    }
    here.as_object_mut().ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every place in the schema, with its path.
    fn walk(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
        visit(path, schema);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(property, &format!("{path}.{name}"), visit);
        }
        for (inner, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
            if let Some(inner) = schema.get(inner) {
                walk(inner, &format!("{path}{mark}"), visit);
            }
        }
    }

    #[test]
    fn every_text_list_and_map_is_bounded_and_every_type_known() {
        let schema = schema().unwrap();
        let mut unbounded = Vec::new();
        walk(&schema, "", &mut |path, schema| {
            let has = |key: &str| schema.get(key).is_some();
            let open = has("x-kubernetes-preserve-unknown-fields");
            let bounded = match schema["type"].as_str() {
                Some("string") => has("maxLength") || has("enum") || has("format"),
                Some("array") => has("maxItems") && has("x-kubernetes-list-type"),
                Some("object") if has("additionalProperties") => has("maxProperties"),
                Some("integer" | "number") => has("maximum") || path.starts_with(".status"),
                Some("object" | "boolean") => true,
                None => has("x-kubernetes-int-or-string") && has("maxLength"),
                Some(_) => false,
            };
            let foreign = ["anyOf", "oneOf", "allOf", "nullable", "const", "$ref"];
            if !bounded && !open || foreign.iter().any(|key| has(key)) {
                unbounded.push(path.to_owned());
            }
        });
        assert_eq!(unbounded, [""; 0]);
    }

    #[test]
    fn every_field_of_the_spec_is_described() {
        let mut silent = Vec::new();
        walk(&schema().unwrap()["properties"]["spec"], "spec", &mut |path, schema| {
            if schema.get("description").is_none() && !path.ends_with([']', '}']) {
                silent.push(path.to_owned());
            }
        });
        assert_eq!(silent, [""; 0]);
    }
}
