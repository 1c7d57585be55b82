//! Fills the tables of docs/performance.md from `bench/results`: no figure is typed by hand.

use crate::{
    report::{Measured, Report},
    scenarios, table, targets,
};
use anyhow::{Context, ensure};
use std::{fs, path::Path};

const DOCUMENT: &str = "docs/performance.md";
const BEGIN: &str = "<!-- tables: written by `cargo xtask bench --doc` from bench/results -->";
const END: &str = "<!-- end of tables -->";

/// Writes the document anew; returns what was done, in words.
pub(crate) fn write(root: &Path, results: &Path) -> anyhow::Result<String> {
    let path = root.join(DOCUMENT);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let reports: Vec<Report> =
        Report::all(results)?.into_iter().filter(|report| !report.quick).collect();
    let filled = fill(&text, &tables(&reports))?;
    fs::write(&path, filled)?;
    Ok(format!("{DOCUMENT} has the figures of {} results", reports.len()))
}

/// The document with these tables between its marks.
fn fill(text: &str, tables: &str) -> anyhow::Result<String> {
    let (head, rest) =
        text.split_once(BEGIN).with_context(|| format!("{DOCUMENT} has no line `{BEGIN}`"))?;
    let (old, tail) =
        rest.split_once(END).with_context(|| format!("{DOCUMENT} has no line `{END}`"))?;
    ensure!(!old.contains(BEGIN), "{DOCUMENT} has `{BEGIN}` twice");
    Ok(format!("{head}{BEGIN}\n\n{tables}\n{END}{tail}"))
}

/// Each scenario as it was measured last, and what follows for the targets. Reports are the newest
/// first.
fn tables(reports: &[Report]) -> String {
    let mut newest: Vec<(&Report, Measured)> = Vec::new();
    for scenario in scenarios::all() {
        let found = reports
            .iter()
            .find_map(|report| Some((report, report.scenario(scenario.name)?.clone())));
        newest.extend(found);
    }
    if newest.is_empty() {
        return "Nothing has been measured on a quiet machine yet.\n".to_owned();
    }
    let measured: Vec<Measured> = newest.iter().map(|(_, measured)| measured.clone()).collect();
    let mut text =
        String::from("| # | | at least | goal | measured | |\n|---:|---|---|---|---|---|\n");
    for target in targets::all(&measured) {
        let (reached, standing) = match &target.reached {
            Some(reached) => (reached.text.as_str(), reached.standing.word()),
            None => ("not measured", ""),
        };
        let targets::Target { number, what, least, goal, .. } = target;
        text += &format!("| {number} | {what} | {least} | {goal} | {reached} | {standing} |\n");
    }
    let mut machine = String::new();
    for (report, measured) in &newest {
        text += &format!("\n### {}\n\nMeasured: {}.\n\n", measured.name, measured.about);
        let facts = report.facts.text().replace('\n', "; ");
        if facts != machine {
            text += &format!("On {facts}.\n\n");
            machine = facts;
        }
        text += &table::markdown(measured);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let text = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let filled = fill(&text, "new\n").unwrap();
        assert_eq!(filled, format!("before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"));
        assert_eq!(fill(&filled, "new\n").unwrap(), filled);
        assert!(fill("no marks", "new").is_err());
    }

    #[test]
    fn the_document_of_this_repository_has_the_marks() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let text = fs::read_to_string(root.join(DOCUMENT)).unwrap();
        fill(&text, "new").unwrap();
    }
}
