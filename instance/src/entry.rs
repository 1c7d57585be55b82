//! What a binary of components does with its arguments.

use crate::{
    Registry,
    options::{Command, Options, RunOptions},
    run::{self, Ended},
};
use clap::Parser;
use egret_process::{Exit, Logging, die_with_parent, init, logging};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Answers `describe` and `run`. Call it from `main` and return what it returns.
pub fn main(registry: Registry) -> ExitCode {
    match Options::parse().command {
        Command::Describe => describe(&registry),
        Command::Run(options) if init::is_init() => init::again("the instance", fields(&options)),
        Command::Run(options) => run(registry, options),
    }
}

/// Prints the components of a registry as JSON.
pub fn describe(registry: &Registry) -> ExitCode {
    match serde_json::to_string_pretty(&registry.describe()) {
        Ok(json) => {
            println!("{json}");
            ExitCode::from(Exit::Ok.code())
        }
        Err(error) => {
            eprintln!("error: the components cannot be described: {error}");
            ExitCode::from(Exit::Failed.code())
        }
    }
}

/// A task that reads the terminal is in the group that Ctrl-C reaches. Its parent hears of it too,
/// and drains; for that the task must live.
fn leave_interrupts_to_the_parent(runtime: &tokio::runtime::Runtime) {
    let _within = runtime.enter();
    // Once there is a handler the signal does nothing else, whether or not anybody listens.
    if let Err(error) = signal(SignalKind::interrupt()) {
        tracing::warn!(%error, "an interrupt ends this instance");
    }
}

/// Runs one task to its end.
pub fn run(registry: Registry, options: RunOptions) -> ExitCode {
    if let Err(error) = logging::init(fields(&options)) {
        eprintln!("error: {error}");
        return ExitCode::from(Exit::Usage.code());
    }
    if let Some(parent) = options.parent_pid
        && let Err(error) = die_with_parent(parent)
    {
        tracing::warn!(%error, "this instance may outlive its parent");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => {
            if options.parent_pid.is_some() {
                leave_interrupts_to_the_parent(&runtime);
            }
            run::run(&runtime, registry, &options)
        }
        Err(error) => Ended::Failed(format!("cannot start the runtime: {error}")),
    };
    let exit = match ended {
        Ended::Again => Exit::Again,
        Ended::Closed => Exit::Ok,
        Ended::User(error) => {
            tracing::error!("{error}");
            Exit::UserCode
        }
        Ended::Failed(error) => {
            tracing::error!("{error}");
            Exit::Failed
        }
    };
    ExitCode::from(exit.code())
}

/// What every line of this instance carries.
fn fields(options: &RunOptions) -> Logging {
    Logging {
        format: logging::Format::Json,
        level: None,
        topology: Some(options.topology.clone()),
        pod: Some(options.pod),
        component: Some(options.component.clone()),
        task: Some(options.task),
    }
}
