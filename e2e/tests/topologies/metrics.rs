//! A real Prometheus reads pods on two nodes and the operator, and what it reads adds up.

use crate::prometheus::{Prometheus, Target, is_installed, operator};
use egret_e2e::{Cluster, Deployed, Namespace, wait::Wait};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(60);
/// Trees that are acked before the topology pauses.
const TREES: f64 = 2000.0;

/// Shuffled and by fields, one task to several and several to one, between two nodes.
const SPEC: &str = "
pods: 2
delivery: AtLeastOnce
spouts: [{name: words, config: {rate: 1000}}]
bolts:
- {name: keep, component: filter, parallelism: 2, inputs: [{from: words}]}
- name: sort
  component: filter
  parallelism: 2
  inputs: [{from: keep, grouping: Fields, fields: [word]}]
- {name: end, component: discard, inputs: [{from: sort}, {from: words}]}
";

impl Prometheus {
    /// A number.
    fn number(&self, query: &str) -> f64 {
        let rows = self.until(query, |rows| rows.len() == 1);
        rows[0].1
    }

    /// Sums of a metric by the values of a label.
    fn sums(&self, metric: &str, by: &str) -> BTreeMap<String, f64> {
        let rows = self.until(&format!("sum by ({by}) ({metric})"), |rows| !rows.is_empty());
        rows.into_iter().map(|(labels, sum)| (label(&labels, by), sum)).collect()
    }
}

fn label(labels: &Value, name: &str) -> String {
    labels[name].as_str().unwrap_or_default().to_owned()
}

/// The pods of a topology, on two nodes.
fn pods(topology: &Deployed<'_>, namespace: &Namespace) -> Vec<Target> {
    let pods = topology.pods().unwrap();
    let nodes: BTreeSet<&str> = pods.iter().map(|pod| pod.node.as_str()).collect();
    assert_eq!(nodes.len(), 2, "{nodes:?}");
    let target = |pod: &egret_e2e::Life| Target {
        address: format!("{}:4739", pod.ip),
        namespace: namespace.name().to_owned(),
        instance: pod.name.clone(),
    };
    pods.iter().map(target).collect()
}

/// Each tree that ended was timed, and each tuple of an edge was sent, received and executed once.
fn assert_adds_up(prometheus: &Prometheus) {
    let acked = prometheus.number("sum(egret_roots_acked_total)");
    assert!(acked > TREES, "{acked}");
    assert_eq!(prometheus.number("sum(egret_complete_latency_seconds_count)"), acked);
    assert_eq!(prometheus.number("sum(egret_roots_emitted_total)"), acked);
    let sent = prometheus.sums("egret_edge_sent_tuples_total", "to");
    let of = |times: f64| times * acked;
    let expected = [("end", of(2.0)), ("keep", acked), ("sort", acked)];
    assert_eq!(sent, expected.map(|(name, sum)| (name.to_owned(), sum)).into());
    assert_eq!(prometheus.sums("egret_edge_received_tuples_total", "to"), sent);
    for metric in [
        "egret_tuples_executed_total",
        "egret_tuples_acked_total",
        "egret_execute_latency_seconds_count",
        "egret_process_latency_seconds_count",
    ] {
        let mut of_bolts = prometheus.sums(metric, "component");
        of_bolts.remove("words");
        assert_eq!(of_bolts, sent, "{metric}");
    }
    // What the stream manager of one pod sent over the link is what that of the other received.
    let over = |direction: &str| {
        let of = format!(r#"link="peer", class="data", direction="{direction}""#);
        prometheus.number(&format!("sum(egret_link_entries_total{{{of}}})"))
    };
    let (sent, received) = (over("out"), over("in"));
    assert!(sent > 0.0, "nothing went from node to node");
    assert_eq!(received, sent);
}

/// The operator has timed what it did, and tells each condition of the topology once, as it is.
fn assert_operator_tells(prometheus: &Prometheus, topology: &Deployed<'_>, namespace: &str) {
    let seconds = "egret_operator_reconcile_seconds";
    let [done, took] = ["count", "sum"]
        .map(|end| prometheus.number(&format!(r#"sum({seconds}_{end}{{outcome="ok"}})"#)));
    assert!(done > 0.0 && took > 0.0, "{done} in {took} s");
    let p99 = format!("histogram_quantile(0.99, sum by (le) ({seconds}_bucket)) > 0");
    prometheus.until(&p99, |rows| rows.len() == 1);
    prometheus.until("egret_operator_leader", |rows| matches!(rows, [(_, 1.0)]));

    let object = topology.object().unwrap();
    let conditions = object["status"]["conditions"].as_array().unwrap();
    let status = |one: &Value| (label(one, "type"), label(one, "status").to_lowercase());
    let expected: BTreeMap<String, String> = conditions.iter().map(status).collect();
    assert!(expected.len() > 2, "{expected:?}");
    let told = format!(r#"egret_topology_condition{{namespace="{namespace}", topology="t"}} == 1"#);
    prometheus.until(&told, |rows| {
        let status =
            |(labels, _): &(Value, f64)| (label(labels, "condition"), label(labels, "status"));
        let found: BTreeMap<String, String> = rows.iter().map(status).collect();
        rows.len() == expected.len() && found == expected
    });
}

/// What has a value only where something waits, is autoscaled or has gone wrong, or where
/// components tell metrics of their own, which these do not.
const RARE: [&str; 6] = [
    "egret_autoscale_",
    "egret_edge_backpressure_seconds_total",
    "egret_task_waits_for",
    "egret_operator_errors_total",
    "egret_operator_watch_errors_total",
    "egret_user_",
];

/// Every panel of every dashboard shows something, as far as there is anything to show.
fn assert_shown(prometheus: &Prometheus, namespace: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut queries: Vec<String> = Vec::new();
    for file in files.filter(|file| file.extension().is_some_and(|end| end == "json")) {
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let panels = dashboard["panels"].as_array().unwrap();
        for target in panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten() {
            let query = target["expr"].as_str().unwrap();
            let query = query.replace("$__rate_interval", "15s").replace("$namespace", namespace);
            queries.push(query.replace("$topology", "t").replace("$component", ".*"));
        }
    }
    assert!(queries.len() > 40, "{queries:?}");
    queries.retain(|query| !RARE.iter().any(|metric| query.contains(metric)));
    let waited = Wait::new("Prometheus", "every panel shows something", PATIENCE).until(|| {
        let shows = |query: &str| {
            let rows = prometheus.query(query).unwrap();
            rows.iter().any(|(_, value)| !value.is_nan())
        };
        queries.retain(|query| !shows(query));
        if queries.is_empty() { Ok(()) } else { Err(queries.join("\n")) }
    });
    waited.unwrap();
}

#[test]
fn prometheus_reads_pods_on_two_nodes_and_the_operator_and_all_of_it_adds_up() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    if !is_installed() {
        return;
    }
    let namespace = Namespace::new(&cluster, "metrics").unwrap();
    let topology = namespace.deploy("t", SPEC).unwrap();
    assert_eq!(topology.condition("Ready", "True", PATIENCE).unwrap(), "Running");
    let mut targets = pods(&topology, &namespace);
    targets.push(operator(&cluster));
    let prometheus = Prometheus::start(&targets, None);
    for Target { namespace, instance, .. } in &targets {
        let up = format!(r#"up{{namespace="{namespace}", instance="{instance}"}} == 1"#);
        prometheus.until(&up, |rows| rows.len() == 1);
    }
    let acked = format!("sum(egret_roots_acked_total) > {TREES}");
    prometheus.until(&acked, |rows| rows.len() == 1);
    assert_shown(&prometheus, namespace.name());

    topology.change(&json!({"state": "Paused"})).unwrap();
    topology.state("Paused", PATIENCE).unwrap();
    prometheus.until("sum(egret_roots_pending) == 0", |rows| rows.len() == 1);
    // Pods are read one after the other: what both say belongs together once it has stayed.
    let counters = [
        "egret_edge_sent_tuples_total",
        "egret_edge_received_tuples_total",
        "egret_tuples_acked_total",
        r#"egret_link_entries_total{class="data"}"#,
    ];
    let changes = counters.map(|counter| format!("sum(changes({counter}[4s]))"));
    let still = format!("{} == 0", changes.join(" + "));
    prometheus.until(&still, |rows| rows.len() == 1);
    assert_adds_up(&prometheus);
    assert_operator_tells(&prometheus, &topology, namespace.name());
}
