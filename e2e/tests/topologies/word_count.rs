//! Word count from `kubectl apply` to exact counts, across two nodes.

use egret_e2e::{Cluster, Namespace, layout::Machine};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(120);
const LINES: usize = 20_000;

const SPEC: &str = "
pods: 3
delivery: AtLeastOnce
volumes:
- {name: input, persistentVolumeClaim: {claimName: input}}
- {name: output, persistentVolumeClaim: {claimName: output}}
spouts:
- name: lines
  config: {path: /data/text.txt}
  volumeMounts: [{name: input, mountPath: /data, readOnly: true}]
bolts:
- name: split
  parallelism: 2
  inputs: [{from: lines}]
- name: count
  parallelism: 2
  inputs: [{from: split, grouping: Fields, fields: [word]}]
- name: counts
  component: file
  config: {path: /data/counts.jsonl, format: json, mode: overwrite}
  inputs: [{from: count, grouping: Global}]
  volumeMounts: [{name: output, mountPath: /data}]
";

#[test]
fn word_count_is_exact_across_two_nodes() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let mut namespace = Namespace::new(&cluster, "word-count").unwrap();
    let input = namespace.volume("input", Machine::A).unwrap();
    let output = namespace.volume("output", Machine::B).unwrap();
    let (mut text, mut expected) = (String::new(), BTreeMap::<String, u64>::new());
    for line in 0..LINES {
        let words = [format!("a{}", line % 7), format!("b{}", line % 101), "every".to_owned()];
        writeln!(text, "{}", words.join(" ")).unwrap();
        words.into_iter().for_each(|word| *expected.entry(word).or_default() += 1);
    }
    fs::write(input.join("text.txt"), text).unwrap();
    namespace.claim("input").unwrap();
    namespace.claim("output").unwrap();

    let topology = namespace.deploy("word-count", SPEC).unwrap();
    topology.state("Completed", PATIENCE).unwrap();
    let counts = fs::read_to_string(output.join("counts.jsonl")).unwrap();
    let mut found = BTreeMap::new();
    for line in counts.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let word = line["word"].as_str().unwrap().to_owned();
        assert_eq!(found.insert(word, line["count"].as_u64().unwrap()), None, "twice: {line}");
    }
    assert_eq!(found, expected);

    let nodes: BTreeSet<String> =
        topology.pods().unwrap().into_iter().map(|pod| pod.node).collect();
    assert_eq!(nodes.len(), 2, "tuples went from node to node: {nodes:?}");
    assert_eq!(topology.condition("Ready", "False", PATIENCE).unwrap(), "Completed");
    topology.tells(&["Starting", "Running", "Closing", "Completed"], PATIENCE).unwrap();
}
