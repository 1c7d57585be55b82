//! The span of each traced root, from its emit to the end of its tree, and those of the task half.

use super::Gateway;
use crate::{
    batch::Completion,
    limits::MAX_SPANS,
    trace::{Spans, error_text},
};
use egret_wire::trace::Span;
use std::collections::BTreeMap;

/// What waits to be told, and the traced roots whose trees are not complete.
#[derive(Debug, Default)]
pub(super) struct Traced {
    pending: BTreeMap<u64, Span>,
    spans: Spans,
}

impl Traced {
    /// Takes over what the task half has noted.
    #[inline]
    pub(super) fn take_from(&mut self, noted: &mut Spans) {
        if !noted.is_empty() {
            self.take(noted);
        }
    }

    fn take(&mut self, noted: &mut Spans) {
        for root in noted.begun.drain(..) {
            if self.pending.len() < MAX_SPANS {
                self.pending.insert(root.root.seq, root);
            } else {
                self.spans.lose();
            }
        }
        self.spans.take_from(noted);
    }

    /// Notes those of the completions that are of traced roots.
    #[inline]
    pub(super) fn ended(&mut self, now: u64, completions: &[Completion]) {
        if !self.pending.is_empty() {
            completions.iter().for_each(|completion| self.note(now, completion));
        }
    }

    fn note(&mut self, now: u64, Completion { roots, failure, .. }: &Completion) {
        let first = |pending: &BTreeMap<u64, Span>| Some(*pending.range(roots.clone()).next()?.0);
        while let Some(seq) = first(&self.pending) {
            let Some(span) = self.pending.remove(&seq) else { return };
            let error = failure.as_ref().map(|failure| error_text(&failure.to_string()));
            self.spans.push(Span { end: now.max(span.start), error, ..span });
        }
    }
}

impl Gateway {
    /// Steps of traced tuples that are over, with times of the clock of this instance.
    pub fn take_spans(&mut self) -> Spans {
        std::mem::take(&mut self.traced.spans)
    }
}
