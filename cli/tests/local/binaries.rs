//! Components of a user's own binary, as `examples/word-count` shows them.

use crate::run::{Run, example};
use std::{path::PathBuf, process::Command};

/// Builds the example crate as its users do, in the profile of this test.
fn word_count() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_BIN_EXE_egret")).with_file_name("");
    let mut cargo = Command::new(env!("CARGO"));
    // Of the whole workspace, with the features that all of it is built with: `-p word-count` would
    // build much of what it depends on again.
    cargo.args(["build", "--quiet", "--workspace", "--bin", "word-count"]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
    assert!(status.success());
    folder.join("word-count")
}

#[test]
fn a_binary_of_the_users_own_runs_with_ready_made_components() {
    let binary = word_count();
    let args = ["--instance", binary.to_str().unwrap()];
    let ended = Run::start(&example("word-count/topology.yaml"), &args).wait();
    ended.assert_well();
    assert_eq!(ended.root("acked"), 50_000);
    // Ten thousand times five sentences.
    for (word, count) in [("the", 40_000), ("seven", 20_000), ("and", 20_000), ("moon", 10_000)] {
        let row = |line: &&str| line.split_whitespace().any(|field| field == word);
        let row = ended.stdout.lines().find(row).unwrap_or_else(|| panic!("{}", ended.stdout));
        assert!(row.replace(',', "").contains(&count.to_string()), "{word}: {row}");
    }
}
