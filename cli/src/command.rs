//! The command line: what there is to do, and who does it.

#[cfg(feature = "cluster")]
use crate::cluster::{delete, log_level, logs, rollout, state, status, tasks};
use crate::{completions, errors, plan, profile, report, run, top, ui, validate};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use egret_process::Exit;
use std::{ffi::OsStr, path::Path};

/// Run streaming topologies on this machine, and look after those on a cluster.
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
  egret ui word-count
  egret top word-count
  egret errors word-count
  egret profile word-count count --output count.svg
  egret report word-count
  egret status --all-namespaces
  egret rollout history word-count
  egret logs word-count --component count --follow
  egret completions bash > ~/.local/share/bash-completion/completions/egret

Exit codes: 0 all is well, 1 something failed, 2 what you wrote is wrong, 130 interrupted.";

#[derive(Subcommand, Debug)]
enum Command {
    Completions(completions::Options),
    #[cfg(feature = "cluster")]
    Delete(delete::Options),
    Errors(errors::Options),
    #[cfg(feature = "cluster")]
    LogLevel(log_level::Options),
    #[cfg(feature = "cluster")]
    Logs(logs::Options),
    #[cfg(feature = "cluster")]
    Pause(state::Pause),
    Plan(plan::Options),
    Profile(profile::Options),
    Report(report::Options),
    #[cfg(feature = "cluster")]
    Resume(state::Resume),
    #[cfg(feature = "cluster")]
    Rollout(rollout::Options),
    Run(run::Options),
    #[cfg(feature = "cluster")]
    Status(status::Options),
    #[cfg(feature = "cluster")]
    Stop(state::Stop),
    #[cfg(feature = "cluster")]
    Tasks(tasks::Options),
    Top(top::Options),
    Ui(ui::Options),
    Validate(validate::Options),
}

/// Name of the program where kubectl finds it as a plugin.
const PLUGIN: &str = "kubectl-egret";

/// The command line under the name that the program was called by: as a plugin of kubectl it
/// speaks of `kubectl egret`.
pub(crate) fn named(program: Option<&OsStr>) -> clap::Command {
    let command = Egret::command();
    let plugin =
        program.is_some_and(|program| Path::new(program).file_stem() == Some(PLUGIN.as_ref()));
    if plugin { of_kubectl(command.bin_name("kubectl egret")) } else { command }
}

/// Help that shows what to type.
fn of_kubectl(command: clap::Command) -> clap::Command {
    let examples = command.get_after_help().map(|help| {
        help.to_string()
            .replace("  egret ", "  kubectl egret ")
            .replace("| egret ", "| kubectl egret ")
    });
    let command = match examples {
        Some(examples) => command.after_help(examples),
        None => command,
    };
    let names: Vec<String> =
        command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, of_kubectl))
}

/// Reads the command line and does what it says.
pub(crate) fn main() -> Exit {
    let mut command = named(std::env::args_os().next().as_deref());
    let parsed = command
        .try_get_matches_from_mut(std::env::args_os())
        .and_then(|mut matches| Egret::from_arg_matches_mut(&mut matches))
        .map_err(|error| error.format(&mut command));
    let egret = match parsed {
        Ok(egret) => egret,
        Err(error) => {
            // Help and version are no errors; a closed pipe is nothing to report.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    match egret.command {
        Command::Completions(options) => completions::main(options),
        #[cfg(feature = "cluster")]
        Command::Delete(options) => delete::main(&options),
        Command::Errors(options) => errors::main(&options),
        #[cfg(feature = "cluster")]
        Command::LogLevel(options) => log_level::main(&options),
        #[cfg(feature = "cluster")]
        Command::Logs(options) => logs::main(&options),
        #[cfg(feature = "cluster")]
        Command::Pause(options) => options.main(),
        Command::Plan(options) => plan::main(&options),
        Command::Profile(options) => profile::main(&options),
        Command::Report(options) => report::main(&options),
        #[cfg(feature = "cluster")]
        Command::Resume(options) => options.main(),
        #[cfg(feature = "cluster")]
        Command::Rollout(options) => rollout::main(&options),
        Command::Run(options) => run::main(&options),
        #[cfg(feature = "cluster")]
        Command::Status(options) => status::main(&options),
        #[cfg(feature = "cluster")]
        Command::Stop(options) => options.main(),
        #[cfg(feature = "cluster")]
        Command::Tasks(options) => tasks::main(&options),
        Command::Top(options) => top::main(&options),
        Command::Ui(options) => ui::main(&options),
        Command::Validate(options) => validate::main(&options),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(program: &str, args: &[&str]) -> String {
        let mut command = named(Some(OsStr::new(program)));
        let args = std::iter::once(program).chain(args.iter().copied());
        command.try_get_matches_from_mut(args).unwrap_err().to_string()
    }

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        named(None).debug_assert();
        named(Some(OsStr::new(PLUGIN))).debug_assert();
    }

    #[test]
    fn as_a_plugin_of_kubectl_help_shows_what_to_type() {
        let whole = help("/usr/local/bin/kubectl-egret", &["--help"]);
        assert!(whole.contains("Usage: kubectl egret <COMMAND>"), "{whole}");
        assert!(whole.contains("  kubectl egret run examples"), "{whole}");
        let part = help("kubectl-egret", &["plan", "--help"]);
        assert!(part.contains("Usage: kubectl egret plan"), "{part}");
        assert!(part.contains("  kubectl egret plan examples"), "{part}");
        let wrong = help("kubectl-egret", &["plan"]);
        assert!(wrong.contains("Usage: kubectl egret plan"), "{wrong}");
    }

    #[test]
    fn under_its_own_name_it_is_egret() {
        let whole = help("target/debug/egret", &["--help"]);
        assert!(whole.contains("Usage: egret <COMMAND>"), "{whole}");
        assert!(!whole.contains("kubectl egret"), "{whole}");
    }
}
