//! The instance of the ready-made components.

use std::process::ExitCode;

fn main() -> ExitCode {
    egret_instance::main(egret_components::registry())
}
