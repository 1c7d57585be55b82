//! Figures of the operator on a real cluster, not run with the other tests:
//!
//! ```text
//! cargo test -p egret-e2e --test figures -- --ignored --nocapture --test-threads=1
//! ```

// Also in the fixtures, which clippy does not take for tests.
#![allow(clippy::unwrap_used)]

use egret_e2e::{
    Cluster, Deployed, Life, Namespace,
    installed::{NAMESPACE, SELECTOR},
    wait::Wait,
};
use serde_json::json;
use std::{
    fs,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(300);
const RUNS: usize = 7;

const WORD_COUNT: &str = "
pods: 3
delivery: AtLeastOnce
deletionPolicy: Immediate
spouts: [{name: words, config: {rate: 1000}}]
bolts:
- {name: keep, component: filter, parallelism: 2, inputs: [{from: words}]}
- name: count
  parallelism: 3
  inputs: [{from: keep, grouping: Fields, fields: [word]}]
";

/// Smallest, median and greatest of some times, in seconds.
fn told(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let (least, most) = (times[0], times[times.len() - 1]);
    let median = times[times.len() / 2];
    println!("{what}: {times:.1?}");
    println!("{what}: {median:.2} s (least {least:.2}, most {most:.2}, {} runs)", times.len());
}

fn gone(namespace: &Namespace, topology: &Deployed<'_>) {
    namespace.kubectl(&["delete", &topology.resource(), "--timeout=60s"]).unwrap();
    topology.until_pods("no pods", PATIENCE, <[_]>::is_empty).unwrap();
}

#[test]
#[ignore = "a figure"]
fn time_from_apply_to_ready() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "to-ready").unwrap();
    let mut times = Vec::new();
    for run in 0..RUNS {
        let began = Instant::now();
        let topology = namespace.deploy(&format!("t{run}"), WORD_COUNT).unwrap();
        let limit = format!("--timeout={}s", PATIENCE.as_secs());
        let wait = ["wait", &topology.resource(), "--for=condition=Ready", &limit];
        namespace.kubectl_with("", PATIENCE, &wait).unwrap();
        times.push(began.elapsed().as_secs_f64());
        gone(&namespace, &topology);
    }
    told("apply to Ready, word count on 3 pods", times);
}

#[test]
#[ignore = "a figure"]
fn time_from_the_deletion_of_a_pod_to_flow() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "to-flow").unwrap();
    let topology = namespace.deploy("t", WORD_COUNT).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    let spout = topology.pods().unwrap()[0].clone();
    let (mut executed, mut caught_up) = (Vec::new(), Vec::new());
    for life in 1..=RUNS {
        let successor = format!("t-2-{}", life + 1);
        let began = Instant::now();
        namespace.kubectl(&["delete", "pod", &format!("t-2-{life}"), "--wait=false"]).unwrap();
        let next = |pods: &[Life]| {
            pods.iter().find(|pod| pod.name == successor && !pod.ip.is_empty()).cloned()
        };
        let pods = topology.until_pods("an address", PATIENCE, |pods| next(pods).is_some());
        let next = next(&pods.unwrap()).unwrap();
        above(&next, "egret_tuples_executed_total", 0.0);
        executed.push(began.elapsed().as_secs_f64());
        // Whatever was lost with the pod was failed at once, and is emitted again.
        let emitted = spout.metric("egret_roots_emitted_total").unwrap();
        above(&spout, "egret_roots_acked_total", emitted);
        caught_up.push(began.elapsed().as_secs_f64());
        topology.until_pods("the pod's successor alone", PATIENCE, |pods| pods.len() == 3).unwrap();
        topology.condition("Ready", "True", PATIENCE).unwrap();
    }
    told("deletion of a pod to the first tuple in its successor", executed);
    told("deletion of a pod until as much is acked as was emitted", caught_up);
}

/// Waits until a metric of a pod is above a value.
fn above(pod: &Life, metric: &str, value: f64) {
    let waited = Wait::new(&pod.name, metric, PATIENCE).until(|| {
        let now = pod.metric(metric).map_err(|error| error.to_string())?;
        if now > value { Ok(()) } else { Err(format!("{now}, not above {value}")) }
    });
    waited.unwrap();
}

/// Resident memory of the operator, in MiB.
fn memory() -> f64 {
    let of = |pid: &str| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        let ours = line.split('\0').next()?.ends_with("egret-operator");
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: f64 = kib.trim().trim_end_matches("kB").trim().parse().ok()?;
        ours.then_some(kib / 1024.0)
    };
    let pids = fs::read_dir("/proc").unwrap();
    let found = pids.filter_map(|entry| of(&entry.unwrap().file_name().to_string_lossy()));
    found.fold(0.0, f64::max)
}

#[test]
#[ignore = "a figure"]
fn memory_with_a_hundred_topologies() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "hundred").unwrap();
    println!("memory of the operator before: {:.1} MiB", memory());
    let spec = |state: &str| {
        format!(
            "pods: 1\nstate: {state}\ndeletionPolicy: Immediate\nspouts: [{{name: words, config: {{rate: 10}}}}]\n"
        )
    };
    let deploy = |from: usize, to: usize, state: &str, told: &str| {
        let topologies: Vec<_> =
            (from..to).map(|i| namespace.deploy(&format!("t{i}"), &spec(state)).unwrap()).collect();
        topologies.iter().for_each(|topology| topology.state(told, PATIENCE).unwrap());
    };
    deploy(0, 90, "Stopped", "Stopped");
    deploy(90, 100, "Running", "Running");
    println!("memory of the operator with 100 topologies, 90 Stopped: {:.1} MiB", memory());
}

/// Bounds and cumulative counts of successful reconciliations.
fn buckets(cluster: &Cluster) -> Vec<(f64, f64)> {
    let path = "jsonpath={.items[0].metadata.name}";
    let pod = ["get", "pods", "--selector", SELECTOR, "--output", path];
    let pod = cluster.operator_kubectl(&pod).unwrap();
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/metrics");
    let page = cluster.kubectl(&["get", "--raw", &path]).unwrap();
    let ours = page.lines().filter(|line| {
        line.starts_with("egret_operator_reconcile_seconds_bucket") && line.contains("\"ok\"")
    });
    ours.filter_map(|line| {
        let bound = line.split("le=\"").nth(1)?.split('"').next()?;
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
        Some((bound, line.rsplit(' ').next()?.parse().ok()?))
    })
    .collect()
}

#[test]
#[ignore = "a figure"]
fn a_healthy_topology_among_a_hundred_broken_ones() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "broken").unwrap();
    // Refused by the operator, refused by the API server, and never ready for want of an image.
    let kinds = [
        "spouts: [{name: nobody-knows-it}]",
        "podTemplate: {spec: {priorityClassName: none}}\nspouts: [{name: words}]",
        "image: nowhere.invalid/none:1\nstate: Running\nspouts: [{name: words}]",
    ];
    for i in 0..100 {
        let spec =
            format!("deletionPolicy: Immediate\n{}\n", kinds[if i < 94 { i % 2 } else { 2 }]);
        namespace.deploy(&format!("broken{i}"), &spec).unwrap();
    }
    let topology = namespace.deploy("healthy", WORD_COUNT).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    let before = buckets(&cluster);
    let mut times = Vec::new();
    for _ in 0..RUNS {
        for state in ["Paused", "Running"] {
            let began = Instant::now();
            topology.change(&json!({ "state": state })).unwrap();
            topology.state(state, PATIENCE).unwrap();
            times.push(began.elapsed().as_secs_f64());
        }
    }
    told("a change of state, seen in the status", times);
    let waited = Wait::new("operator", "500 reconciliations", PATIENCE).until(|| {
        let counts: Vec<(f64, f64)> = buckets(&cluster);
        let more = counts.last().unwrap().1 - before.last().unwrap().1;
        if more >= 100.0 { Ok(counts) } else { Err(format!("{more}")) }
    });
    let after = waited.unwrap();
    let grown: Vec<(f64, f64)> =
        after.iter().zip(&before).map(|(now, was)| (now.0, now.1 - was.1)).collect();
    let all = grown.last().unwrap().1;
    let p99 = grown.iter().find(|(_, count)| *count >= all * 0.99).unwrap().0;
    println!("p99 of {all} good reconciliations among 100 broken topologies: at most {p99} s");
}
