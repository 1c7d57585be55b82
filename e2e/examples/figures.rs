//! Figures of the operator on a cluster of our own:
//!
//! ```text
//! cargo run -p egret-e2e --example figures -- [ready|flow|memory|broken]
//! ```

use egret_e2e::{
    Cluster, Deployed, Life, Namespace,
    installed::{NAMESPACE, SELECTOR, operator_memory},
    wait::Wait,
};
use serde_json::json;
use std::{
    env,
    error::Error,
    time::{Duration, Instant},
};

type Done = Result<(), Box<dyn Error>>;

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

fn main() -> Done {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return Ok(()) };
    type Figure = fn(&Cluster) -> Done;
    let figures: [(&str, Figure); 4] =
        [("ready", ready), ("flow", flow), ("memory", hundred), ("broken", broken)];
    let asked: Vec<String> = env::args().skip(1).collect();
    for (name, figure) in figures {
        if asked.is_empty() || asked.iter().any(|one| one == name) {
            figure(&cluster)?;
        }
    }
    Ok(())
}

/// Smallest, median and greatest of some times, in seconds.
fn told(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let (least, most) = (times[0], times[times.len() - 1]);
    let median = times[times.len() / 2];
    println!("{what}: {times:.1?}");
    println!("{what}: {median:.2} s (least {least:.2}, most {most:.2}, {} runs)", times.len());
}

fn gone(namespace: &Namespace, topology: &Deployed<'_>) -> Done {
    namespace.kubectl(&["delete", &topology.resource(), "--timeout=60s"])?;
    topology.until_pods("no pods", PATIENCE, <[_]>::is_empty)?;
    Ok(())
}

fn ready(cluster: &Cluster) -> Done {
    let namespace = Namespace::new(cluster, "to-ready")?;
    let mut times = Vec::new();
    for run in 0..RUNS {
        let began = Instant::now();
        let topology = namespace.deploy(&format!("t{run}"), WORD_COUNT)?;
        let limit = format!("--timeout={}s", PATIENCE.as_secs());
        let wait = ["wait", &topology.resource(), "--for=condition=Ready", &limit];
        namespace.kubectl_with("", PATIENCE, &wait)?;
        times.push(began.elapsed().as_secs_f64());
        gone(&namespace, &topology)?;
    }
    told("apply to Ready, word count on 3 pods", times);
    Ok(())
}

fn flow(cluster: &Cluster) -> Done {
    let namespace = Namespace::new(cluster, "to-flow")?;
    let topology = namespace.deploy("t", WORD_COUNT)?;
    topology.condition("Ready", "True", PATIENCE)?;
    let spout = topology.pods()?[0].clone();
    let (mut executed, mut caught_up) = (Vec::new(), Vec::new());
    for life in 1..=RUNS {
        let successor = format!("t-2-{}", life + 1);
        let began = Instant::now();
        namespace.kubectl(&["delete", "pod", &format!("t-2-{life}"), "--wait=false"])?;
        let next = |pods: &[Life]| {
            pods.iter().find(|pod| pod.name == successor && !pod.ip.is_empty()).cloned()
        };
        let pods = topology.until_pods("an address", PATIENCE, |pods| next(pods).is_some());
        let Some(next) = next(&pods?) else { continue };
        above(&next, "egret_tuples_executed_total", 0.0)?;
        executed.push(began.elapsed().as_secs_f64());
        // Whatever was lost with the pod was failed at once, and is emitted again.
        let emitted = spout.metric("egret_roots_emitted_total")?;
        above(&spout, "egret_roots_acked_total", emitted)?;
        caught_up.push(began.elapsed().as_secs_f64());
        topology.until_pods("the pod's successor alone", PATIENCE, |pods| pods.len() == 3)?;
        topology.condition("Ready", "True", PATIENCE)?;
    }
    told("deletion of a pod to the first tuple in its successor", executed);
    told("deletion of a pod until as much is acked as was emitted", caught_up);
    Ok(())
}

/// Waits until a metric of a pod is above a value.
fn above(pod: &Life, metric: &str, value: f64) -> Done {
    let waited = Wait::new(&pod.name, metric, PATIENCE).until(|| {
        let now = pod.metric(metric).map_err(|error| error.to_string())?;
        if now > value { Ok(()) } else { Err(format!("{now}, not above {value}")) }
    });
    Ok(waited?)
}

/// Resident memory of the operator, in MiB.
fn memory() -> f64 {
    operator_memory() / f64::from(1 << 20)
}

fn hundred(cluster: &Cluster) -> Done {
    let namespace = Namespace::new(cluster, "hundred")?;
    println!("memory of the operator before: {:.1} MiB", memory());
    for (range, state) in [(0..90, "Stopped"), (90..100, "Running")] {
        let spec = format!(
            "pods: 1\nstate: {state}\ndeletionPolicy: Immediate\n\
             spouts: [{{name: words, config: {{rate: 10}}}}]\n"
        );
        for i in range.clone() {
            namespace.deploy(&format!("t{i}"), &spec)?;
        }
        for i in range {
            namespace.deployed(&format!("t{i}")).state(state, PATIENCE)?;
        }
    }
    println!("memory of the operator with 100 topologies, 90 Stopped: {:.1} MiB", memory());
    Ok(())
}

/// Bounds and cumulative counts of successful reconciliations.
fn buckets(cluster: &Cluster) -> egret_e2e::Result<Vec<(f64, f64)>> {
    let path = "jsonpath={.items[0].metadata.name}";
    let pod = ["get", "pods", "--selector", SELECTOR, "--output", path];
    let pod = cluster.operator_kubectl(&pod)?;
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/metrics");
    let page = cluster.kubectl(&["get", "--raw", &path])?;
    let ours = page.lines().filter(|line| {
        line.starts_with("egret_operator_reconcile_seconds_bucket") && line.contains("\"ok\"")
    });
    let counts = ours.filter_map(|line| {
        let bound = line.split("le=\"").nth(1)?.split('"').next()?;
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
        Some((bound, line.rsplit(' ').next()?.parse().ok()?))
    });
    Ok(counts.collect())
}

fn broken(cluster: &Cluster) -> Done {
    let namespace = Namespace::new(cluster, "broken")?;
    // Refused by the operator, refused by the API server, and never ready for want of an image.
    let kinds = [
        "spouts: [{name: nobody-knows-it}]",
        "podTemplate: {spec: {priorityClassName: none}}\nspouts: [{name: words}]",
        "image: nowhere.invalid/none:1\nstate: Running\nspouts: [{name: words}]",
    ];
    for i in 0..100 {
        let spec =
            format!("deletionPolicy: Immediate\n{}\n", kinds[if i < 94 { i % 2 } else { 2 }]);
        namespace.deploy(&format!("broken{i}"), &spec)?;
    }
    let topology = namespace.deploy("healthy", WORD_COUNT)?;
    topology.condition("Ready", "True", PATIENCE)?;
    let before = buckets(cluster)?;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        for state in ["Paused", "Running"] {
            let began = Instant::now();
            topology.change(&json!({ "state": state }))?;
            topology.state(state, PATIENCE)?;
            times.push(began.elapsed().as_secs_f64());
        }
    }
    told("a change of state, seen in the status", times);
    let all = |counts: &[(f64, f64)]| counts.last().map_or(0.0, |last| last.1);
    let waited = Wait::new("operator", "100 reconciliations", PATIENCE).until(|| {
        let counts = buckets(cluster).map_err(|error| error.to_string())?;
        let more = all(&counts) - all(&before);
        if more >= 100.0 { Ok(counts) } else { Err(format!("{more}")) }
    });
    let after = waited?;
    let grown: Vec<(f64, f64)> =
        after.iter().zip(&before).map(|(now, was)| (now.0, now.1 - was.1)).collect();
    let p99 = grown.iter().find(|(_, count)| *count >= all(&grown) * 0.99);
    let (p99, all) = (p99.map_or(f64::INFINITY, |bucket| bucket.0), all(&grown));
    println!("p99 of {all} good reconciliations among 100 broken topologies: at most {p99} s");
    Ok(())
}
