//! A stream manager as a process of its own.

use egret_process::{Logging, init, logging::Format};
use std::process::{ExitCode, Termination};

fn main() -> ExitCode {
    if init::is_init() {
        let logging = Logging { format: Format::Json, ..Logging::default() };
        return init::again("the stream manager", logging);
    }
    egret_stream_manager::main(std::env::args_os()).report()
}
