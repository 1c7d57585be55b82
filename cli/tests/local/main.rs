//! Real runs: processes, QUIC, signals and kills, through the command line only.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod binaries;
mod collector;
mod command_line;
mod dead_letters;
mod endings;
mod errors;
mod kills;
mod log_level;
mod looks;
mod processes;
mod profile;
mod recovery;
mod run;
mod tracing;
mod troubles;
mod versions;
mod word_count;
