//! Traced trees: every step is there once, hangs under another, and ends in its root.

use super::{
    components::registry,
    plan::{Plan, fields},
};
use egret_core::kit::Kit;
use egret_sdk::TaskId;
use egret_topology::{
    grouping::Grouping::{All, Shuffle},
    plan::Delivery,
    tracing::Tracing,
};
use egret_wire::{
    control::Root,
    data::RootId,
    trace::{Span, Step, Traces},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const LONG: u64 = 1_000_000_000_000;

fn at_rate(rate: f64) -> Plan {
    let tracing = Some(Tracing { sample_rate: rate, endpoint: None });
    Plan::new().edit(|plan| plan.tracing = tracing)
}

fn run(plan: Plan) -> (Kit, Vec<(TaskId, Span)>) {
    let (registry, _) = registry();
    let mut kit = plan.kit(registry);
    kit.run(LONG).unwrap();
    let spans = kit.take_spans();
    (kit, spans)
}

/// A spout, two bolts behind each other, and one that gets all from both.
fn graph(plan: Plan, config: Value) -> Plan {
    plan.spout("numbers", 2, config).bolt("identity1", 2, &[("numbers", Shuffle)]).bolt(
        "identity2",
        2,
        &[("identity1", fields(&["key"])), ("numbers", All)],
    )
}

fn trees(spans: &[(TaskId, Span)]) -> BTreeMap<Root, Vec<&Span>> {
    let mut trees = BTreeMap::<Root, Vec<&Span>>::new();
    for (_, span) in spans {
        trees.entry(span.root).or_default().push(span);
    }
    trees
}

fn count(spans: &[(TaskId, Span)], step: Step) -> usize {
    spans.iter().filter(|(_, span)| span.step == step).count()
}

/// One root, and every other span below it: ids once, parents there, of the right step.
fn assert_tree(spans: &[&Span]) {
    let by_id: BTreeMap<u64, &&Span> = spans.iter().map(|span| (span.id, span)).collect();
    assert_eq!(by_id.len(), spans.len(), "an id occurs twice: {spans:#?}");
    let roots: Vec<_> = spans.iter().filter(|span| span.parent == 0).collect();
    assert!(roots.len() == 1 && roots[0].step == Step::Root, "{spans:#?}");
    for span in spans.iter().filter(|span| span.parent != 0) {
        let parent = by_id.get(&span.parent).unwrap_or_else(|| panic!("no parent: {span:?}"));
        let right = match span.step {
            Step::Root => false,
            Step::Send => matches!(parent.step, Step::Root | Step::Execute),
            Step::Queue | Step::Execute => parent.step == Step::Send,
            Step::Unacked => parent.step == Step::Execute,
        };
        assert!(right && parent.start <= span.start && span.start <= span.end, "{span:?}");
        assert!(span.end <= roots[0].end, "{span:?} outlasts {:?}", roots[0]);
    }
}

#[test]
fn every_tuple_of_every_root_is_traced_at_rate_one() {
    let (kit, spans) = run(graph(at_rate(1.0), json!({"limit": 60})));
    let trees = trees(&spans);
    assert_eq!(trees.len(), 120);
    trees.values().for_each(|spans| assert_tree(spans));
    let tuples = kit.sent().len();
    for step in [Step::Send, Step::Queue, Step::Execute] {
        assert_eq!(count(&spans, step), tuples, "{step:?}");
    }
    assert_eq!(count(&spans, Step::Unacked), 0);
    // numbers: 1 + 2 on their ways, identity1: 1 for each that it got.
    assert!(trees.values().all(|spans| spans.len() == 1 + 3 * 4), "{trees:#?}");
    let send = spans.iter().find(|(_, span)| span.step == Step::Send).unwrap();
    assert!(send.1.bytes > 0 && send.1.peer.is_some());
}

#[test]
fn a_root_that_is_not_sampled_leaves_nothing_and_one_that_is_its_whole_tree() {
    let (_, all) = run(graph(at_rate(1.0), json!({"limit": 300})));
    let (_, some) = run(graph(at_rate(0.2), json!({"limit": 300})));
    let traces = Traces::new("test", 0.2);
    let sampled = |root: &Root| {
        let Root { task, incarnation, seq } = *root;
        traces.samples(RootId { task, incarnation, seq })
    };
    let (all, some) = (trees(&all), trees(&some));
    let expected: BTreeSet<&Root> = all.keys().filter(|root| sampled(root)).collect();
    assert!((60..200).contains(&expected.len()), "{}", expected.len());
    assert_eq!(some.keys().collect::<BTreeSet<_>>(), expected);
    for (root, spans) in &some {
        assert_tree(spans);
        let ids = |spans: &[&Span]| spans.iter().map(|span| span.id).collect::<BTreeSet<u64>>();
        assert_eq!(ids(spans), ids(&all[root]));
    }
}

#[test]
fn nothing_is_noted_unless_it_is_asked_for_and_roots_are_tracked() {
    let untraced = run(graph(Plan::new(), json!({"limit": 50}))).1;
    assert_eq!(untraced, []);
    let at_most_once = at_rate(1.0).edit(|plan| plan.delivery = Delivery::AtMostOnce);
    assert_eq!(run(graph(at_most_once, json!({"limit": 50}))).1, []);
}

#[test]
fn tracing_goes_on_and_off_with_the_plan() {
    let (registry, _) = registry();
    let plan = Plan::new().spout("numbers", 1, json!({"limit": 40}));
    let mut kit = plan.bolt("hoarder", 1, &[("numbers", Shuffle)]).kit(registry);
    kit.settle().unwrap();
    let tracing = |rate| Some(Tracing { sample_rate: rate, endpoint: None });
    kit.edit_plan(|plan| plan.tracing = tracing(1.0));
    // What is pending now was not traced when it was emitted; its root is when it times out.
    kit.run(40_000_000_000).unwrap();
    assert!(count(&kit.take_spans(), Step::Execute) > 0);
    kit.edit_plan(|plan| plan.tracing = None);
    kit.settle().unwrap();
    kit.take_spans();
    // Roots that are traced already are so to their end.
    kit.run(40_000_000_000).unwrap();
    assert!(kit.take_spans().iter().all(|(_, span)| span.step == Step::Root));
    kit.run(40_000_000_000).unwrap();
    assert_eq!(kit.take_spans(), []);
}

#[test]
fn a_failed_tuple_says_why_on_its_own_span_and_on_its_root() {
    let plan = at_rate(1.0).spout("numbers", 1, json!({"limit": 20, "keys": 4}));
    let (_, spans) = run(plan.bolt("picky", 1, &[("numbers", Shuffle)]));
    trees(&spans).values().for_each(|spans| assert_tree(spans));
    let failed = |step| {
        let of = spans.iter().filter(move |(_, span)| span.step == step);
        of.filter(|(_, span)| span.error.as_ref().is_some_and(|e| e.contains("not at first")))
    };
    assert_eq!((failed(Step::Root).count(), failed(Step::Execute).count()), (4, 4));
    let replays = spans.iter().filter(|(_, span)| span.replay);
    assert_eq!(replays.filter(|(_, span)| span.error.is_none()).count(), 4);
    assert_eq!(count(&spans, Step::Root), 24);
}

#[test]
fn what_is_held_unacked_has_a_span_until_its_ack_and_a_join_is_in_each_trace() {
    let plan = at_rate(1.0).spout("numbers", 1, json!({"limit": 10}));
    let plan = plan.bolt("join1", 1, &[("numbers", Shuffle)]);
    let (kit, spans) = run(plan.bolt("identity", 1, &[("join1", Shuffle)]));
    let trees = trees(&spans);
    trees.values().for_each(|spans| assert_tree(spans));
    assert_eq!(count(&spans, Step::Unacked), 10);
    let joined: Vec<_> = kit.sent().iter().filter(|sent| sent.component == "join1").collect();
    assert!(joined.len() < 10, "some tuples were joined");
    // One on its way from the spout, and the one that joined it, in each of the ten traces.
    for (root, spans) in &trees {
        let sends: Vec<_> = spans.iter().filter(|span| span.step == Step::Send).collect();
        assert_eq!(sends.len(), 2, "{root:?}");
        let join = sends.iter().find(|send| send.parent != spans_root(spans)).unwrap();
        let under = spans.iter().find(|span| span.id == join.parent).unwrap();
        assert_eq!(under.step, Step::Execute);
    }
}

fn spans_root(spans: &[&Span]) -> u64 {
    spans.iter().find(|span| span.step == Step::Root).unwrap().id
}

#[test]
fn a_root_that_times_out_says_who_held_it() {
    let plan = at_rate(1.0).spout("numbers", 1, json!({"limit": 1, "replay": false}));
    let (_, spans) = run(plan.bolt("hoarder", 1, &[("numbers", Shuffle)]));
    let (_, root) = spans.iter().find(|(_, span)| span.step == Step::Root).unwrap();
    let error = root.error.as_ref().unwrap();
    assert!(error.contains("hoarder[0]"), "{error}");
    assert!(root.end - root.start >= 30_000_000_000, "{root:?}");
}

#[test]
fn what_finish_emits_is_traced_from_its_own_root() {
    let plan = at_rate(1.0).spout("numbers", 1, json!({"limit": 9, "keys": 3}));
    let plan = plan.bolt("count", 1, &[("numbers", fields(&["key"]))]);
    let (_, spans) = run(plan.bolt("identity", 1, &[("count", Shuffle)]));
    let trees = trees(&spans);
    let of_count = trees.iter().filter(|(root, _)| root.task == TaskId(1));
    assert_eq!(of_count.clone().count(), 3);
    of_count.for_each(|(_, spans)| assert_tree(spans));
}
