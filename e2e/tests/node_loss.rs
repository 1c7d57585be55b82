//! A node is lost without a word: its pods are replaced long before Kubernetes gives them up, and
//! what comes back with it is refused.

// Also in the fixtures, which clippy does not take for tests.
#![allow(clippy::unwrap_used)]

use egret_e2e::{
    Cluster, Deployed, Life, Namespace, installed::SELECTOR, layout::Machine, wait::Wait,
};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(240);
/// From the loss of a node until all flows again.
const BACK_WITHIN: Duration = Duration::from_secs(45);

const SPEC: &str = "
pods: 2
delivery: AtLeastOnce
messageTimeout: 20s
spouts: [{name: words, config: {rate: 200}}]
bolts: [{name: count, inputs: [{from: words, grouping: Fields, fields: [word]}]}]
";

/// Brings a machine back whatever becomes of the test.
struct Lost<'a>(&'a Cluster, Machine);

impl Drop for Lost<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.restart(self.1) {
            eprintln!("{error}");
        }
    }
}

/// The node that the operator does not run on.
fn without_operator(cluster: &Cluster) -> Machine {
    let path = "jsonpath={.items[0].spec.nodeName}";
    let args = ["get", "pods", "--selector", SELECTOR, "--output", path];
    let node = cluster.operator_kubectl(&args).unwrap();
    Machine::NODES.into_iter().find(|machine| machine.name() != node).unwrap()
}

/// Waits until the spout has acked a second's worth more than before.
fn flows(topology: &Deployed<'_>) {
    let acked = |pods: &[Life]| {
        let of = |pod: &Life| pod.metric("egret_roots_acked_total").unwrap_or_default();
        pods.iter().filter(|pod| !pod.terminating).map(of).sum::<f64>()
    };
    let before = acked(&topology.pods().unwrap());
    let waited = Wait::new("words", "tuples flow", PATIENCE).until(|| {
        let now = acked(&topology.pods().map_err(|error| error.to_string())?);
        if now > before + 200.0 { Ok(()) } else { Err(format!("{now} acked, {before} before")) }
    });
    waited.unwrap();
}

#[test]
fn pods_of_a_lost_node_are_replaced_elsewhere_and_do_not_come_back() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "node-loss").unwrap();
    let topology = namespace.deploy("t", SPEC).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    flows(&topology);
    let lost = without_operator(&cluster);
    let before = topology.pods().unwrap();
    let there: Vec<&Life> = before.iter().filter(|pod| pod.node == lost.name()).collect();
    assert_eq!(there.len(), 1, "{before:#?}");
    let since = Instant::now();
    cluster.lose(lost).unwrap();
    let back = Lost(&cluster, lost);
    topology
        .until_pods("another pod elsewhere", PATIENCE, |pods| {
            let here = pods.iter().filter(|pod| pod.node != lost.name() && !pod.ip.is_empty());
            here.count() == 2
        })
        .unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    let took = since.elapsed();
    eprintln!("everything works again {took:.1?} after the loss of a node");
    flows(&topology);
    assert!(took < BACK_WITHIN, "{took:?}");
    topology.tells(&["NodeLost", "PodReplaced"], PATIENCE).unwrap();
    let after: Vec<Life> =
        topology.pods().unwrap().into_iter().filter(|pod| pod.node != lost.name()).collect();
    // The old pod comes back with its node, and goes.
    drop(back);
    let uid = there[0].uid.clone();
    let gone = |pods: &[Life]| pods.iter().all(|pod| pod.uid != uid);
    let left = topology.until_pods("the lost pod is gone", PATIENCE, gone).unwrap();
    assert_eq!(left, after, "nothing else was replaced");
    flows(&topology);
}
