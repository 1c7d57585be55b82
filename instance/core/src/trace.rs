//! Spans of traced tuples, as the task half notes them (docs/tracing.md).
//!
//! While nothing is traced, all that it costs is a look at one number per emit and tuple.

use crate::{
    anchors::CURRENT,
    emitter::Emitter,
    limits::{ERROR_TEXT, MAX_SPANS},
};
use egret_sdk::{Anchor, Emission, Origin, TaskId};
use egret_topology::{id::Incarnation, plan::PlanIndex};
use egret_wire::{
    data::{RootId, Roots},
    trace::{Edge, Span, Step, Traces},
};
use std::collections::HashMap;

/// Steps that are over and wait to be told. Beyond the limit they are only counted.
#[derive(Debug, Default)]
pub struct Spans {
    list: Vec<Span>,
    dropped: u64,
    /// Roots whose trees have begun, on their way to the gateway half.
    pub(crate) begun: Vec<Span>,
}

impl Spans {
    /// Adds one, if there is room.
    pub fn push(&mut self, span: Span) {
        if self.list.len() < MAX_SPANS {
            self.list.push(span);
        } else {
            self.dropped += 1;
        }
    }

    /// Takes over all of another's.
    pub fn take_from(&mut self, other: &mut Spans) {
        self.dropped += std::mem::take(&mut other.dropped);
        self.begun.append(&mut other.begun);
        other.list.drain(..).for_each(|span| self.push(span));
    }

    /// Takes out up to so many, and how many there was no room for.
    pub fn take(&mut self, most: usize) -> (Vec<Span>, u64) {
        let taken = self.list.drain(..most.min(self.list.len())).collect();
        (taken, std::mem::take(&mut self.dropped))
    }

    /// Those that wait.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Span> {
        self.list.iter_mut()
    }

    /// Counts one that there is no room for elsewhere.
    pub(crate) fn lose(&mut self) {
        self.dropped += 1;
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.begun.is_empty() && self.dropped == 0
    }
}

/// Text of an error as a span has it.
pub(crate) fn error_text(error: &str) -> String {
    error[..error.floor_char_boundary(ERROR_TEXT)].to_owned()
}

/// What a task half notes.
#[derive(Debug)]
pub(crate) struct Trace {
    traces: Traces,
    task: TaskId,
    incarnation: Incarnation,
    /// The traced tuple that is being executed.
    current: Option<Input>,
    /// Traced tuples that are neither acked nor failed, under manual acking.
    held: HashMap<Anchor, Input>,
    /// Tuples whose frames are not handed over.
    open: Vec<Open>,
    done: Spans,
}

/// A traced input tuple.
#[derive(Clone, Debug)]
struct Input {
    edge: Edge,
    /// Its roots that are traced.
    roots: Roots,
    stream: u16,
    bytes: u32,
    /// When `execute` was called.
    since: u64,
    /// When it has returned; 0 before.
    until: u64,
    anchor: Option<Anchor>,
    error: Option<String>,
}

/// A tuple in an open frame.
#[derive(Debug)]
struct Open {
    lane: usize,
    counter: u64,
    span: Span,
}

impl Trace {
    pub(crate) fn new(plan: &PlanIndex, task: TaskId, incarnation: Incarnation) -> Trace {
        Trace {
            traces: Traces::of(plan.plan()),
            task,
            incarnation,
            current: None,
            held: HashMap::new(),
            open: Vec::new(),
            done: Spans::default(),
        }
    }

    /// A newer plan may ask for more or less.
    pub(crate) fn follow(&mut self, plan: &PlanIndex) {
        self.traces = Traces::of(plan.plan());
    }

    /// Whether a tuple of these roots is traced.
    #[inline]
    pub(crate) fn samples(&self, roots: &[RootId]) -> bool {
        self.traces.is_on() && self.any_sampled(roots)
    }

    fn any_sampled(&self, roots: &[RootId]) -> bool {
        roots.iter().any(|root| self.traces.samples(*root))
    }

    /// `execute` is called with a traced tuple, which came at `arrived`.
    pub(crate) fn begin(
        &mut self,
        edge: Edge,
        (stream, bytes): (u16, usize),
        roots: &Roots,
        (arrived, now): (u64, u64),
    ) {
        let roots = roots.iter().copied().filter(|root| self.traces.samples(*root)).collect();
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let (anchor, error) = (None, None);
        let input = Input { edge, roots, stream, bytes, since: now, until: 0, anchor, error };
        self.note(&input, Step::Queue, Step::Send, (arrived, now), None);
        self.current = Some(input);
    }

    /// The tuple that is being executed is held under this anchor.
    #[inline]
    pub(crate) fn held(&mut self, anchor: Anchor) {
        if let Some(current) = &mut self.current {
            current.anchor = Some(anchor);
            // A bolt may hold what it likes for as long as it likes.
            if self.held.len() < MAX_SPANS {
                self.held.insert(anchor, current.clone());
            } else {
                self.done.lose();
            }
        }
    }

    /// `execute` has failed the tuple.
    pub(crate) fn failed(&mut self, cause: &str) {
        if let Some(current) = &mut self.current {
            current.error = Some(error_text(cause));
        }
    }

    /// `execute` has returned.
    pub(crate) fn end(&mut self, now: u64) {
        let Some(mut input) = self.current.take() else { return };
        let error = input.error.take();
        self.note(&input, Step::Execute, Step::Send, (input.since, now), error);
        let held = input.anchor.and_then(|anchor| self.held.get_mut(&anchor));
        if let Some(held) = held {
            held.until = now;
        }
    }

    /// Whether this held tuple is traced.
    #[inline]
    pub(crate) fn holds(&self, anchor: Anchor) -> bool {
        !self.held.is_empty() && self.held.contains_key(&anchor)
    }

    /// A held tuple is acked, or fails for this cause.
    pub(crate) fn released(&mut self, anchor: Anchor, now: u64, cause: Option<&str>) {
        let Some(input) = self.held.remove(&anchor) else { return };
        match input.until {
            // Within `execute`, whose span says it all.
            0 => cause.into_iter().for_each(|cause| self.failed(cause)),
            until => {
                let error = cause.map(error_text);
                self.note(&input, Step::Unacked, Step::Execute, (until, now), error);
            }
        }
    }

    /// A tuple was emitted at `since` and is in the emitter's frames.
    pub(crate) fn sent(
        &mut self,
        since: u64,
        emission: &Emission<'_>,
        roots: &[RootId],
        emitter: &Emitter,
    ) {
        let bytes = u32::try_from(emission.encoded.bytes.len()).unwrap_or(u32::MAX);
        for (lane, dest, counter) in emitter.last_sent() {
            let (source, incarnation) = (self.task, self.incarnation);
            let edge = Edge { source, incarnation, dest, counter };
            for root in roots.iter().filter(|root| self.traces.samples(**root)) {
                let span = Span {
                    root: (*root).into(),
                    step: Step::Send,
                    id: self.traces.span(Step::Send, edge, *root),
                    parent: self.parent(emission.origin, *root),
                    start: since,
                    end: since,
                    peer: Some(dest),
                    stream: emitter.last_stream(),
                    bytes,
                    replay: false,
                    error: None,
                };
                if self.open.len() < MAX_SPANS {
                    self.open.push(Open { lane, counter, span });
                } else {
                    self.done.lose();
                }
            }
        }
    }

    /// A root was emitted.
    #[inline]
    pub(crate) fn emitted(&mut self, id: RootId, since: u64, replay: bool) {
        if self.samples(&[id]) {
            self.begin_root(id, since, replay);
        }
    }

    fn begin_root(&mut self, id: RootId, since: u64, replay: bool) {
        self.done.begun.push(Span {
            root: id.into(),
            step: Step::Root,
            id: self.traces.root_span(id),
            parent: 0,
            start: since,
            end: since,
            peer: None,
            stream: 0,
            bytes: 0,
            replay,
            error: None,
        });
    }

    /// Whether [`Trace::hand_over`] has anything to do.
    #[inline]
    pub(crate) fn has_noted(&self) -> bool {
        !self.open.is_empty() || !self.done.is_empty()
    }

    /// Closed frames are handed over, and with them what was noted.
    pub(crate) fn hand_over(&mut self, now: u64, emitter: &Emitter, into: &mut Spans) {
        into.take_from(&mut self.done);
        let handed = |open: &mut Open| !emitter.holds(open.lane, open.counter);
        for Open { span, .. } in self.open.extract_if(.., handed) {
            into.push(Span { end: now.max(span.start), ..span });
        }
    }

    /// The span under which an emit happens: of the input that it descends from, or the root's.
    fn parent(&self, origin: Origin<'_>, root: RootId) -> u64 {
        let anchors = match origin {
            Origin::Anchors(anchors) => anchors,
            Origin::Input | Origin::Root(_) => &[CURRENT],
        };
        let inputs = anchors.iter().filter_map(|anchor| match *anchor {
            CURRENT => self.current.as_ref(),
            anchor => self.held.get(&anchor),
        });
        let input = inputs.into_iter().find(|input| input.roots.contains(&root));
        match input {
            Some(input) => self.traces.span(Step::Execute, input.edge, root),
            None => self.traces.root_span(root),
        }
    }

    /// Notes a step of an input tuple that is over, in each of its traces.
    fn note(
        &mut self,
        input: &Input,
        step: Step,
        under: Step,
        (start, end): (u64, u64),
        error: Option<String>,
    ) {
        for root in &input.roots {
            self.done.push(Span {
                root: (*root).into(),
                step,
                id: self.traces.span(step, input.edge, *root),
                parent: self.traces.span(under, input.edge, *root),
                start,
                end: end.max(start),
                peer: Some(input.edge.source),
                stream: input.stream,
                bytes: input.bytes,
                replay: false,
                error: error.clone(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_wire::control::Root;

    fn span(id: u64) -> Span {
        Span {
            root: Root { task: TaskId(0), incarnation: Incarnation(1), seq: id },
            step: Step::Root,
            id,
            parent: 0,
            start: 1,
            end: 2,
            peer: None,
            stream: 0,
            bytes: 0,
            replay: false,
            error: None,
        }
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let (mut spans, mut more) = (Spans::default(), Spans::default());
        (0..MAX_SPANS as u64 - 1).for_each(|id| spans.push(span(id)));
        (0..3).for_each(|id| more.push(span(id)));
        spans.take_from(&mut more);
        assert!(more.is_empty());
        let (first, dropped) = spans.take(10);
        assert_eq!((first.len(), dropped), (10, 2));
        assert_eq!(spans.take(usize::MAX).0.len(), MAX_SPANS - 10);
        assert!(spans.is_empty());
    }

    #[test]
    fn a_long_error_is_cut_between_two_letters() {
        assert_eq!(error_text("short"), "short");
        let cut = error_text(&"é".repeat(ERROR_TEXT));
        assert!(cut.len() <= ERROR_TEXT && cut.ends_with('é'));
    }
}
