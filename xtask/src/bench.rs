//! `cargo xtask bench`: builds `egret` and `egret-bench` optimised, and runs the latter.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// What is measured, and what measures it.
const PACKAGES: [&str; 2] = ["egret-cli", "egret-bench"];

/// Passes all arguments on; an error if it cannot be built, or if it fails.
pub(crate) fn run(root: &Path, args: &[&str]) -> Result<String, String> {
    let mut build = Command::new("cargo");
    // It takes minutes the first time: cargo says how far it is.
    build.args(["build", "--release", "--locked"]);
    build.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    finish(root, &mut build)?;
    let mut bench = Command::new("cargo");
    bench.args(["run", "--release", "--locked", "--quiet", "--package", "egret-bench", "--"]);
    finish(root, bench.args(args))?;
    Ok(String::new())
}

/// Its output goes where ours does: it shows how far it is.
pub(crate) fn finish(root: &Path, command: &mut Command) -> Result<(), String> {
    let status = command.current_dir(root).stdin(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?}: {status}")),
        Err(error) => Err(format!("cannot run {command:?}: {error}")),
    }
}
