//! Whole messages, as a user sees them.

use super::*;

const TEXT: &str = "\
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: word-count}
spec:
  messageTimeout: ${TIMEOUT}
  spouts:
  - name: lines
    config: {path: x}
  bolts:
  - name: split
    inputs:
    - from: line
  - name: count
    inputs:
    - {from: split, grouping: Fields, fields: [wrd]}
";

fn read(text: &str, changes: &Changes) -> Result<Logical, String> {
    let binaries = catalog::ask(&[]).unwrap();
    parse("wc.yaml", text, changes, &binaries).map_err(|problems| problems.to_string())
}

fn set(set: &[&str]) -> Changes {
    Changes { set: set.iter().map(|set| (*set).to_owned()).collect(), ..Changes::default() }
}

#[test]
fn every_problem_is_shown_with_its_place_field_and_remedy() {
    let shown = read(TEXT, &set(&["messageTimeout=1m", "maxPending=0"])).unwrap_err();
    assert_eq!(
        shown,
        "\
error: there is no component `line`
  --> wc.yaml:12:13 (spec.bolts[0].inputs[0].from)
  help: did you mean `lines`? the components are count, lines
error: the stream `default` of `split` has no field `wrd`
  --> wc.yaml:15:48 (spec.bolts[1].inputs[0].fields[0])
  help: did you mean `word`? the fields are word
error: 0 is not in the range from 1 to 1000000
  --> --set maxPending=0 (spec.maxPending)
"
    );
}

#[test]
fn an_unknown_field_is_shown_at_its_name() {
    let shown = read(&TEXT.replace("config:", "confg:"), &Changes::default()).unwrap_err();
    assert_eq!(
        shown,
        "\
error: there is no field `confg`
  --> wc.yaml:8:5 (spec.spouts[0].confg)
  help: did you mean `config`? the fields are name, parallelism, component, image, config, \
         streams, resources, env, envFrom, volumeMounts, maxRate, maxTries
"
    );
}

#[test]
fn text_that_is_no_yaml_is_shown_at_its_place() {
    let shown = read("spec:\n  pods: [1\n", &Changes::default()).unwrap_err();
    assert!(shown.starts_with("error: this is not YAML: "), "{shown}");
    assert!(shown.contains("  --> wc.yaml:3:1"), "{shown}");
    let shown = read("spec: 1\nspec: 2\n", &Changes::default()).unwrap_err();
    assert!(shown.contains("duplicate") && shown.contains("wc.yaml"), "{shown}");
    assert_eq!(
        read("", &Changes::default()).unwrap_err(),
        "error: the file is empty\n  --> wc.yaml\n"
    );
}

#[test]
fn an_environment_file_fills_the_gaps() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("env");
    let changes = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let right = ["bolts.split.inputs.0.from=lines", "bolts.count.inputs.0.fields=[word]"];
        Changes { env_file: Some(file.clone()), ..set(&right) }
    };
    assert_eq!(read(TEXT, &changes("TIMEOUT=5s")).unwrap().message_timeout_ms, 5000);
    let shown = read(TEXT, &changes("TIME=5s")).unwrap_err();
    assert_eq!(
        shown,
        "\
error: `TIMEOUT` is not in the environment file
  --> wc.yaml:5:19 (spec.messageTimeout)
  help: the keys are TIME; or give a default, as in `${TIMEOUT:-default}`
"
    );
}

#[test]
fn the_examples_are_valid() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut count = 0;
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            load(&path, &Changes::default()).unwrap_or_else(|problems| panic!("{problems}"));
            count += 1;
        }
    }
    assert!(count >= 3);
}
