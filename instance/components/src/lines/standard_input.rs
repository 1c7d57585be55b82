//! Standard input: read by a thread of its own, replayed from memory.

use super::{
    Allowance, LinesConfig,
    cut::{Cut, Rule, cut},
    emit,
    files::too_long,
};
use crate::size::human;
use anyhow::{Context as _, Result, bail};
use egret_sdk::{Context, Failure, Next, Root, Spout, SpoutOutput, Waker};
use std::{
    collections::{HashMap, VecDeque},
    io::{self, Read},
    sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    thread,
    time::Duration,
};

/// Bytes that the thread reads at once: what a pipe holds.
const CHUNK: usize = 64 << 10;

/// Chunks between thread and task: enough to keep both busy.
const CHUNKS: usize = 8;

/// Bytes of lines in flight. They are kept until they are acked, since nothing can read them again.
const MAX_HELD: usize = 64 << 20;

/// How long to wait for acks when that much is in flight.
const WAIT_FOR_ACKS: Duration = Duration::from_millis(10);

/// The thread wakes the task when it has read something, so this is only a safety net.
const WAIT_FOR_INPUT: Duration = Duration::from_secs(1);

type Source = Box<dyn Read + Send>;
type Chunk = io::Result<Vec<u8>>;

/// Standard input.
pub(super) struct StandardInput {
    rule: Rule,
    source: Option<Source>,
    chunks: Option<Receiver<Chunk>>,
    /// What was read and not emitted yet: `buffer[from..]`.
    buffer: Vec<u8>,
    from: usize,
    searched: usize,
    held: HashMap<u64, Box<[u8]>>,
    held_bytes: usize,
    replays: VecDeque<u64>,
    next_id: u64,
    /// Offset of `buffer[from]` in the input.
    offset: u64,
}

impl StandardInput {
    pub(super) fn new(config: LinesConfig, source: Source) -> StandardInput {
        StandardInput {
            rule: Rule::new(&config),
            source: Some(source),
            chunks: None,
            buffer: Vec::new(),
            from: 0,
            searched: 0,
            held: HashMap::new(),
            held_bytes: 0,
            replays: VecDeque::new(),
            next_id: 0,
            offset: 0,
        }
    }

    /// Emits one line of what was read, if a whole one is there.
    fn emit_next(&mut self, out: &mut SpoutOutput<'_>) -> Result<Option<usize>> {
        let rest = &self.buffer[self.from..];
        let (content, whole) = match cut(rest, self.searched, self.chunks.is_none(), self.rule) {
            Cut::Line { content, whole } => (content, whole),
            Cut::Piece(len) => (len, len),
            Cut::TooLong => return Err(too_long("standard input", self.offset)),
            Cut::Unfinished => {
                self.searched = rest.len();
                return Ok(None);
            }
        };
        let line = &rest[..content];
        emit(out, line, Root::id(self.next_id))?;
        self.held.insert(self.next_id, line.into());
        self.held_bytes += content;
        self.next_id += 1;
        self.from += whole;
        self.searched = 0;
        self.offset += whole as u64;
        Ok(Some(content))
    }

    /// Takes what the thread has read; says whether that was anything new.
    fn receive(&mut self) -> Result<bool> {
        let Some(chunks) = &self.chunks else { return Ok(false) };
        match chunks.try_recv() {
            Ok(chunk) => {
                self.buffer.drain(..std::mem::take(&mut self.from));
                self.buffer.extend_from_slice(&chunk.context("cannot read standard input")?);
                Ok(true)
            }
            Err(TryRecvError::Empty) => Ok(false),
            Err(TryRecvError::Disconnected) => {
                // The last line may lack its line feed: the end is news.
                self.chunks = None;
                Ok(true)
            }
        }
    }
}

impl Spout for StandardInput {
    fn open(&mut self, context: &mut Context) -> Result<()> {
        if context.parallelism > 1 {
            bail!(
                "spout `{}` has parallelism {} and reads standard input, which only one task can: \
                set \
                 its `parallelism` to 1, or name files in `path`",
                context.component,
                context.parallelism,
            );
        }
        if context.restarts > 0 {
            bail!(
                "spout `{}` was restarted and cannot read standard input again: lines that were in \
                 flight are lost; start a new run, or name a file in `path`",
                context.component,
            );
        }
        let (sender, receiver) = sync_channel(CHUNKS);
        let waker = context.waker.clone();
        if let Some(source) = self.source.take() {
            thread::Builder::new()
                .name("standard-input".to_owned())
                .spawn(move || read_all(source, sender, &waker))
                .context("cannot start the thread that reads standard input")?;
            self.chunks = Some(receiver);
        }
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOutput<'_>) -> Result<Next> {
        let mut allowance = Allowance::of(out);
        while allowance.is_left() {
            if let Some(id) = self.replays.pop_front() {
                if let Some(line) = self.held.get(&id) {
                    emit(out, line, Root::id(id).replay())?;
                    allowance.take(line.len());
                }
            } else if self.held_bytes > MAX_HELD {
                return Ok(Next::IdleFor(WAIT_FOR_ACKS));
            } else if let Some(bytes) = self.emit_next(out)? {
                allowance.take(bytes);
            } else if !self.receive()? {
                break;
            }
        }
        Ok(match allowance.is_touched() {
            true => Next::Emitted,
            false if self.chunks.is_none() => Next::Exhausted,
            false => Next::IdleFor(WAIT_FOR_INPUT),
        })
    }

    fn ack(&mut self, id: u64) -> Result<()> {
        if let Some(line) = self.held.remove(&id) {
            self.held_bytes -= line.len();
        }
        Ok(())
    }

    fn fail(&mut self, id: u64, _: &Failure) -> Result<()> {
        self.replays.push_back(id);
        Ok(())
    }

    fn position(&self) -> Option<String> {
        Some(format!("standard input {}, {} lines", human(self.offset), self.next_id))
    }
}

/// Reads until the end. The sender's end is the input's end; the task's end is noticed at the next
/// chunk.
fn read_all(mut source: Source, chunks: SyncSender<Chunk>, waker: &Waker) {
    loop {
        let mut chunk = vec![0; CHUNK];
        let read = match source.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => {
                chunk.truncate(read);
                Ok(chunk)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = read.is_err();
        if chunks.send(read).is_err() || failed {
            break;
        }
        waker.wake();
    }
    drop(chunks);
    waker.wake();
}
