//! `egret status`: which topologies are there, and how are they?

use super::{
    Format, Target,
    connect::Session,
    pods::PodView,
    style::Style,
    table::Table,
    topology::{Topology, ready},
    trouble::Trouble,
};
use crate::{
    age::age,
    output::{self, visible},
};
use clap::Args;
use egret_crd::{AutoscaleStatus, Condition, TopologyStatus};
use egret_process::Exit;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write;

/// Show the topologies on a cluster, or all about one
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  egret status
  egret status --all-namespaces
  egret status word-count
  egret status word-count --output json | jq -r .state")]
pub(crate) struct Options {
    /// Name of a topology; left out, all of the namespace
    name: Option<String>,

    /// The topologies of all namespaces
    #[arg(long, short = 'A', conflicts_with_all = ["name", "namespace"])]
    all_namespaces: bool,

    /// How to print it
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,

    #[command(flatten)]
    target: Target,
}

pub(crate) fn main(options: &Options) -> Exit {
    super::run(&options.target, async |session| match &options.name {
        Some(name) => one(&session, name, options.output).await,
        None => all(&session, options).await,
    })
}

async fn all(session: &Session, options: &Options) -> Result<Exit, Trouble> {
    let topologies = session.topologies(options.all_namespaces).await?;
    let rows: Vec<Row> = topologies.iter().map(Row::of).collect();
    if let Some(document) = options.output.document(&rows) {
        return Ok(output::print(&document));
    }
    if rows.is_empty() {
        let place = match options.all_namespaces {
            true => "on the cluster".to_owned(),
            false => format!("in namespace {}", session.namespace),
        };
        eprintln!("there are no topologies {place}");
        return Ok(Exit::Ok);
    }
    let (style, now) = (Style::of_stdout(), Timestamp::now());
    Ok(output::print(&list(&rows, options.all_namespaces, style, now)))
}

async fn one(session: &Session, name: &str, format: Format) -> Result<Exit, Trouble> {
    let topology = session.topology(name).await?;
    let status = topology.status();
    // Who may see a topology need not be allowed to see its pods.
    let (pods, unseen) = match session.pods(name).await {
        Ok(pods) => (pods, None),
        Err(trouble) => (Vec::new(), Some(trouble)),
    };
    let now = Timestamp::now();
    let row = Row::of(&topology);
    let rows: Vec<PodRow> = pods.iter().map(PodRow::of).collect();
    let TopologyStatus { autoscale, conditions, .. } = &status;
    let whole = Whole { row: &row, autoscale, conditions, pod_list: &rows };
    let document = format.document(&whole);
    let text = document.unwrap_or_else(|| {
        let topology = (&topology, &row);
        describe(topology, &status, &pods, Style::of_stdout(), now)
    });
    let printed = output::print(&text);
    match unseen {
        Some(trouble) => Err(trouble),
        None => Ok(printed),
    }
}

/// What is told of each topology.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    namespace: String,
    name: String,
    /// The state that is asked for.
    asked: String,
    /// The state that it is in.
    state: Option<String>,
    ready: Option<String>,
    reason: Option<String>,
    pods: Option<String>,
    tasks: Option<String>,
    revision: Option<i64>,
    generation: i64,
    observed_generation: Option<i64>,
    created: Option<Timestamp>,
}

impl Row {
    fn of(topology: &Topology) -> Row {
        let status = topology.status();
        let ready = ready(&status);
        Row {
            namespace: topology.namespace().to_owned(),
            name: topology.name().to_owned(),
            asked: topology.asked().to_owned(),
            ready: ready.map(|ready| ready.status.clone()),
            reason: ready.map(|ready| ready.reason.clone()),
            state: status.state,
            pods: status.pods,
            tasks: status.tasks,
            revision: status.revision,
            generation: topology.generation(),
            observed_generation: status.observed_generation,
            created: topology.created(),
        }
    }
}

/// All about one topology.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    #[serde(flatten)]
    row: &'a Row,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    autoscale: &'a [AutoscaleStatus],
    conditions: &'a [Condition],
    pod_list: &'a [PodRow],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PodRow {
    name: String,
    node: Option<String>,
    state: String,
    ready: bool,
    restarts: i32,
    created: Option<Timestamp>,
}

impl PodRow {
    fn of(pod: &PodView) -> PodRow {
        PodRow {
            name: pod.name.clone(),
            node: Some(pod.node.clone()).filter(|node| !node.is_empty()),
            state: pod.state.clone(),
            ready: pod.ready,
            restarts: pod.restarts(),
            created: pod.created,
        }
    }
}

fn list(rows: &[Row], everywhere: bool, style: Style, now: Timestamp) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let cells = |row: &Row| {
        let age = row.created.map(|then| age(then, now)).unwrap_or_default();
        let (ready, state, reason) = (text(&row.ready), text(&row.state), text(&row.reason));
        [row.name.clone(), ready, state, text(&row.pods), text(&row.tasks), reason, age]
    };
    const HEAD: [&str; 7] = ["NAME", "READY", "STATE", "PODS", "TASKS", "REASON", "AGE"];
    if !everywhere {
        let mut table = Table::new(HEAD);
        rows.iter().for_each(|row| table.row(cells(row)));
        return table.render(style, "");
    }
    let [a, b, c, d, e, f, g] = HEAD;
    let mut table = Table::new(["NAMESPACE", a, b, c, d, e, f, g]);
    for row in rows {
        let [a, b, c, d, e, f, g] = cells(row);
        table.row([row.namespace.clone(), a, b, c, d, e, f, g]);
    }
    table.render(style, "")
}

fn describe(
    (topology, row): (&Topology, &Row),
    status: &TopologyStatus,
    pods: &[PodView],
    style: Style,
    now: Timestamp,
) -> String {
    let mut text = String::new();
    let mut line = |what: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{} {}", style.dim(&format!("{what:<10}")), visible(value.trim()));
    };
    line("Topology", format!("{} in namespace {}", row.name, row.namespace));
    line("State", state(topology, row));
    let of = |counts: &Option<String>, what: &str| match counts {
        Some(counts) => format!("{counts} {what}"),
        None => "-".to_owned(),
    };
    line("Pods", of(&row.pods, "ready"));
    line("Tasks", of(&row.tasks, "registered"));
    line("Revision", row.revision.map_or("-".to_owned(), |revision| revision.to_string()));
    line("Age", row.created.map_or("-".to_owned(), |then| age(then, now)));
    if !status.conditions.is_empty() {
        let mut table = Table::new(["CONDITION", "STATUS", "SINCE", "REASON", "MESSAGE"]);
        for condition in &status.conditions {
            let since = condition.last_transition_time.parse().map(|then| age(then, now));
            table.row([
                condition.r#type.clone(),
                condition.status.clone(),
                since.unwrap_or_default(),
                condition.reason.clone(),
                condition.message.clone(),
            ]);
        }
        text = format!("{text}\n{}", table.render(style, ""));
    }
    if !status.autoscale.is_empty() {
        text = format!("{text}\n{}", autoscaled(&status.autoscale, now).render(style, ""));
    }
    if !pods.is_empty() {
        let mut table = Table::new(["POD", "NODE", "STATE", "READY", "RESTARTS", "AGE"]);
        for pod in pods {
            table.row([
                pod.name.clone(),
                pod.node.clone(),
                pod.state.clone(),
                if pod.ready { "yes".to_owned() } else { "no".to_owned() },
                pod.restarts().to_string(),
                pod.created.map(|then| age(then, now)).unwrap_or_default(),
            ]);
        }
        text = format!("{text}\n{}", table.render(style, ""));
    }
    text
}

/// How many tasks bolts have and shall have by what is measured, and why.
fn autoscaled(bolts: &[AutoscaleStatus], now: Timestamp) -> Table<5> {
    let mut table = Table::new(["AUTOSCALED", "TASKS", "WANTED", "CHANGED", "REASON"]);
    for bolt in bolts {
        let changed = bolt.last_change_time.as_ref().and_then(|then| then.parse().ok());
        let dry_run = if bolt.dry_run { " (dry run)" } else { "" };
        table.row([
            bolt.component.clone(),
            bolt.current.to_string(),
            format!("{}{dry_run}", bolt.wanted),
            changed.map_or("-".to_owned(), |then| age(then, now)),
            bolt.reason.clone(),
        ]);
    }
    table
}

/// The state, and what is to be known about it.
fn state(topology: &Topology, row: &Row) -> String {
    let state = row.state.as_deref().unwrap_or("-");
    let mut notes = Vec::new();
    if topology.is_deleted() {
        notes.push("it is being deleted".to_owned());
    }
    if topology.is_left_alone() {
        notes.push("the operator keeps its hands off it (egret.dev/hands-off)".to_owned());
    } else if row.observed_generation.is_none() {
        notes.push("the operator has not seen it yet: does one run?".to_owned());
    } else if !topology.is_observed() {
        notes.push("the operator has not seen the last change yet".to_owned());
    }
    if row.asked != state && row.state.is_some() {
        notes.push(format!("asked for: {}", row.asked));
    }
    if notes.is_empty() { state.to_owned() } else { format!("{state} ({})", notes.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::{super::pods::tests::*, *};
    use serde_json::{Value, json};

    fn now() -> Timestamp {
        "2026-01-01T01:00:00Z".parse().unwrap()
    }

    fn value() -> Value {
        json!({
            "metadata": {"name": "wc", "namespace": "n", "generation": 2, "uid": "u",
                         "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"state": "Paused"},
            "status": {
                "state": "Running", "pods": "1/1", "tasks": "2/2", "revision": 7,
                "observedGeneration": 1,
                "conditions": [{"type": "Ready", "status": "True", "reason": "Running",
                                "message": "all 2 tasks work\nindeed",
                                "lastTransitionTime": "2026-01-01T00:59:30Z"}],
            },
        })
    }

    #[test]
    fn the_list_shows_what_kubectl_shows_and_tasks() {
        let row = Row::of(&value().into());
        let expected = "\
NAME   READY   STATE     PODS   TASKS   REASON    AGE
wc     True    Running   1/1    2/2     Running   60m
";
        assert_eq!(list(std::slice::from_ref(&row), false, Style::PLAIN, now()), expected);
        let everywhere = list(&[row], true, Style::PLAIN, now());
        assert!(everywhere.starts_with("NAMESPACE   NAME   READY"), "{everywhere}");
    }

    #[test]
    fn one_topology_is_told_with_conditions_and_pods() {
        let topology: Topology = value().into();
        let row = Row::of(&topology);
        let pods = [viewed(object("wc-0-1", &[(0, "a", 0)], &[json!({"running": {}})]))];
        let text = describe((&topology, &row), &topology.status(), &pods, Style::PLAIN, now());
        let expected = "\
Topology   wc in namespace n
State      Running (the operator has not seen the last change yet; asked for: Paused)
Pods       1/1 ready
Tasks      2/2 registered
Revision   7
Age        60m

CONDITION   STATUS   SINCE   REASON    MESSAGE
Ready       True     30s     Running   all 2 tasks work indeed

POD      NODE     STATE     READY   RESTARTS   AGE
wc-0-1   node-a   Running   yes     2          -
";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_is_autoscaled_is_told_with_its_reasons() {
        let bolt = |name: &str, dry_run| AutoscaleStatus {
            component: name.to_owned(),
            current: 2,
            wanted: 3,
            reason: "its tasks work".to_owned(),
            dry_run,
            last_change: None,
            last_change_time: (!dry_run).then(|| "2026-01-01T00:59:30Z".to_owned()),
        };
        let text = autoscaled(&[bolt("count", false), bolt("split", true)], now());
        let expected = "\
AUTOSCALED   TASKS   WANTED        CHANGED   REASON
count        2       3             30s       its tasks work
split        2       3 (dry run)   -         its tasks work
";
        assert_eq!(text.render(Style::PLAIN, ""), expected);
    }

    #[test]
    fn a_topology_that_no_operator_has_seen_asks_for_one() {
        let mut value = value();
        value["status"] = Value::Null;
        let topology: Topology = value.into();
        let row = Row::of(&topology);
        let text = describe((&topology, &row), &topology.status(), &[], Style::PLAIN, now());
        assert!(text.contains("has not seen it yet: does one run?"), "{text}");
    }
}
