//! Colours, where somebody sees them.

use std::io::{self, IsTerminal};

/// Colours of prefixes: those that can be read on light and dark alike.
const PREFIXES: [u8; 6] = [36, 33, 32, 35, 34, 31];

/// Whether to colour what goes to stdout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    colours: bool,
}

impl Style {
    /// None of it.
    #[cfg(test)]
    pub(super) const PLAIN: Style = Style { colours: false };

    /// As stdout is, and as NO_COLOR and TERM want it.
    pub(super) fn of_stdout() -> Style {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Style { colours: io::stdout().is_terminal() && !set("NO_COLOR") && !dumb }
    }

    /// A heading.
    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// The prefix of a line of the i-th of many.
    pub(super) fn prefix(self, i: usize, text: &str) -> String {
        self.paint(&PREFIXES[i % PREFIXES.len()].to_string(), text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
