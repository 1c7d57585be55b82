//! The `egret` command: runs a topology on this machine, checks one, shows how it is packed.

mod catalog;
mod command;
mod completions;
mod load;
mod output;
mod plan;
mod roles;
mod run;
mod validate;

use std::process::{ExitCode, Termination};

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    roles::play(&args).unwrap_or_else(|| command::main().report())
}
