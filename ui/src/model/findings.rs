//! What is wrong or slow, in words: which task, since when, and who waits for it.

use crate::snapshot::{Component, Edge, Finding, Kind, Severity, Snapshot, Task};
use egret_topology::plan::ComponentKind;
use egret_wire::control::Phase;

/// Who waits less than this for somebody is not held back.
const HELD_BACK: f64 = 0.1;
/// Who waits this much is, whatever the other one does; below, the other one must be at work, for
/// on a busy machine everybody waits now and then.
const HELD_BACK_MUCH: f64 = 0.3;
/// A task that works less than this has time to spare.
const AT_WORK: f64 = 0.5;
/// Who waits this much itself only passes on what holds it back.
const PASSES_ON: f64 = 0.3;
/// A task that works this much of its time can do no more.
const AT_ITS_LIMIT: f64 = 0.9;
/// Trees in flight, of those that there may be, that count as all.
const FULL: f64 = 0.9;
/// A call of user code that has not returned for so long is told.
const STUCK_SECONDS: f64 = 5.0;
/// Findings that are told: more help nobody.
const MOST: usize = 20;

/// Fills in what holds back, and all findings.
pub(super) fn add(snapshot: &mut Snapshot) {
    let mut findings = Vec::new();
    broken(snapshot, &mut findings);
    pods(snapshot, &mut findings);
    lost(snapshot, &mut findings);
    let holding: Vec<(usize, Finding)> = (0..snapshot.components.len())
        .filter_map(|at| Some((at, holds_back(snapshot, &snapshot.components[at])?)))
        .collect();
    let is_held = !holding.is_empty();
    for (at, finding) in holding {
        snapshot.components[at].holds_back = true;
        findings.push(finding);
    }
    if !is_held {
        full(snapshot, &mut findings);
    }
    findings.sort_by_key(|finding| (finding.severity, finding.kind));
    findings.truncate(MOST);
    snapshot.findings = findings;
}

fn name(task: &Task) -> String {
    format!("{}[{}]", task.component, task.index)
}

fn of_task(task: &Task, kind: Kind, words: String) -> Finding {
    Finding {
        severity: Severity::Bad,
        kind,
        component: Some(task.component.clone()),
        task: Some(task.id),
        words,
    }
}

fn broken(snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    for task in snapshot.tasks.iter().filter(|task| task.known) {
        let name = name(task);
        if let Some(error) = &task.error {
            let first = error.lines().next().unwrap_or_default();
            findings.push(of_task(task, Kind::Broken, format!("{name} has failed: {first}")));
        } else if !task.connected && task.phase != Phase::Closed {
            let words = format!("{name} has no link to its stream manager");
            findings.push(of_task(task, Kind::Away, words));
        }
        if task.call_seconds >= STUCK_SECONDS && task.blocked_on.is_none() {
            let seconds = task.call_seconds;
            let words = format!("a call of {name} has not returned for {seconds:.0} s");
            findings.push(of_task(task, Kind::Stuck, words));
        }
    }
}

fn pods(snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    for pod in &snapshot.pods {
        let down: Vec<String> = pod.peers_down.iter().map(|pod| format!("pod {pod}")).collect();
        let words = match (pod.answers, down.is_empty()) {
            (true, true) => continue,
            (true, false) => format!("{} has no link to {}", pod.name, down.join(", ")),
            (false, _) => format!("the stream manager of {} does not answer", pod.name),
        };
        let (severity, kind) = (Severity::Bad, Kind::Pod);
        findings.push(Finding { severity, kind, component: None, task: None, words });
    }
}

fn lost(snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    if let Some(rate) = snapshot.roots.lost_rate.filter(|rate| *rate > 0.0) {
        let rate = if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
        let mut words = format!("{rate} tuple trees per second fail or time out");
        if let Some(holder) = snapshot.tasks.iter().find_map(|task| task.held_by.as_ref()) {
            words += &format!("; of the last, one was held by {holder}");
        }
        let (severity, kind) = (Severity::Warn, Kind::Lost);
        findings.push(Finding { severity, kind, component: None, task: None, words });
    }
}

/// Whether this component keeps others waiting, and not only because it must wait itself.
fn holds_back(snapshot: &Snapshot, component: &Component) -> Option<Finding> {
    let into = |edge: &&Edge| edge.to == component.name;
    let waits = |edge: &&Edge| edge.waiting.is_some_and(|waiting| waiting >= HELD_BACK);
    let mut held: Vec<&Edge> = snapshot.edges.iter().filter(into).filter(waits).collect();
    if held.is_empty() || component.flow.waiting.unwrap_or(0.0) >= PASSES_ON {
        return None;
    }
    held.sort_by(|a, b| b.waiting.unwrap_or(0.0).total_cmp(&a.waiting.unwrap_or(0.0)));
    held.dedup_by(|a, b| a.from == b.from);
    let of_component = || snapshot.tasks.iter().filter(|task| task.component == component.name);
    let busiest = of_component().max_by(|a, b| busy(a).total_cmp(&busy(b)));
    let much = held[0].waiting.is_some_and(|waiting| waiting >= HELD_BACK_MUCH);
    if !much && busiest.is_none_or(|task| busy(task) < AT_WORK) {
        return None;
    }
    let waited_for = held[0].waits_for.and_then(|id| of_component().find(|task| task.id == id));
    let task = waited_for.or(busiest)?;
    let who: Vec<String> = held
        .iter()
        .map(|edge| format!("{} waits {}", edge.from, percent(edge.waiting.unwrap_or(0.0))))
        .collect();
    let work =
        task.flow.busy.map_or_else(String::new, |busy| format!(", it works {}", percent(busy)));
    let words = format!("{} holds back: {} of the time for it{work}", name(task), who.join(", "));
    Some(Finding { severity: Severity::Warn, ..of_task(task, Kind::HoldsBack, words) })
}

fn busy(task: &Task) -> f64 {
    task.flow.busy.unwrap_or(0.0)
}

/// Spouts that may not emit more: the busiest bolt at its limit is what they wait for.
fn full(snapshot: &mut Snapshot, findings: &mut Vec<Finding>) {
    let most = f64::from(snapshot.max_pending.unwrap_or(u32::MAX));
    let is_full = |component: &Component| {
        component.kind == ComponentKind::Spout
            && component.parallelism > 0
            && component.pending as f64 >= FULL * most * f64::from(component.parallelism)
    };
    let spouts: Vec<String> =
        snapshot.components.iter().filter(|c| is_full(c)).map(|c| c.name.clone()).collect();
    if spouts.is_empty() {
        return;
    }
    let bolts = snapshot.components.iter().filter(|c| c.kind == ComponentKind::Bolt);
    let names: Vec<&str> = bolts.map(|component| component.name.as_str()).collect();
    let of_bolts = snapshot.tasks.iter().filter(|task| names.contains(&task.component.as_str()));
    let busiest = of_bolts.max_by(|a, b| busy(a).total_cmp(&busy(b)));
    let spouts = spouts.join(", ");
    let Some(task) = busiest.filter(|task| busy(task) >= AT_ITS_LIMIT) else {
        let words = format!("{spouts} has as many trees in flight as maxPending allows");
        let (severity, kind) = (Severity::Warn, Kind::Full);
        findings.push(Finding { severity, kind, component: None, task: None, words });
        return;
    };
    let words = format!(
        "{} holds back: it works {} of the time, and {spouts} has as many trees in flight as \
         maxPending allows",
        name(task),
        percent(busy(task)),
    );
    let finding = of_task(task, Kind::HoldsBack, words);
    findings.push(Finding { severity: Severity::Warn, ..finding });
    let component = task.component.clone();
    for of in snapshot.components.iter_mut().filter(|of| of.name == component) {
        of.holds_back = true;
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
