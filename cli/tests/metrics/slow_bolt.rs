//! One task of a running topology becomes slow, and whatever is to name it does so in time: the
//! experiment of `docs/slow-bolt.md`, which `--nocapture` shows and `EGRET_PICTURES` paints.

use crate::{
    alerts::Hurried,
    dashboards,
    prometheus::{self, Prometheus},
    run::{Run, until},
    seen::Page,
};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// All is well until the file `slow` is there; then the second task of `enrich` takes 20 ms for a
/// tuple. By their fields tuples belong to one task: what it does not take can go to no other.
const TOPOLOGY: &str = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: orders}
spec:
  pods: 2
  maxPending: 20000
  messageTimeout: 120s
  spouts:
  - {name: orders, component: words, config: {words: 1000, length: 2000, rate: 1000}}
  bolts:
  - name: parse
    component: filter
    parallelism: 2
    config: {field: word, contains: a}
    inputs: [{from: orders}]
  - name: enrich
    component: trouble
    parallelism: 3
    config: {does: slow, pauseMs: 20, onTask: 1, while: DIR/slow}
    inputs: [{from: parse, grouping: Fields, fields: [word]}]
  - {name: store, component: discard, inputs: [{from: enrich}]}
";

/// Its name.
const ORDERS: &str = "orders";
/// Its slow task, for people.
const SLOW: &str = "enrich[1]";
/// And for Prometheus: the id of a task is that of the first of its component and its place.
const SLOW_ID: &str = "4";

/// Trees that are acked while all is well.
const WELL: f64 = 5000.0;
/// In which everybody has to name it.
const LIMIT: Duration = Duration::from_secs(60);

/// A panel by its dashboard and title.
type Panel = (&'static str, &'static str);
const WAITED_FOR: Panel = ("topology", "Tasks that others wait for");
const SLOWEST: Panel = ("topology", "Slowest tasks");
const OVERVIEW: Panel = ("overview", "Tasks that others wait for");
const EDGES: Panel = ("topology", "Backpressure by edge");

/// Somebody who has named the task.
struct Named {
    who: String,
    after: Duration,
    words: String,
}

/// Waits until somebody has words that name the task.
fn named(who: &str, since: Instant, words: impl FnMut() -> Option<String>) -> Named {
    let words = until(who, words).unwrap_or_else(|| panic!("{who} does not name {SLOW}"));
    Named { who: who.to_owned(), after: since.elapsed(), words }
}

/// What `egret top` says that holds back.
fn top_says(run: &Run) -> Option<String> {
    let top = run.egret(&["top", "--once"]);
    let line = top.lines().find(|line| line.contains("holds back"))?;
    Some(line.trim_start_matches("! ").to_owned())
}

/// What the page says that holds back.
fn page_says(page: &mut Page) -> Option<String> {
    let says = page.value("document.querySelector('.findings')?.innerText ?? ''");
    let says = says.as_str()?.trim().to_owned();
    says.contains("holds back").then_some(says)
}

/// A panel's answer, the largest value first.
fn answer(prometheus: &Prometheus, (dashboard, title): Panel) -> Vec<(Value, f64)> {
    let queries = dashboards::panel(dashboard, title).into_iter();
    let rows = queries.map(|query| prometheus.query(&dashboards::chosen(&query, ORDERS)).unwrap());
    let mut rows: Vec<(Value, f64)> = rows.flatten().collect();
    rows.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    rows
}

/// The first row of a panel, if it stands out and is about the slow task.
fn panel_says(prometheus: &Prometheus, panel: Panel) -> Option<String> {
    let rows = answer(prometheus, panel);
    let [(labels, first), (_, second), ..] = &rows[..] else { return None };
    let is_it = labels["task"] == SLOW_ID && *first > 0.01 && *first > 1.5 * second;
    is_it.then(|| format!("{}, {first:.3}", written(labels)))
}

/// The tasks that the alert fires for, or will if it goes on like this.
fn alerts(prometheus: &Prometheus, state: &str) -> Vec<Value> {
    let query = format!(r#"ALERTS{{alertname="EgretBackpressure", alertstate=~"{state}"}}"#);
    prometheus.query(&query).unwrap().into_iter().map(|(labels, _)| labels).collect()
}

fn alert_says(prometheus: &Prometheus) -> Option<String> {
    let firing = alerts(prometheus, "firing");
    firing.iter().find(|labels| labels["task"] == SLOW_ID).map(written)
}

/// Labels of interest, as a query has them.
fn written(labels: &Value) -> String {
    let labels = labels.as_object().into_iter().flatten();
    let of_interest = ["component", "from", "task", "to"];
    let labels = labels.filter(|(name, _)| of_interest.contains(&name.as_str()));
    labels.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

/// Waits until nobody names anybody: at its start a topology has waits that end by themselves.
fn until_quiet(run: &Run, page: Option<&mut Page>, prometheus: &Prometheus) {
    let mut page = page;
    run.until("all is well", || {
        let top = top_says(run).is_none();
        let page = page.as_mut().is_none_or(|page| page_says(page).is_none());
        let waits = answer(prometheus, WAITED_FOR).iter().all(|(_, waits)| *waits < 0.1);
        (top && page && waits && alerts(prometheus, ".*").is_empty()).then_some(())
    });
}

/// What each says as soon as it names the task.
fn all_name_it(run: &Run, page: Option<&mut Page>, prometheus: &Prometheus) -> Vec<Named> {
    let since = Instant::now();
    fs::write(run.path("slow"), "").unwrap();
    thread::scope(|scope| {
        let mut all = Vec::new();
        if let Some(page) = page {
            all.push(scope.spawn(move || named("the page", since, || page_says(page))));
        }
        all.push(scope.spawn(move || named("`egret top`", since, || top_says(run))));
        for panel in [WAITED_FOR, SLOWEST, OVERVIEW] {
            let who = format!("{}: {}", panel.0, panel.1);
            all.push(scope.spawn(move || named(&who, since, || panel_says(prometheus, panel))));
        }
        let alert = "EgretBackpressure";
        all.push(scope.spawn(move || named(alert, since, || alert_says(prometheus))));
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// Waits until the spout has waited for `parse` for as long as the alert takes to fire.
fn until_others_wait_too(prometheus: &Prometheus) {
    let waits = r#"rate(egret_edge_backpressure_seconds_total{from="orders"}[6s])"#;
    let long = format!("count_over_time((sum by (task) ({waits}) > 0.5)[6s:1s]) >= 6");
    prometheus.until(&long, |found| !found.is_empty());
}

/// What the page in the docs shows.
fn show(all: &[Named], run: &Run, prometheus: &Prometheus) {
    println!("| Who names it | After | In these words |\n| --- | --- | --- |");
    for Named { who, after, words } in all {
        println!("| {who} | {:.1} s | {words} |", after.as_secs_f64());
    }
    println!("\n| Panel | Labels | Value |\n| --- | --- | --- |");
    for panel in [WAITED_FOR, SLOWEST, OVERVIEW, EDGES] {
        for (labels, value) in answer(prometheus, panel).iter().take(3) {
            println!("| {}: {} | {} | {value:.4} |", panel.0, panel.1, written(labels));
        }
    }
    println!("\n{}", run.egret(&["top", "--once"]));
}

/// Paints the page into the directory that `EGRET_PICTURES` names.
fn paint(page: &mut Page) {
    let Some(directory) = std::env::var_os("EGRET_PICTURES") else { return };
    page.resize(1280, 750);
    page.click("[data-tab=tasks]");
    page.until("document.querySelector('#tab-tasks[aria-selected=true]')");
    fs::write(Path::new(&directory).join("slow-bolt.png"), page.picture()).unwrap();
}

#[test]
fn a_task_that_becomes_slow_is_named_everywhere_within_a_minute() {
    if !prometheus::is_installed() {
        return;
    }
    let run = Run::shown(TOPOLOGY);
    let rules = Hurried::new();
    let prometheus = Prometheus::start(&run.addresses(), Some(&rules.file()));
    let mut page = Page::open(&run.origin());
    prometheus.until("sum(egret_roots_acked_total)", |found| {
        found.first().is_some_and(|(_, acked)| *acked > WELL)
    });
    until_quiet(&run, page.as_mut(), &prometheus);

    let all = all_name_it(&run, page.as_mut(), &prometheus);
    until_others_wait_too(&prometheus);
    show(&all, &run, &prometheus);
    if let Some(page) = &mut page {
        paint(page);
    }
    for Named { who, after, words } in &all {
        assert!(*after < LIMIT, "{who} took {after:?}");
        let is_it = words.starts_with(SLOW) || words.contains(&format!("task=\"{SLOW_ID}\""));
        assert!(is_it, "{who}: {words}");
    }
    for panel in [WAITED_FOR, SLOWEST, OVERVIEW] {
        assert!(panel_says(&prometheus, panel).is_some(), "{panel:?} names another by now");
    }
    // Who only passes the wait on is not blamed, however long it lasts.
    let blamed = alerts(&prometheus, ".*");
    assert!(blamed.iter().all(|labels| labels["task"] == SLOW_ID), "{blamed:?}");
}
