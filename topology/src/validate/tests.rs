//! Each rule by one topology that breaks it.

mod dead_letters;

use super::*;
use crate::{
    declaration::{Declaration, Declared},
    grouping::Grouping,
    plan::PlannedInput,
    stream::Stream,
};
use serde_json::{Value, json};

fn catalog() -> Catalog {
    let declare = |name: &str, kind, streams| Declaration { name: name.to_owned(), kind, streams };
    let fixed = |fields: &[&str]| Declared::Fixed(vec![Stream::default_of(fields.iter().copied())]);
    Catalog::new([
        declare("lines", ComponentKind::Spout, fixed(&["line"])),
        declare("split", ComponentKind::Bolt, fixed(&["word"])),
        declare("count", ComponentKind::Bolt, fixed(&["$key", "count"])),
        declare("filter", ComponentKind::Bolt, Declared::SameAsInput),
        declare("print", ComponentKind::Bolt, Declared::Fixed(vec![])),
        declare("odd", ComponentKind::Spout, Declared::FromConfig),
    ])
}

fn resource(spec: Value) -> Resource {
    serde_json::from_value(json!({
        "apiVersion": "egret.dev/v1alpha1",
        "kind": "Topology",
        "metadata": {"name": "word-count"},
        "spec": spec,
    }))
    .unwrap()
}

fn word_count() -> Value {
    json!({
        "spouts": [{"name": "lines", "parallelism": 2}],
        "bolts": [
            {"name": "split", "parallelism": 4, "inputs": [{"from": "lines"}]},
            {"name": "count", "parallelism": 3, "tick": "1s",
             "inputs": [{"from": "split", "grouping": "Fields", "fields": ["word"]}],
             "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "64Mi"}}},
            {"name": "print", "inputs": [{"from": "count", "grouping": "Global"}]},
        ],
    })
}

/// Problems of a word count after a change, as text.
fn problems(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut spec = word_count();
    change(&mut spec);
    match validate(&resource(spec), &catalog()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(Problem::to_string).collect(),
    }
}

#[test]
fn a_right_topology_becomes_a_logical_plan() {
    let logical = validate(&resource(word_count()), &catalog()).unwrap();
    assert_eq!(logical.name, "word-count");
    assert_eq!(logical.message_timeout_ms, 30_000);
    assert_eq!(logical.tasks(), 10);
    let count = logical.component("count").unwrap();
    assert_eq!(count.tick_ms, Some(1000));
    assert_eq!(count.streams, [Stream::default_of(["word", "count"])]);
    let grouping = Grouping::Fields { fields: vec!["word".to_owned()] };
    assert_eq!(count.inputs, [PlannedInput { from: 1, stream: 0, grouping }]);
    assert_eq!(count.requests.cpu_millis, Some(100));
    assert_eq!(count.requests.memory_bytes, Some(64 << 20), "a limit is also the request");
}

#[test]
fn every_problem_is_reported_at_once() {
    let found = problems(|spec| {
        spec["maxPending"] = json!(0);
        spec["messageTimeout"] = json!("30");
        spec["spouts"][0]["parallelism"] = json!(5000);
        spec["bolts"][0]["inputs"][0]["from"] = json!("line");
    });
    assert_eq!(
        found,
        [
            "spec.maxPending: 0 is not in the range from 1 to 1000000",
            "spec.messageTimeout: `30` is not a duration: a number has no unit; write whole \
             numbers \
             with units h, m, s or ms, as in `1m30s`",
            "spec.spouts[0].parallelism: 5000 is not in the range from 1 to 4096",
            "spec.bolts[0].inputs[0].from: there is no component `line` (did you mean `lines`? the \
             components are count, lines, print)",
        ]
    );
}

#[test]
fn effectively_once_is_refused_with_words() {
    let found = problems(|spec| spec["delivery"] = json!("EffectivelyOnce"));
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("does not exist yet"), "{}", found[0]);
}

#[test]
fn names_are_labels_and_unique() {
    let found = problems(|spec| {
        spec["bolts"][2]["name"] = json!("Print");
        spec["bolts"][2]["component"] = json!("print");
        spec["bolts"][1]["name"] = json!("split");
        spec["bolts"][1]["component"] = json!("count");
        spec["bolts"][2]["inputs"] = json!([{"from": "lines"}]);
        spec["bolts"][1]["inputs"] = json!([{"from": "lines"}]);
    });
    assert_eq!(
        found,
        [
            "spec.bolts[1].name: `split` is already the name of spec.bolts[0] (names are unique \
             among spouts and bolts)",
            "spec.bolts[2].name: `Print` cannot be a name (use lower-case letters, digits and `-`, \
             starting with a letter and not ending with `-`)",
        ]
    );
}

#[test]
fn a_topology_without_spouts_is_refused() {
    let found = problems(|spec| spec["spouts"] = json!([]));
    assert_eq!(found, ["spec.spouts: there is no spout, so no tuple would ever flow"]);
}

#[test]
fn a_bolt_without_input_is_refused() {
    let found = problems(|spec| spec["bolts"][2]["inputs"] = json!([]));
    assert_eq!(
        found,
        ["spec.bolts[2].inputs: the bolt `print` has no input, so it would never receive a tuple \
          (write `inputs: [{from: COMPONENT}]`)"]
    );
}

#[test]
fn a_cycle_is_spelled_out() {
    let found = problems(|spec| {
        let inputs = json!([{"from": "lines"}, {"from": "count"}]);
        spec["bolts"][0]["inputs"] = inputs;
    });
    assert_eq!(
        found,
        ["spec.bolts[0].inputs[1].from: tuples would go round in a cycle: split -> count -> \
             split \
          (take one of these inputs away)"]
    );
}

#[test]
fn a_bolt_that_feeds_itself_is_a_cycle() {
    let found = problems(|spec| spec["bolts"][0]["inputs"][0]["from"] = json!("split"));
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("cycle: split -> split"), "{}", found[0]);
}

#[test]
fn unknown_streams_and_fields_are_named_with_the_known_ones() {
    let found = problems(|spec| {
        spec["bolts"][2]["inputs"][0]["stream"] = json!("defualt");
        spec["bolts"][1]["inputs"][0]["fields"] = json!(["wrod"]);
        spec["bolts"][1]["streams"] = json!([{"fields": ["word", "count"]}]);
    });
    assert_eq!(
        found,
        [
            "spec.bolts[1].streams: the topology lists default [word, count], but `count` declares \
             default [wrod, count] (correct the list, or leave it out)",
            "spec.bolts[1].inputs[0].fields[0]: the stream `default` of `split` has no field \
             `wrod` \
             (did you mean `word`? the fields are word)",
            "spec.bolts[2].inputs[0].stream: `count` has no stream `defualt` (did you mean \
             `default`? the streams of `count` are default)",
        ]
    );
}

#[test]
fn arguments_belong_to_their_grouping() {
    let found = problems(|spec| {
        spec["bolts"][0]["inputs"][0]["fields"] = json!(["line"]);
        spec["bolts"][1]["inputs"][0] = json!({"from": "split", "grouping": "PartialKey"});
        spec["bolts"][2]["inputs"][0] = json!({"from": "count", "grouping": "Custom"});
    });
    assert_eq!(
        found,
        [
            "spec.bolts[0].inputs[0].fields: grouping `Shuffle` does not go by fields (leave them \
             out, or write `grouping: Fields`)",
            "spec.bolts[1].inputs[0].grouping: grouping `PartialKey` needs the fields of its key \
             (write them as `fields: [FIELD]`)",
            "spec.bolts[2].inputs[0].grouping: grouping `Custom` needs the name of a registered \
             grouping (write it as `custom: NAME`)",
        ]
    );
}

#[test]
fn direct_streams_and_direct_groupings_belong_together() {
    let found = problems(|spec| {
        spec["image"] = json!("mine:1");
        spec["bolts"][0]["component"] = json!("own-split");
        spec["bolts"][0]["streams"] = json!([{"fields": ["word"], "direct": true}]);
        spec["bolts"][2]["inputs"][0] = json!({"from": "lines", "grouping": "Direct"});
    });
    assert_eq!(
        found,
        [
            "spec.bolts[1].inputs[0].grouping: the stream `default` of `split` is direct: its \
             tuples name their task (write `grouping: Direct`)",
            "spec.bolts[2].inputs[0].grouping: the stream `default` of `lines` is not direct: its \
             tuples name no task (use another grouping, or declare the stream with `direct: true`)",
        ]
    );
}

#[test]
fn the_same_stream_is_not_an_input_twice() {
    let found = problems(|spec| {
        spec["bolts"][2]["inputs"] = json!([{"from": "count"}, {"from": "count"}]);
    });
    assert_eq!(
        found,
        ["spec.bolts[2].inputs[1].from: the stream `default` of `count` is an input already \
             (each \
          stream may be an input of a bolt once)"]
    );
}

#[test]
fn an_unknown_component_needs_a_binary_or_its_streams() {
    let unknown = |spec: &mut Value| spec["spouts"][0]["component"] = json!("line");
    assert_eq!(
        problems(unknown),
        ["spec.spouts[0].component: no spout `line` is known (did you mean `lines`? the known \
          spouts are lines, odd; for one of your own pass --instance BIN)"]
    );
    let with_image = |spec: &mut Value| {
        unknown(spec);
        spec["image"] = json!("mine:1");
    };
    assert_eq!(
        problems(with_image),
        ["spec.spouts[0].component: the streams of the spout `line` are not known (pass \
             --instance \
          BIN with its binary, or list its output under `streams`)"]
    );
    let with_streams = |spec: &mut Value| {
        with_image(spec);
        spec["spouts"][0]["streams"] = json!([{"fields": ["line"]}]);
    };
    assert_eq!(problems(with_streams), [""; 0]);
}

#[test]
fn an_unknown_component_that_nobody_consumes_is_left_to_its_image() {
    let found = problems(|spec| {
        spec["image"] = json!("mine:1");
        spec["bolts"][2]["component"] = json!("own-sink");
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn a_bolt_listed_as_a_spout_is_refused() {
    let found = problems(|spec| spec["spouts"][0]["component"] = json!("split"));
    assert_eq!(
        found,
        ["spec.spouts[0].component: `split` is a bolt, used as a spout (list it under \
             `bolts`; the \
          known spouts are lines, odd)"]
    );
}

#[test]
fn a_filter_has_the_fields_of_its_input() {
    let mut spec = word_count();
    spec["bolts"].as_array_mut().unwrap().extend([
        json!({"name": "keep", "component": "filter", "inputs": [{"from": "count"}]}),
        json!({"name": "last", "component": "filter", "inputs": [{"from": "keep"}]}),
    ]);
    let logical = validate(&resource(spec), &catalog()).unwrap();
    let last = logical.component("last").unwrap();
    assert_eq!(last.streams, [Stream::default_of(["word", "count"])]);
}

#[test]
fn a_filter_of_different_inputs_must_list_its_stream() {
    let found = problems(|spec| {
        let inputs = json!([{"from": "lines"}, {"from": "split"}]);
        spec["bolts"][2] = json!({"name": "keep", "component": "filter", "inputs": inputs});
    });
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("spec.bolts[2].inputs: `filter` emits the fields"), "{found:?}");
}

#[test]
fn streams_that_depend_on_config_must_be_listed_if_consumed() {
    let found = problems(|spec| spec["spouts"][0]["component"] = json!("odd"));
    assert_eq!(
        found,
        ["spec.spouts[0]: the streams of `odd` depend on its config (list them under `streams`)"]
    );
}

#[test]
fn resources_are_quantities_and_requests_stay_within_limits() {
    let found = problems(|spec| {
        spec["bolts"][1]["resources"] = json!({
            "requests": {"cpu": "2", "memory": "64MB"}, "limits": {"cpu": "1"}
        });
    });
    assert_eq!(
        found,
        [
            "spec.bolts[1].resources.requests.memory: `64MB` is not a quantity: the suffix is \
             unknown; write a number with a suffix as Kubernetes does, such as `100m` or `64Mi`",
            "spec.bolts[1].resources.requests.cpu: more is requested than \
             spec.bolts[1].resources.limits.cpu allows",
        ]
    );
}

#[test]
fn more_pods_than_tasks_are_refused() {
    let found = problems(|spec| spec["pods"] = json!(11));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("spec.pods: 11 pods are more than the 10 tasks"), "{found:?}");
}

#[test]
fn config_is_bounded_in_size_and_depth() {
    let mut deep = json!(1);
    for _ in 0..limits::MAX_CONFIG_DEPTH {
        deep = json!([deep]);
    }
    let found = problems(|spec| {
        spec["spouts"][0]["config"] = json!({"deep": deep});
        spec["bolts"][0]["config"] = json!({"long": "x".repeat(limits::MAX_CONFIG)});
    });
    assert_eq!(found.len(), 2);
    assert!(found[0].starts_with("spec.spouts[0].config: it nests deeper"), "{found:?}");
    assert!(found[1].starts_with("spec.bolts[0].config: it has 32779 bytes"), "{found:?}");
}

#[test]
fn another_kind_or_version_is_refused() {
    let mut resource = resource(word_count());
    resource.api_version = "egret.dev/v2".to_owned();
    resource.kind = "Deployment".to_owned();
    let found: Vec<String> =
        validate(&resource, &catalog()).unwrap_err().iter().map(Problem::to_string).collect();
    assert_eq!(
        found,
        [
            "apiVersion: `egret.dev/v2` is not known (write `egret.dev/v1alpha1`)",
            "kind: `Deployment` is not known (write `Topology`)",
        ]
    );
}

#[test]
fn tracing_needs_roots_a_share_and_an_address() {
    let with = |tracing: Value| problems(|spec| spec["tracing"] = tracing);
    for right in [
        json!({}),
        json!({"sampleRate": 1, "endpoint": "http://localhost:4318"}),
        json!({"sampleRate": 0.001, "endpoint": "http://[::1]:4318/otlp"}),
    ] {
        assert_eq!(with(right.clone()), [""; 0], "{right}");
    }
    for (wrong, path) in [
        (json!({"sampleRate": 1.5}), "spec.tracing.sampleRate: 1.5"),
        (json!({"sampleRate": -0.1}), "spec.tracing.sampleRate: -0.1"),
        (json!({"endpoint": "collector:4318"}), "spec.tracing.endpoint"),
        (json!({"endpoint": "http://user:secret@host"}), "spec.tracing.endpoint"),
        (json!({"endpoint": "http://host:70000"}), "spec.tracing.endpoint"),
        (json!({"endpoint": "http:///v1/traces"}), "spec.tracing.endpoint"),
    ] {
        let problems = with(wrong.clone());
        assert!(problems.len() == 1 && problems[0].starts_with(path), "{wrong}: {problems:?}");
    }
    let problems = problems(|spec| {
        spec["delivery"] = "AtMostOnce".into();
        spec["tracing"] = json!({"sampleRate": 0.5});
    });
    assert!(problems[0].contains("no roots under `AtMostOnce`"), "{problems:?}");
}

#[test]
fn a_plan_asks_for_no_tracing_if_nothing_is_sampled() {
    let traced = |rate: f64| {
        let mut spec = word_count();
        spec["tracing"] = json!({"sampleRate": rate});
        validate(&resource(spec), &catalog()).unwrap().tracing
    };
    assert_eq!(traced(0.0), None);
    assert_eq!(traced(0.25).unwrap().sample_rate, 0.25);
}

#[test]
fn what_a_bolt_may_be_given_is_checked() {
    let autoscaled = |autoscale: Value| {
        let said = problems(|spec| spec["bolts"][0]["autoscale"] = autoscale.clone());
        said.join("\n")
    };
    assert_eq!(autoscaled(json!({"max": 8})), "");
    let all = json!({"min": 2, "max": 8, "targetUtilization": 0.5, "latency": "200ms",
                     "cooldown": "1m", "dryRun": true});
    assert_eq!(autoscaled(all), "");
    for (wrong, words) in [
        (json!({"max": 0}), "spec.bolts[0].autoscale.max: 0 is not in the range from 1 to 4096"),
        (
            json!({"min": 3, "max": 2}),
            "spec.bolts[0].autoscale.min: 3 is more than `max`, which is 2",
        ),
        (
            json!({"max": 2, "targetUtilization": 1.0}),
            "spec.bolts[0].autoscale.targetUtilization: 1 is not in the range from 0.1 to 0.95",
        ),
        (
            json!({"max": 2, "cooldown": "29s"}),
            "spec.bolts[0].autoscale.cooldown: `29s` is less than 30 s",
        ),
        (json!({"max": 2, "latency": "soon"}), "spec.bolts[0].autoscale.latency: "),
        (json!({"max": 4096}), ""),
    ] {
        let said = autoscaled(wrong);
        assert!(said.starts_with(words), "{words}\n{said}");
    }
}

#[test]
fn more_tasks_must_share_work_and_fewer_must_fill_the_pods() {
    let said = problems(|spec| spec["bolts"][2]["autoscale"] = json!({"max": 2}));
    assert!(
        said[0].contains("grouped by `All` or `Global`: more tasks would share no"),
        "{said:?}"
    );
    let said = problems(|spec| {
        spec["delivery"] = json!("AtMostOnce");
        spec["bolts"][0]["autoscale"] = json!({"max": 2, "latency": "1s"});
    });
    assert!(said[0].starts_with("spec.bolts[0].autoscale.latency: no tuple tree"), "{said:?}");
    let said = problems(|spec| {
        spec["pods"] = json!(8);
        spec["bolts"][0]["autoscale"] = json!({"max": 4});
    });
    assert!(said[0].contains("8 pods are more than the 7 tasks"), "{said:?}");
    let said = problems(|spec| {
        spec["bolts"][0]["autoscale"] = json!({"max": 4096});
        spec["bolts"][1]["autoscale"] = json!({"max": 4096});
    });
    assert!(said[0].contains("8195 tasks are too many"), "{said:?}");
}

#[test]
fn a_bolt_without_a_number_has_the_least_that_it_may_be_given() {
    let mut spec = word_count();
    spec["bolts"][0] = json!({"name": "split", "inputs": [{"from": "lines"}],
                              "autoscale": {"min": 2, "max": 6}});
    let logical = validate(&resource(spec), &catalog()).unwrap();
    let split = logical.component("split").unwrap();
    assert_eq!(split.parallelism, 2);
    let autoscale = split.on_cluster.autoscale.unwrap();
    assert_eq!((autoscale.min, autoscale.max, autoscale.cooldown_ms), (2, 6, 180_000));
    assert_eq!((autoscale.target_utilization, autoscale.latency_ms), (0.7, None));
    assert!(!autoscale.dry_run);
}
