//! The `count` bolt: how often each value came.

mod key;
mod table;

use crate::choice::Choice;
use anyhow::ensure;
use egret_sdk::{Bolt, BoltOutput, Context, DEFAULT_STREAM, EmitError, Result, Tuple};
use key::Parts;
use serde::Deserialize;
use std::collections::BinaryHeap;
use table::{Entry, Table};

/// The stream of the most frequent values.
pub(crate) const TOP: &str = "top";

/// Config of `count`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CountConfig {
    /// The field whose values are counted. Default: the first.
    pub field: Option<String>,
    /// How many of the most frequent values go out on `top`. Default: 20.
    pub top: usize,
    /// Values that are told apart; one more is an error. Default: 10000000.
    pub max_keys: usize,
}

impl Default for CountConfig {
    fn default() -> CountConfig {
        CountConfig { field: None, top: 20, max_keys: 10_000_000 }
    }
}

/// Counts the values of one field, of any type.
///
/// At each tick and at the end it emits the `top` most frequent on stream `top`; at the end it
/// emits all counts on `default`, the highest first. Both have the fields `word` and `count`. With
/// a Fields grouping on the counted field each value is counted by one task.
///
/// Tuples are acked when the task has them. The counts are kept in memory: those of a killed task
/// are gone, and a tuple that is delivered twice counts twice. A value beyond `maxKeys` fails its
/// tuple.
#[derive(Debug, Default)]
pub struct Count {
    config: CountConfig,
    field: Choice,
    counts: Table,
    /// Whether the topology leaves these output streams in place.
    emits_all: bool,
    emits_top: bool,
}

impl Entry {
    fn emit(&self, stream: &str, out: &mut BoltOutput<'_>) -> Result<(), EmitError> {
        out.emit_to(stream, (&self.key, self.count as i64)).map(drop)
    }
}

impl Count {
    /// Emits the most frequent values.
    fn emit_top(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        if !self.emits_top || self.config.top == 0 {
            return Ok(());
        }
        // The root of the heap is the last of the best so far.
        let mut best: BinaryHeap<&Entry> = BinaryHeap::with_capacity(self.config.top.min(1024));
        for entry in self.counts.entries() {
            if best.len() < self.config.top {
                best.push(entry);
            } else if best.peek().is_some_and(|last| entry < *last) {
                best.pop();
                best.push(entry);
            }
        }
        for entry in best.into_sorted_vec() {
            entry.emit(TOP, out)?;
        }
        Ok(())
    }
}

impl Bolt for Count {
    fn prepare(&mut self, context: &mut Context) -> Result<()> {
        self.config = context.config()?;
        self.field = Choice::new(context, "field", self.config.field.as_deref())?;
        let emits = |name| context.streams.iter().any(|stream| stream.name == name);
        (self.emits_all, self.emits_top) = (emits(DEFAULT_STREAM), emits(TOP));
        Ok(())
    }

    fn execute(&mut self, tuple: &Tuple<'_>, _: &mut BoltOutput<'_>) -> Result<()> {
        let max = self.config.max_keys;
        ensure!(
            self.counts.add(&Parts::of(self.field.of(tuple)?), max),
            "there are more than {max} different values: raise `maxKeys`, or count in more tasks",
        );
        Ok(())
    }

    fn tick(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        self.emit_top(out)
    }

    fn finish(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        if self.emits_all {
            let mut all: Vec<&Entry> = self.counts.entries().collect();
            all.sort_unstable();
            for entry in all {
                entry.emit(DEFAULT_STREAM, out)?;
            }
        }
        self.emit_top(out)
    }
}

#[cfg(test)]
mod tests;
