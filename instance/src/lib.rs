//! Runs exactly one task of one spout or bolt; what a user's binary links.
//!
//! A binary registers its components and hands them over:
//!
//! ```no_run
//! use egret_instance::{Registry, Spout, SpoutOutput, Next, Declared, Stream, Result, Root};
//!
//! struct Hello;
//!
//! impl Spout for Hello {
//!     fn next(&mut self, out: &mut SpoutOutput<'_>) -> Result<Next> {
//!         out.emit(("hello",), Root::default())?;
//!         Ok(Next::Exhausted)
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     let mut registry = Registry::new();
//!     let streams = Declared::fixed([Stream::default_of(["word"])]);
//!     registry.spout("hello", streams, || Box::new(Hello));
//!     egret_instance::main(registry)
//! }
//! ```
//!
//! That binary answers `describe` and `run`; the latter is what pods and `egret run` start.
//! It talks to nobody but the stream manager of its pod and listens nowhere.

mod bridge;
mod control;
mod entry;
mod gateway_loop;
mod leave;
mod log_level;
mod options;
mod profile;
mod report;
mod run;
mod streams;
mod task_thread;
pub mod testkit;
mod usage;

pub use egret_sdk::*;
pub use entry::{describe, main, run};
pub use options::RunOptions;
