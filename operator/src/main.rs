//! The operator as a process of its own.

use egret_process::Exit;

fn main() -> Exit {
    egret_operator::main(std::env::args_os())
}
