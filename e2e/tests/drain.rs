//! A node is emptied under load, and pods of the others go too: every line arrives once.

// Also in the fixtures, which clippy does not take for tests.
#![allow(clippy::unwrap_used)]

use egret_e2e::{
    Cluster, Deployed, Life, Namespace,
    installed::SELECTOR,
    layout::Machine,
    load::{COPIES, Load},
    wait::Wait,
};
use std::{
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(150);

/// Lines from a file to another on the same node by way of filters that may run anywhere, rather on
/// the other node.
fn spec(away: Machine) -> String {
    let away = away.name();
    let four = format!(
        "
pods: 4
podTemplate:
  spec:
    affinity:
      nodeAffinity:
        preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          preference:
            matchExpressions:
            - {{key: kubernetes.io/hostname, operator: In, values: [{away}]}}
"
    );
    COPIES.replace("\npods: 2\n", &four)
}

/// Lets pods onto a node again whatever becomes of the test.
struct Cordoned<'a>(&'a Cluster, &'static str);

impl Drop for Cordoned<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.kubectl(&["uncordon", self.1]) {
            eprintln!("{error}");
        }
    }
}

/// The node that the operator runs on, and the other.
fn nodes(cluster: &Cluster) -> (Machine, Machine) {
    let path = "jsonpath={.items[0].spec.nodeName}";
    let args = ["get", "pods", "--selector", SELECTOR, "--output", path];
    let node = cluster.operator_kubectl(&args).unwrap();
    let find = |with: bool| {
        let mut nodes = Machine::NODES.into_iter();
        nodes.find(|machine| (machine.name() == node) == with).unwrap()
    };
    (find(true), find(false))
}

/// Waits until all flows again, which shall not take long.
fn is_back(load: &mut Load, since: Instant, what: &str) {
    let late = load.back(since, PATIENCE, || Ok(true)).unwrap();
    eprintln!("{what}: lines were late until {late:.1?} after it");
    let account = load.account(PATIENCE).unwrap();
    assert_eq!(account.twice, 0, "{what}: with a drain that works nothing is replayed");
}

/// Empties a node of the topology's pods, and watches them go.
fn empty(cluster: &Cluster, node: &str, topology: &Deployed<'_>) {
    let drain = [
        "drain",
        node,
        "--pod-selector=egret.dev/topology=empty",
        "--ignore-daemonsets",
        "--delete-emptydir-data",
        "--force",
        "--timeout=140s",
    ];
    thread::scope(|scope| {
        let draining = scope.spawn(|| cluster.kubectl_with("", PATIENCE, &drain));
        let waited = Wait::new(node, "it is empty", PATIENCE).until(|| {
            let pods = topology.pods().map_err(|error| error.to_string())?;
            let away = pods.iter().filter(|pod| pod.terminating).count();
            assert!(away <= 1, "its budget lets one pod be away: {pods:#?}");
            if draining.is_finished() { Ok(()) } else { Err(format!("{pods:#?}")) }
        });
        waited.unwrap();
        draining.join().unwrap().unwrap();
    });
}

#[test]
fn a_node_is_emptied_and_every_line_arrives_once() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let mut namespace = Namespace::new(&cluster, "drain").unwrap();
    let (stays, emptied) = nodes(&cluster);
    let input = namespace.volume("input", stays).unwrap().join("in.txt");
    let output = namespace.volume("output", stays).unwrap().join("out.txt");
    namespace.claim("input").unwrap();
    namespace.claim("output").unwrap();
    let mut load = Load::on(&input, output).unwrap();
    let topology = namespace.deploy("empty", &spec(emptied)).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    load.flows(PATIENCE).unwrap();
    let on = |pods: &[Life]| pods.iter().filter(|pod| pod.node == emptied.name()).count();
    let before = topology.pods().unwrap();
    assert!(on(&before) > 0, "{before:#?}");

    let cordoned = Cordoned(&cluster, emptied.name());
    empty(&cluster, emptied.name(), &topology);
    topology.condition("Ready", "True", PATIENCE).unwrap();
    let after = topology.until_pods("four pods", PATIENCE, |pods| pods.len() == 4).unwrap();
    assert_eq!(on(&after), 0, "{after:#?}");
    let kept = before.iter().filter(|pod| pod.node == stays.name());
    assert!(kept.clone().all(|pod| after.contains(pod)), "the others stay: {after:#?}");
    is_back(&mut load, Instant::now(), "a node was emptied");
    drop(cordoned);

    // Those with the spout and with the file go too, where they are.
    for pod in kept {
        let since = Instant::now();
        let limit = format!("--timeout={}s", PATIENCE.as_secs());
        namespace.kubectl_with("", PATIENCE, &["delete", "pod", &pod.name, &limit]).unwrap();
        let gone = since.elapsed();
        topology.condition("Ready", "True", PATIENCE).unwrap();
        let late = load.back(since, PATIENCE, || Ok(true)).unwrap();
        eprintln!("{}: gone after {gone:.1?}, lines were late until {late:.1?}", pod.name);
        is_back(&mut load, Instant::now(), &pod.name);
    }
    let account = load.end(PATIENCE).unwrap();
    eprintln!("{account:?}");
    assert_eq!(account.twice, 0);
}
