//! A build of the release after this one: the same code, which speaks one more version of the
//! protocol. The tests of `egret run` put it in the place of `egret` while a topology runs.

use clap::Parser;
use egret_instance::RunOptions;
use egret_process::Exit;
use egret_stream_manager::Options;
use egret_wire::{limits::VERSIONS, version::Versions};
use std::process::{ExitCode, Termination};

/// The roles that `egret` starts itself in.
#[derive(Parser)]
#[command(multicall = true)]
enum Role {
    #[command(name = "__stream-manager")]
    StreamManager(Options),
    #[command(name = "__instance")]
    Instance(RunOptions),
}

fn main() -> ExitCode {
    let versions = Versions::new(VERSIONS.newest(), VERSIONS.newest() + 1);
    match Role::try_parse_from(std::env::args_os().skip(1)) {
        Ok(Role::StreamManager(options)) => {
            egret_stream_manager::play(Options { versions, ..options }).report()
        }
        Ok(Role::Instance(options)) => {
            egret_instance::run(egret_components::registry(), RunOptions { versions, ..options })
        }
        Err(error) => {
            eprintln!("{error}");
            Exit::Usage.into()
        }
    }
}
