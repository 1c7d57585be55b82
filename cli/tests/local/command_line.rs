//! What the command line says without running anything.

use crate::run::{egret, example};

fn said(args: &[&str]) -> (Option<i32>, String, String) {
    let output = egret(args);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_valid_topology_is_said_to_be_one() {
    let file = example("word-count.yaml");
    let (code, stdout, stderr) = said(&["validate", file.to_str().unwrap()]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.ends_with("topology `word-count` is valid: 5 components, 8 tasks in 2 pods\n"));
}

#[test]
fn what_the_user_wrote_wrong_is_exit_code_2() {
    let file = example("word-count.yaml");
    let file = file.to_str().unwrap();
    for (args, words) in [
        (vec!["run", file, "--set", "pods=0"], "0 is not in the range"),
        (vec!["run", file, "--set", "spouts.line.parallelism=2"], "did you mean `lines`?"),
        (vec!["validate", "/no/such/file"], "cannot read the file"),
        (vec!["plan", file, "--instance", "/bin/true"], "printed no description"),
        (vec!["run", file, "--duration", "3"], "a number has no unit"),
        (vec!["run", file, "--summary-file", "/no/such/file"], "the summary cannot be written"),
        (vec!["frobnicate"], "unrecognized subcommand"),
    ] {
        let (code, stdout, stderr) = said(&args);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{args:?}: {stderr}");
        assert!(stderr.contains(words), "{args:?}: {stderr}");
    }
}

#[test]
fn a_plan_is_a_table_or_json_or_yaml() {
    let file = example("copy-lines.yaml");
    let file = file.to_str().unwrap();
    let (_, table, _) = said(&["plan", file, "--pods", "2"]);
    assert!(table.starts_with("Topology copy-lines: 6 tasks in 2 pods (RoundRobin)\n"), "{table}");
    let (_, json, _) = said(&["plan", file, "--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["topology"], "copy-lines");
    assert_eq!(json["pods"].as_array().unwrap().len(), 3);
    assert_eq!(json["pods"][0]["tasks"][0]["component"], "lines");
    let (_, yaml, _) = said(&["plan", file, "--output", "yaml"]);
    assert_eq!(serde_yaml::from_str::<serde_json::Value>(&yaml).unwrap(), json);
}

#[test]
fn there_are_completions_help_and_a_version() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, _) = said(&["completions", shell]);
        assert_eq!(code, Some(0));
        assert!(script.contains("egret"));
    }
    for command in ["run", "validate", "plan"] {
        let (code, help, _) = said(&[command, "--help"]);
        assert_eq!(code, Some(0));
        assert!(help.contains("Examples:"), "{help}");
    }
    assert_eq!(said(&["--version"]).1, concat!("egret ", env!("CARGO_PKG_VERSION"), "\n"));
}

/// A script that answers `describe` like this.
fn binary(dir: &std::path::Path, name: &str, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_binary_is_asked_for_its_components() {
    let dir = tempfile::tempdir().unwrap();
    let description = r#"echo '{"components":[
        {"name":"mine","kind":"spout","streams":[{"fields":["x"]}]},
        {"name":"same","kind":"bolt","streams":"sameAsInput"}]}'"#;
    let mine = binary(dir.path(), "mine", description);
    let file = dir.path().join("topology.yaml");
    let text = "apiVersion: egret.dev/v1alpha1\nkind: Topology\nmetadata: {name: t}\nspec:\n  \
                spouts: [{name: mine}]\n  bolts:\n  - {name: same, inputs: [{from: mine}]}\n  - \
                {name: print, inputs: [{from: same, grouping: Fields, fields: [x]}]}\n";
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let (code, _, stderr) = said(&["validate", file, "--instance", &mine]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let (code, _, stderr) = said(&["validate", file]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("no spout `mine` is known"), "{stderr}");
    let twin = binary(dir.path(), "twin", description);
    let (_, _, stderr) = said(&["validate", file, "--instance", &mine, "--instance", &twin]);
    assert!(stderr.contains("`mine` is registered by"), "{stderr}");
    let broken = binary(dir.path(), "broken", "echo 'no such thing' >&2; exit 3");
    let (code, _, stderr) = said(&["validate", file, "--instance", &broken]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("exit status: 3: no such thing"), "{stderr}");
}

#[test]
fn what_is_wrong_in_a_file_is_named_with_its_line() {
    let good = "apiVersion: egret.dev/v1alpha1\nkind: Topology\nmetadata: {name: t}\nspec:\n";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("topology.yaml");
    for (spec, line, words) in [
        ("  spouts: [{name: words\n", 6, ""),
        ("  spouts:\n  - {name: words, paralelism: 2}\n", 6, "paralelism"),
        (
            "  spouts:\n  - {name: words}\n  bolts:\n  - {name: print, inputs: [{from: wrds}]}\n",
            8,
            "wrds",
        ),
        (
            "  spouts: [{name: words}]\n  bolts:\n  - {name: a, component: filter, inputs: [{from: \
             b}]}\n  - {name: b, component: filter, inputs: [{from: a}, {from: words}]}\n",
            7,
            "cycle",
        ),
    ] {
        std::fs::write(&file, format!("{good}{spec}")).unwrap();
        for command in ["run", "validate", "plan"] {
            let (code, stdout, stderr) = said(&[command, file.to_str().unwrap()]);
            assert_eq!((code, stdout.as_str()), (Some(2), ""), "{spec}: {stderr}");
            let place = format!("topology.yaml:{line}");
            assert!(stderr.contains(&place) && stderr.contains(words), "{place}: {stderr}");
        }
    }
}
