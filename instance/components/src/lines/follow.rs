//! Files that grow: each is one split, and what is appended is waited for.

use super::{
    Allowance, LinesConfig,
    cut::Rule,
    emit,
    files::too_long,
    find::find,
    reader::{Reader, Span, Step},
    replay::{LineId, MAX_OFFSET, Replays},
};
use crate::size::human;
use anyhow::{Context as _, Result, bail, ensure};
use egret_sdk::{Context, Failure, Next, Root, SplitId, Spout, SpoutOutput};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    time::Duration,
};

/// How long appended lines may wait. Looking costs two system calls per file.
const POLL: Duration = Duration::from_millis(100);

/// Files that one task keeps open; processes may have 1024 open at once by default.
const MAX_FOLLOWED: usize = 512;

/// One task's share of the followed files.
pub(super) struct Follow {
    config: LinesConfig,
    rule: Rule,
    positions: BTreeMap<String, u64>,
    followed: Vec<Followed>,
    /// The file whose turn it is.
    turn: usize,
    replays: Replays,
}

/// A file that is followed.
struct Followed {
    path: String,
    reader: Reader,
    /// Device and inode: another file of this name is another split.
    identity: (u64, u64),
    split: Option<SplitId>,
    /// Lines that are not acked yet.
    pending: u64,
}

impl Followed {
    /// Opens the file that has this name now, where reading goes on.
    fn open(path: &str, positions: &BTreeMap<String, u64>) -> Result<Followed> {
        let file = File::open(path).with_context(|| format!("cannot open `{path}`"))?;
        let metadata = file.metadata().with_context(|| format!("cannot read `{path}`"))?;
        let identity = (metadata.dev(), metadata.ino());
        let position = positions.get(&split_name(path, identity)).copied().unwrap_or(0);
        let reader = Reader::new(file, position);
        let path = path.to_owned();
        Ok(Followed { path, reader, identity, split: None, pending: 0 })
    }

    fn split(&mut self, out: &mut SpoutOutput<'_>) -> SplitId {
        let name = || split_name(&self.path, self.identity);
        *self.split.get_or_insert_with(|| out.split(&name()))
    }

    /// The next whole line. The last line of a file that was replaced needs no line feed.
    fn step(&mut self, rule: Rule) -> Result<Option<Span>> {
        let read =
            |error| anyhow::Error::from(error).context(format!("cannot read `{}`", self.path));
        match self.reader.step(rule, false).map_err(read)? {
            Step::Line(span) => return Ok(Some(span)),
            Step::TooLong => return Err(too_long(&self.path, self.reader.offset())),
            Step::End | Step::Unfinished => {}
        }
        let size = self.reader.file().metadata().map_err(read)?.len();
        ensure!(
            size >= self.reader.offset(),
            "`{}` became shorter while it was followed: it has {size} bytes and was read up to {}; \
             rotate it by renaming, and start a new run",
            self.path,
            self.reader.offset(),
        );
        if self.is_replaced().map_err(read)?
            && let Step::Line(span) = self.reader.step(rule, true).map_err(read)?
        {
            return Ok(Some(span));
        }
        self.reader.rest();
        Ok(None)
    }

    /// Whether another file has its name now. While none has, nothing has replaced it.
    fn is_replaced(&self) -> io::Result<bool> {
        match fs::metadata(&self.path) {
            Ok(metadata) => Ok((metadata.dev(), metadata.ino()) != self.identity),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn split_name(path: &str, (_, inode): (u64, u64)) -> String {
    format!("{path}@{inode}")
}

impl Follow {
    pub(super) fn new(config: LinesConfig) -> Follow {
        Follow {
            rule: Rule::new(&config),
            config,
            positions: BTreeMap::new(),
            followed: Vec::new(),
            turn: 0,
            replays: Replays::default(),
        }
    }

    fn emit_next(&mut self, out: &mut SpoutOutput<'_>) -> Result<Option<usize>> {
        let number = self.turn;
        let followed = &mut self.followed[number];
        let Some(span) = followed.step(self.rule)? else {
            // A failed line is read from the file it stood in, so that file is kept until all are
            // acked.
            if followed.pending == 0 && followed.is_replaced()? {
                *followed = Followed::open(&followed.path, &self.positions)?;
            }
            return Ok(None);
        };
        ensure!(span.end < MAX_OFFSET, "`{}` has grown beyond 1 TiB: rotate it", followed.path);
        followed.pending += 1;
        let split = followed.split(out);
        let id = LineId { split: number as u32, offset: span.start };
        let line = followed.reader.bytes(&span);
        emit(out, line, Root::id(id.to_root_id()).at(split, span.end))?;
        Ok(Some(line.len()))
    }

    fn emit_again(&mut self, id: LineId, out: &mut SpoutOutput<'_>) -> Result<usize> {
        let number = id.split as usize;
        let Some(followed) = self.followed.get_mut(number) else {
            bail!("root {id:?} failed and was never emitted");
        };
        let split = followed.split(out);
        let again = || format!("cannot read `{}` again", followed.path);
        let open = || followed.reader.file().try_clone().with_context(again);
        let (span, line) = self.replays.read(id, self.rule, number, open).with_context(again)?;
        emit(out, line, Root::id(id.to_root_id()).at(split, span.end).replay())?;
        Ok(line.len())
    }
}

impl Spout for Follow {
    fn open(&mut self, context: &mut Context) -> Result<()> {
        self.positions = std::mem::take(&mut context.positions);
        for found in find(&self.config.path)
            .with_context(|| format!("spout `{}` cannot open its input", context.component))?
        {
            if found.first_split(context.index, context.parallelism.max(1)) == 0 {
                self.followed.push(Followed::open(&found.path, &self.positions)?);
            }
        }
        ensure!(
            self.followed.len() <= MAX_FOLLOWED,
            "task {} of spout `{}` would follow {} files; the limit is {MAX_FOLLOWED}: raise its \
             parallelism or name fewer files",
            context.task,
            context.component,
            self.followed.len(),
        );
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOutput<'_>) -> Result<Next> {
        let mut allowance = Allowance::of(out);
        let mut idle = 0;
        while allowance.is_left() {
            if let Some(id) = self.replays.pop() {
                allowance.take(self.emit_again(id, out)?);
            } else if idle == self.followed.len() {
                return Ok(if allowance.is_touched() {
                    Next::Emitted
                } else {
                    Next::IdleFor(POLL)
                });
            } else if let Some(bytes) = self.emit_next(out)? {
                allowance.take(bytes);
                idle = 0;
            } else {
                self.turn = (self.turn + 1) % self.followed.len();
                idle += 1;
            }
        }
        // Files take turns, so that one that grows fast does not keep the others from being read.
        if !self.followed.is_empty() {
            self.turn = (self.turn + 1) % self.followed.len();
        }
        Ok(Next::Emitted)
    }

    fn ack(&mut self, id: u64) -> Result<()> {
        if let Some(followed) = self.followed.get_mut(LineId::of_root_id(id).split as usize) {
            followed.pending = followed.pending.saturating_sub(1);
        }
        Ok(())
    }

    fn fail(&mut self, id: u64, _: &Failure) -> Result<()> {
        self.replays.push(id);
        Ok(())
    }

    fn position(&self) -> Option<String> {
        let Some(followed) = self.followed.get(self.turn) else {
            return Some("no file of its own".to_owned());
        };
        let offset = human(followed.reader.offset());
        Some(format!("{} {offset}, follows {} files", followed.path, self.followed.len()))
    }
}
