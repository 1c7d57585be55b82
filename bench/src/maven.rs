//! Builds other people's engines: those in Java through Maven, timely through cargo.

use crate::{runner::Tools, scenario::Subject};
use anyhow::{Context, ensure};
use std::{fs, path::Path, process::Command};

/// Where the class path of a peer is kept.
const CLASS_PATH: &str = "classpath";

/// Builds what a subject needs; an error says why it cannot be measured here.
pub(crate) fn prepare(subject: &Subject, tools: &Tools) -> anyhow::Result<()> {
    match subject {
        Subject::Egret(_) | Subject::Ceiling { .. } => Ok(()),
        Subject::Storm(_) => java("storm", tools),
        Subject::Flink { .. } => java("flink", tools),
        Subject::Timely => timely(tools),
    }
}

/// Everything that a peer's program needs, as `java -cp` wants it.
pub(crate) fn class_path(tools: &Tools, peer: &str) -> anyhow::Result<String> {
    let built = tools.peers.join(peer);
    let libraries = fs::read_to_string(built.join(CLASS_PATH))?;
    Ok(format!("{}:{}", built.join("classes").display(), libraries.trim()))
}

fn java(peer: &str, tools: &Tools) -> anyhow::Result<()> {
    for program in ["java", "mvn"] {
        let found = Command::new(program).arg("--version").output();
        ensure!(found.is_ok_and(|output| output.status.success()), "there is no {program} here");
    }
    let sources = tools.root.join("bench/peers").join(peer);
    let built = tools.peers.join(peer);
    let list = built.join(CLASS_PATH);
    if newest(&sources)? < modified(&list) {
        return Ok(());
    }
    fs::create_dir_all(&built)?;
    let mut command = Command::new("mvn");
    command
        .args(["--quiet", "--batch-mode", "--file"])
        .arg(sources.join("pom.xml"))
        .arg(format!("-Dpeer.directory={}", built.display()))
        .arg(format!("-Dmdep.outputFile={}", list.display()))
        .args(["compile", "dependency:build-classpath"]);
    run(command)
}

fn timely(tools: &Tools) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command
        .args(["build", "--release", "--locked", "--quiet", "--manifest-path"])
        .arg(tools.root.join("bench/peers/timely/Cargo.toml"))
        .arg("--target-dir")
        .arg(tools.peers.join("timely"));
    run(command)
}

fn run(mut command: Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run {program}"))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let first = text.lines().find(|line| line.to_ascii_lowercase().contains("error"));
    let why = first.unwrap_or("it says nothing");
    ensure!(output.status.success(), "{program} cannot build it: {why}");
    Ok(())
}

/// When a file was written; long ago if there is none.
fn modified(file: &Path) -> std::time::SystemTime {
    let written = fs::metadata(file).and_then(|file| file.modified());
    written.unwrap_or(std::time::UNIX_EPOCH)
}

/// When the newest file below a directory was written.
fn newest(directory: &Path) -> anyhow::Result<std::time::SystemTime> {
    let mut newest = std::time::UNIX_EPOCH;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let written = if path.is_dir() { self::newest(&path)? } else { modified(&path) };
        newest = newest.max(written);
    }
    Ok(newest)
}
