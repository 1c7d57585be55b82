//! What must hold when everything has ended: every piece is where it belongs, and sums add up.

use super::{Life, Witness};
use crate::{invariant::Invariant, scenario::Scenario};
use egret_topology::id::TaskId;
use egret_wire::control::TaskReport;
use std::collections::{BTreeMap, BTreeSet};

impl Witness {
    /// All tasks have ended: under at-least-once no piece may be missing at a sink that it reaches.
    /// `all`: the input was read to its end, and not stopped before.
    pub(crate) fn judge_content(&mut self, scenario: &Scenario, all: bool) {
        if !self.tracked && (scenario.fails || !scenario.is_calm()) {
            return;
        }
        if all && let Some(piece) = self.acked.iter().position(|acked| !acked) {
            return self
                .accuse(Invariant::Progress, format!("all has ended, piece {piece} is not acked"));
        }
        let written = self.written();
        for input in &scenario.inputs {
            for stream in 0..input.streams {
                for sink in self.sinks_of(input.component, stream as usize) {
                    let missing = (0..input.splits * input.lines)
                        .map(|line| input.base + line * input.streams + stream)
                        .filter(|piece| self.acked[*piece as usize])
                        .find(|piece| !written.contains(&(sink, *piece)));
                    if let Some(piece) = missing {
                        let name = &self.plan.plan().components[sink].name;
                        let what = format!("piece {piece} is acked and never reached `{name}`");
                        return self.accuse(Invariant::Progress, what);
                    }
                }
            }
        }
    }

    /// Pieces by the sink that has written them, by those of its lives that lived to do so.
    fn written(&self) -> BTreeSet<(usize, u32)> {
        let in_time = self
            .sunk
            .iter()
            .filter(|sunk| self.lives[sunk.life].killed.is_none_or(|killed| sunk.at <= killed));
        in_time
            .filter_map(|sunk| {
                Some((self.plan.task(self.lives[sunk.life].task)?.component, sunk.piece))
            })
            .collect()
    }

    /// Sinks that tuples of a stream reach by a path on which nothing is kept in memory alone that
    /// was killed: counts of a killed bolt are gone.
    fn sinks_of(&self, component: usize, stream: usize) -> Vec<usize> {
        let components = &self.plan.plan().components;
        let mut reached = BTreeSet::new();
        let mut todo = vec![(component, stream)];
        while let Some((from, stream)) = todo.pop() {
            for (at, to) in components.iter().enumerate() {
                let fed = to.inputs.iter().any(|i| (i.from, i.stream) == (from, stream));
                if !fed || reached.contains(&at) || (to.component == "count" && self.has_died(at)) {
                    continue;
                }
                reached.insert(at);
                todo.extend((0..to.streams.len()).map(|stream| (at, stream)));
            }
        }
        reached.into_iter().filter(|at| components[*at].component == "sink").collect()
    }

    fn has_died(&self, component: usize) -> bool {
        let tasks = self.plan.tasks_of(component);
        tasks.iter().any(|task| self.lives.iter().filter(|life| life.task == *task).count() > 1)
    }

    /// A task that is at rest has told its user everything, and its counters are what user code
    /// did.
    pub(crate) fn judge_rest(&mut self, life: Life, report: &TaskReport) {
        let record = &self.lives[life];
        let (task, unresolved, executed) = (record.task, record.unresolved, record.executed);
        self.expect(unresolved == 0, Invariant::OneOutcome, || {
            format!("the spout of task {task} was never told of {unresolved} roots")
        });
        self.expect(report.executed == executed, Invariant::Totals, || {
            format!("task {task} reports {} executed, it was {executed}", report.executed)
        });
    }

    /// Without faults every tuple that was sent on an edge is executed once.
    pub(crate) fn judge_edges(&mut self, reports: &BTreeMap<TaskId, TaskReport>) {
        for (task, report) in reports {
            let lives = 0..self.lives.len();
            let sent: u64 = lives.map(|life| self.sent(life, *task)).sum();
            self.expect(report.executed == sent, Invariant::Totals, || {
                format!("{sent} tuples were sent to task {task}, it executed {}", report.executed)
            });
        }
    }
}
