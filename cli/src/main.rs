//! The `egret` command: runs a topology on this machine, checks one, shows how it is packed.

mod catalog;
mod command;
mod completions;
mod load;
mod output;
mod plan;
mod validate;

use egret_process::Exit;

fn main() -> Exit {
    command::main()
}
