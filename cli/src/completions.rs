//! `egret completions`: scripts for shells.

use crate::{command::Egret, output};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use egret_process::Exit;

/// Print a completion script for a shell
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The shell
    shell: Shell,
}

pub(crate) fn main(options: Options) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Egret::command(), "egret", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
