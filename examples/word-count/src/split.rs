//! A bolt that splits sentences into words.

use egret_instance::{Bolt, BoltOutput, Result, Tuple};

/// Emits each word of the `sentence`, in lower case.
#[derive(Debug)]
pub(crate) struct Split;

impl Bolt for Split {
    fn execute(&mut self, tuple: &Tuple<'_>, out: &mut BoltOutput<'_>) -> Result<()> {
        for word in tuple.str("sentence")?.split_whitespace() {
            out.emit((word.to_lowercase(),))?;
        }
        Ok(())
    }
}
