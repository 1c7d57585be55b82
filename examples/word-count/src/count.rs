//! A bolt that counts words and says at the end how often each came.

use egret_instance::{Bolt, BoltOutput, Result, Tuple};
use std::collections::BTreeMap;

/// Counts each `word`; emits all counts when the input has ended.
#[derive(Debug, Default)]
pub(crate) struct Count {
    counts: BTreeMap<String, i64>,
}

impl Bolt for Count {
    fn execute(&mut self, tuple: &Tuple<'_>, _: &mut BoltOutput<'_>) -> Result<()> {
        *self.counts.entry(tuple.str("word")?.to_owned()).or_default() += 1;
        Ok(())
    }

    fn finish(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        for (word, count) in &self.counts {
            out.emit((word, *count))?;
        }
        Ok(())
    }
}
