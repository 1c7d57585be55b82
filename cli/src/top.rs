//! `egret top`: components and tasks in the terminal, live.

mod screen;
mod terminal;

use crate::{
    output,
    ui::{
        find::{self, Place, Which},
        look::look,
    },
};
use clap::Args;
use egret_process::Exit;
use egret_ui::{api::Api, snapshot::Snapshot};
use screen::{Paint, Size};
use std::{
    io::{self, IsTerminal},
    time::Duration,
};

/// Time between looks.
const EVERY: Duration = Duration::from_secs(1);

/// Looks until rates are known: the first alone makes none, and a run that starts has no plan.
const LOOKS: usize = 5;

/// Show components and tasks of a running topology in the terminal
///
/// A run on this machine, else a topology on the cluster. Where stdout is no terminal, one table is
/// printed, as with --once.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  egret top                         the run on this machine
  egret top word-count --namespace prod
  egret top word-count --once | grep count

Keys: q ends, t shows tasks or hides them, arrows and Page keys scroll.")]
pub(crate) struct Options {
    #[command(flatten)]
    which: Which,

    /// Print one table and end
    #[arg(long)]
    once: bool,
}

pub(crate) fn main(options: &Options) -> Exit {
    let once = options.once || !io::stdout().is_terminal();
    find::with(&options.which, async |place| match place {
        Place::Here(remote) => show(once, remote).await,
        #[cfg(feature = "cluster")]
        Place::Cluster(live) => show(once, *live).await,
    })
}

async fn show(once: bool, api: impl Api) -> Exit {
    let shown = if once { print_once(&api).await } else { terminal::watch(&api).await };
    shown.unwrap_or_else(|why| {
        eprintln!("error: {why}");
        Exit::Failed
    })
}

/// One table, as soon as rates are known.
async fn print_once(api: &impl Api) -> Result<Exit, String> {
    let mut looked = look(api).await;
    for _ in 1..LOOKS {
        if looked.as_ref().is_ok_and(has_rates) {
            break;
        }
        tokio::time::sleep(EVERY).await;
        looked = look(api).await;
    }
    let snapshot = looked?;
    let lines = screen::lines(&snapshot, true);
    Ok(output::print(&screen::render(&lines, Size::ENDLESS, 0, Paint::plain())))
}

/// Whether every task that is known was known before.
fn has_rates(snapshot: &Snapshot) -> bool {
    let mut known = snapshot.tasks.iter().filter(|task| task.known).peekable();
    known.peek().is_some() && known.all(|task| task.flow.emitted_rate.is_some())
}
