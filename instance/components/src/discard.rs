//! The `discard` bolt: takes everything and keeps nothing.

use egret_sdk::{Bolt, BoltOutput, Context, Result, Tuple};
use serde::Deserialize;

/// Config of `discard`: there is nothing to configure.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscardConfig {}

/// Acks each tuple and forgets it. No output streams.
///
/// For measurements, and for the end of a branch that nobody needs.
#[derive(Debug, Default)]
pub struct Discard;

impl Bolt for Discard {
    fn prepare(&mut self, context: &mut Context) -> Result<()> {
        context.config::<DiscardConfig>().map(drop)
    }

    fn execute(&mut self, _: &Tuple<'_>, _: &mut BoltOutput<'_>) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{self, Fake};
    use serde_json::json;

    #[test]
    fn nothing_comes_out() {
        let mut fake = Fake::default();
        let mut bolt = Discard;
        bolt.prepare(&mut fake::bolt_context(json!(null), &["word"])).unwrap();
        fake.execute(&mut bolt, &["word"], ("a",), 1).unwrap();
        assert!(fake.emitted.is_empty());
    }

    #[test]
    fn a_config_field_is_refused() {
        let mut context = fake::bolt_context(json!({"path": "x"}), &["word"]);
        let error = Discard.prepare(&mut context).unwrap_err().to_string();
        assert!(error.contains("unknown field `path`"), "{error}");
    }
}
