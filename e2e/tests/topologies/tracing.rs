//! Traced tuples on the cluster: spans of tasks in two pods find their collector, and one another.

use crate::collector::{Collector, Span};
use egret_e2e::{Cluster, Namespace, layout::HOST, wait::Wait};
use std::{collections::BTreeSet, time::Duration};

const PATIENCE: Duration = Duration::from_secs(90);

/// The spans of one trace that went from `words` by way of `count`.
fn whole(spans: &[Span]) -> Option<Vec<&Span>> {
    let of = |trace: &str| spans.iter().filter(|span| span.trace == trace).collect::<Vec<_>>();
    let traces: BTreeSet<&str> = spans.iter().map(|span| span.trace.as_str()).collect();
    traces.into_iter().map(of).find(|trace| {
        let names: BTreeSet<&str> = trace.iter().map(|span| span.name.as_str()).collect();
        names
            == BTreeSet::from(["root words", "send words to count", "queue count", "execute count"])
    })
}

#[test]
fn spans_of_two_pods_make_one_trace_at_a_collector() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "tracing").unwrap();
    let collector = Collector::start(HOST);
    let spec = format!(
        "pods: 2\ntracing: {{sampleRate: 1, endpoint: {}}}\n\
         spouts: [{{name: words, config: {{rate: 20}}}}]\n\
         bolts: [{{name: count, inputs: [{{from: words, grouping: Fields, fields: [word]}}]}}]",
        collector.address
    );
    let topology = namespace.deploy("t", &spec).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    let wait = Wait::new("the collector", "a whole trace", PATIENCE);
    let looked = || {
        let spans = collector.spans();
        let Some(trace) = whole(&spans) else { return Err(format!("{spans:#?}")) };
        Ok(trace.into_iter().cloned().collect::<Vec<Span>>())
    };
    let trace = wait.until(looked).unwrap();
    for span in &trace {
        assert!(span.kind > 0 && span.start <= span.end && span.error.is_none(), "{span:?}");
        assert_eq!(span.attributes["k8s.namespace.name"], namespace.name());
        let parents = trace.iter().filter(|other| Some(&other.id) == span.parent.as_ref()).count();
        assert_eq!(parents, usize::from(span.name != "root words"), "{span:?}");
    }
    let pods: BTreeSet<&str> =
        trace.iter().map(|span| span.attributes["k8s.pod.name"].as_str()).collect();
    assert_eq!(pods.into_iter().collect::<Vec<_>>(), ["t-0-1", "t-1-1"]);
}
