//! The `sleeper` bolt: takes everything, and once, for a while, nothing.

use egret_instance::{Bolt, BoltOutput, Context, Gauge, Result, Tuple};
use serde::Deserialize;
use std::time::{Duration, Instant};

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Config {
    /// Seconds from the first tuple to the sleep.
    after: f64,
    /// Seconds of sleep.
    sleep: f64,
}

/// While it sleeps its gauge `sleeping` is 1, and 2 afterwards.
#[derive(Debug, Default)]
pub(super) struct Sleeper {
    config: Option<Config>,
    sleeping: Gauge,
    first: Option<Instant>,
    slept: bool,
}

impl Bolt for Sleeper {
    fn prepare(&mut self, context: &mut Context) -> Result<()> {
        self.config = Some(context.config()?);
        self.sleeping = context.gauge("sleeping")?;
        Ok(())
    }

    fn execute(&mut self, _: &Tuple<'_>, _: &mut BoltOutput<'_>) -> Result<()> {
        let Some(config) = self.config.as_ref().filter(|_| !self.slept) else { return Ok(()) };
        let first = *self.first.get_or_insert_with(Instant::now);
        if first.elapsed().as_secs_f64() >= config.after {
            self.slept = true;
            self.sleeping.set(1.0);
            let until = Instant::now() + Duration::from_secs_f64(config.sleep);
            // Others may wake this thread.
            while let Some(left) = until.checked_duration_since(Instant::now()) {
                std::thread::park_timeout(left);
            }
            self.sleeping.set(2.0);
        }
        Ok(())
    }
}
