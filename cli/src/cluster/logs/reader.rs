//! Reads the log of one container line by line.

use super::{line::Line, source::Source};
use crate::cluster::{ask::Ask, connect::Session, trouble::Trouble};
use futures::io::{AsyncBufRead, AsyncBufReadExt};
use jiff::Timestamp;
use kube::api::LogParams;
use std::pin::Pin;

/// Bytes of a line; what is longer is cut. The runtime cuts at 16 KiB, others may not.
const LONGEST: usize = 256 << 10;

/// Which part of a log is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    pub(super) follow: bool,
    pub(super) since_seconds: Option<i64>,
    pub(super) tail: Option<i64>,
    /// Only what was logged later.
    pub(super) after: Option<Timestamp>,
}

/// A log on its way.
pub(super) struct Reader {
    from: Pin<Box<dyn AsyncBufRead + Send>>,
    after: Option<Timestamp>,
}

impl Reader {
    pub(super) async fn open(
        session: &Session,
        source: &Source,
        part: &Part,
    ) -> Result<Reader, Trouble> {
        let params = LogParams {
            container: Some(source.container.clone()),
            follow: part.follow,
            since_seconds: part.since_seconds,
            // It is asked for in seconds; rounded up, some lines would be lost.
            since_time: part.after.and_then(|at| Timestamp::from_second(at.as_second()).ok()),
            tail_lines: part.tail,
            timestamps: true,
            ..LogParams::default()
        };
        let namespace = Some(session.namespace.as_str());
        let ask = Ask { verb: "get", resource: "pods/log", namespace, name: Some(&source.pod) };
        let api = session.pod_logs();
        let from = session.got(ask, api.log_stream(&source.pod, &params)).await?;
        Ok(Reader { from: Box::pin(from), after: part.after })
    }

    /// The next line; none at the end, and where the connection broke.
    pub(super) async fn next(&mut self) -> Option<Line> {
        loop {
            let line = Line::of(&bytes(&mut self.from).await?);
            // The API server counts in seconds.
            let seen = line.at.zip(self.after).is_some_and(|(at, after)| at <= after);
            if !seen {
                return Some(line);
            }
        }
    }
}

/// The bytes of a line, without its end.
async fn bytes(from: &mut (impl AsyncBufRead + Unpin + ?Sized)) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let mut any = false;
    loop {
        let chunk = match from.fill_buf().await {
            Ok(chunk) if !chunk.is_empty() => chunk,
            _ => return any.then_some(line),
        };
        any = true;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(chunk.len());
        let room = LONGEST - line.len();
        line.extend_from_slice(&chunk[..taken.min(room)]);
        from.consume_unpin(taken + usize::from(end.is_some()));
        if end.is_some() {
            return Some(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::io::BufReader;

    fn block_on<T>(what: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(what)
    }

    fn lines(text: &[u8], buffer: usize) -> Vec<Vec<u8>> {
        let mut reader = BufReader::with_capacity(buffer, text);
        let mut lines = Vec::new();
        while let Some(line) = block_on(bytes(&mut reader)) {
            lines.push(line);
        }
        lines
    }

    #[test]
    fn lines_are_found_however_they_arrive() {
        let expected: [&[u8]; 4] = [b"one", b"", b"three", b"rest"];
        for buffer in 1..20 {
            assert_eq!(lines(b"one\n\nthree\nrest", buffer), expected);
        }
        assert_eq!(lines(b"", 8), [] as [&[u8]; 0]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let mut text = vec![b'x'; 3 * LONGEST];
        text.extend_from_slice(b"\nnext\n");
        let lines = lines(&text, 8192);
        assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [LONGEST, 4]);
    }

    #[test]
    fn what_was_seen_is_not_read_again() {
        let text: &[u8] = b"2026-01-01T00:00:00.1Z a\n2026-01-01T00:00:00.2Z b\nnote\n";
        let after = Some("2026-01-01T00:00:00.1Z".parse().unwrap());
        let mut reader = Reader { from: Box::pin(BufReader::new(text)), after };
        let mut next = || block_on(reader.next()).map(|line| line.text);
        assert_eq!(next(), Some(b"b".to_vec()));
        assert_eq!(next(), Some(b"note".to_vec()));
        assert_eq!(next(), None);
    }
}
