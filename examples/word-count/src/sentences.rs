//! A spout that emits the sentences of its configuration, and again what fails.

use egret_instance::{Context, Failure, Next, Result, Root, Spout, SpoutOutput};
use std::collections::VecDeque;

/// Emits each sentence of `config.sentences`, `config.times` times over; every task does.
#[derive(Debug, Default)]
pub(crate) struct Sentences {
    /// Each task has an input of its own, so a split of its own.
    split: String,
    sentences: Vec<String>,
    total: u64,
    next: u64,
    replays: VecDeque<u64>,
}

impl Spout for Sentences {
    fn open(&mut self, context: &mut Context) -> Result<()> {
        let config = &context.config;
        let sentences = config["sentences"].as_array();
        self.sentences = sentences
            .into_iter()
            .flatten()
            .filter_map(|sentence| sentence.as_str().map(str::to_owned))
            .collect();
        let times = config["times"].as_u64().unwrap_or(1);
        self.total = self.sentences.len() as u64 * times;
        self.split = format!("sentences-{}", context.index);
        // Where an earlier life of this task got to: everything before is acked.
        self.next = context.positions.get(&self.split).copied().unwrap_or(0);
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOutput<'_>) -> Result<Next> {
        let (number, replay) = match self.replays.pop_front() {
            Some(number) => (number, true),
            None if self.next < self.total => {
                self.next += 1;
                (self.next - 1, false)
            }
            None => return Ok(Next::Exhausted),
        };
        let split = out.split(&self.split);
        let root = Root::id(number).at(split, number + 1);
        let sentence = &self.sentences[number as usize % self.sentences.len()];
        out.emit((sentence,), if replay { root.replay() } else { root })?;
        Ok(Next::Emitted)
    }

    fn fail(&mut self, id: u64, _: &Failure) -> Result<()> {
        self.replays.push_back(id);
        Ok(())
    }
}
