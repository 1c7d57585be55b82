//! `--set PATH=VALUE`: overrides of single fields.
//!
//! A path is relative to `spec` and names spouts and bolts by their names:
//! `spouts.lines.config.path`. Other lists are indexed: `bolts.count.inputs.0.grouping`. Whether a
//! field exists is left to the same check that the file passes; only what cannot be found on the
//! way is reported here.

use egret_topology::suggest;
use serde_yaml::{Mapping, Value};

/// One override.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Override {
    /// As the user wrote it, option included.
    pub(crate) option: String,
    path: String,
    value: Value,
}

/// What is wrong with an override, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misplaced {
    pub(crate) what: String,
    pub(crate) remedy: Option<String>,
}

fn misplaced(what: String, remedy: impl Into<String>) -> Misplaced {
    Misplaced { what, remedy: Some(remedy.into()) }
}

impl Override {
    /// Reads `PATH=VALUE`.
    pub(crate) fn parse(text: &str) -> Result<Override, Misplaced> {
        let option = format!("--set {text}");
        match text.split_once('=') {
            Some((path, value)) if !path.is_empty() => {
                Ok(Override { option, path: path.to_owned(), value: scalar(value) })
            }
            _ => Err(misplaced(
                format!("`{text}` is not PATH=VALUE"),
                "write for example `--set spouts.lines.config.path=text.txt`",
            )),
        }
    }

    /// The override that an option of its own stands for.
    pub(crate) fn of_option(option: String, path: &str, value: impl Into<Value>) -> Override {
        Override { option, path: path.to_owned(), value: value.into() }
    }

    /// Sets the field. Returns its path in the resource.
    pub(crate) fn apply(&self, resource: &mut Value) -> Result<String, Misplaced> {
        let mut at = "spec".to_owned();
        let Some(mut value) = resource.get_mut("spec") else {
            return Err(Misplaced { what: "the file has no `spec`".to_owned(), remedy: None });
        };
        // A user may well write the whole path.
        let path = self.path.strip_prefix("spec.").unwrap_or(&self.path);
        let segments: Vec<&str> = path.split('.').collect();
        if segments.iter().any(|segment| segment.is_empty()) {
            return Err(misplaced(format!("`{path}` has an empty part"), "write A.B.C"));
        }
        for segment in segments {
            value = step(value, &mut at, segment)?;
        }
        // Within a config a list may well become a scalar; only the component knows.
        let free = at.contains("].config.");
        if value.is_mapping() || (value.is_sequence() && !self.value.is_sequence() && !free) {
            let inside = match &*value {
                Value::Mapping(fields) => fields.keys().filter_map(Value::as_str).collect(),
                _ => Vec::new(),
            };
            return Err(misplaced(
                format!("`{at}` is not a single value"),
                format!("go on to a field in it: {}", inside.join(", ")),
            ));
        }
        *value = self.value.clone();
        Ok(at)
    }
}

/// One step down, into a field that may not be there yet or an item that must be.
fn step<'a>(
    value: &'a mut Value,
    at: &mut String,
    segment: &str,
) -> Result<&'a mut Value, Misplaced> {
    if value.is_null() {
        *value = Value::Mapping(Mapping::new());
    }
    match value {
        Value::Mapping(fields) => {
            let field = fields.entry(Value::String(segment.to_owned())).or_insert(Value::Null);
            at.push_str(&format!(".{segment}"));
            Ok(field)
        }
        Value::Sequence(items) => {
            let names: Vec<String> = items
                .iter()
                .map(|item| item.get("name").and_then(Value::as_str))
                .map(|name| name.unwrap_or_default().to_owned())
                .collect();
            let named = names.iter().position(|name| name == segment);
            let index = named.or_else(|| segment.parse().ok().filter(|i| *i < items.len()));
            let Some(index) = index else {
                let what = format!("`{at}` has no `{segment}`");
                let names = names.iter().map(String::as_str).filter(|name| !name.is_empty());
                let remedy = if names.clone().next().is_some() {
                    suggest::remedy(segment, "names", names)
                } else {
                    format!("write an index below {}", items.len())
                };
                return Err(misplaced(what, remedy));
            };
            at.push_str(&format!("[{index}]"));
            Ok(&mut items[index])
        }
        _ => Err(misplaced(
            format!("`{at}` is a single value, so it has no `{segment}`"),
            format!("set `{at}` itself"),
        )),
    }
}

/// The text as a YAML scalar, or as the text that it is: `3` is a number, `*.rs` a string. A list
/// in brackets is a list.
pub(crate) fn scalar(text: &str) -> Value {
    match serde_yaml::from_str::<Value>(text) {
        Ok(value @ (Value::Bool(_) | Value::Number(_) | Value::String(_))) => value,
        Ok(Value::Null) if !text.is_empty() => Value::Null,
        Ok(value @ Value::Sequence(_)) if text.trim_start().starts_with('[') => value,
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource() -> Value {
        serde_yaml::from_str(
            "spec: {spouts: [{name: lines, config: {path: a}}],
             bolts: [{name: count, inputs: [{from: lines}]}]}",
        )
        .unwrap()
    }

    fn set(text: &str) -> Result<(String, Value), Misplaced> {
        let mut value = resource();
        let path = Override::parse(text)?.apply(&mut value)?;
        Ok((path, value))
    }

    #[test]
    fn components_are_found_by_name_and_other_items_by_index() {
        let (path, value) = set("spouts.lines.config.path=b").unwrap();
        assert_eq!(path, "spec.spouts[0].config.path");
        assert_eq!(value["spec"]["spouts"][0]["config"]["path"], Value::from("b"));
        let (path, value) = set("bolts.count.inputs.0.grouping=All").unwrap();
        assert_eq!(path, "spec.bolts[0].inputs[0].grouping");
        assert_eq!(value["spec"]["bolts"][0]["inputs"][0]["grouping"], Value::from("All"));
    }

    #[test]
    fn fields_that_are_not_there_are_made() {
        let (path, value) = set("bolts.count.config.deep.er=1").unwrap();
        assert_eq!(path, "spec.bolts[0].config.deep.er");
        assert_eq!(value["spec"]["bolts"][0]["config"]["deep"]["er"], Value::from(1));
        assert_eq!(set("spec.pods=3").unwrap().0, "spec.pods");
    }

    #[test]
    fn a_list_in_a_config_may_become_a_scalar() {
        let mut value = resource();
        value["spec"]["spouts"][0]["config"]["path"] = scalar("[a, b]");
        Override::parse("spouts.lines.config.path=c").unwrap().apply(&mut value).unwrap();
        assert_eq!(value["spec"]["spouts"][0]["config"]["path"], Value::from("c"));
    }

    #[test]
    fn values_are_scalars_and_else_text() {
        for (text, value) in [
            ("3", Value::from(3)),
            ("true", Value::from(true)),
            ("30s", Value::from("30s")),
            ("'3'", Value::from("3")),
            ("null", Value::Null),
            ("", Value::from("")),
            ("*.rs", Value::from("*.rs")),
            ("docs/**/*.md", Value::from("docs/**/*.md")),
            ("{a,b}.txt", Value::from("{a,b}.txt")),
            ("{a,b}", Value::from("{a,b}")),
            ("a: b", Value::from("a: b")),
            ("[a, 1]", Value::Sequence(vec![Value::from("a"), Value::from(1)])),
        ] {
            assert_eq!(scalar(text), value, "{text}");
        }
    }

    #[test]
    fn what_is_not_there_is_named_with_what_is() {
        for (text, what, remedy) in [
            ("pods", "`pods` is not PATH=VALUE", "write for example"),
            ("spouts.line.parallelism=2", "`spec.spouts` has no `line`", "did you mean `lines`?"),
            ("spouts.lines.name.x=2", "`spec.spouts[0].name` is a single value", "set `spec."),
            ("spouts.lines=2", "`spec.spouts[0]` is not a single value", "name, config"),
            ("bolts.count.inputs.1.from=x", "`spec.bolts[0].inputs` has no `1`", "below 1"),
            ("bolts..x=2", "`bolts..x` has an empty part", "A.B.C"),
        ] {
            let error = set(text).unwrap_err();
            assert!(error.what.starts_with(what), "{error:?}");
            assert!(error.remedy.as_ref().unwrap().contains(remedy), "{error:?}");
        }
    }
}
