//! The `keys` spout: skewed or uniform keys with a payload, as fast as they are taken.

use super::dictionary::{Dictionary, random};
use egret_instance::{Context, Failure, Next, Result, Root, Spout, SpoutOutput};
use serde::Deserialize;
use std::collections::VecDeque;

/// Keys emitted per call of `next`, so that the call itself costs little.
const KEYS_PER_CALL: usize = 64;
/// Choices drawn beforehand, so that drawing costs nothing while measuring.
const CHOICES: usize = 1 << 20;
const KEY_LENGTH: usize = 16;

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Config {
    /// Different keys.
    keys: usize,
    /// Exponent of Zipf's law; 0 is uniform.
    zipf: f64,
    /// Bytes beside the key.
    payload: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config { keys: 100_000, zipf: 0.0, payload: 0 }
    }
}

/// Emits (key, payload); a failed one is emitted again.
#[derive(Debug, Default)]
pub(super) struct Keys {
    dictionary: Dictionary,
    choices: Vec<u32>,
    payload: Vec<u8>,
    next: u64,
    replays: VecDeque<u64>,
}

impl Spout for Keys {
    fn open(&mut self, context: &mut Context) -> Result<()> {
        let config: Config = context.config()?;
        self.dictionary = Dictionary::new(config.keys, KEY_LENGTH);
        self.choices = choices(config.keys, config.zipf);
        self.payload = vec![b'p'; config.payload];
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOutput<'_>) -> Result<Next> {
        for _ in 0..KEYS_PER_CALL.min(out.room()) {
            let (n, root) = match self.replays.pop_front() {
                Some(n) => (n, Root::id(n).replay()),
                None => {
                    self.next += 1;
                    (self.next - 1, Root::id(self.next - 1))
                }
            };
            let choice = self.choices[n as usize % self.choices.len()];
            out.emit((self.dictionary.word(choice as usize), &self.payload[..]), root)?;
        }
        Ok(Next::Emitted)
    }

    fn fail(&mut self, id: u64, _: &Failure) -> Result<()> {
        self.replays.push_back(id);
        Ok(())
    }
}

/// Numbers of keys: the `n`th comes in proportion to 1 / (n + 1)^exponent.
fn choices(keys: usize, exponent: f64) -> Vec<u32> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=keys)
        .map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        })
        .collect();
    let draw = |n: usize| {
        let point = random(n as u64) as f64 / u64::MAX as f64 * sum;
        sums.partition_point(|upto| *upto < point).min(keys - 1) as u32
    };
    (0..CHOICES).map(draw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share_of_first(exponent: f64) -> f64 {
        let choices = choices(100, exponent);
        choices.iter().filter(|choice| **choice == 0).count() as f64 / choices.len() as f64
    }

    #[test]
    fn keys_follow_zipfs_law() {
        assert!((share_of_first(0.0) - 0.01).abs() < 0.001);
        let harmonic: f64 = (1..=100).map(|rank| f64::from(rank).powf(-1.1)).sum();
        assert!((share_of_first(1.1) - 1.0 / harmonic).abs() < 0.005);
    }
}
