//! The `discard` bolt: takes everything and keeps nothing.

use egret_sdk::{Bolt, BoltOutput, Context, Result, Tuple};
use serde::Deserialize;
use std::{
    thread,
    time::{Duration, Instant},
};

/// Config of `discard`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct DiscardConfig {
    /// Time that it takes for each tuple, in milliseconds.
    pub delay_ms: u16,
}

/// Acks each tuple and forgets it. No output streams.
///
/// For measurements, for the end of a branch that nobody needs, and to see what a slow bolt does.
#[derive(Debug, Default)]
pub struct Discard {
    delay: Duration,
}

impl Bolt for Discard {
    fn prepare(&mut self, context: &mut Context) -> Result<()> {
        let config = context.config::<DiscardConfig>()?;
        self.delay = Duration::from_millis(config.delay_ms.into());
        Ok(())
    }

    fn execute(&mut self, _: &Tuple<'_>, _: &mut BoltOutput<'_>) -> Result<()> {
        if self.delay.is_zero() {
            return Ok(());
        }
        let began = Instant::now();
        // Whoever wakes this thread meanwhile does not make it quicker.
        while let Some(left) = self.delay.checked_sub(began.elapsed()).filter(|it| !it.is_zero()) {
            thread::park_timeout(left);
        }
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
        let mut bolt = Discard::default();
        bolt.prepare(&mut fake::bolt_context(json!(null), &["word"])).unwrap();
        fake.execute(&mut bolt, &["word"], ("a",), 1).unwrap();
        assert!(fake.emitted.is_empty());
    }

    #[test]
    fn a_tuple_takes_as_long_as_it_shall() {
        let mut fake = Fake::default();
        let mut bolt = Discard::default();
        bolt.prepare(&mut fake::bolt_context(json!({"delayMs": 5}), &["word"])).unwrap();
        let began = Instant::now();
        fake.execute(&mut bolt, &["word"], ("a",), 1).unwrap();
        assert!(began.elapsed() >= Duration::from_millis(5));
    }

    #[test]
    fn an_unknown_config_field_is_refused() {
        let mut context = fake::bolt_context(json!({"path": "x"}), &["word"]);
        let error = Discard::default().prepare(&mut context).unwrap_err().to_string();
        assert!(error.contains("unknown field `path`"), "{error}");
    }
}
