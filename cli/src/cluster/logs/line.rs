//! Lines of logs: when they were logged, and how they are printed.

use super::{Options, source::Source};
use crate::{
    cluster::style::Style,
    run::logs::{Entry, Level},
};
use jiff::Timestamp;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{self, Write},
};

/// A line as the API server sends it with its time before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// None: the API server had something to say, or the line is the rest of a longer one.
    pub(super) at: Option<Timestamp>,
    pub(super) text: Vec<u8>,
}

impl Line {
    pub(super) fn of(bytes: &[u8]) -> Line {
        let space = bytes.iter().position(|byte| *byte == b' ');
        let head = space.map_or(bytes, |space| &bytes[..space]);
        let at = std::str::from_utf8(head).ok().and_then(|head| head.parse().ok());
        let from = if at.is_some() { head.len() + 1 } else { 0 };
        Line { at, text: bytes.get(from..).unwrap_or_default().to_vec() }
    }
}

impl Line {
    /// What a person reads: of what Egret itself logs the level, the message and its fields.
    fn readable(&self) -> Cow<'_, [u8]> {
        let text = std::str::from_utf8(&self.text).ok().filter(|text| text.starts_with('{'));
        let Some(Entry { level, text }) = text.map(Entry::parse) else {
            return (&self.text).into();
        };
        let level = match level {
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
            Level::User => return (&self.text).into(),
        };
        format!("{level} {text}").into_bytes().into()
    }
}

/// Prints lines with whose they are.
pub(super) struct Printer {
    out: Box<dyn Write>,
    style: Style,
    timestamps: bool,
    prefix: bool,
    raw: bool,
    /// Each source keeps its colour.
    numbers: BTreeMap<String, usize>,
    wanted: bool,
}

impl Printer {
    pub(super) fn new(options: &Options, style: Style) -> Printer {
        let out: Box<dyn Write> = Box::new(io::BufWriter::new(io::stdout()));
        let (timestamps, prefix) = (options.timestamps, !options.no_prefix);
        let (numbers, raw) = (BTreeMap::new(), options.raw);
        Printer { out, style, timestamps, prefix, raw, numbers, wanted: true }
    }

    /// Prints a line. Whoever closed the pipe has seen enough.
    pub(super) fn print(&mut self, source: &Source, line: &Line) {
        let mut head = String::new();
        if self.prefix {
            let prefix = source.prefix();
            let next = self.numbers.len();
            let number = *self.numbers.entry(prefix.clone()).or_insert(next);
            head = self.style.prefix(number, &prefix) + " ";
        }
        if let Some(at) = line.at.filter(|_| self.timestamps) {
            head.push_str(&format!("{at:.3} "));
        }
        let text = if self.raw { Cow::from(&line.text) } else { line.readable() };
        let parts = [head.as_bytes(), &text, b"\n"];
        let written = parts.into_iter().try_for_each(|part| self.out.write_all(part));
        self.wanted &= written.is_ok();
    }

    /// Shows what was printed.
    pub(super) fn flush(&mut self) {
        self.wanted &= self.out.flush().is_ok();
    }

    /// Whether anybody reads it.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_time_before_it() {
        let line = Line::of(b"2026-01-01T00:00:00.5Z hello world");
        assert_eq!(line.at, Some("2026-01-01T00:00:00.5Z".parse().unwrap()));
        assert_eq!(line.text, b"hello world");
        let zone = Line::of(b"2026-01-01T01:00:00.5+01:00 x");
        assert_eq!(zone.at, line.at);
        assert_eq!(Line::of(b"2026-01-01T00:00:00Z").text, b"");
    }

    #[test]
    fn what_egret_logs_is_read_as_its_message_and_all_else_as_it_is() {
        let readable = |text: &str| {
            let line = Line { at: None, text: text.as_bytes().to_vec() };
            String::from_utf8(line.readable().into_owned()).unwrap()
        };
        let ours = r#"{"level":"INFO","message":"registered","incarnation":"7","task":1}"#;
        assert_eq!(readable(ours), "INFO registered incarnation=7");
        for other in ["word=a\u{1b}[1m", r#"{"json":"of somebody else"}"#, "{"] {
            assert_eq!(readable(other), other);
        }
    }

    #[test]
    fn words_of_the_api_server_have_no_time() {
        let line = Line::of(b"unable to retrieve container logs");
        assert_eq!((line.at, line.text.len()), (None, 33));
        assert_eq!(Line::of(b"\xff\xfe x").at, None);
    }
}
