//! What is shown while a topology runs: a table that stays at the bottom of a terminal, or plain
//! lines.
//!
//! Progress and notes go to stderr, what components print to stdout; with `--summary json` they go
//! to stderr too, so that stdout is one JSON object.

use egret_topology::logical::{Logical, LogicalComponent};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{self, IsTerminal, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Time between plain lines: a log of an hour stays readable.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Where a run shows what it does.
pub(crate) struct Display {
    /// The table, if stderr is a terminal.
    table: Option<(MultiProgress, ProgressBar)>,
    colours: bool,
    quiet: bool,
    components_to_stderr: bool,
    last_plain: Instant,
}

impl Display {
    /// A display; `quiet` shows no progress.
    pub(crate) fn new(quiet: bool, components_to_stderr: bool, now: Instant) -> Display {
        let terminal = io::stderr().is_terminal();
        let table = (terminal && !quiet).then(|| {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(4));
            let bar = all.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            (all, bar)
        });
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colours = terminal && !no_color;
        Display { table, colours, quiet, components_to_stderr, last_plain: now }
    }

    /// Lines that components printed.
    pub(crate) fn components(&self, lines: &[String]) {
        if self.components_to_stderr {
            self.above(|| write_lines(&mut io::stderr().lock(), lines));
        } else {
            self.above(|| write_lines(&mut io::stdout().lock(), lines));
        }
    }

    /// Which components would have another number of tasks on a cluster.
    pub(crate) fn keeps(&self, logical: &Logical) {
        let autoscaled = |it: &&LogicalComponent| it.on_cluster.autoscale.is_some();
        for LogicalComponent { name, parallelism, .. } in
            logical.components.iter().filter(autoscaled)
        {
            let tasks = if *parallelism == 1 { "task" } else { "tasks" };
            self.note(&format!("{name} keeps {parallelism} {tasks}: only a cluster autoscales"));
        }
    }

    /// Something that happened.
    pub(crate) fn note(&self, text: &str) {
        self.above(|| write_lines(&mut io::stderr().lock(), &[text.to_owned()]));
    }

    /// Something that went wrong.
    pub(crate) fn warn(&self, text: &str) {
        let text =
            if self.colours { format!("\u{1b}[33m{text}\u{1b}[0m") } else { text.to_owned() };
        self.note(&text);
    }

    /// Where the page is that shows the run, even to who wants no progress.
    pub(crate) fn page(&self, address: SocketAddr) {
        self.note(&format!("the page is at http://{address}/"));
        if let Some(warning) = crate::ui::exposed(address) {
            self.warn(&warning);
        }
    }

    /// The state of the run: a table for a terminal, a line for everything else.
    pub(crate) fn progress(&mut self, now: Instant, table: &[String], line: &str) {
        match &self.table {
            Some((_, bar)) => {
                let mut rows = table.to_vec();
                if let Some(header) = rows.get_mut(1).filter(|_| self.colours) {
                    *header = format!("\u{1b}[2m{header}\u{1b}[0m");
                }
                bar.set_message(rows.join("\n"));
            }
            None if self.quiet || now.duration_since(self.last_plain) < PLAIN_EVERY => {}
            None => {
                self.last_plain = now;
                self.note(line);
            }
        }
    }

    /// Takes the table away.
    pub(crate) fn end(&mut self) {
        if let Some((all, bar)) = self.table.take() {
            bar.finish_and_clear();
            // If the terminal is gone there is nothing to clear.
            let _ = all.clear();
        }
    }

    fn above(&self, write: impl FnOnce()) {
        match &self.table {
            Some((all, _)) => all.suspend(write),
            None => write(),
        }
    }
}

fn write_lines(out: &mut impl Write, lines: &[String]) {
    for line in lines {
        // Whoever closed the pipe does not want to see it.
        let _ = writeln!(out, "{line}");
    }
    let _ = out.flush();
}
