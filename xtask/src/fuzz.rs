//! `cargo xtask fuzz`: builds `egret-fuzz`, which builds and runs the fuzzer.

use crate::bench::finish;
use std::{path::Path, process::Command};

/// Passes all arguments on; an error if something was found.
pub(crate) fn run(root: &Path, args: &[&str]) -> Result<String, String> {
    let mut fuzz = Command::new("cargo");
    fuzz.args(["run", "--locked", "--quiet", "--package", "egret-fuzz", "--"]);
    finish(root, fuzz.args(args))?;
    Ok(String::new())
}
