//! Processes log what the topology's annotation asks for.

use crate::run::{dir_with, egret};

const FILE: &str = r#"apiVersion: egret.dev/v1alpha1
kind: Topology
metadata:
  name: t
  annotations: {egret.dev/log-level: "warn,count=debug"}
spec:
  spouts: [{name: words, config: {rate: 100}}]
  bolts: [{name: count, inputs: [{from: words, grouping: Fields, fields: [word]}]}]
"#;

#[test]
fn a_component_logs_more_than_the_others_if_it_is_asked_to() {
    let dir = dir_with(&[("t.yaml", FILE.as_bytes())]);
    let file = dir.path().join("t.yaml").display().to_string();
    let output = egret(&["run", &file, "--duration", "1s", "--verbose"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("count[0]: the log level is debug now"), "{stderr}");
    // The others are heard until they have the plan.
    assert!(!stderr.contains("a plan is in force"), "{stderr}");
}

#[test]
fn what_is_no_level_is_named_with_its_line() {
    let dir = dir_with(&[("t.yaml", FILE.replace("debug", "loud").as_bytes())]);
    let file = dir.path().join("t.yaml").display().to_string();
    let output = egret(&["validate", &file]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains("`loud` is no log level"), "{stderr}");
    assert!(stderr.contains("t.yaml:5:") && stderr.contains("egret.dev/log-level"), "{stderr}");
}
