//! The `paced` spout: words at times that are fixed beforehand, and how long each took from then
//! until its tree was acked.
//!
//! A word that goes out late, because the topology is slow, counts from when it was due: there is
//! no coordinated omission. The spout sees the ack in its callback, so its latency has one more
//! thread in it than the complete latency that Egret itself tells.

use super::dictionary::{Dictionary, random};
use crate::latency::{Latency, histogram};
use anyhow::{Context as _, bail};
use egret_instance::{Context, Failure, Next, Result, Root, Spout, SpoutOutput};
use hdrhistogram::Histogram;
use serde::Deserialize;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// Words emitted per call of `next`, so that acks are looked at in between.
const WORDS_PER_CALL: usize = 64;
const WORDS: usize = 450_000;
const LENGTH: usize = 20;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Config {
    /// Words per second; without it as many as are taken.
    rate: Option<f64>,
    /// Seconds whose words are not counted.
    #[serde(default)]
    warm_up: f64,
    /// The file that gets the latency in the end.
    path: PathBuf,
}

/// Emits words of its dictionary at its times.
#[derive(Debug)]
pub(super) struct Paced {
    config: Config,
    dictionary: Dictionary,
    /// The first word's time, on this clock and on the one that roots count in.
    started: Option<(Instant, u64)>,
    next: u64,
    latency: Histogram<u64>,
}

impl Default for Paced {
    fn default() -> Paced {
        Paced {
            config: Config::default(),
            dictionary: Dictionary::default(),
            started: None,
            next: 0,
            latency: histogram(),
        }
    }
}

impl Spout for Paced {
    fn open(&mut self, context: &mut Context) -> Result<()> {
        self.config = context.config()?;
        self.dictionary = Dictionary::new(WORDS, LENGTH);
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOutput<'_>) -> Result<Next> {
        let (started, origin) = *self.started.get_or_insert_with(|| (Instant::now(), out.now()));
        let now = started.elapsed().as_nanos() as u64;
        let room = WORDS_PER_CALL.min(out.room());
        for emitted in 0..room {
            let due = match self.config.rate {
                Some(rate) => (self.next as f64 * 1e9 / rate) as u64,
                None => now,
            };
            if due > now {
                let pause = Next::IdleFor(Duration::from_nanos(due - now));
                return Ok(if emitted > 0 { Next::Emitted } else { pause });
            }
            let word = self.dictionary.word(random(self.next) as usize % WORDS);
            // Its time is all that is to be known of a word when it is acked.
            out.emit((word,), Root::id(due).since(origin + due))?;
            self.next += 1;
        }
        Ok(Next::Emitted)
    }

    fn ack(&mut self, due: u64) -> Result<()> {
        let Some((started, _)) = self.started else { return Ok(()) };
        if due as f64 >= self.config.warm_up * 1e9 {
            let took = (started.elapsed().as_nanos() as u64).saturating_sub(due);
            self.latency.saturating_record(took.max(1));
        }
        Ok(())
    }

    fn fail(&mut self, _: u64, failure: &Failure) -> Result<()> {
        bail!("a word {failure}: there is no latency to be had of this run")
    }

    fn close(&mut self) {
        let written = serde_json::to_vec(&Latency::of(&self.latency))
            .map_err(anyhow::Error::from)
            .and_then(|json| {
                let path = &self.config.path;
                std::fs::write(path, json).with_context(|| path.display().to_string())
            });
        if let Err(error) = written {
            eprintln!("cannot write the latency: {error:#}");
        }
    }
}
