//! Finds the end of a line in bytes that may not hold all of it yet.

use super::{LinesConfig, LongLines, MAX_LINE};

/// How lines end, and what becomes of those that are too long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// A carriage return before the line feed belongs to the line's end.
    pub(super) crlf: bool,
    /// Long lines are emitted in pieces.
    pub(super) pieces: bool,
}

impl Rule {
    pub(super) fn new(config: &LinesConfig) -> Rule {
        Rule { crlf: config.crlf, pieces: config.long_lines == LongLines::Split }
    }
}

/// What stands at the front of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// A line, or the last piece of one.
    Line {
        /// Bytes of the line without its end.
        content: usize,
        /// Bytes of the line with its end.
        whole: usize,
    },
    /// A piece of a long line; more of it follows.
    Piece(usize),
    /// A line that is too long.
    TooLong,
    /// A line whose end is not among these bytes.
    Unfinished,
}

/// Cuts a line off the front of `bytes`, of which the first `searched` hold no line feed. `at_end`
/// says that nothing follows them.
pub(super) fn cut(bytes: &[u8], searched: usize, at_end: bool, rule: Rule) -> Cut {
    let line_feed = memchr::memchr(b'\n', &bytes[searched..]).map(|at| searched + at);
    let (content, whole) = match line_feed {
        Some(at) if rule.crlf && bytes[..at].ends_with(b"\r") => (at - 1, at + 1),
        Some(at) => (at, at + 1),
        // Two bytes more than the longest line may be its end.
        None if bytes.len() >= MAX_LINE + 2 || (at_end && !bytes.is_empty()) => {
            (bytes.len(), bytes.len())
        }
        None => return Cut::Unfinished,
    };
    match content {
        0..=MAX_LINE => Cut::Line { content, whole },
        _ if rule.pieces => Cut::Piece(piece(bytes)),
        _ => Cut::TooLong,
    }
}

/// Length of the first piece of a long line: as long as it may be without breaking a character.
fn piece(bytes: &[u8]) -> usize {
    let is_boundary = |at: &usize| bytes[*at] & 0xc0 != 0x80;
    (MAX_LINE - 3..=MAX_LINE).rev().find(is_boundary).unwrap_or(MAX_LINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Rule = Rule { crlf: false, pieces: false };
    const PIECES: Rule = Rule { crlf: false, pieces: true };
    const CRLF: Rule = Rule { crlf: true, pieces: true };

    #[test]
    fn a_line_ends_behind_its_line_feed() {
        assert_eq!(cut(b"ab\ncd", 0, false, PLAIN), Cut::Line { content: 2, whole: 3 });
        assert_eq!(cut(b"\n", 0, false, PLAIN), Cut::Line { content: 0, whole: 1 });
        assert_eq!(cut(b"a\r\n", 0, false, PLAIN), Cut::Line { content: 2, whole: 3 });
        assert_eq!(cut(b"a\r\n", 0, false, CRLF), Cut::Line { content: 1, whole: 3 });
    }

    #[test]
    fn the_last_line_needs_no_line_feed() {
        assert_eq!(cut(b"ab", 0, false, PLAIN), Cut::Unfinished);
        assert_eq!(cut(b"ab", 0, true, PLAIN), Cut::Line { content: 2, whole: 2 });
        assert_eq!(cut(b"", 0, true, PLAIN), Cut::Unfinished);
    }

    #[test]
    fn the_longest_line_is_one_tuple_and_a_longer_one_is_not() {
        let mut line = vec![b'a'; MAX_LINE];
        line.extend(b"\r\n");
        assert_eq!(
            cut(&line, 0, false, CRLF),
            Cut::Line { content: MAX_LINE, whole: MAX_LINE + 2 }
        );
        assert_eq!(cut(&line, 0, false, PLAIN), Cut::TooLong);
        assert_eq!(cut(&line, 0, false, PIECES), Cut::Piece(MAX_LINE));
        assert_eq!(cut(&line[..MAX_LINE + 1], 0, false, PIECES), Cut::Unfinished);
        let long = vec![b'a'; MAX_LINE + 2];
        assert_eq!(cut(&long, MAX_LINE, false, PLAIN), Cut::TooLong);
    }

    #[test]
    fn a_piece_does_not_break_a_character() {
        for before in 0..4 {
            let mut line = vec![b'a'; MAX_LINE - before];
            line.extend("🦆🦆🦆".as_bytes());
            let Cut::Piece(len) = cut(&line, 0, true, PIECES) else { panic!("no piece") };
            assert!(std::str::from_utf8(&line[..len]).is_ok(), "{before} before the end");
            assert!(len >= MAX_LINE - 3);
        }
    }

    #[test]
    fn bytes_without_characters_are_cut_anyway() {
        let line = vec![0x80; MAX_LINE + 2];
        assert_eq!(cut(&line, 0, false, PIECES), Cut::Piece(MAX_LINE));
    }
}
