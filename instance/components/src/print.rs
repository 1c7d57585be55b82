//! The `print` bolt: tuples on standard output, one by one or as a table at the end.

mod table;

use crate::render;
use anyhow::{Context as _, Result as Fallible, bail};
use egret_sdk::{Bolt, BoltOutput, Context, Result, Tuple};
use serde::Deserialize;
use std::io::{self, Write};
use table::Table;

/// Config of `print`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PrintConfig {
    /// Each tuple as it comes, or a table at the end. Default: each.
    pub mode: PrintMode,
    /// How to write each tuple. Default: text.
    pub format: PrintFormat,
    /// Table: a line above it. Default: none.
    pub title: Option<String>,
    /// Table: the field whose greatest values are shown. Default: the last.
    pub by: Option<String>,
    /// Table: rows that are shown. Default: 20.
    pub limit: usize,
    /// Table: rows that are kept; of more the lesser half is dropped. Default: 10000.
    pub max_rows: usize,
}

impl Default for PrintConfig {
    fn default() -> PrintConfig {
        PrintConfig {
            mode: PrintMode::Each,
            format: PrintFormat::Text,
            title: None,
            by: None,
            limit: 20,
            max_rows: 10_000,
        }
    }
}

/// When `print` prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PrintMode {
    /// Each tuple as it comes.
    #[default]
    Each,
    /// A table of the latest tuple per value of the first field, when the input has ended.
    Table,
}

/// How `print` writes each tuple.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PrintFormat {
    /// `word=the count=12`
    #[default]
    Text,
    /// `{"word":"the","count":12}`
    Json,
}

/// Prints tuples to standard output, whole lines only. No output streams.
///
/// A tuple is acked when it is printed, in a table when it is kept. A standard output that is
/// closed fails the tuple, or ends the task when the table is due.
pub struct Print {
    config: PrintConfig,
    table: Option<Table>,
    line: Vec<u8>,
    output: Box<dyn Write>,
}

impl Default for Print {
    fn default() -> Print {
        Print::to(Box::new(io::stdout()))
    }
}

impl std::fmt::Debug for Print {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Print").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Print {
    fn to(output: Box<dyn Write>) -> Print {
        Print { config: PrintConfig::default(), table: None, line: Vec::new(), output }
    }

    /// Writes whole lines at once, so that those of several tasks do not mix.
    fn write(&mut self) -> Fallible<()> {
        let written = self.output.write_all(&self.line).and_then(|()| self.output.flush());
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => anyhow::Error::from(error).context(
                "standard output is closed: whoever reads the output of `print` has ended",
            ),
            _ => anyhow::Error::from(error).context("cannot write to standard output"),
        })
    }
}

impl Bolt for Print {
    fn prepare(&mut self, context: &mut Context) -> Result<()> {
        self.config = context.config()?;
        if self.config.mode == PrintMode::Each {
            return Ok(());
        }
        let wrong = || format!("config of component `{}` is wrong", context.component);
        let Some((first, others)) = context.inputs.split_first() else {
            bail!("{} at `mode`: a table needs an input", wrong());
        };
        if let Some(other) = others.iter().find(|i| i.stream.fields != first.stream.fields) {
            bail!(
                "{} at `mode`: a table has one set of columns, but `{}` sends {} and `{}` sends {}",
                wrong(),
                first.component,
                first.stream.fields.join(", "),
                other.component,
                other.stream.fields.join(", "),
            );
        }
        self.table = Some(Table::new(&self.config, &first.stream.fields).with_context(wrong)?);
        Ok(())
    }

    fn execute(&mut self, tuple: &Tuple<'_>, _: &mut BoltOutput<'_>) -> Result<()> {
        if let Some(table) = &mut self.table {
            return table.put(tuple);
        }
        self.line.clear();
        match self.config.format {
            PrintFormat::Text => text_line(tuple, &mut self.line)?,
            PrintFormat::Json => render::json_object(tuple, &mut self.line)?,
        }
        self.line.push(b'\n');
        self.write()
    }

    fn finish(&mut self, _: &mut BoltOutput<'_>) -> Result<()> {
        let Some(table) = &self.table else { return Ok(()) };
        self.line = table.to_string().into_bytes();
        self.write()
    }
}

/// `word=the count=12`, on one line whatever the values hold.
fn text_line(tuple: &Tuple<'_>, line: &mut Vec<u8>) -> Result<()> {
    for (index, name) in tuple.fields().iter().enumerate() {
        if index > 0 {
            line.push(b' ');
        }
        line.extend_from_slice(name.as_bytes());
        line.push(b'=');
        let mut value = Vec::new();
        render::text(tuple.at(index)?, &mut value)?;
        line.extend_from_slice(on_one_line(&value).as_bytes());
    }
    Ok(())
}

/// Bytes as text, with control characters escaped, so that they move no cursor.
fn on_one_line(value: &[u8]) -> String {
    let mut line = String::with_capacity(value.len());
    for c in String::from_utf8_lossy(value).chars() {
        match c {
            c if c.is_control() => line.extend(c.escape_default()),
            c => line.push(c),
        }
    }
    line
}

#[cfg(test)]
mod tests;
