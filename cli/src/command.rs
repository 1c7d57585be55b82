//! The command line: what there is to do, and who does it.

use crate::{completions, plan, run, validate};
use clap::{Parser, Subcommand};
use egret_process::Exit;

/// Run streaming topologies on this machine.
#[derive(Parser, Debug)]
#[command(name = "egret", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Egret {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  egret run examples/word-count.yaml
  egret validate examples/word-count.yaml
  egret plan examples/word-count.yaml --pods 3
  egret completions bash > ~/.local/share/bash-completion/completions/egret

Exit codes: 0 all is well, 1 something failed, 2 what you wrote is wrong, 130 interrupted.";

#[derive(Subcommand, Debug)]
enum Command {
    Completions(completions::Options),
    Plan(plan::Options),
    Run(run::Options),
    Validate(validate::Options),
}

/// Reads the command line and does what it says.
pub(crate) fn main() -> Exit {
    let egret = match Egret::try_parse() {
        Ok(egret) => egret,
        Err(error) => {
            // Help and version are no errors; a closed pipe is nothing to report.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    match egret.command {
        Command::Completions(options) => completions::main(options),
        Command::Plan(options) => plan::main(&options),
        Command::Run(options) => run::main(&options),
        Command::Validate(options) => validate::main(&options),
    }
}
