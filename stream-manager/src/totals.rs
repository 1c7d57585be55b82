//! What each task of the pod has done over all its lives.
//!
//! An instance reports counts since its start; when a new life takes over, those of the last one
//! are added up, and its pending roots, which nobody tracks any more, are booked as failed. So
//! always emitted = acked + failed + timed out + pending.

use crate::{
    errors::{Errors, Told},
    limits::{ERROR_TEXT, USER_METRICS},
};
use egret_topology::{
    id::{Incarnation, TaskId},
    limits::MAX_TASKS,
};
use egret_wire::control::{Phase, RootCounts, TaskReport, TaskStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one task has done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TaskTotals {
    /// Newest life, if any has registered.
    incarnation: Option<Incarnation>,
    /// Newest life that wants to, once this is written.
    wanted: Option<Incarnation>,
    restarts: u32,
    /// Of these, after an error of user code.
    after_error: u32,
    /// And after an end that the plan wanted.
    after_close: u32,
    /// Sums of the lives before.
    past: TaskReport,
    /// Of the newest life.
    live: TaskReport,
    /// Complete latency of all lives: microseconds to count.
    latency: BTreeMap<u64, u64>,
    /// Of all lives: whom it has waited for, in microseconds.
    waited_for: BTreeMap<TaskId, u64>,
    error: Option<String>,
    /// The last errors of all lives.
    errors: Errors,
    #[serde(skip)]
    connected: bool,
    /// Since when it has been away.
    #[serde(skip)]
    away: Option<u64>,
    /// The newest life has been away for so long that its pending roots count as failed.
    #[serde(skip)]
    lost: bool,
}

/// What a report has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    /// All is as before: nothing to write.
    Nothing,
    /// Counts have moved.
    Progress,
    /// The task has just ended or closed.
    Ended,
}

impl TaskTotals {
    /// A life is about to register.
    pub(crate) fn registers(&mut self, incarnation: Incarnation) {
        self.wanted = self.newest().max(Some(incarnation));
    }

    /// Newest life that has registered, or may have.
    pub(crate) fn newest(&self) -> Option<Incarnation> {
        self.incarnation.max(self.wanted)
    }

    /// A life has registered. Returns the number of lives before it.
    pub(crate) fn registered(&mut self, incarnation: Incarnation) -> u32 {
        match self.incarnation {
            Some(known) if known != incarnation => {
                self.restarts = self.restarts.saturating_add(1);
                self.errors.reborn();
                if self.error.is_some() {
                    self.after_error = self.after_error.saturating_add(1);
                } else if self.live.phase == Phase::Closed {
                    self.after_close = self.after_close.saturating_add(1);
                }
                let mut over = std::mem::take(&mut self.live);
                book_pending(&mut over);
                add(&mut self.past, &over);
            }
            _ => {}
        }
        self.incarnation = Some(incarnation);
        self.connected = true;
        self.away = None;
        self.lost = false;
        self.restarts
    }

    pub(crate) fn disconnected(&mut self) {
        self.connected = false;
        self.away = None;
    }

    /// To be called now and then while time goes on.
    pub(crate) fn tick(&mut self, now: u64, patience: u64) {
        if !self.connected {
            let since = *self.away.get_or_insert(now);
            self.lost |= now.saturating_sub(since) >= patience;
        }
    }

    /// The newest life has reported.
    pub(crate) fn reported(&mut self, mut report: TaskReport) -> Noted {
        // What it uses always changes, and is not worth a write.
        self.live.usage = report.usage;
        let idle = report.latency.is_empty() && report == self.live;
        for (micros, count) in report.latency.drain(..) {
            let known = self.latency.entry(rounded(micros)).or_default();
            *known = known.saturating_add(count);
        }
        for (task, micros) in report.waited_for.drain(..) {
            // An instance may name whomever it likes.
            if self.waited_for.len() < MAX_TASKS as usize || self.waited_for.contains_key(&task) {
                let waited = self.waited_for.entry(task).or_default();
                *waited = waited.saturating_add(micros);
            }
        }
        report.user.truncate(USER_METRICS);
        let over = |phase| matches!(phase, Phase::Ended | Phase::Closed);
        let ended = over(report.phase) && !over(self.live.phase);
        if report.phase == Phase::Active {
            self.error = None;
        }
        self.live = report;
        if ended {
            Noted::Ended
        } else if idle {
            Noted::Nothing
        } else {
            Noted::Progress
        }
    }

    /// A life has ended by itself, with this error.
    pub(crate) fn crashed(&mut self, told: Told, at_ms: u64, mut error: String) {
        self.errors.note(told, at_ms, self.restarts, &error);
        error.truncate(error.floor_char_boundary(ERROR_TEXT));
        self.error = Some(error);
    }

    /// The life before `next` was ended by a signal. It is said again whenever that one links up.
    pub(crate) fn died(&mut self, next: Incarnation, at_ms: u64, why: &str) {
        if self.incarnation != Some(next) {
            self.errors.note(Told::ByParent, at_ms, self.restarts, why);
        }
    }

    /// The sums over all lives.
    pub(crate) fn total(&self) -> TaskReport {
        let mut live = self.live.clone();
        if self.lost {
            book_pending(&mut live);
        }
        let mut total = self.past.clone();
        add(&mut total, &live);
        total
    }

    pub(crate) fn status(&self, task: TaskId) -> TaskStatus {
        TaskStatus {
            task,
            connected: self.connected,
            incarnation: self.incarnation.unwrap_or_default(),
            restarts: self.restarts,
            total: self.total(),
            latency: self.latency.iter().map(|(micros, count)| (*micros, *count)).collect(),
            error: self.error.clone(),
        }
    }

    pub(crate) fn connected(&self) -> bool {
        self.connected
    }

    /// Its process was asked to end, and works on.
    pub(crate) fn is_leaving(&self) -> bool {
        self.connected && self.live.leaving
    }

    /// Lives after the first, by how the one before ended.
    pub(crate) fn restarts(&self) -> [(&'static str, u32); 3] {
        let lost = self.restarts.saturating_sub(self.after_error).saturating_sub(self.after_close);
        [("error", self.after_error), ("planned", self.after_close), ("lost", lost)]
    }

    /// The error that ended the last life, if it ended by itself.
    pub(crate) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    pub(crate) fn errors(&self) -> &Errors {
        &self.errors
    }

    pub(crate) fn latency(&self) -> &BTreeMap<u64, u64> {
        &self.latency
    }

    /// Whom it has waited for, in microseconds.
    pub(crate) fn waited_for(&self) -> &BTreeMap<TaskId, u64> {
        &self.waited_for
    }
}

/// Nobody tracks the pending roots of a life that is over.
fn book_pending(report: &mut TaskReport) {
    let RootCounts { pending, .. } = report.roots;
    more(&mut report.roots.failed, pending);
    more(&mut report.roots.orphaned, pending);
    more(&mut report.failed, pending);
    report.roots.pending = 0;
    report.unfinished = 0;
    report.heard = 0;
    report.inbox_bytes = 0;
    report.outbox_bytes = 0;
}

/// An instance may report anything, so sums end where numbers do.
fn more(sum: &mut u64, count: u64) {
    *sum = sum.saturating_add(count);
}

/// Sums what can be summed; the rest is as the later life says.
fn add(sum: &mut TaskReport, life: &TaskReport) {
    sum.roots.add(&life.roots);
    more(&mut sum.emitted, life.emitted);
    more(&mut sum.executed, life.executed);
    more(&mut sum.acked, life.acked);
    more(&mut sum.failed, life.failed);
    more(&mut sum.backpressure_us, life.backpressure_us);
    more(&mut sum.busy_us, life.busy_us);
    more(&mut sum.discarded, life.discarded);
    sum.execute.add(&life.execute);
    sum.process.add(&life.process);
    sum.inbox_bytes = life.inbox_bytes;
    sum.outbox_bytes = life.outbox_bytes;
    sum.usage = life.usage;
    sum.phase = life.phase;
    sum.leaving = life.leaving;
    sum.unfinished = life.unfinished;
    sum.heard = life.heard;
    sum.blocked_on = life.blocked_on;
    sum.busy_ms = life.busy_ms;
    sum.position.clone_from(&life.position);
    sum.held_by.clone_from(&life.held_by);
    let past = std::mem::take(&mut sum.user);
    sum.user.clone_from(&life.user);
    for metric in past.into_iter().filter(|metric| !metric.gauge) {
        match sum.user.iter().position(|m| m.name == metric.name) {
            Some(at) if !sum.user[at].gauge => sum.user[at].value += metric.value,
            None if sum.user.len() < USER_METRICS => sum.user.push(metric),
            _ => {}
        }
    }
}

/// To 128 steps per power of two, below one percent: bounds how many values there can be.
fn rounded(micros: u64) -> u64 {
    let drop = (64 - micros.leading_zeros()).saturating_sub(8);
    micros >> drop << drop
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_wire::control::UserMetric;

    fn report(emitted: u64, acked: u64, pending: u64) -> TaskReport {
        let roots = RootCounts { emitted, acked, pending, ..RootCounts::default() };
        TaskReport { roots, emitted, acked, ..TaskReport::default() }
    }

    fn balance(total: &TaskReport) -> bool {
        let RootCounts { emitted, acked, failed, timed_out, pending, .. } = total.roots;
        emitted == acked + failed + timed_out + pending
    }

    #[test]
    fn a_new_life_adds_to_the_last_and_books_its_pending_as_failed() {
        let mut totals = TaskTotals::default();
        assert_eq!(totals.registered(Incarnation(1)), 0);
        totals.reported(report(10, 4, 6));
        assert!(balance(&totals.total()));
        assert_eq!(totals.registered(Incarnation(2)), 1);
        totals.reported(report(3, 1, 2));
        let total = totals.total();
        assert!(balance(&total));
        let RootCounts { emitted, acked, failed, pending, .. } = total.roots;
        assert_eq!((emitted, acked, failed, pending), (13, 5, 6, 2));
        assert_eq!(total.roots.orphaned, 6);
        assert_eq!(total.failed, 6);
    }

    #[test]
    fn a_life_is_written_before_it_registers_and_a_lesser_one_changes_nothing() {
        let mut totals = TaskTotals::default();
        assert_eq!(totals.newest(), None);
        for life in [3, 7, 5] {
            totals.registers(Incarnation(life));
        }
        let left: TaskTotals =
            serde_json::from_str(&serde_json::to_string(&totals).unwrap()).unwrap();
        assert_eq!((left.newest(), left.incarnation), (Some(Incarnation(7)), None));
        totals.registered(Incarnation(8));
        assert_eq!(totals.newest(), Some(Incarnation(8)));
    }

    #[test]
    fn an_instance_that_reports_any_number_makes_nothing_overflow() {
        let mut totals = TaskTotals::default();
        for life in 1..4 {
            totals.registered(Incarnation(life));
            let latency = vec![(5, u64::MAX), (5, u64::MAX)];
            let more = TaskReport { latency, failed: u64::MAX, ..report(u64::MAX, 1, u64::MAX) };
            totals.reported(more);
        }
        assert_eq!(totals.total().roots.emitted, u64::MAX);
        assert_eq!(totals.status(TaskId(0)).latency, [(5, u64::MAX)]);
    }

    #[test]
    fn the_same_life_that_returns_counts_once() {
        let mut totals = TaskTotals::default();
        totals.registered(Incarnation(1));
        totals.reported(report(10, 4, 6));
        totals.disconnected();
        totals.tick(100, 3);
        assert_eq!(totals.total().roots.pending, 6);
        totals.tick(103, 3);
        assert_eq!((totals.total().roots.pending, totals.total().roots.failed), (0, 6));
        assert_eq!(totals.registered(Incarnation(1)), 0);
        totals.reported(report(10, 10, 0));
        assert_eq!((totals.total().roots.acked, totals.total().roots.failed), (10, 0));
    }

    #[test]
    fn a_death_is_told_once_by_the_life_that_follows() {
        let mut totals = TaskTotals::default();
        totals.registered(Incarnation(1));
        for _ in 0..2 {
            totals.died(Incarnation(2), 5, "signal 9");
            totals.registered(Incarnation(2));
            totals.disconnected();
        }
        let told: Vec<(&str, u32)> =
            totals.errors.kept().map(|error| (error.text.as_str(), error.times)).collect();
        assert_eq!(told, [("signal 9", 1)]);
        assert_eq!(totals.status(TaskId(0)).error, None, "a kill is no error of the component");
    }

    #[test]
    fn a_restart_is_counted_by_how_the_life_before_ended() {
        let mut totals = TaskTotals::default();
        let mut life = 0;
        let mut register = |totals: &mut TaskTotals| {
            life += 1;
            totals.registered(Incarnation(life));
            totals.reported(TaskReport { phase: Phase::Active, ..TaskReport::default() });
        };
        register(&mut totals);
        totals.crashed(Told::ByItself, 1, "no such file".into());
        register(&mut totals);
        totals.disconnected();
        register(&mut totals);
        totals.reported(TaskReport { phase: Phase::Closed, ..TaskReport::default() });
        register(&mut totals);
        totals.disconnected();
        register(&mut totals);
        assert_eq!(totals.restarts(), [("error", 1), ("planned", 1), ("lost", 2)]);
    }

    #[test]
    fn totals_survive_on_disk() {
        let mut totals = TaskTotals::default();
        totals.registered(Incarnation(1));
        totals.reported(TaskReport { latency: vec![(1500, 3)], ..report(10, 4, 6) });
        totals.crashed(Told::ByItself, 7, "no such file".into());
        let json = serde_json::to_string(&totals).unwrap();
        let mut back: TaskTotals = serde_json::from_str(&json).unwrap();
        assert_eq!(back.total(), totals.total());
        assert_eq!(back.registered(Incarnation(2)), 1);
        // It works again, and what it died of is known still.
        back.reported(TaskReport { phase: Phase::Active, ..TaskReport::default() });
        assert_eq!(back.error(), None);
        let errors: Vec<_> = back.errors().kept().map(|e| (e.text.as_str(), e.last_ms)).collect();
        assert_eq!(errors, [("no such file", 7)]);
        assert!(balance(&back.total()));
    }

    #[test]
    fn latencies_are_kept_within_a_percent_and_in_bounded_space() {
        let mut totals = TaskTotals::default();
        for micros in 0..200_000 {
            totals.reported(TaskReport { latency: vec![(micros, 1)], ..TaskReport::default() });
        }
        assert!(totals.latency.len() < 128 * 12);
        assert_eq!(totals.latency.values().sum::<u64>(), 200_000);
        assert!((99_000..=100_000).contains(&rounded(100_000)));
        assert_eq!(rounded(u64::MAX), 0xff << 56);
        assert_eq!(rounded(0), 0);
    }

    #[test]
    fn counters_of_user_code_add_up_and_gauges_do_not() {
        let mut totals = TaskTotals::default();
        let user = |gauge| UserMetric { name: format!("m{gauge}"), gauge, value: 2.0 };
        for life in 1..=3 {
            totals.registered(Incarnation(life));
            totals.reported(TaskReport {
                user: vec![user(false), user(true)],
                ..TaskReport::default()
            });
        }
        let values: Vec<f64> = totals.total().user.iter().map(|metric| metric.value).collect();
        assert_eq!(values, [6.0, 2.0]);
    }

    #[test]
    fn an_instance_that_names_tasks_at_will_fills_no_memory() {
        let mut totals = TaskTotals::default();
        let waited = |waited_for| TaskReport { waited_for, ..TaskReport::default() };
        let all = (0..MAX_TASKS * 2).map(|task| (TaskId(task), 1)).collect();
        totals.reported(waited(all));
        totals.reported(waited(vec![(TaskId(0), u64::MAX)]));
        assert_eq!(totals.waited_for().len(), MAX_TASKS as usize);
        assert_eq!(totals.waited_for()[&TaskId(0)], u64::MAX);
    }

    #[test]
    fn an_end_is_noticed_once() {
        let mut totals = TaskTotals::default();
        let ended = || TaskReport { phase: Phase::Ended, ..TaskReport::default() };
        assert_eq!(totals.reported(ended()), Noted::Ended);
        assert_eq!(totals.reported(ended()), Noted::Nothing);
        let closed = TaskReport { phase: Phase::Closed, ..TaskReport::default() };
        assert_eq!(totals.reported(closed), Noted::Progress);
    }
}
