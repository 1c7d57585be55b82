//! The `file` bolt: a line per tuple, complete lines only.

mod target;

use crate::render;
use anyhow::{Context as _, anyhow, bail};
use egret_sdk::{Acking, Anchor, Bolt, BoltOutput, Context, Result, Tuple};
use serde::Deserialize;
use target::Target;

/// Bytes that are gathered before they are written, if the input does not pause before. Beyond this
/// a larger write is not faster.
const BUFFER: usize = 256 << 10;

/// Config of `file`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileConfig {
    /// The file. `{task}` stands for the task's id and `{index}` for its place among the
    /// component's tasks, from 0; one of them is needed where there are several. Directories that
    /// are missing are made.
    pub path: String,
    /// What a line holds. Default: text.
    #[serde(default)]
    pub format: FileFormat,
    /// What to do with what the file holds already. Default: append.
    #[serde(default)]
    pub mode: FileMode,
    /// Whether tuples are acked only once the disk has them, so that even a power cut loses none.
    /// Default: false.
    #[serde(default)]
    pub fsync: bool,
}

/// What a line of `file` holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FileFormat {
    /// The value of the first field. A line feed within it fails the tuple.
    #[default]
    Text,
    /// All fields as a JSON object, in their order: `{"word":"a","count":3}`.
    Json,
}

/// What `file` does with what its file holds when the run starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FileMode {
    /// Keeps it.
    #[default]
    Append,
    /// Discards it; not again when the task restarts within the run.
    Overwrite,
}

/// Writes each tuple as a line. No output streams.
///
/// A tuple is acked once its line is written. Lines are written when 256 KiB of them are there and
/// whenever the input pauses. If a write fails, say because the disk is full, the file is cut back
/// to what it was and the tuples of that write fail with the cause. The file holds complete lines
/// only: a last line without its line feed, as a kill in the middle of a write leaves it, is cut
/// off when the task starts; that line was not acked and comes again.
#[derive(Debug, Default)]
pub struct FileSink {
    open: Option<Open>,
    lines: Vec<u8>,
    anchors: Vec<Anchor>,
}

#[derive(Debug)]
struct Open {
    path: String,
    format: FileFormat,
    target: Target,
}

impl FileSink {
    /// Appends a tuple's line to what is gathered, or nothing at all.
    fn gather(&mut self, tuple: &Tuple<'_>, format: FileFormat) -> Result<()> {
        let before = self.lines.len();
        let mut line = || {
            match format {
                FileFormat::Text => render::text(tuple.at(0)?, &mut self.lines)?,
                FileFormat::Json => render::json_object(tuple, &mut self.lines)?,
            }
            if format == FileFormat::Text && memchr::memchr(b'\n', &self.lines[before..]).is_some()
            {
                bail!(
                    "field `{}` holds a line feed, so it is no line of text: set `format: json`",
                    tuple.fields().first().map_or("#0", String::as_str)
                );
            }
            self.lines.push(b'\n');
            Ok(())
        };
        line().inspect_err(|_| self.lines.truncate(before))
    }

    /// Writes what is gathered, and acks it or fails it.
    fn write(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        let Some(open) = self.open.as_mut().filter(|_| !self.anchors.is_empty()) else {
            return Ok(());
        };
        let written = open.target.append(&self.lines);
        self.lines.clear();
        let anchors = self.anchors.drain(..);
        match written {
            Ok(()) => anchors.for_each(|anchor| out.ack(anchor)),
            Err(error) => {
                let cause = format!("cannot write to `{}`: {}", open.path, error.cause);
                anchors.for_each(|anchor| out.fail(anchor, &cause));
                if let Some(why) = error.unusable {
                    bail!("{cause}; {why}");
                }
            }
        }
        Ok(())
    }
}

impl Bolt for FileSink {
    fn acking(&self) -> Acking {
        Acking::Manual
    }

    fn prepare(&mut self, context: &mut Context) -> Result<()> {
        let config: FileConfig = context.config()?;
        let path = expand(&config.path, context).with_context(|| {
            format!("config of component `{}` is wrong at `path`", context.component)
        })?;
        let overwrite = config.mode == FileMode::Overwrite && context.restarts == 0;
        let target = Target::open(&path, overwrite, config.fsync)
            .with_context(|| format!("bolt `{}` cannot open `{path}`", context.component))?;
        self.open = Some(Open { path, format: config.format, target });
        Ok(())
    }

    fn execute(&mut self, tuple: &Tuple<'_>, out: &mut BoltOutput<'_>) -> Result<()> {
        let format = self.open.as_ref().ok_or_else(|| anyhow!("`file` is not prepared"))?.format;
        match self.gather(tuple, format) {
            Ok(()) => self.anchors.push(tuple.anchor()),
            Err(error) => out.fail(tuple.anchor(), format!("{error:#}")),
        }
        if self.lines.len() >= BUFFER {
            self.write(out)?;
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        self.write(out)
    }

    fn finish(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        self.write(out)
    }
}

/// The path with its placeholders filled in.
fn expand(path: &str, context: &Context) -> Result<String> {
    let expanded = path
        .replace("{task}", &context.task.to_string())
        .replace("{index}", &context.index.to_string());
    if context.parallelism > 1 && expanded == path {
        bail!(
            "{} tasks cannot write to one file `{path}`: put `{{index}}` into the path, or set \
             `parallelism` to 1",
            context.parallelism
        );
    }
    if path.is_empty() {
        bail!("it is empty");
    }
    Ok(expanded)
}

#[cfg(test)]
mod tests;
