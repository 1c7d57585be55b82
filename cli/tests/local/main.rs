//! Real runs: processes, QUIC, signals and kills, through the command line only.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod command_line;
mod endings;
mod kills;
mod run;
mod word_count;
