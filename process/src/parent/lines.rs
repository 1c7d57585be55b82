//! What a child writes, line by line.

use super::Line;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, BufReader},
    sync::{mpsc, watch},
    time,
};

/// A longer line is cut: nobody reads it, and it must not fill the memory of the parent.
pub(super) const MAX_LINE: usize = 64 << 10;
/// Lines kept to explain a crash: a panic with its backtrace fits mostly.
const TAIL: usize = 40;
/// The pipe of a dead child is given up after so long without a line.
const PIPE_GRACE: Duration = Duration::from_millis(500);

/// The last lines of a child's stderr.
#[derive(Clone, Default)]
pub(super) struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == TAIL {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    pub(super) fn take(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}

/// Reads to the end. Lines go to the tail, if there is one, and then to the channel. A channel that
/// nobody reads any more does not keep the child from writing.
///
/// The pipe of a dead child ends at once, unless a grandchild holds it: nobody waits long for that.
pub(super) async fn read(
    name: String,
    pipe: impl AsyncRead + Unpin,
    tail: Option<Tail>,
    lines: mpsc::Sender<Line>,
    mut dead: watch::Receiver<bool>,
) {
    let mut pipe = BufReader::new(pipe);
    let mut heard = true;
    loop {
        let text = tokio::select! {
            biased;
            text = next(&mut pipe) => text,
            () = given_up(&mut dead) => None,
        };
        let Some(text) = text else { return };
        if let Some(tail) = &tail {
            tail.push(&text);
        }
        if heard {
            let line = Line { name: name.clone(), stderr: tail.is_some(), text };
            heard = lines.send(line).await.is_ok();
        }
    }
}

async fn given_up(dead: &mut watch::Receiver<bool>) {
    // An error means that nobody waits for this reader any more.
    let _ = dead.wait_for(|dead| *dead).await;
    time::sleep(PIPE_GRACE).await;
}

/// The next line, cut to [`MAX_LINE`]; `None` at the end or on an error, which for a pipe is the
/// same.
async fn next(pipe: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = Vec::new();
    let mut any = false;
    loop {
        let chunk = pipe.fill_buf().await.ok()?;
        if chunk.is_empty() && !any {
            return None;
        }
        any = true;
        let end = chunk.iter().position(|&byte| byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        let room = MAX_LINE - line.len();
        line.extend_from_slice(&part[..part.len().min(room)]);
        let at_end = end.is_some() || chunk.is_empty();
        let used = part.len() + usize::from(end.is_some());
        pipe.consume(used);
        if at_end {
            return Some(String::from_utf8_lossy(&line).into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines_of(bytes: &[u8]) -> Vec<String> {
        let mut pipe = BufReader::with_capacity(7, bytes);
        let mut lines = Vec::new();
        while let Some(line) = next(&mut pipe).await {
            lines.push(line);
        }
        lines
    }

    #[tokio::test]
    async fn every_line_is_one_also_empty_ones_and_the_last_without_an_end() {
        assert_eq!(
            lines_of(b"one\n\ntwo is longer\nend").await,
            ["one", "", "two is longer", "end"]
        );
        assert!(lines_of(b"").await.is_empty());
    }

    #[tokio::test]
    async fn a_long_line_is_cut_and_the_next_is_whole() {
        let mut bytes = vec![b'x'; MAX_LINE + 1000];
        bytes.extend_from_slice(b"\nnext\n");
        let lines = lines_of(&bytes).await;
        assert_eq!(lines[0].len(), MAX_LINE);
        assert_eq!(lines[1], "next");
    }

    #[tokio::test]
    async fn bytes_that_are_no_text_do_not_end_a_child() {
        assert_eq!(lines_of(b"a\xff\nb").await, ["a\u{fffd}", "b"]);
    }

    #[test]
    fn the_tail_keeps_the_last_lines() {
        let tail = Tail::default();
        for number in 0..TAIL + 3 {
            tail.push(&number.to_string());
        }
        let kept = tail.take();
        assert_eq!((kept.len(), kept[0].as_str()), (TAIL, "3"));
        assert!(tail.take().is_empty());
    }
}
