//! The `lines` spout: lines of files or of standard input.

mod config;
mod cut;
mod files;
mod find;
mod follow;
mod reader;
mod replay;
mod standard_input;

pub use config::{LinesConfig, LongLines, Paths};

use anyhow::bail;
use egret_sdk::{Context, Failure, Next, Result, Root, Spout, SpoutOutput};

/// The longest line that is emitted as one tuple. A tuple takes 256 KiB at most, with its roots and
/// the headers of its field; 1 KiB is ample for those.
const MAX_LINE: usize = 255 << 10;

/// Lines emitted per call of `next`: enough to make the call itself cheap, few enough that acks,
/// failures and plans are looked at in between.
const LINES_PER_CALL: usize = 64;

/// Bytes emitted per call of `next`, for the same reason, where lines are long.
const BYTES_PER_CALL: usize = 512 << 10;

/// Emits each line on `default` with the field `line`, as text if it is UTF-8 and else as bytes.
///
/// Files are cut into splits of `splitSize` bytes; a line belongs to the split that it starts in.
/// Split `k` of a file is named `path#k` and read by task `(hash(path) + k) % parallelism`, so that
/// every line is read by exactly one task. The position of a root is the offset just behind its
/// line. A task that starts again goes on behind the settled prefix of each split; a failed line is
/// read and emitted again; so each line is delivered at least once, also when the task is killed.
///
/// With `follow` each file is one split, `path@inode`, read by one task, which looks for what was
/// appended and is never exhausted. When the file was replaced by another of its name (rotation),
/// the task goes over to that once every line of the old one is acked. A file that became shorter
/// is an error.
///
/// Standard input cannot be read again: failed lines are replayed from memory (64 MiB at most), but
/// the task cannot go on after a restart, and says so.
#[derive(Default)]
pub struct Lines {
    input: Option<Box<dyn Spout>>,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lines")
    }
}

impl Spout for Lines {
    fn open(&mut self, context: &mut Context) -> Result<()> {
        let config: LinesConfig = context.config()?;
        if config.split_size.0 == 0 {
            bail!(
                "config of component `{}` is wrong at `splitSize`: a split has at least 1 byte",
                context.component
            );
        }
        let mut input: Box<dyn Spout> = if config.path.is_standard_input() {
            if config.follow {
                bail!(
                    "config of component `{}` is wrong at `follow`: standard input ends when it \
                    ends; \
                     leave `follow` out",
                    context.component
                );
            }
            Box::new(standard_input::StandardInput::new(config, Box::new(std::io::stdin())))
        } else if config.follow {
            Box::new(follow::Follow::new(config))
        } else {
            Box::new(files::Files::new(config))
        };
        input.open(context)?;
        self.input = Some(input);
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOutput<'_>) -> Result<Next> {
        self.input.as_mut().map_or(Ok(Next::Exhausted), |input| input.next(out))
    }

    fn ack(&mut self, id: u64) -> Result<()> {
        self.input.as_mut().map_or(Ok(()), |input| input.ack(id))
    }

    fn fail(&mut self, id: u64, failure: &Failure) -> Result<()> {
        self.input.as_mut().map_or(Ok(()), |input| input.fail(id, failure))
    }

    fn position(&self) -> Option<String> {
        self.input.as_ref()?.position()
    }
}

/// Emits a line.
fn emit(out: &mut SpoutOutput<'_>, line: &[u8], root: Root) -> Result<()> {
    match std::str::from_utf8(line) {
        Ok(text) => out.emit((text,), root)?,
        Err(_) => out.emit((line,), root)?,
    };
    Ok(())
}

/// What may still be emitted in this call of `next`.
struct Allowance {
    lines: usize,
    bytes: usize,
    touched: bool,
}

impl Allowance {
    fn of(out: &SpoutOutput<'_>) -> Allowance {
        let lines = LINES_PER_CALL.min(out.room());
        Allowance { lines, bytes: BYTES_PER_CALL, touched: false }
    }

    fn is_left(&self) -> bool {
        self.lines > 0 && self.bytes > 0
    }

    fn take(&mut self, bytes: usize) {
        self.lines = self.lines.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.touched = true;
    }

    fn is_touched(&self) -> bool {
        self.touched
    }
}

#[cfg(test)]
mod tests;
