//! One table of good and bad topologies, for offline validation and for the CRD alike.
//!
//! Each file of `samples/bad` says in its first two lines what `egret validate` and what the API
//! server answer; `accepts` where a schema with bounded rules cannot tell, so that the operator
//! refuses it with `Accepted=False`. The schema is checked here by a small stand-in for the API
//! server: the few keywords that the definition uses, and the CEL rules by `kube-cel`. A real API
//! server reads the same files in e2e.

// Also in the fixtures, which clippy does not take for tests.
#![allow(clippy::unwrap_used)]

mod structural;

use egret_crd::definition;
use egret_topology::{
    declaration::{Catalog, Description},
    resource::Resource,
    validate::validate,
};
use serde_json::Value;
use std::{fs, path::Path};

struct Sample {
    name: String,
    text: String,
    value: Value,
}

impl Sample {
    /// What stands behind a word in the head of the file.
    fn expects(&self, whom: &str) -> &str {
        let head = format!("# {whom}: ");
        let line = self.text.lines().find_map(|line| line.strip_prefix(&head));
        line.unwrap_or_else(|| panic!("{} does not say what `{whom}` answers", self.name))
    }
}

fn samples(kind: &str) -> Vec<Sample> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(kind);
    let mut samples: Vec<Sample> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let value = serde_yaml::from_str(&text).unwrap();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            Sample { name, text, value }
        })
        .collect();
    samples.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(samples.len() > 3);
    samples
}

/// What offline validation says.
fn offline(value: &Value) -> Vec<String> {
    let builtin = include_str!("../../../src/builtin.json");
    let builtin: Description = serde_json::from_str(builtin).unwrap();
    let resource: Resource = match serde_json::from_value(value.clone()) {
        Ok(resource) => resource,
        Err(error) => return vec![error.to_string()],
    };
    match validate(&resource, &Catalog::new(builtin.components)) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// What the schema and its rules say to a new object, or to a change of an old one.
fn schema_says(value: &Value, old: Option<&Value>) -> Vec<String> {
    let definition = definition().unwrap();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let value = kube_cel::apply_defaults(schema, value);
    let mut said = structural::check(schema, &value);
    if !said.is_empty() {
        // As the API server: rules may rely on the schema.
        return said;
    }
    let old = old.map(|old| kube_cel::apply_defaults(schema, old));
    if let Err(errors) = kube_cel::Validator::new().validate(schema, &value, old.as_ref()) {
        said.extend(errors.iter().map(|error| format!("{}: {}", error.field_path, error.message)));
    }
    said
}

#[test]
fn good_samples_are_accepted_by_both() {
    for sample in samples("good") {
        assert_eq!(offline(&sample.value), [""; 0], "{}", sample.name);
        assert_eq!(schema_says(&sample.value, None), [""; 0], "{}", sample.name);
    }
}

#[test]
fn bad_samples_are_refused_by_offline_validation_with_the_right_words() {
    for sample in samples("bad") {
        let (said, expected) = (offline(&sample.value), sample.expects("validate"));
        let found = said.iter().any(|line| line.contains(expected));
        assert!(found, "{}: expected `{expected}` in {said:#?}", sample.name);
    }
}

#[test]
fn bad_samples_are_refused_by_the_definition_as_far_as_it_can() {
    for sample in samples("bad") {
        let (said, expected) = (schema_says(&sample.value, None), sample.expects("api"));
        if expected == "accepts" {
            assert_eq!(said, [""; 0], "{}: now it can", sample.name);
            continue;
        }
        let found = said.iter().any(|line| line.contains(expected));
        assert!(found, "{}: expected `{expected}` in {said:#?}", sample.name);
    }
}

#[test]
fn delivery_changes_only_while_stopped() {
    let sample = |state: &str, delivery: &str| {
        serde_json::json!({
            "apiVersion": "egret.dev/v1alpha1", "kind": "Topology", "metadata": {"name": "t"},
            "spec": {"state": state, "delivery": delivery, "spouts": [{"name": "words"}]},
        })
    };
    let running = sample("Running", "AtLeastOnce");
    let said = schema_says(&sample("Running", "AtMostOnce"), Some(&running));
    assert!(said[0].contains("delivery can change only while state is `Stopped`"), "{said:?}");
    assert_eq!(schema_says(&sample("Stopped", "AtMostOnce"), Some(&running)), [""; 0]);
    assert_eq!(schema_says(&sample("Paused", "AtLeastOnce"), Some(&running)), [""; 0]);
}
