//! The hidden roles: what this program is when it is started by itself.

use clap::{Parser, error::Error};
use egret_process::Exit;
use std::{
    ffi::OsString,
    process::{ExitCode, Termination},
};

/// First argument of a stream manager.
pub(crate) const STREAM_MANAGER: &str = "__stream-manager";

/// First argument of an instance of ready-made components.
pub(crate) const INSTANCE: &str = "__instance";

#[derive(Parser, Debug)]
#[command(name = "egret __instance")]
struct Instance {
    #[command(flatten)]
    options: egret_instance::RunOptions,
}

/// Plays a hidden role, if the arguments ask for one.
pub(crate) fn play(args: &[OsString]) -> Option<ExitCode> {
    let role = args.get(1)?.to_str()?;
    // The role takes the place of the program's name.
    let args = || args[1..].iter().cloned();
    match role {
        STREAM_MANAGER => Some(egret_stream_manager::main(args()).report()),
        INSTANCE => Some(match Instance::try_parse_from(args()) {
            Ok(instance) => egret_instance::run(egret_components::registry(), instance.options),
            Err(error) => refused(&error),
        }),
        _ => None,
    }
}

fn refused(error: &Error) -> ExitCode {
    // If stderr is gone there is nobody to tell.
    let _ = error.print();
    Exit::Usage.into()
}
