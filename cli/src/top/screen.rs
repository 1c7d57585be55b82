//! From a snapshot to lines of text: pure, so that what is seen can be tested.

use crate::{output::visible, run::words};
use egret_topology::plan::ComponentKind;
use egret_ui::snapshot::{Component, Finding, Severity, Snapshot, Task};
use egret_wire::control::Phase;

/// Columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Size {
    /// A pipe, where nothing is cut.
    pub(super) const ENDLESS: Size = Size { columns: usize::MAX, rows: usize::MAX };
}

/// How a piece of a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    Strong,
    Soft,
    Warn,
    Bad,
}

/// Whether tones become colours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint(bool);

impl Paint {
    pub(super) fn plain() -> Paint {
        Paint(false)
    }

    /// Colours, unless NO_COLOR asks for none.
    pub(super) fn of_terminal() -> Paint {
        Paint(std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
    }

    fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Strong => "1",
            Tone::Soft => "2",
            Tone::Warn => "33",
            Tone::Bad => "31",
            Tone::Plain => return text.to_owned(),
        };
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// A line in pieces.
pub(super) type Line = Vec<(Tone, String)>;

/// A share of time above which somebody waits for more than noise.
const WAITS: f64 = 0.05;
/// And much.
const WAITS_MUCH: f64 = 0.3;

/// All lines: what the topology does, what is wrong, its components, its tasks.
pub(super) fn lines(snapshot: &Snapshot, tasks: bool) -> Vec<Line> {
    let mut lines = vec![title(snapshot), whole(snapshot)];
    let notes = snapshot.troubles.iter().map(|text| vec![(Tone::Warn, visible(text))]);
    lines.extend(notes);
    lines.extend(snapshot.findings.iter().map(finding));
    lines.push(Vec::new());
    let head = [
        "COMPONENT",
        "TASKS",
        "EMITTED/S",
        "EXECUTED/S",
        "FAILED",
        "P50",
        "P99",
        "PER TUPLE",
        "BUSY",
        "WAITS",
    ];
    table(&head, 1, snapshot.components.iter().map(component).collect(), &mut lines);
    if tasks {
        lines.push(Vec::new());
        let head = [
            "TASK",
            "STATE",
            "WAITS FOR",
            "ID",
            "POD",
            "EMITTED/S",
            "EXECUTED/S",
            "PER TUPLE",
            "BUSY",
            "WAITS",
            "PENDING",
            "RESTARTS",
        ];
        let rows = snapshot.tasks.iter().map(|one| task(snapshot, one)).collect();
        table(&head, 3, rows, &mut lines);
    }
    lines
}

/// The lines that fit, from `first` on, each cut to the width.
pub(super) fn render(lines: &[Line], size: Size, first: usize, paint: Paint) -> String {
    let mut text = String::new();
    for line in lines.iter().skip(first).take(size.rows) {
        let mut room = size.columns;
        for (tone, piece) in line {
            let fits: String = piece.chars().take(room).collect();
            room -= fits.chars().count();
            text.push_str(&paint.paint(*tone, &fits));
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

fn title(snapshot: &Snapshot) -> Line {
    let mut line = vec![
        (Tone::Strong, visible(&snapshot.topology)),
        (Tone::Plain, format!("  {}", visible(&snapshot.state))),
        (Tone::Soft, format!("  {}", visible(&snapshot.place))),
    ];
    if let Some(why) = &snapshot.stale {
        let age = snapshot.age_seconds;
        line.push((Tone::Bad, format!("  NOT LIVE, {age:.0} s old: {}", visible(why))));
    }
    line
}

fn whole(snapshot: &Snapshot) -> Line {
    let roots = &snapshot.roots;
    let lost = roots.failed + roots.timed_out;
    let dead = match roots.dead_letters {
        0 => String::new(),
        dead => format!(" ({} dead letters)", words::grouped(dead)),
    };
    let connected = snapshot.tasks.iter().filter(|task| task.connected).count();
    let tone = |bad: bool| if bad { Tone::Bad } else { Tone::Plain };
    vec![
        (Tone::Plain, format!("acked {}/s", rate(roots.acked_rate))),
        (Tone::Plain, format!("   p50 {}", words::latency(snapshot.latency.map(|l| l.p50)))),
        (Tone::Plain, format!("   p99 {}", words::latency(snapshot.latency.map(|l| l.p99)))),
        (Tone::Plain, format!("   in flight {}", words::grouped(roots.pending))),
        (tone(lost > 0), format!("   failed {}{dead}", words::grouped(lost))),
        (
            tone(connected < snapshot.tasks.len()),
            format!("   tasks {connected}/{}", snapshot.tasks.len()),
        ),
    ]
}

fn finding(finding: &Finding) -> Line {
    let tone = if finding.severity == Severity::Bad { Tone::Bad } else { Tone::Warn };
    vec![(tone, format!("! {}", visible(&finding.words)))]
}

type Cell = (Tone, String);

fn component(component: &Component) -> Vec<Cell> {
    let flow = &component.flow;
    let spout = component.kind == ComponentKind::Spout;
    let short = component.connected < component.parallelism;
    vec![
        (if component.holds_back { Tone::Warn } else { Tone::Plain }, visible(&component.name)),
        (
            if short { Tone::Bad } else { Tone::Plain },
            format!("{}/{}", component.connected, component.parallelism),
        ),
        plain(rate(flow.emitted_rate)),
        plain(if spout { "-".to_owned() } else { rate(flow.executed_rate) }),
        (if flow.failed > 0 { Tone::Bad } else { Tone::Plain }, words::grouped(flow.failed)),
        plain(words::latency(component.latency.map(|latency| latency.p50))),
        plain(words::latency(component.latency.map(|latency| latency.p99))),
        plain(each(flow.execute_seconds)),
        plain(share(flow.busy)),
        waits(flow.waiting),
    ]
}

fn task(snapshot: &Snapshot, task: &Task) -> Vec<Cell> {
    let flow = &task.flow;
    let state = state(task);
    let waits_for = task.blocked_on.map_or_else(
        || "-".to_owned(),
        |id| {
            let other = snapshot.tasks.iter().find(|task| task.id == id);
            other.map_or_else(|| format!("task {id}"), name)
        },
    );
    vec![
        plain(name(task)),
        (if matches!(state, "failed" | "away") { Tone::Bad } else { Tone::Plain }, state.into()),
        plain(waits_for),
        plain(task.id.to_string()),
        plain(task.pod.to_string()),
        plain(rate(flow.emitted_rate)),
        plain(rate(flow.executed_rate)),
        plain(each(flow.execute_seconds)),
        plain(share(flow.busy)),
        waits(flow.waiting),
        plain(words::grouped(task.pending)),
        (
            if task.restarts > 0 { Tone::Warn } else { Tone::Plain },
            words::grouped(task.restarts.into()),
        ),
    ]
}

fn plain(text: String) -> Cell {
    (Tone::Plain, text)
}

fn name(task: &Task) -> String {
    format!("{}[{}]", visible(&task.component), task.index)
}

/// In one word how a task is.
fn state(task: &Task) -> &'static str {
    match task.phase {
        _ if !task.known => "unknown",
        _ if task.error.is_some() => "failed",
        Phase::Closed => "closed",
        _ if !task.connected => "away",
        Phase::Starting => "starting",
        Phase::Active => "active",
        Phase::Inactive => "inactive",
        Phase::Drained => "drained",
        Phase::Exhausted => "exhausted",
        Phase::Ended => "ended",
    }
}

fn rate(rate: Option<f64>) -> String {
    match rate {
        None => "-".to_owned(),
        Some(rate) if rate > 0.0 && rate < 10.0 => format!("{rate:.1}"),
        Some(rate) => words::grouped(rate.round() as u64),
    }
}

/// Time per tuple, which is often less than a microsecond.
fn each(seconds: Option<f64>) -> String {
    match seconds {
        Some(seconds) if seconds < 1e-6 => format!("{:.0} ns", seconds * 1e9),
        seconds => words::latency(seconds),
    }
}

fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.0}%", share * 100.0))
}

fn waits(waiting: Option<f64>) -> Cell {
    let tone = match waiting {
        Some(waiting) if waiting >= WAITS_MUCH => Tone::Bad,
        Some(waiting) if waiting >= WAITS => Tone::Warn,
        _ => Tone::Plain,
    };
    (tone, share(waiting))
}

/// A table: the first `left` columns are words and stand left, the others are numbers.
fn table(head: &[&str], left: usize, rows: Vec<Vec<Cell>>, lines: &mut Vec<Line>) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let longest = cells.map(|(_, text)| text.chars().count()).max().unwrap_or(0);
        longest.max(head[column].len())
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let aligned = |column: usize, text: &str| {
        let (gap, width) = (if column == 0 { "" } else { "  " }, widths[column]);
        if column < left { format!("{gap}{text:<width$}") } else { format!("{gap}{text:>width$}") }
    };
    let heads = head.iter().enumerate().map(|(column, text)| (Tone::Soft, aligned(column, text)));
    lines.push(heads.collect());
    for row in &rows {
        let cells = row.iter().enumerate();
        lines.push(cells.map(|(column, (tone, text))| (*tone, aligned(column, text))).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A snapshot of one spout and one bolt, as JSON has it.
    fn snapshot() -> Snapshot {
        let flow = |executed: f64, waiting: f64| {
            json!({"emitted": 0, "executed": 0, "acked": 0, "failed": 0, "emittedRate": 1234.4,
                   "executedRate": executed, "ackedRate": null, "failedRate": null,
                   "executeSeconds": 2.5e-7, "busy": 0.5, "waiting": waiting})
        };
        let component = |name: &str, kind: &str, holds: bool| {
            json!({"name": name, "kind": kind, "component": name, "parallelism": 1,
                   "connected": 1, "ended": 0, "restarts": 0, "pending": 0, "latency": null,
                   "holdsBack": holds, "flow": flow(0.25, 0.4)})
        };
        let task = |id: u32, component: &str| {
            json!({"id": id, "component": component, "index": 0, "pod": 0, "known": true,
                   "phase": "active", "connected": true, "restarts": 0, "pending": 7,
                   "blockedOn": if id == 0 { Some(1) } else { None }, "callSeconds": 0.0,
                   "position": null, "error": null, "errors": [], "flow": flow(0.25, 0.4)})
        };
        let layout = json!({"size": {"x": 0.0, "y": 0.0}, "node": {"x": 0.0, "y": 0.0},
                            "label": {"x": 0.0, "y": 0.0}, "nodes": [], "edges": []});
        serde_json::from_value(json!({
            "version": 1, "topology": "t\u{1b}[2J", "place": "this machine", "state": "Running",
            "atMs": 0, "ageSeconds": 0.0, "stale": null, "windowSeconds": 5.0, "troubles": [],
            "maxPending": 10,
            "roots": {"emitted": 0, "acked": 0, "failed": 0, "timedOut": 0, "pending": 7,
                      "replayed": 0, "ackedRate": 99.6, "lostRate": 0.0},
            "latency": {"p50": 0.0012, "p99": 0.035, "max": 1.0, "count": 3},
            "findings": [{"severity": "warn", "kind": "holdsBack", "component": "slow",
                          "task": 1, "words": "slow[0] holds back"}],
            "components": [component("words", "spout", false), component("slow", "bolt", true)],
            "edges": [], "pods": [], "tasks": [task(0, "words"), task(1, "slow")],
            "layouts": {"right": layout, "down": layout},
        }))
        .unwrap()
    }

    #[test]
    fn the_table_says_who_works_who_waits_and_for_whom() {
        let text = render(&lines(&snapshot(), true), Size::ENDLESS, 0, Paint::plain());
        let expected = "\
t [2J  Running  this machine
acked 100/s   p50 1.2 ms   p99 35 ms   in flight 7   failed 0   tasks 2/2
! slow[0] holds back

COMPONENT  TASKS  EMITTED/S  EXECUTED/S  FAILED  P50  P99  PER TUPLE  BUSY  WAITS
words        1/1      1,234           -       0    -    -     250 ns   50%    40%
slow         1/1      1,234         0.2       0    -    -     250 ns   50%    40%

TASK      STATE   WAITS FOR  ID  POD  EMITTED/S  EXECUTED/S  PER TUPLE  BUSY  WAITS  PENDING  \
         RESTARTS
words[0]  active  slow[0]     0    0      1,234         0.2     250 ns   50%    40%        \
         7         0
slow[0]   active  -           1    0      1,234         0.2     250 ns   50%    40%        \
         7         0
";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_does_not_fit_is_cut_and_can_be_scrolled_to() {
        let lines = lines(&snapshot(), true);
        let size = Size { columns: 10, rows: 3 };
        let text = render(&lines, size, 1, Paint::plain());
        assert_eq!(text, "acked 100/\n! slow[0]\n\n");
        let coloured = render(&lines, size, 2, Paint(true));
        assert!(coloured.starts_with("\u{1b}[33m! slow[0] \u{1b}[0m\n"), "{coloured:?}");
        assert_eq!(render(&lines, size, 99, Paint(true)), "");
    }

    #[test]
    fn what_is_old_says_so() {
        let old = Snapshot { stale: Some("gone".into()), age_seconds: 12.3, ..snapshot() };
        let text = render(&lines(&old, false), Size::ENDLESS, 0, Paint::plain());
        assert!(text.contains("NOT LIVE, 12 s old: gone"), "{text}");
        assert!(!text.contains("RESTARTS"), "tasks are hidden");
    }
}
