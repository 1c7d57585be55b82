//! Every query of every dashboard has an answer, and what is important is shown.

use crate::{
    operator,
    prometheus::{self, Prometheus},
    run::{Run, until},
};
use egret_process::metrics::catalogue;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Metrics that neither a panel nor a rule shows, each with its reason.
const NOT_SHOWN: [(&str, &str); 1] =
    [("egret_task_unfinished", "of interest while a topology ends, when `egret status` shows it")];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards")
}

/// A query, and where it stands.
struct Query {
    place: String,
    text: String,
    /// Whether it has a value only when something happens.
    rare: bool,
}

fn dashboards() -> Vec<(String, Value)> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let json = files.iter().filter(|file| file.extension().is_some_and(|end| end == "json"));
    json.map(|file| {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap())
    })
    .collect()
}

fn queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for (name, dashboard) in dashboards() {
        let mut add = |title: &Value, text: &Value, rare| {
            let place = format!("{name}: {}", title.as_str().unwrap());
            queries.push(Query { place, text: text.as_str().unwrap().to_owned(), rare });
        };
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                add(&panel["title"], &target["expr"], false);
            }
        }
        for mark in dashboard["annotations"]["list"].as_array().unwrap() {
            add(&mark["name"], &mark["expr"], true);
        }
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            let Some(values) = variable["definition"].as_str() else { continue };
            let inside = values.strip_prefix("label_values(").unwrap().strip_suffix(')').unwrap();
            let (metric, label) = inside.rsplit_once(", ").unwrap();
            let text = format!("count by ({label}) ({metric})");
            add(&variable["name"], &text.into(), false);
        }
    }
    queries
}

/// The queries of a panel.
pub(crate) fn panel(dashboard: &str, title: &str) -> Vec<String> {
    let place = format!("{dashboard}: {title}");
    let of_panel = queries().into_iter().filter(|query| query.place == place);
    let texts: Vec<String> = of_panel.map(|query| query.text).collect();
    assert!(!texts.is_empty(), "no panel {place}");
    texts
}

/// As Grafana would send it.
pub(crate) fn chosen(query: &str, topology: &str) -> String {
    query
        .replace("$__rate_interval", "15s")
        .replace("$namespace", ".*")
        .replace("$topology", topology)
        .replace("$component", ".*")
}

/// Names of metrics in a text, without what Prometheus appends to those of histograms.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words.filter(|word| word.starts_with("egret_") || word.starts_with("process_"));
    let base = |word: &str| {
        let ends = ["_bucket", "_count", "_sum"];
        let end = ends.iter().find_map(|end| word.strip_suffix(end));
        end.unwrap_or(word).to_owned()
    };
    ours.map(base).collect()
}

#[test]
fn dashboards_and_rules_show_what_there_is_and_nothing_else() {
    let mut shown: BTreeSet<String> =
        queries().iter().flat_map(|query| names(&query.text)).collect();
    let rules = fs::read_to_string(folder().join("rules.yaml")).unwrap();
    shown.extend(names(&rules));
    let there: BTreeSet<String> = catalogue::all().map(|metric| metric.name.to_owned()).collect();
    let unknown: Vec<&String> = shown.difference(&there).collect();
    assert!(unknown.is_empty(), "no process emits {unknown:?}");
    let left_out = NOT_SHOWN.map(|(name, _)| name.to_owned());
    let missing: Vec<&String> = there.difference(&shown).collect();
    assert_eq!(missing, left_out.iter().collect::<Vec<_>>(), "no panel and no rule shows them");
}

#[test]
fn every_query_of_every_dashboard_has_an_answer() {
    if !prometheus::is_installed() {
        return;
    }
    let run = Run::start();
    let mut targets = run.addresses();
    targets.push(operator::serve());
    let prometheus = Prometheus::start(&targets, None);
    for Query { place, text, rare } in queries() {
        let text = chosen(&text, "watched");
        let mut last = Ok(Vec::new());
        let answered = until(&place, || {
            last = prometheus.query(&text);
            // One that does not parse never will.
            let shows = |found: &Vec<(Value, f64)>| found.iter().any(|(_, value)| !value.is_nan());
            (last.is_err() || rare || last.as_ref().is_ok_and(shows)).then_some(())
        });
        assert!(answered.is_some() && last.is_ok(), "{place}: {text}\n{last:?}");
    }
}
