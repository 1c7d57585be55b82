//! Traced tuples of real runs, as an OpenTelemetry collector sees them.

use crate::{
    collector::{Collector, Span},
    processes::signal,
    run::{Ended, Run, dir_with, example, trouble},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// A word that must not be seen in any span.
const SECRET: &str = "xyzzy";

/// Lines of three words each.
fn text(lines: usize) -> String {
    (0..lines).map(|line| format!("{SECRET} word{} line{line}\n", line % 7)).collect()
}

/// The word count of the examples, traced at this rate to this collector.
fn word_count(lines: usize, rate: &str, endpoint: &str) -> Ended {
    let dir = dir_with(&[("input", text(lines).as_bytes())]);
    let (rate, endpoint) =
        (format!("tracing.sampleRate={rate}"), format!("tracing.endpoint={endpoint}"));
    let sets = [
        "spouts.lines.config.path=DIR/input",
        "bolts.counts.config.path=DIR/out",
        &rate,
        &endpoint,
    ];
    let args: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let ended = Run::start_in(dir, &example("word-count.yaml"), &args).wait();
    ended.assert_well();
    ended
}

fn traces(spans: &[Span]) -> BTreeMap<&str, Vec<&Span>> {
    let mut traces = BTreeMap::<&str, Vec<&Span>>::new();
    for span in spans {
        traces.entry(&span.trace).or_default().push(span);
    }
    traces
}

/// Clocks of two processes of one machine may be corrected a little apart.
const APART: u64 = 2_000_000;

/// One root, every other span under one that is there, and none outside the root's time.
fn assert_whole<'a>(spans: &[&'a Span]) -> &'a Span {
    let by_id: BTreeMap<&str, &Span> = spans.iter().map(|span| (&*span.id, *span)).collect();
    assert_eq!(by_id.len(), spans.len(), "an id occurs twice: {spans:#?}");
    let roots: Vec<&&Span> = spans.iter().filter(|span| span.parent.is_none()).collect();
    let [root] = roots[..] else { panic!("not one root: {spans:#?}") };
    for span in spans {
        assert!(span.start <= span.end, "{span:?}");
        assert!(root.start <= span.start + APART && span.end <= root.end + APART, "{spans:#?}");
        let Some(parent) = &span.parent else { continue };
        let parent = by_id.get(&**parent).unwrap_or_else(|| panic!("no parent: {span:?}"));
        assert!(parent.start <= span.start + APART, "{span:?} is before {parent:?}");
        let (does, under) = (span.name.split(' ').next(), parent.name.split(' ').next());
        let right = match does.unwrap() {
            "send" => matches!(under.unwrap(), "root" | "execute"),
            "queue" | "execute" => under == Some("send"),
            "unacked" => under == Some("execute"),
            other => panic!("a span that {other}"),
        };
        assert!(right, "{span:?} is under {parent:?}");
    }
    root
}

#[test]
fn a_collector_sees_the_whole_tree_of_each_sampled_line_and_nothing_of_the_others() {
    let (collector, began) = (Collector::start("127.0.0.1"), SystemTime::now());
    let ended = word_count(200, "0.5", &collector.address);
    assert_eq!(ended.root("acked"), 200);
    let spans = collector.spans();
    let traces = traces(&spans);
    let mut lines = 0;
    let began = began.duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    for spans in traces.values() {
        let root = assert_whole(spans);
        assert!(root.start > began - APART, "{root:?}");
        if root.name == "root count" {
            continue;
        }
        assert_eq!((&*root.name, &root.error), ("root lines", &None));
        lines += 1;
        let mut names = BTreeMap::<&str, usize>::new();
        spans.iter().for_each(|span| *names.entry(&span.name).or_default() += 1);
        let expected = [
            ("execute count", 3),
            ("execute split", 1),
            ("queue count", 3),
            ("queue split", 1),
            ("root lines", 1),
            ("send lines to split", 1),
            ("send split to count", 3),
        ];
        assert_eq!(names, BTreeMap::from(expected), "{spans:#?}");
    }
    // Nine standard deviations of a binomial distribution.
    assert!((36..164).contains(&lines), "{lines} of 200 lines");
    // What `count` emits when it finishes is traced too.
    let names: BTreeSet<&str> = spans.iter().map(|span| &*span.name).collect();
    assert!(names.contains("root count") && names.contains("execute counts"), "{names:?}");
    assert_attributes(&spans);
    let all = format!("{:?}", collector.requests());
    assert!(!all.contains(SECRET), "tuples are nobody's business");
}

fn assert_attributes(spans: &[Span]) {
    let execute = spans.iter().find(|span| span.name == "execute split").unwrap();
    let send = spans.iter().find(|span| span.name == "send split to count").unwrap();
    let has = |span: &Span, key: &str, value: &str| {
        assert_eq!(span.attributes.get(key).map(String::as_str), Some(value), "{span:?}");
    };
    has(execute, "service.name", "word-count");
    has(execute, "egret.component", "split");
    has(execute, "egret.peer.component", "lines");
    has(execute, "egret.stream", "default");
    has(send, "egret.component", "split");
    has(send, "egret.peer.component", "count");
    assert!(send.attributes["egret.bytes"].parse::<u64>().unwrap() > 0);
    assert!(execute.attributes["service.instance.id"].starts_with("split["));
    assert_eq!((execute.kind, send.kind), (5, 4));
}

#[test]
fn nothing_is_sent_unless_a_share_is_asked_for() {
    let collector = Collector::start("127.0.0.1");
    word_count(50, "0", &collector.address);
    assert_eq!(collector.requests().len(), 0);
    word_count(50, "1", &collector.address);
    assert!(!collector.requests().is_empty(), "or this test would show nothing");
}

/// Lines into a bolt that makes trouble, traced to the end.
fn troubled(lines: &str, does: &str) -> Vec<Span> {
    let collector = Collector::start("127.0.0.1");
    let topology = TROUBLE.replace("ENDPOINT", &collector.address).replace("DOES", does);
    let dir = dir_with(&[("input", lines.as_bytes())]);
    Run::start_text(dir, &topology, &["--instance", &trouble()]).wait().assert_well();
    let spans = collector.spans();
    for spans in traces(&spans).values() {
        assert_whole(spans);
    }
    spans
}

const TROUBLE: &str = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: troubled}
spec:
  tracing: {sampleRate: 1, endpoint: \"ENDPOINT\"}
  spouts:
  - {name: lines, config: {path: DIR/input}}
  bolts:
  - {name: trouble, config: {DOES}, inputs: [{from: lines}]}
  - {name: end, component: discard, inputs: [{from: trouble}]}
";

#[test]
fn a_failed_line_says_why_at_the_tuple_and_at_its_root_and_comes_again() {
    let spans = troubled("one\ntwo\n", "does: fail, contains: two, once: DIR/failed");
    let failed: Vec<&Span> = spans.iter().filter(|span| span.error.is_some()).collect();
    let names: BTreeSet<&str> = failed.iter().map(|span| &*span.name).collect();
    assert_eq!(names, BTreeSet::from(["execute trouble", "root lines"]), "{failed:#?}");
    assert_eq!(failed.len(), 2, "{failed:#?}");
    let why = |span: &&Span| span.error.as_ref().is_some_and(|e| e.contains("not this one"));
    assert!(failed.iter().all(why), "{failed:#?}");
    let roots = spans.iter().filter(|span| span.name == "root lines");
    let again: Vec<&Span> =
        roots.filter(|span| span.attributes["egret.replay"] == "true").collect();
    assert!(again.len() == 1 && again[0].error.is_none(), "{again:#?}");
}

#[test]
fn a_slow_bolt_shows_as_long_calls_and_as_waits_before_them() {
    let spans = troubled("1\n2\n3\n4\n5\n", "does: slow, pauseMs: 20");
    let longest = |name: &str| {
        let of = spans.iter().filter(|span| span.name == name);
        of.map(|span| span.end - span.start).collect::<BTreeSet<u64>>()
    };
    let calls = longest("execute trouble");
    assert!(calls.len() == 5 && *calls.first().unwrap() >= 20_000_000, "{calls:?}");
    // All five lines fit one frame: the last waits for the others.
    let waits = longest("queue trouble");
    assert!(*waits.last().unwrap() >= 80_000_000, "{waits:?}");
}

const WORDS: &str = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: traced}
spec:
  tracing: {sampleRate: 1, endpoint: \"http://ENDPOINT\"}
  spouts:
  - {name: words, config: {rate: 500}}
  bolts:
  - {name: end, component: discard, inputs: [{from: words}]}
";

/// What the stream manager says of spans that it dropped for this reason.
fn dropped(run: &Run, reason: &str) -> u64 {
    let sample = "egret_trace_spans_dropped_total{";
    let reason = format!("reason=\"{reason}\"");
    let page = run.metrics().pop().unwrap_or_default();
    let line = page.lines().find(|line| line.starts_with(sample) && line.contains(&reason));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

/// Runs until spans were dropped for this reason, and checks that tuples did not notice.
fn assert_undisturbed(endpoint: &str, reason: &str) {
    let began = Instant::now();
    let mut run = Run::start_text(dir_with(&[]), &WORDS.replace("ENDPOINT", endpoint), &[]);
    run.until("spans were dropped", |run| dropped(run, reason) > 0);
    let took = began.elapsed();
    signal(run.pid(), "INT");
    let ended = run.wait();
    ended.assert_accounts();
    let [acked, failed, timed_out] = ["acked", "failed", "timed_out"].map(|what| ended.root(what));
    assert_eq!((failed, timed_out), (0, 0), "{}", ended.summary);
    let due = 500.0 * took.as_secs_f64();
    assert!(acked as f64 > due / 2.0, "{acked} acked, {due} due");
}

#[test]
fn an_endpoint_that_is_down_disturbs_nobody_and_what_it_misses_is_counted() {
    // Nobody listens there any more.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_undisturbed(&address.to_string(), "unreachable");
}

#[test]
fn an_endpoint_that_never_answers_disturbs_nobody_and_what_it_misses_is_counted() {
    // The kernel takes connections, and nobody else does.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_undisturbed(&silent.local_addr().unwrap().to_string(), "queue");
}
