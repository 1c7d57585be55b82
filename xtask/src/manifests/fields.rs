//! `docs/topology.md`: every field of the resource, from the schema that the API server checks.

use serde_json::Value;
use std::collections::BTreeMap;

const OPENING: &str = "\
# The Topology resource

Written by `cargo xtask manifests` from the CustomResourceDefinition: every field, as the API
server checks it. `egret validate` checks the same offline, and what the API server cannot see:
cycles, streams and fields that components declare, components that nobody has registered.

A **bold** field must be there. A duration is a number with a unit, or several: `500ms`, `1m30s`.
A quantity is one of Kubernetes: `100m`, `64Mi`.
";

/// Keys of a schema's objects in the order in which they are told; others follow by name.
const FIRST: [&str; 6] = ["apiVersion", "kind", "metadata", "spec", "spouts", "name"];

/// The page on a CustomResourceDefinition.
pub(super) fn page(definition: &Value) -> Result<String, String> {
    let version = definition.pointer("/spec/versions/0").ok_or("the definition has no version")?;
    let schema =
        version.pointer("/schema/openAPIV3Schema").ok_or("the definition has no schema")?;
    let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
    let mut page = Page::default();
    page.text.push_str(OPENING);
    let (group, version) = (text("/spec/group"), text("/spec/versions/0/name"));
    let short = text("/spec/names/shortNames/0");
    page.text.push_str(&format!(
        "\n| | |\n| --- | --- |\n| `apiVersion` | `{group}/{version}` |\n| `kind` | `{}` |\n\
         | short name | `{short}` |\n| categories | `{}` |\n",
        text("/spec/names/kind"),
        text("/spec/names/categories/0"),
    ));
    for part in ["spec", "status"] {
        let schema = schema.pointer(&format!("/properties/{part}")).ok_or("a part is missing")?;
        page.object(part, schema);
    }
    page.patterns();
    Ok(page.text)
}

/// A page that grows.
#[derive(Default)]
struct Page {
    text: String,
    /// Patterns that texts must match, each told once.
    patterns: Vec<String>,
    /// Objects that were told already, and where.
    told: BTreeMap<String, String>,
}

impl Page {
    /// A section on an object and all that is within.
    fn object(&mut self, path: &str, schema: &Value) {
        self.text.push_str(&format!("\n## {path}\n"));
        let described = sentence(schema);
        if !described.is_empty() {
            self.text.push_str(&format!("\n{described}\n"));
        }
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let fields = ordered(schema);
        let mut within = Vec::new();
        if !fields.is_empty() {
            self.text.push_str("\n| field | type | default | bounds | |\n");
            self.text.push_str("| --- | --- | --- | --- | --- |\n");
        }
        for (name, field) in fields {
            let mut described = sentence(field);
            if let Some((path, schema)) = inner(&format!("{path}.{name}"), field) {
                let told = self.told.get(&schema.to_string());
                let at = told.unwrap_or(&path);
                described = format!("{described} See [{at}](#{}).", anchor(at)).trim().to_owned();
                if told.is_none() {
                    self.told.insert(schema.to_string(), path.clone());
                    within.push((path, schema));
                }
            }
            let mark = if required.iter().any(|known| known == name) { "**" } else { "" };
            let line = format!(
                "| {mark}`{name}`{mark} | {} | {} | {} | {} |\n",
                kind(field),
                field.get("default").map_or(String::new(), |value| format!("`{value}`")),
                self.bounds(field),
                described.replace('|', "\\|"),
            );
            self.text.push_str(&line);
        }
        self.rules(schema);
        for (path, schema) in within {
            self.object(&path, schema);
        }
    }

    /// What the API server checks beyond single fields, in the words that it answers with.
    fn rules(&mut self, schema: &Value) {
        let rules = schema["x-kubernetes-validations"].as_array().cloned().unwrap_or_default();
        let words = |rule: &Value| Some(rule["message"].as_str()?.trim().to_owned());
        // Two rules may have one message.
        let mut words: Vec<String> = rules.iter().filter_map(words).collect();
        words.dedup();
        if words.is_empty() {
            return;
        }
        self.text.push_str("\nRefused with these words if it is otherwise:\n\n");
        for words in words {
            self.text.push_str(&format!("- {words}\n"));
        }
    }

    /// The limits of a field, and of what a list or map of it holds.
    fn bounds(&mut self, field: &Value) -> String {
        let mut bounds = Vec::new();
        let number = |key: &str| field.get(key).filter(|value| value.is_number());
        for (least, most, of) in [
            ("minimum", "maximum", ""),
            ("minLength", "maxLength", " characters"),
            ("minItems", "maxItems", " items"),
            ("minProperties", "maxProperties", " keys"),
        ] {
            match (number(least), number(most)) {
                (Some(least), Some(most)) => bounds.push(format!("{least} to {most}{of}")),
                (None, Some(most)) => bounds.push(format!("at most {most}{of}")),
                (Some(least), None) => bounds.push(format!("at least {least}{of}")),
                (None, None) => {}
            }
        }
        if let Some(values) = field["enum"].as_array() {
            let values: Vec<String> =
                values.iter().filter_map(Value::as_str).map(|v| format!("`{v}`")).collect();
            bounds.push(values.join(", "));
        }
        match field["x-kubernetes-list-map-keys"].as_array() {
            Some(keys) => {
                let keys: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
                bounds.push(format!("each `{}` once", keys.join("` and `")));
            }
            None if field["x-kubernetes-list-type"] == "set" => bounds.push("each once".to_owned()),
            None => {}
        }
        if let Some(pattern) = field["pattern"].as_str() {
            let known = self.patterns.iter().position(|known| known == pattern);
            let at = known.unwrap_or(self.patterns.len());
            if known.is_none() {
                self.patterns.push(pattern.to_owned());
            }
            bounds.push(format!("[pattern {}](#patterns)", at + 1));
        }
        for within in ["items", "additionalProperties"] {
            let plain = field.get(within).filter(|within| within["type"] == "string");
            if let Some(within) = plain.map(|within| self.bounds(within)) {
                bounds.push(format!("each {within}"));
            }
        }
        bounds.join("; ")
    }

    fn patterns(&mut self) {
        self.text.push_str("\n## Patterns\n\n```text\n");
        for (number, pattern) in self.patterns.iter().enumerate() {
            self.text.push_str(&format!("{:>2}  {pattern}\n", number + 1));
        }
        self.text.push_str("```\n");
    }
}

/// The fields of an object: what one writes first, then the rest by name.
fn ordered(schema: &Value) -> Vec<(&String, &Value)> {
    let fields = schema["properties"].as_object();
    let mut fields: Vec<_> = fields.into_iter().flatten().collect();
    fields.sort_by_key(|(name, _)| {
        let at = FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len());
        (at, (*name).clone())
    });
    fields
}

/// The object in a field, if it has fields of its own.
fn inner<'a>(path: &str, field: &'a Value) -> Option<(String, &'a Value)> {
    if field.get("properties").is_some() {
        return Some((path.to_owned(), field));
    }
    let items = field.get("items").filter(|items| items.get("properties").is_some())?;
    Some((format!("{path}[]"), items))
}

fn kind(field: &Value) -> String {
    let word = |field: &Value| match field["type"].as_str() {
        _ if field["x-kubernetes-int-or-string"] == true => "quantity".to_owned(),
        Some("string") if field["pattern"].as_str().is_some_and(|p| p.contains("ms)?$")) => {
            "duration".to_owned()
        }
        Some("string") if field["format"] == "date-time" => "time".to_owned(),
        Some(word) => word.to_owned(),
        None => "any".to_owned(),
    };
    match field["type"].as_str() {
        Some("array") => format!("list of {}s", word(&field["items"])),
        Some("object") if field["additionalProperties"].is_object() => {
            format!("map of {}s", word(&field["additionalProperties"]))
        }
        Some("object") if field["x-kubernetes-preserve-unknown-fields"] == true => {
            "object, any fields".to_owned()
        }
        _ => word(field),
    }
}

fn sentence(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().trim().to_owned()
}

/// As web views make anchors of headings.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    kept.collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(spec: Value) -> String {
        let schema = json!({"properties": {"spec": spec, "status": {"description": "What is."}}});
        page(&json!({"spec": {"group": "g", "versions": [
            {"name": "v1", "schema": {"openAPIV3Schema": schema}}]}}))
        .unwrap()
    }

    #[test]
    fn a_field_is_told_with_type_default_bounds_and_words() {
        let text = of(json!({
            "description": "What should run.", "required": ["pods"],
            "properties": {"pods": {"type": "integer", "default": 1, "minimum": 1, "maximum": 9,
                                    "description": "How many | exact."}},
            "x-kubernetes-validations": [{"rule": "true", "message": "pods are few"}],
        }));
        let line = "| **`pods`** | integer | `1` | 1 to 9 | How many \\| exact. |\n";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("\n- pods are few\n"), "{text}");
    }

    #[test]
    fn what_two_fields_have_in_common_is_told_once() {
        let amount = json!({"type": "object", "properties": {"cpu": {"type": "string"}}});
        let text = of(json!({"properties": {"a": amount, "b": amount}}));
        assert_eq!(text.matches("## spec.a\n").count(), 1, "{text}");
        assert!(!text.contains("## spec.b"), "{text}");
        assert!(text.contains("| `b` | object |  |  | See [spec.a](#speca). |"), "{text}");
    }

    #[test]
    fn patterns_are_numbered_and_listed() {
        let name = json!({"type": "string", "pattern": "^a|b$"});
        let text = of(json!({"properties": {"x": name, "y": name}}));
        assert_eq!(text.matches("[pattern 1](#patterns)").count(), 2, "{text}");
        assert!(text.ends_with("```text\n 1  ^a|b$\n```\n"), "{text}");
    }
}
