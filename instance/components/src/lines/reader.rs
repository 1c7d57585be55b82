//! Reads one file line by line from any offset.

use super::cut::{Cut, Rule, cut};
use std::{fs::File, io, ops::Range, os::unix::fs::FileExt as _};

/// Bytes read at once. It holds the longest line with its end, so a full buffer without a line feed
/// is a line that is too long.
const BUFFER: usize = 256 << 10;

const _: () = assert!(BUFFER >= super::MAX_LINE + 2);

/// What comes next in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A line or a piece of one; the reader stands behind it now.
    Line(Span),
    /// A line that is too long. The reader still stands at its start.
    TooLong,
    /// Bytes without a line feed, up to the end of the file. The reader still stands before them.
    Unfinished,
    /// The end of the file.
    End,
}

/// A line in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Offset of its first byte.
    pub(super) start: u64,
    /// Offset just behind it and its end.
    pub(super) end: u64,
    /// It is a piece, and more of the line follows.
    pub(super) goes_on: bool,
    buffered: Range<usize>,
}

/// Stands somewhere in a file.
#[derive(Debug)]
pub(super) struct Reader {
    file: File,
    buffer: Vec<u8>,
    /// Offset in the file of the buffer's first byte.
    at: u64,
    /// The bytes read but not passed.
    from: usize,
    filled: usize,
}

impl Reader {
    /// A reader at this offset.
    pub(super) fn new(file: File, offset: u64) -> Reader {
        Reader::with_buffer(file, offset, Vec::new())
    }

    /// A reader at this offset with the buffer of an earlier one: where splits are small, making a
    /// new one for each would cost more than reading.
    pub(super) fn with_buffer(file: File, offset: u64, buffer: Vec<u8>) -> Reader {
        Reader { file, buffer, at: offset, from: 0, filled: 0 }
    }

    /// Gives the buffer to the next one.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Goes to this offset, without reading again what is in the buffer.
    pub(super) fn seek(&mut self, offset: u64) {
        let buffered = self.at..self.at + self.filled as u64;
        if buffered.contains(&offset) {
            self.from = (offset - self.at) as usize;
        } else {
            (self.at, self.from, self.filled) = (offset, 0, 0);
        }
    }

    /// The next line. At the end of the file `at_end` says whether a line without line feed counts.
    pub(super) fn step(&mut self, rule: Rule, at_end: bool) -> io::Result<Step> {
        let (mut searched, mut ended) = (0, false);
        loop {
            let rest = &self.buffer[self.from..self.filled];
            let (content, whole, goes_on) = match cut(rest, searched, ended && at_end, rule) {
                Cut::Line { content, whole } => (content, whole, false),
                Cut::Piece(len) => (len, len, true),
                Cut::TooLong => return Ok(Step::TooLong),
                Cut::Unfinished if ended && rest.is_empty() => return Ok(Step::End),
                Cut::Unfinished if ended => return Ok(Step::Unfinished),
                Cut::Unfinished => {
                    searched = rest.len();
                    ended = self.fill()? == 0;
                    continue;
                }
            };
            let (start, buffered) = (self.offset(), self.from..self.from + content);
            self.from += whole;
            return Ok(Step::Line(Span { start, end: self.offset(), goes_on, buffered }));
        }
    }

    /// Goes behind the next line feed that stands before offset `limit`; says whether there is one.
    pub(super) fn skip_line(&mut self, limit: u64) -> io::Result<bool> {
        loop {
            let within = limit.saturating_sub(self.offset()).min(self.buffered() as u64) as usize;
            match memchr::memchr(b'\n', &self.buffer[self.from..self.from + within]) {
                Some(at) => {
                    self.from += at + 1;
                    return Ok(true);
                }
                None => self.from += within,
            }
            if self.offset() >= limit || self.fill()? == 0 {
                return Ok(false);
            }
        }
    }

    /// Frees the buffer if nothing is in it. For files that are waited for.
    pub(super) fn rest(&mut self) {
        if self.buffered() == 0 {
            (self.at, self.from, self.filled) = (self.offset(), 0, 0);
            self.buffer = Vec::new();
        }
    }

    /// Offset of the next byte.
    pub(super) fn offset(&self) -> u64 {
        self.at + self.from as u64
    }

    /// The bytes of a line that `step` has just found, without its end.
    pub(super) fn bytes(&self, line: &Span) -> &[u8] {
        &self.buffer[line.buffered.clone()]
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    fn buffered(&self) -> usize {
        self.filled - self.from
    }

    /// Reads more behind what is buffered; returns how much.
    fn fill(&mut self) -> io::Result<usize> {
        if self.from > 0 {
            self.buffer.copy_within(self.from..self.filled, 0);
            self.at += self.from as u64;
            (self.from, self.filled) = (0, self.filled - self.from);
        }
        self.buffer.resize(BUFFER, 0);
        loop {
            match self.file.read_at(&mut self.buffer[self.filled..], self.at + self.filled as u64) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => {
                    let read = read?;
                    self.filled += read;
                    return Ok(read);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const RULE: Rule = Rule { crlf: false, pieces: false };

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn line(reader: &mut Reader) -> Option<(u64, Vec<u8>)> {
        match reader.step(RULE, true).unwrap() {
            Step::Line(span) => Some((span.start, reader.bytes(&span).to_vec())),
            Step::End => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines_that_cross_the_buffer_are_whole() {
        let content: Vec<u8> =
            (0..9u8).flat_map(|n| [vec![n + 48; 100_000], vec![b'\n']].concat()).collect();
        let mut reader = Reader::new(file(&content), 0);
        for n in 0..9u8 {
            assert_eq!(line(&mut reader), Some((u64::from(n) * 100_001, vec![n + 48; 100_000])));
        }
        assert_eq!(line(&mut reader), None);
    }

    #[test]
    fn a_reader_goes_back_and_forth() {
        let mut reader = Reader::new(file(b"a\nbb\nccc"), 2);
        assert_eq!(line(&mut reader), Some((2, b"bb".to_vec())));
        reader.seek(5);
        assert_eq!(line(&mut reader), Some((5, b"ccc".to_vec())));
        reader.seek(0);
        assert_eq!(line(&mut reader), Some((0, b"a".to_vec())));
        reader.seek(99);
        assert_eq!(line(&mut reader), None);
    }

    #[test]
    fn a_line_that_is_still_written_is_unfinished() {
        let mut file = file(b"a\nb");
        let mut reader = Reader::new(file.try_clone().unwrap(), 0);
        assert!(matches!(reader.step(RULE, false).unwrap(), Step::Line(_)));
        assert_eq!(reader.step(RULE, false).unwrap(), Step::Unfinished);
        reader.rest();
        file.write_all(b"c\n").unwrap();
        let Step::Line(span) = reader.step(RULE, false).unwrap() else { panic!("no line") };
        assert_eq!(reader.bytes(&span), b"bc");
        assert_eq!(reader.step(RULE, false).unwrap(), Step::End);
        reader.rest();
        assert_eq!(reader.offset(), 5);
    }

    #[test]
    fn skipping_stops_at_the_limit() {
        let mut reader = Reader::new(file(b"aa\nbb\n"), 1);
        assert!(reader.skip_line(6).unwrap());
        assert_eq!(reader.offset(), 3);
        assert!(!reader.skip_line(5).unwrap());
        assert_eq!(reader.offset(), 5);
        assert!(reader.skip_line(6).unwrap());
        assert!(!reader.skip_line(99).unwrap());
    }
}
