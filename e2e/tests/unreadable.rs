//! A resource that the operator cannot read, as a newer or an older release may have written it,
//! disturbs nobody. It needs a kind that admits it, so this test is alone in its program.

// Also in the fixtures, which clippy does not take for tests.
#![allow(clippy::unwrap_used)]

use egret_e2e::{Cluster, Namespace, condition, wait::Wait};
use serde_json::{Value, json};
use std::{fs, time::Duration};

const PATIENCE: Duration = Duration::from_secs(90);
const KIND: &str = "topologies.egret.dev";

/// A kind that admits anything, until this goes.
struct Lenient<'a>(&'a Cluster);

impl Lenient<'_> {
    fn new(cluster: &Cluster) -> Lenient<'_> {
        let text = cluster.kubectl(&["get", "crd", KIND, "--output=json"]).unwrap();
        let mut kind: Value = serde_json::from_str(&text).unwrap();
        let version = &mut kind["spec"]["versions"][0];
        version["schema"]["openAPIV3Schema"] =
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        version["selectableFields"] = json!([]);
        let args = ["replace", "--filename", "-"];
        cluster.kubectl_with(&kind.to_string(), PATIENCE, &args).unwrap();
        Lenient(cluster)
    }
}

impl Drop for Lenient<'_> {
    fn drop(&mut self) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests/crd.yaml");
        let restored = fs::read_to_string(path).map(|text| {
            let args = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
            self.0.kubectl_with(&text, PATIENCE, &args)
        });
        if !matches!(restored, Ok(Ok(_))) {
            eprintln!("the kind {KIND} is not restored: {restored:?}");
        }
    }
}

#[test]
fn a_resource_that_cannot_be_read_is_told_so_and_disturbs_nobody() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "unreadable").unwrap();
    let lenient = Lenient::new(&cluster);
    let odd = "apiVersion: egret.dev/v1alpha1\nkind: Topology\nmetadata: {name: odd}\n\
               spec: {spouts: {in: another shape}, pods: 1}\n";
    // The API server takes a moment until it goes by what the kind is now.
    let applied = Wait::new("topology/odd", "admitted", PATIENCE)
        .until(|| namespace.apply(odd).map_err(|error| error.to_string()));
    applied.unwrap();
    let topology = namespace.deployed("odd");
    let told = topology.until("that it cannot be read", PATIENCE, |object| {
        let accepted = condition(object, "Accepted");
        (accepted["reason"] == "Unreadable").then(|| accepted.clone())
    });
    let message = told.unwrap()["message"].to_string();
    assert!(message.contains("the resource cannot be read: "), "{message}");
    let good = namespace.deploy("good", "spouts: [{name: words, config: {rate: 10}}]").unwrap();
    drop(lenient);
    good.condition("Ready", "True", PATIENCE).unwrap();
    namespace.kubectl(&["delete", "topology", "odd", "--timeout=30s"]).unwrap();
}
