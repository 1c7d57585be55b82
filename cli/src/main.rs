//! The `egret` command: runs a topology on this machine, checks one, shows how it is packed, and
//! looks after those on a cluster.

mod age;
mod catalog;
#[cfg(feature = "cluster")]
mod cluster;
mod command;
mod completions;
mod duration;
mod errors;
mod load;
mod output;
mod plan;
mod profile;
mod report;
mod roles;
mod run;
mod top;
mod ui;
mod validate;

use std::process::{ExitCode, Termination};

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    roles::play(&args).unwrap_or_else(|| command::main().report())
}
