//! The API server is away for a minute: tuples keep flowing, and nothing restarts.

// Also in the fixtures, which clippy does not take for tests.
#![allow(clippy::unwrap_used)]

use egret_e2e::{Cluster, Life, Namespace, layout::Machine, wait::Wait};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);
const AWAY: Duration = Duration::from_secs(60);
/// Tuples a second of the spout.
const RATE: f64 = 200.0;

const SPEC: &str = "
pods: 2
delivery: AtLeastOnce
spouts: [{name: words, config: {rate: 200}}]
bolts: [{name: count, inputs: [{from: words, grouping: Fields, fields: [word]}]}]
";

fn acked(pod: &Life) -> f64 {
    pod.metric("egret_roots_acked_total").unwrap()
}

/// Releases the API server whatever becomes of the test.
struct Held<'a>(&'a Cluster);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.release(Machine::Control, "kube-apiserver") {
            eprintln!("{error}");
        }
    }
}

#[test]
fn tuples_flow_for_a_minute_without_an_api_server() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "api-loss").unwrap();
    let topology = namespace.deploy("t", SPEC).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    let before = topology.pods().unwrap();
    cluster.hold(Machine::Control, "kube-apiserver").unwrap();
    let held = Held(&cluster);
    let (began, first) = (Instant::now(), acked(&before[0]));
    let expected = first + RATE * AWAY.as_secs_f64() * 0.9;
    let what = format!("{expected} acked within a minute");
    let flowed = Wait::new("t-0-1", &what, AWAY + Duration::from_secs(10)).until(|| {
        let now = acked(&before[0]);
        let over = began.elapsed() >= AWAY && now >= expected;
        if over { Ok(()) } else { Err(format!("{now} after {:?}", began.elapsed())) }
    });
    drop(held);
    flowed.unwrap();
    // The operator is back, and has found nothing to do.
    namespace.until("an answer", PATIENCE, &["get", "pods"], |_| true).unwrap();
    cluster.operator_ready().unwrap();
    topology.change(&serde_json::json!({"state": "Paused"})).unwrap();
    topology.state("Paused", PATIENCE).unwrap();
    assert_eq!(topology.pods().unwrap(), before);
    // Nodes that could not tell that they are well get no pods for a while.
    let nodes = cluster.nodes().unwrap().len();
    let waited = Wait::new("nodes", "ready again", PATIENCE).until(|| {
        let ready = cluster.ready_nodes().map_err(|error| error.to_string())?;
        if ready.len() == nodes { Ok(()) } else { Err(format!("ready are {ready:?}")) }
    });
    waited.unwrap();
}
