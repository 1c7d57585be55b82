//! Runs a program that ends with the bench, however the bench ends: measured programs have process
//! groups of their own, so that an interrupt would pass them by.

use anyhow::{Context, bail};
use rustix::process::{Signal, set_parent_process_death_signal};
use std::{os::unix::process::CommandExt, path::Path, process::Command};

/// The hidden subcommand; what follows it is run.
pub(crate) const ROLE: &str = "__attended";

/// The command that runs `program` like that; `bench` is this program.
pub(crate) fn command(bench: &Path, program: &Path) -> Command {
    let mut command = Command::new(bench);
    command.arg(ROLE).arg(program);
    command
}

pub(crate) fn main() -> anyhow::Result<()> {
    let mut words = std::env::args_os().skip(2);
    let program = words.next().context("which program?")?;
    // It stays in force beyond the exec.
    set_parent_process_death_signal(Some(Signal::KILL)).context("the kernel takes no signal")?;
    let error = Command::new(&program).args(words).exec();
    bail!("cannot run {}: {error}", program.to_string_lossy())
}
