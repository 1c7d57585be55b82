//! Names that topologies, and others, need alike.

use egret_e2e::{Cluster, Namespace, condition};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(90);
const SPEC: &str = "spouts: [{name: words, config: {rate: 10}}]";

#[test]
fn what_somebody_else_has_made_is_neither_changed_nor_deleted() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "name-taken").unwrap();
    namespace.kubectl(&["create", "configmap", "t-plan", "--from-literal=mine=1"]).unwrap();
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: t}\n\
                  spec: {podSelector: {}, policyTypes: [Ingress]}\n";
    namespace.apply(policy).unwrap();
    let path = "jsonpath={range .items[*]}{.metadata.uid} {.metadata.resourceVersion}\n{end}";
    let args = ["get", "configmap/t-plan", "networkpolicy/t", "--output", path];
    let look = || namespace.kubectl(&args).unwrap();
    let before = look();
    let topology = namespace.deploy("t", SPEC).unwrap();
    for taken in ["configmap/t-plan", "networkpolicy/t"] {
        let name = taken.split_once('/').unwrap().1;
        let told = topology.until(taken, PATIENCE, |object| {
            let accepted = condition(object, "Accepted");
            let message = accepted["message"].as_str()?.to_owned();
            let named = message.contains(&format!(" {name} is there already"));
            (accepted["reason"] == "NameTaken" && named).then_some(message)
        });
        assert!(told.unwrap().contains("delete it, or give the topology another name"));
        if name == "t-plan" {
            assert_eq!(look(), before);
        }
        namespace.kubectl(&["delete", taken]).unwrap();
        // The operator would look again by itself, after half a minute.
        let seen = format!("seen={name}");
        namespace.kubectl(&["annotate", "--overwrite", &topology.resource(), &seen]).unwrap();
    }
    topology.condition("Ready", "True", PATIENCE).unwrap();
}

#[test]
fn topologies_whose_names_begin_alike_keep_apart() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "alike").unwrap();
    let names = ["a", "a-0", "a-0-1", "a-plan"];
    let all: Vec<_> = names.iter().map(|name| namespace.deploy(name, SPEC).unwrap()).collect();
    for (name, topology) in names.iter().zip(&all) {
        assert_eq!(topology.condition("Ready", "True", PATIENCE).unwrap(), "Running");
        let pods = topology.pods().unwrap();
        assert_eq!(pods.len(), 1);
        assert_eq!(pods[0].name, format!("{name}-0-1"));
    }
    namespace.kubectl(&["delete", "topology", "a-0", "--timeout=90s"]).unwrap();
    for topology in [&all[0], &all[2], &all[3]] {
        assert_eq!(topology.condition("Ready", "True", PATIENCE).unwrap(), "Running");
        assert_eq!(topology.pods().unwrap().len(), 1);
    }
}

#[test]
fn a_topology_that_is_deleted_and_applied_again_at_once_is_another() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "again").unwrap();
    let spec = format!("{SPEC}\ndeletionPolicy: Immediate\n");
    for _ in 0..3 {
        let topology = namespace.deploy("t", &spec).unwrap();
        topology.until_pods("a pod", PATIENCE, |pods| !pods.is_empty()).unwrap();
        namespace.kubectl(&["delete", &topology.resource(), "--timeout=10s"]).unwrap();
    }
    let topology = namespace.deploy("t", &spec).unwrap();
    assert_eq!(topology.condition("Ready", "True", PATIENCE).unwrap(), "Running");
}
