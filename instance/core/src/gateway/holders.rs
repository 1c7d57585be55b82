//! Roots that have timed out and wait a moment for the name of who holds them.

use super::Gateway;
use crate::{
    batch::Completion,
    limits::{HOLDER_TOLD_NS, HOLDER_WAIT_NS, MAX_HOLDER_QUESTIONS},
};
use egret_sdk::Failure;
use egret_wire::{
    control::{Hold, Holding, Root},
    cut::Frame,
    data::{DataReader, RootId, Roots},
};

/// The open questions.
#[derive(Debug, Default)]
pub(super) struct Holders {
    open: Vec<Question>,
    /// The last one that was named, and when.
    last: Option<(u64, String)>,
}

#[derive(Debug)]
struct Question {
    root: u64,
    until: u64,
    /// The most telling answer so far.
    best: Option<Hold>,
}

impl Holders {
    /// Opens a question, unless too many are open.
    pub(super) fn ask(&mut self, now: u64, root: u64) -> bool {
        let room = self.open.len() < MAX_HOLDER_QUESTIONS;
        if room {
            self.open.push(Question { root, until: now + HOLDER_WAIT_NS, best: None });
        }
        room
    }

    /// Takes an answer. `Executing` says most, `Stalled` least.
    pub(super) fn heard(&mut self, hold: &Hold) {
        for question in self.open.iter_mut().filter(|q| q.root == hold.root.seq) {
            if question.best.as_ref().is_none_or(|best| hold.how < best.how) {
                question.best = Some(hold.clone());
            }
        }
    }

    /// Takes out the roots whose wait is over, with the answer.
    pub(super) fn release(&mut self, now: u64) -> Vec<(u64, Option<Hold>)> {
        let (over, open) = std::mem::take(&mut self.open).into_iter().partition(|q| now >= q.until);
        self.open = open;
        let over: Vec<Question> = over;
        over.into_iter().map(|question| (question.root, question.best)).collect()
    }

    /// When the next wait is over.
    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.open.iter().map(|question| question.until).min()
    }

    /// Who was named last, unless that is long ago.
    pub(super) fn last(&self, now: u64) -> Option<String> {
        let recent = |(at, _): &&(u64, String)| now.saturating_sub(*at) < HOLDER_TOLD_NS;
        self.last.as_ref().filter(recent).map(|(_, words)| words.clone())
    }

    /// Roots that wait.
    pub(super) fn waiting(&self) -> usize {
        self.open.len()
    }
}

/// Whether a data frame has a tuple of this root's tree.
pub(super) fn contains(frame: &Frame, root: Root) -> bool {
    let payload = frame.payload();
    let Ok(mut reader) = DataReader::new(&frame.header, &payload) else { return false };
    let (mut roots, mut at) = (Roots::new(), Vec::new());
    while let Ok(Some(_)) = reader.next(&mut roots, &mut at) {
        if roots.iter().any(|r: &RootId| Root::from(*r) == root) {
            return true;
        }
    }
    false
}

impl Gateway {
    /// Hands over roots that have timed out once it is known who holds them, or nobody says.
    pub(super) fn release_timed_out(&mut self, now: u64) {
        let plan = &self.plan;
        let describe = |hold: &Hold| {
            let did = match hold.how {
                Holding::Executing => "has not returned from it for",
                Holding::Unacked => "executed it but has not acked it for",
                Holding::Queued => "has it queued, busy with another for",
                Holding::Stalled => "takes no more input since",
            };
            format!("{}: {did} {} ms", plan.describe(hold.task), hold.for_ms)
        };
        for (root, hold) in self.holders.release(now) {
            let words = hold.as_ref().map(describe);
            if let Some(words) = &words {
                self.holders.last = Some((now, words.clone()));
            }
            self.completions.push(timed_out(root, words));
        }
        self.finish_completions(now);
    }
}

/// A root whose time was up.
pub(super) fn timed_out(root: u64, held_by: Option<String>) -> Completion {
    Completion::failed(root, Failure::TimedOut { held_by })
}
