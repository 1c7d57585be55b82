//! Measures Egret beside its peers, and plays the small roles that measuring needs.
//!
//! `cargo xtask bench` builds and runs it; docs/performance.md says how to read what it prints.

mod ask;
mod attended;
mod ceiling;
mod check;
mod command;
mod components;
mod document;
mod egret;
mod facts;
mod figures;
mod guard;
mod latency;
mod line;
mod maven;
mod metrics;
mod peer;
mod plan;
mod processes;
mod report;
mod runner;
mod scenario;
mod scenarios;
mod small_buffers;
mod spawn;
mod stall;
mod table;
mod targets;
mod watcher;

use std::process::ExitCode;

fn main() -> ExitCode {
    let role = std::env::args().nth(1).unwrap_or_default();
    match role.as_str() {
        // `egret run --instance` calls these two.
        "describe" | "run" => egret_instance::main(components::registry()),
        attended::ROLE => told(attended::main()),
        ceiling::ROLE => told(ceiling::main()),
        small_buffers::ROLE => told(small_buffers::main()),
        _ => told(command::main()),
    }
}

fn told(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
