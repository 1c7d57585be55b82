//! Files that are read to their end, split by byte ranges among the tasks.

use super::{
    Allowance, LinesConfig, MAX_LINE,
    cut::Rule,
    emit,
    find::{Found, find},
    reader::{Reader, Step},
    replay::{LineId, MAX_OFFSET, MAX_SPLITS, Replays},
};
use crate::size::human;
use anyhow::{Context as _, Result, bail, ensure};
use egret_sdk::{Context, Failure, Next, Root, SplitId, Spout, SpoutOutput};
use std::{collections::BTreeMap, fs::File, os::unix::fs::FileExt as _};

/// Splits looked at per call of `next`: one without a line costs a read and emits nothing.
const SPLITS_PER_CALL: usize = 64;

/// One task's share of the files.
pub(super) struct Files {
    config: LinesConfig,
    rule: Rule,
    found: Vec<Found>,
    index: u32,
    parallelism: u32,
    positions: BTreeMap<String, u64>,
    /// The next split of this task: a file and a number within it.
    file: usize,
    k: u64,
    current: Option<Current>,
    /// Of the reader before.
    buffer: Vec<u8>,
    opened: Vec<Opened>,
    replays: Replays,
    /// Splits of this task, and how many of them were begun.
    own_splits: u64,
    begun: u64,
}

/// The split that is being read.
struct Current {
    reader: Reader,
    /// Lines that start here belong to the next split.
    end: u64,
    /// The reader stands within a line, of which a piece was emitted.
    within_line: bool,
    number: u32,
}

struct Opened {
    file: usize,
    split: SplitId,
}

impl Files {
    pub(super) fn new(config: LinesConfig) -> Files {
        Files {
            rule: Rule::new(&config),
            config,
            found: Vec::new(),
            index: 0,
            parallelism: 1,
            positions: BTreeMap::new(),
            file: 0,
            k: 0,
            current: None,
            buffer: Vec::new(),
            opened: Vec::new(),
            replays: Replays::default(),
            own_splits: 0,
            begun: 0,
        }
    }

    /// The next split of this task.
    fn advance(&mut self) -> Option<(usize, u64)> {
        while let Some(found) = self.found.get(self.file) {
            if self.k < found.size.div_ceil(self.config.split_size.0) {
                let split = (self.file, self.k);
                self.k += u64::from(self.parallelism);
                self.begun += 1;
                return Some(split);
            }
            self.file += 1;
            self.start_file();
        }
        None
    }

    fn start_file(&mut self) {
        let first = |found: &Found| found.first_split(self.index, self.parallelism);
        self.k = self.found.get(self.file).map_or(0, first);
    }

    /// Opens split `k` of a file where reading goes on, unless no line is left in it.
    fn open_split(&mut self, file: usize, k: u64, out: &mut SpoutOutput<'_>) -> Result<()> {
        let path = &self.found[file].path;
        let name = format!("{path}#{k}");
        let size = self.config.split_size.0;
        let (start, end) = (k * size, k.saturating_add(1).saturating_mul(size));
        let opened = File::open(path).with_context(|| format!("cannot open `{path}`"))?;
        let position = self.positions.get(&name).copied();
        let within_line = match position {
            Some(position) => is_within_line(&opened, position, path)?,
            None => false,
        };
        if position.is_some_and(|position| position >= end) && !within_line {
            return Ok(());
        }
        // The line before may end with the very last byte in front of the split.
        let from = position.unwrap_or(start.saturating_sub(1));
        let mut reader = Reader::with_buffer(opened, from, std::mem::take(&mut self.buffer));
        let begins = k == 0
            || position.is_some()
            || reader.skip_line(end - 1).with_context(|| format!("cannot read `{path}`"))?;
        if begins {
            let number = self.opened.len() as u32;
            self.opened.push(Opened { file, split: out.split(&name) });
            self.current = Some(Current { reader, end, within_line, number });
        } else {
            self.buffer = reader.into_buffer();
        }
        Ok(())
    }

    fn close_split(&mut self) {
        self.buffer = self.current.take().map_or_else(Vec::new, |c| c.reader.into_buffer());
    }

    /// Emits one line of the current split, if there is one.
    fn emit_next(&mut self, out: &mut SpoutOutput<'_>) -> Result<Option<usize>> {
        let Some(current) = &mut self.current else { return Ok(None) };
        if current.reader.offset() >= current.end && !current.within_line {
            self.close_split();
            return Ok(None);
        }
        let Opened { file, split } = self.opened[current.number as usize];
        let path = || &self.found[file].path;
        let step = current.reader.step(self.rule, true);
        match step.with_context(|| format!("cannot read `{}`", path()))? {
            Step::Line(span) => {
                current.within_line = span.goes_on;
                ensure!(span.end < MAX_OFFSET, "`{}` has grown beyond 1 TiB: split it", path());
                let id = LineId { split: current.number, offset: span.start };
                let root = Root::id(id.to_root_id()).at(split, span.end);
                let line = current.reader.bytes(&span);
                emit(out, line, root)?;
                Ok(Some(line.len()))
            }
            Step::TooLong => Err(too_long(path(), current.reader.offset())),
            Step::End | Step::Unfinished => {
                self.close_split();
                Ok(None)
            }
        }
    }

    /// Emits one failed line again.
    fn emit_again(&mut self, id: LineId, out: &mut SpoutOutput<'_>) -> Result<usize> {
        let Some(&Opened { file, split }) = self.opened.get(id.split as usize) else {
            bail!("root {id:?} failed and was never emitted");
        };
        let path = &self.found[file].path;
        let open = || File::open(path).with_context(|| format!("cannot open `{path}`"));
        let (span, line) = self
            .replays
            .read(id, self.rule, file, open)
            .with_context(|| format!("cannot read `{path}` again"))?;
        emit(out, line, Root::id(id.to_root_id()).at(split, span.end).replay())?;
        Ok(line.len())
    }
}

impl Spout for Files {
    fn open(&mut self, context: &mut Context) -> Result<()> {
        self.found = find(&self.config.path)
            .with_context(|| format!("spout `{}` cannot open its input", context.component))?;
        (self.index, self.parallelism) = (context.index, context.parallelism.max(1));
        for found in &self.found {
            ensure!(found.size < MAX_OFFSET, "`{}` is larger than 1 TiB: split it", found.path);
            let splits = found.size.div_ceil(self.config.split_size.0);
            let first = found.first_split(self.index, self.parallelism);
            let own = splits.saturating_sub(first).div_ceil(u64::from(self.parallelism));
            self.own_splits = self.own_splits.saturating_add(own);
        }
        ensure!(
            self.own_splits < MAX_SPLITS,
            "the files have {} splits for each task of spout `{}`; the limit is {MAX_SPLITS}: \
            raise \
             its `splitSize`",
            self.own_splits,
            context.component,
        );
        self.positions = std::mem::take(&mut context.positions);
        self.start_file();
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOutput<'_>) -> Result<Next> {
        let (mut allowance, mut looks) = (Allowance::of(out), SPLITS_PER_CALL);
        while allowance.is_left() {
            if let Some(id) = self.replays.pop() {
                allowance.take(self.emit_again(id, out)?);
            } else if let Some(bytes) = self.emit_next(out)? {
                allowance.take(bytes);
            } else if looks == 0 {
                break;
            } else if let Some((file, k)) = self.advance() {
                looks -= 1;
                self.open_split(file, k, out)?;
            } else {
                return Ok(if allowance.is_touched() { Next::Emitted } else { Next::Exhausted });
            }
        }
        Ok(Next::Emitted)
    }

    fn fail(&mut self, id: u64, _: &Failure) -> Result<()> {
        self.replays.push(id);
        Ok(())
    }

    fn position(&self) -> Option<String> {
        let splits = format!("{} of {} splits", self.begun, self.own_splits);
        let Some(current) = &self.current else { return Some(splits) };
        let found = &self.found[self.opened[current.number as usize].file];
        let (offset, size) = (human(current.reader.offset()), human(found.size));
        Some(format!("{} {offset} of {size}, {splits}", found.path))
    }
}

/// Whether a position stands within a line: behind a piece of a long one, whose other pieces must
/// be read even where they leave the split. An end of file without line feed looks alike, and
/// nothing is behind it.
fn is_within_line(file: &File, position: u64, path: &str) -> Result<bool> {
    let size = file.metadata().with_context(|| format!("cannot read `{path}`"))?.len();
    ensure!(
        position <= size,
        "`{path}` ends at {size} and was read up to {position} before: it was cut off or replaced; \
         start a new run to read it from the beginning"
    );
    let Some(before) = position.checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, before).with_context(|| format!("cannot read `{path}`"))?;
    Ok(byte != *b"\n")
}

/// The error of a line that no tuple can hold.
pub(super) fn too_long(path: &str, offset: u64) -> anyhow::Error {
    anyhow::anyhow!(
        "the line at offset {offset} of `{path}` is longer than {MAX_LINE} bytes, the most that a \
        tuple \
         holds: set `longLines: split` to emit such lines in pieces"
    )
}
