//! Tables of what was measured, for a terminal and for a document.

use crate::{
    figures::{self, Spread, time},
    latency::Latency,
    report::{Measured, Row, Run},
};

/// The scenario whose pairs are compared.
const WATCHED: &str = "watched";

const HEADINGS: [&str; 7] =
    ["", "per second", "least to most", "per CPU second", "p50", "p99", "p99.9"];

/// The latest run of a variant in one line.
pub(crate) fn line(row: &Row, run: &Run) -> String {
    let of = |value| scaled(row.payload, value);
    let mut text = row.name.clone();
    if let Some(rate) = run.rate() {
        let (low, high) = (of(rate.min), of(rate.max));
        text += &format!(": {} per second ({low} to {high})", of(rate.median));
    }
    if let Some(latency) = run.latency {
        text += &format!(", p50 {}, p99 {}", time(latency.p50), time(latency.p99));
    }
    if run.stolen > 0.02 {
        text += &format!(", {:.0} % of the machine was stolen", run.stolen * 100.0);
    }
    text
}

/// A scenario as a table of columns of equal width.
pub(crate) fn text(measured: &Measured) -> String {
    let rows = cells(measured);
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([HEADINGS[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    let mut text = String::new();
    for row in [HEADINGS.map(str::to_owned)].iter().chain(&rows) {
        let mut line = String::from("  ");
        for (column, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[column] - cell.chars().count());
            // Names to the left, figures to the right.
            line += &if column == 0 { format!("{cell}{pad}") } else { format!("  {pad}{cell}") };
        }
        text += line.trim_end();
        text.push('\n');
    }
    for remark in remarks(measured) {
        text += &format!("  {remark}\n");
    }
    text
}

/// The same for a document.
pub(crate) fn markdown(measured: &Measured) -> String {
    let mut text = format!("| {} |\n|---{}\n", HEADINGS.join(" | "), "|---:".repeat(6) + "|");
    for row in cells(measured) {
        text += &format!("| {} |\n", row.join(" | "));
    }
    let remarks = remarks(measured);
    if !remarks.is_empty() {
        text.push('\n');
    }
    for remark in remarks {
        text += &format!("- {remark}\n");
    }
    text
}

/// Tuples, or bytes where nothing else is counted.
fn scaled(payload: Option<u32>, value: f64) -> String {
    if payload.is_some() { figures::rate(value) } else { figures::bytes(value) }
}

fn cells(measured: &Measured) -> Vec<[String; 7]> {
    measured.variants.iter().filter(|row| !row.runs.is_empty()).map(cells_of).collect()
}

fn cells_of(row: &Row) -> [String; 7] {
    let scaled = |value| scaled(row.payload, value);
    let of = |spread: Option<Spread>| spread.map(|s| scaled(s.median)).unwrap_or_default();
    let spread = row.rate().map(|rate| format!("{} to {}", scaled(rate.min), scaled(rate.max)));
    let at = |figure: fn(&Latency) -> f64| row.latency(figure).map(time).unwrap_or_default();
    [
        row.name.clone(),
        of(row.rate()),
        spread.unwrap_or_default(),
        of(row.per_cpu()),
        at(|latency| latency.p50),
        at(|latency| latency.p99),
        at(|latency| latency.p999),
    ]
}

/// What does not fit a column.
fn remarks(measured: &Measured) -> Vec<String> {
    let mut remarks = Vec::new();
    for row in &measured.variants {
        let name = &row.name;
        if let Some(why) = &row.skipped {
            remarks.push(format!("{name}: skipped, {why}"));
        }
        for problem in &row.problems {
            let first = problem.lines().next().unwrap_or_default();
            remarks.push(format!("{name}: WRONG, no speed: {first}"));
        }
        let details = details(row);
        if !details.is_empty() {
            remarks.push(format!("{name}: {}", details.join(", ")));
        }
    }
    if let (WATCHED, Some(extra)) = (measured.name.as_str(), measured.extra()) {
        let [median, min, max] = [extra.median, extra.min, extra.max].map(|one| one * 100.0);
        let pairs = format!("{min:+.1} to {max:+.1}");
        let verdict = if median >= 3.05 { "MORE than the 3 % allowed" } else { "3 % are allowed" };
        remarks.push(format!(
            "being watched takes {median:+.1} % CPU time per tuple ({pairs}): {verdict}"
        ));
    }
    if let Some(drift) = measured.drift {
        let percent = drift * 100.0;
        let verdict = if percent.abs() > 5.0 { ": the machine was not quiet" } else { "" };
        remarks.push(format!("drift {percent:+.1} %{verdict}"));
    }
    remarks
}

fn details(row: &Row) -> Vec<String> {
    let mut details = Vec::new();
    if let (Some(bytes), Some(rate)) = (row.payload.filter(|bytes| *bytes >= 128), row.rate()) {
        let payload = rate.median * f64::from(bytes);
        details.push(format!("{} of payload per second", figures::bytes(payload)));
    }
    if let (Some(p50), Some(p99)) = (row.complete(|l| l.p50), row.complete(|l| l.p99)) {
        details.push(format!("complete latency p50 {}, p99 {}", time(p50), time(p99)));
    }
    if let Some(bytes) = row.value("frame_bytes") {
        let tuples = row.value("frame_tuples").unwrap_or(0.0);
        details.push(format!("frames of {bytes:.0} B with {tuples:.0} tuples"));
    }
    if let (Some(cpu), Some(peak)) = (row.manager_cpu(), row.manager_peak()) {
        let (cpu, peak) = (time(cpu.median), figures::bytes(peak as f64));
        details.push(format!("a stream manager takes {cpu} per tuple and {peak}"));
        let shares = row.cpu_shares();
        let shares = shares.iter().map(|(part, share)| format!("{part} {:.1} %", share * 100.0));
        details.push(format!("CPU of {}", shares.collect::<Vec<_>>().join(", ")));
    }
    let dropped: u64 = row.runs.iter().map(|run| run.dropped).sum();
    if dropped > 0 {
        details.push(format!("{dropped} datagrams dropped"));
    }
    details
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Window;

    fn row(name: &str, done: u64, payload: Option<u32>) -> Row {
        let window = Window { seconds: 1.0, done, ..Window::default() };
        let run = Run { windows: vec![window], ..Run::default() };
        Row { name: name.to_owned(), payload, runs: vec![run], ..Row::default() }
    }

    #[test]
    fn what_being_watched_costs_is_told_of_pairs() {
        let run = |cpu: f64| {
            let cpu = [("main".to_owned(), cpu)].into();
            Run { windows: vec![Window { seconds: 1.0, done: 100, cpu }], ..Run::default() }
        };
        let row = |name: &str, cpus: &[f64]| Row {
            name: name.to_owned(),
            runs: cpus.iter().map(|cpu| run(*cpu)).collect(),
            ..Row::default()
        };
        let measured = Measured {
            name: WATCHED.to_owned(),
            about: String::new(),
            // The first is measured once more at the end.
            variants: vec![row("no", &[1.0, 2.0, 9.0]), row("yes", &[1.01, 2.1])],
            drift: None,
        };
        let text = text(&measured);
        assert!(text.contains("takes +3.0 % CPU time per tuple (+1.0 to +5.0): 3 % are"), "{text}");
    }

    #[test]
    fn tuples_and_bytes_are_told_apart_and_a_wrong_answer_has_no_row() {
        let wrong =
            Row { name: "bad".into(), problems: vec!["counted 1".into()], ..Row::default() };
        let measured = Measured {
            name: "n".into(),
            about: String::new(),
            variants: vec![row("quinn", 250_000_000, None), row("egret", 1234, Some(20)), wrong],
            drift: Some(0.061),
        };
        let text = text(&measured);
        assert!(text.contains("250.0 MB") && text.contains("1,230"), "{text}");
        assert!(text.contains("bad: WRONG, no speed: counted 1"), "{text}");
        assert!(text.contains("drift +6.1 %: the machine was not quiet"), "{text}");
        assert!(markdown(&measured).contains("| egret | 1,230 |"));
    }
}
