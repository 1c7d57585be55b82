//! The `words` spout: random words from a synthetic dictionary, as fast as possible or at a rate.

mod dictionary;
mod schedule;

use anyhow::ensure;
use dictionary::{Dictionary, mix};
use egret_sdk::{Context, Failure, Next, Result, Root, SplitId, Spout, SpoutOutput};
use schedule::Schedule;
use serde::Deserialize;
use std::{collections::VecDeque, time::Duration};

/// Words emitted per call of `next`: enough to make the call itself cheap, few enough that acks,
/// failures and plans are looked at in between.
const WORDS_PER_CALL: usize = 64;

/// Bytes of the dictionary: every task holds all of it.
const MAX_DICTIONARY: u64 = 1 << 30;

/// Config of `words`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WordsConfig {
    /// Words in the dictionary. Default: 450000.
    pub words: u32,
    /// Lower-case letters of each. Default: 20.
    pub length: u32,
    /// What dictionary and choices are made from. Default: 1.
    pub seed: u64,
    /// Words per second of all tasks together; fractions are fine. Default: as many as are taken.
    pub rate: Option<f64>,
    /// Words that all tasks emit together before they are exhausted. Default: no end.
    pub limit: Option<u64>,
}

impl Default for WordsConfig {
    fn default() -> WordsConfig {
        WordsConfig { words: 450_000, length: 20, seed: 1, rate: None, limit: None }
    }
}

/// Emits words on `default` with the field `word`, each chosen uniformly from the dictionary.
///
/// Dictionary and choices depend on the config only, so two runs emit the same words. With `rate`
/// the times of all words are fixed beforehand: a word that goes out late, because the topology is
/// slow, is not skipped, and its complete latency counts from when it was due. A failed word is
/// emitted again; that does not count towards `limit`. With `limit` a task that starts again goes
/// on behind its settled prefix, without one it starts over.
#[derive(Debug, Default)]
pub struct Words {
    dictionary: Dictionary,
    schedule: Option<Schedule>,
    choices: u64,
    /// Words of this task in all.
    limit: u64,
    /// Number of the next one: the id of its root, from which the word follows.
    next: u64,
    replays: VecDeque<u64>,
    split_name: Option<String>,
    split: Option<SplitId>,
}

impl Words {
    fn check(config: &WordsConfig) -> Result<()> {
        ensure!(config.words > 0, "`words` must be at least 1");
        ensure!(config.length > 0, "`length` must be at least 1");
        let bytes = u64::from(config.words) * u64::from(config.length);
        ensure!(
            bytes <= MAX_DICTIONARY && config.length <= 64 << 10,
            "`words` of `length` take {bytes} bytes: a dictionary has at most {MAX_DICTIONARY}, a \
            word \
             at most 65536"
        );
        if let Some(rate) = config.rate {
            ensure!(
                rate.is_finite() && rate > 0.0,
                "`rate` must be above 0: {rate} words per second"
            );
        }
        Ok(())
    }

    #[inline]
    fn emit(&self, n: u64, mut root: Root, out: &mut SpoutOutput<'_>) -> Result<()> {
        if let Some(split) = self.split {
            root = root.at(split, n + 1);
        }
        out.emit((self.dictionary.word(mix(self.choices, n)),), root)?;
        Ok(())
    }
}

impl Spout for Words {
    fn open(&mut self, context: &mut Context) -> Result<()> {
        let config: WordsConfig = context.config()?;
        Words::check(&config).map_err(|error| {
            error.context(format!("config of component `{}` is wrong", context.component))
        })?;
        let (index, tasks) = (u64::from(context.index), u64::from(context.parallelism.max(1)));
        self.dictionary = Dictionary::new(config.words, config.length, config.seed);
        self.choices = mix(config.seed ^ 0x77, index);
        self.schedule = config.rate.map(|rate| Schedule::new(rate, index, tasks));
        self.limit = match config.limit {
            Some(limit) => {
                let name = format!("words {index} of {tasks}");
                self.next = context.positions.get(&name).copied().unwrap_or(0);
                self.split_name = Some(name);
                limit / tasks + u64::from(index < limit % tasks)
            }
            None => u64::MAX,
        };
        Ok(())
    }

    fn activate(&mut self) -> Result<()> {
        // What was due during a pause was not asked for.
        if let Some(schedule) = &mut self.schedule {
            schedule.stop();
        }
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOutput<'_>) -> Result<Next> {
        if let (Some(name), None) = (&self.split_name, self.split) {
            self.split = Some(out.split(name));
        }
        let now = match &mut self.schedule {
            Some(schedule) => schedule.start(self.next, out.now()),
            None => 0,
        };
        let room = WORDS_PER_CALL.min(out.room());
        if self.schedule.is_none() {
            let soon = self.next..self.next.saturating_add(room as u64).min(self.limit);
            self.dictionary.fetch(soon.map(|n| mix(self.choices, n)));
        }
        for emitted in 0..room {
            if let Some(n) = self.replays.pop_front() {
                self.emit(n, Root::id(n).replay(), out)?;
                continue;
            }
            let idle = |other| if emitted > 0 { Next::Emitted } else { other };
            if self.next >= self.limit {
                return Ok(idle(Next::Exhausted));
            }
            let mut root = Root::id(self.next);
            if let Some(schedule) = &self.schedule {
                let due = schedule.due(self.next);
                if due > now {
                    return Ok(idle(Next::IdleFor(Duration::from_nanos(due - now))));
                }
                root = root.since(due);
            }
            self.emit(self.next, root, out)?;
            self.next += 1;
        }
        Ok(Next::Emitted)
    }

    fn fail(&mut self, id: u64, _: &Failure) -> Result<()> {
        // Bounded by the roots in flight: as long as there are some, nothing else is emitted.
        self.replays.push_back(id);
        Ok(())
    }

    fn position(&self) -> Option<String> {
        Some(match self.limit {
            u64::MAX => format!("{} words", self.next),
            limit => format!("{} of {limit} words", self.next),
        })
    }
}

#[cfg(test)]
mod tests;
