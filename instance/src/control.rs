//! What waits to be told to the stream manager, across reconnects.

use egret_core::trace::Spans;
use egret_wire::control::{FromInstance, LossScope, Poisoned, TaskReport};
use std::collections::{BTreeMap, VecDeque};

/// Questions and answers that wait for the link; the oldest go when there are more.
const MAX_WAITING: usize = 64;

/// Splits whose positions are told in one message: with the longest names that occur, paths, it
/// stays far below the limit of a message.
const POSITIONS: usize = 1000;

/// Steps of traced tuples that are told in one message, which stays below a megabyte.
const SPANS: usize = 1024;

/// Text of an error that is told: whoever wants more reads the log.
const ERROR_TEXT: usize = 4 << 10;

/// What waits to be told. Newer reports and positions replace older ones.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// Every settled prefix, to be repeated to a stream manager that may have forgotten.
    settled: BTreeMap<String, u64>,
    moved: BTreeMap<String, u64>,
    report: Option<TaskReport>,
    spans: Spans,
    others: VecDeque<FromInstance>,
    /// The error that ends this life, and the tuple that user code had.
    broken: Option<(String, Option<Poisoned>)>,
}

impl Outgoing {
    /// Splits have settled further.
    pub(crate) fn positions(&mut self, moved: BTreeMap<String, u64>) {
        for (split, position) in moved {
            self.settled.insert(split.clone(), position);
            self.moved.insert(split, position);
        }
    }

    /// A newer report. Latency and waits that were not told yet go with it.
    pub(crate) fn report(&mut self, mut report: TaskReport) {
        if let Some(untold) = self.report.take() {
            report.latency.splice(0..0, untold.latency);
            let mut waited: BTreeMap<_, u64> = untold.waited_for.into_iter().collect();
            for (task, micros) in std::mem::take(&mut report.waited_for) {
                *waited.entry(task).or_default() += micros;
            }
            report.waited_for = waited.into_iter().collect();
        }
        self.report = Some(report);
    }

    /// Steps of traced tuples.
    pub(crate) fn spans(&mut self, spans: &mut Spans) {
        self.spans.take_from(spans);
    }

    /// A question or an answer.
    pub(crate) fn push(&mut self, message: FromInstance) {
        if self.others.len() == MAX_WAITING {
            self.others.pop_front();
        }
        self.others.push_back(message);
    }

    /// The last message: what ends this life.
    pub(crate) fn broken(&mut self, mut error: String, poisoned: Option<Poisoned>) {
        error.truncate(error.floor_char_boundary(ERROR_TEXT));
        self.broken = Some((error, poisoned.map(Poisoned::bounded)));
    }

    /// The link is new: everything settled is told again.
    pub(crate) fn start_over(&mut self) {
        self.moved = self.settled.clone();
        // It counts frames of the link that is gone.
        self.others.retain(|message| !matches!(message, FromInstance::Drained { .. }));
    }

    /// The next message.
    pub(crate) fn next(&mut self) -> Option<FromInstance> {
        // Positions before the report, and before the end of a drain: a task that is seen to have
        // ended has told where it stands.
        let drained = matches!(self.others.front(), Some(FromInstance::Drained { .. }));
        if (!drained || self.moved.is_empty())
            && let Some(message) = self.others.pop_front()
        {
            return Some(message);
        }
        if !self.moved.is_empty() {
            let rest = self.moved.keys().nth(POSITIONS).cloned();
            let rest = rest.map(|first| self.moved.split_off(&first)).unwrap_or_default();
            return Some(FromInstance::Positions {
                splits: std::mem::replace(&mut self.moved, rest),
            });
        }
        if !self.spans.is_empty() {
            let (spans, dropped) = self.spans.take(SPANS);
            return Some(FromInstance::Spans { spans, dropped });
        }
        if let Some(report) = self.report.take() {
            return Some(FromInstance::Report(Box::new(report)));
        }
        let (error, poisoned) = self.broken.take()?;
        Some(FromInstance::Broken { error, poisoned })
    }
}

/// A loss in words.
pub(crate) fn describe(scope: LossScope) -> String {
    match scope {
        LossScope::Task { task } => format!("task {task} was lost"),
        LossScope::Link { a, b } => format!("the link between pods {a} and {b} was lost"),
        LossScope::Pod { pod } => format!("the stream manager of pod {pod} was lost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_topology::id::TaskId;
    use egret_wire::control;

    #[test]
    fn any_number_of_positions_is_told_in_messages_of_legal_size() {
        let mut outgoing = Outgoing::default();
        let path = "/a/long/path/as/they/occur".repeat(10);
        let splits: BTreeMap<String, u64> =
            (0..40_000).map(|n| (format!("{path}/{n}"), n)).collect();
        outgoing.positions(splits.clone());
        outgoing.broken("é".repeat(ERROR_TEXT), None);
        outgoing.report(TaskReport::default());
        let mut told = BTreeMap::new();
        loop {
            let message = outgoing.next().unwrap();
            control::encode(&message).unwrap();
            match message {
                FromInstance::Positions { splits } => told.extend(splits),
                FromInstance::Report(_) => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(told, splits);
        let Some(FromInstance::Broken { error, .. }) = outgoing.next() else {
            panic!("no last words")
        };
        assert_eq!(error.len(), ERROR_TEXT);
        assert!(outgoing.next().is_none());
    }

    #[test]
    fn what_a_newer_report_replaces_before_it_is_told_is_told_with_it() {
        let mut outgoing = Outgoing::default();
        let report = |executed, micros, task| TaskReport {
            executed,
            latency: vec![(micros, 1)],
            waited_for: vec![(TaskId(task), micros)],
            ..TaskReport::default()
        };
        outgoing.report(report(1, 5, 0));
        outgoing.report(report(2, 6, 1));
        outgoing.report(report(3, 7, 0));
        let Some(FromInstance::Report(told)) = outgoing.next() else { panic!("no report") };
        assert_eq!(told.executed, 3);
        assert_eq!(told.latency, [(5, 1), (6, 1), (7, 1)]);
        assert_eq!(told.waited_for, [(TaskId(0), 12), (TaskId(1), 6)]);
        assert!(outgoing.next().is_none());
    }
}
