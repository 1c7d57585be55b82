//! A stream manager as a process of its own.

use egret_process::Exit;

fn main() -> Exit {
    egret_stream_manager::main(std::env::args_os())
}
