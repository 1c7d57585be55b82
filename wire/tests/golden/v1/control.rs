//! Control messages, as JSON. Fields may be added to them; none may change its name or its meaning.

use crate::documented;
use egret_topology::{
    grouping::Grouping,
    id::{Epoch, Incarnation, PodId, TaskId},
    plan::{
        ComponentKind, Definition, Delivery, Other, PhysicalPlan, PlannedComponent, PlannedInput,
        PlannedPod, PlannedTask, Rolling, RunState,
    },
    positions::Positions,
    stream::Stream,
};
use egret_wire::control::{
    self, FromInstance, FromOperator, Hold, Holding, LossScope, Peer, Phase, PodStatus, Root,
    RootCounts, Stalled, TaskReport, TaskStatus, ToInstance, ToOperator, Usage, UserMetric,
};
use egret_wire::{
    durations::Durations,
    profile::{Profile, Stack},
    trace::{Span, Step},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, fmt::Debug};

const PLAN: &str = concat!(
    r#"{"topology":"words","uid":"u-1","revision":5,"epoch":2,"state":"Running","#,
    r#""delivery":"AtLeastOnce","maxPending":10000,"messageTimeoutMs":30000,"edgeKey":77,"#,
    r#""components":[{"name":"lines","kind":"spout","component":"lines","config":{"path":"a"},"#,
    r#""tickMs":null,"streams":[{"name":"default","fields":["line"],"direct":false}],"#,
    r#""inputs":[]},{"name":"count","kind":"bolt","component":"count","config":null,"#,
    r#""tickMs":1000,"streams":[],"#,
    r#""inputs":[{"from":0,"stream":0,"grouping":"Fields","fields":["line"]}]}],"#,
    r#""pods":[{"id":0,"address":"127.0.0.1:4000"}],"#,
    r#""tasks":[{"id":0,"component":0,"index":0,"pod":0},"#,
    r#"{"id":1,"component":1,"index":0,"pod":0}]}"#,
);

fn plan() -> Box<PhysicalPlan> {
    let lines = PlannedComponent {
        name: "lines".into(),
        kind: ComponentKind::Spout,
        component: "lines".into(),
        config: serde_json::json!({"path": "a"}),
        tick_ms: None,
        streams: vec![Stream::default_of(["line"])],
        inputs: Vec::new(),
    };
    let count = PlannedComponent {
        name: "count".into(),
        kind: ComponentKind::Bolt,
        component: "count".into(),
        config: serde_json::Value::Null,
        tick_ms: Some(1000),
        streams: Vec::new(),
        inputs: vec![PlannedInput {
            from: 0,
            stream: 0,
            grouping: Grouping::Fields { fields: vec!["line".into()] },
        }],
    };
    let task = |id, component| PlannedTask { id: TaskId(id), component, index: 0, pod: PodId(0) };
    Box::new(PhysicalPlan {
        topology: "words".into(),
        uid: "u-1".into(),
        revision: 5,
        epoch: Epoch(2),
        state: RunState::Running,
        delivery: Delivery::AtLeastOnce,
        max_pending: 10_000,
        message_timeout_ms: 30_000,
        edge_key: 77,
        log_levels: Default::default(),
        tracing: None,
        rolling: Default::default(),
        restarted_at: None,
        max_rates: Default::default(),
        max_tries: Default::default(),
        components: vec![lines, count],
        pods: vec![PlannedPod { id: PodId(0), address: ([127, 0, 0, 1], 4000).into() }],
        tasks: vec![task(0, 0), task(1, 1)],
    })
}

#[test]
fn the_document_shows_this_plan() {
    documented(PLAN);
}

/// The message is written as this JSON behind its length, read back from it, and documented.
#[track_caller]
pub(crate) fn is<T: Serialize + DeserializeOwned + PartialEq + Debug>(message: T, json: &str) {
    let bytes = control::encode(&message).unwrap();
    let (length, text) = bytes.split_at(4);
    assert_eq!(std::str::from_utf8(text).unwrap(), json);
    assert_eq!(length, (json.len() as u32).to_le_bytes());
    assert_eq!(control::decode(&mut bytes[..].into()), Ok(Some(message)));
    // The plan stands there once.
    if !json.starts_with(r#"{"type":"plan","topology""#) {
        documented(&json.replace(PLAN, "PLAN"));
    }
}

pub(crate) const ROOT: Root = Root { task: TaskId(0), incarnation: Incarnation(7), seq: 40 };

fn splits() -> BTreeMap<String, u64> {
    BTreeMap::from([("a.txt".to_owned(), 4096)])
}

fn hold() -> Hold {
    Hold { root: ROOT, task: TaskId(1), how: Holding::Executing, for_ms: 1200 }
}

pub(crate) const ROOT_JSON: &str = r#""root":{"task":0,"incarnation":7,"seq":40}"#;

fn hold_json() -> String {
    format!(r#"{{"type":"holds",{ROOT_JSON},"task":1,"how":"executing","forMs":1200}}"#)
}

fn who_holds_json() -> String {
    format!(r#"{{"type":"whoHolds",{ROOT_JSON}}}"#)
}

#[test]
fn messages_of_an_instance_keep_their_json() {
    let (version, uid, task) = (1, "u-1".to_owned(), TaskId(1));
    is(
        FromInstance::Hello {
            version,
            uid: uid.clone(),
            task,
            incarnation: Incarnation(7),
            died_of: None,
        },
        r#"{"type":"hello","version":1,"uid":"u-1","task":1,"incarnation":7}"#,
    );
    let died_of = Some("signal 9".to_owned());
    is(
        FromInstance::Hello { version, uid, task, incarnation: Incarnation(8), died_of },
        r#"{"type":"hello","version":1,"uid":"u-1","task":1,"incarnation":8,"diedOf":"signal 9"}"#,
    );
    is(
        FromInstance::Positions { splits: splits() },
        r#"{"type":"positions","splits":{"a.txt":4096}}"#,
    );
    is(FromInstance::Drained { frames: 12 }, r#"{"type":"drained","frames":12}"#);
    is(FromInstance::WhoHolds { root: ROOT }, &who_holds_json());
    is(FromInstance::Holds(hold()), &hold_json());
    let profile = Profile {
        program: "egret-instance".into(),
        started_ms: 1000,
        for_ms: 10_004,
        hz: 99,
        missed: 0,
        symbols: true,
        functions: vec!["main".into(), "work".into()],
        stacks: vec![Stack { thread: "count".into(), functions: vec![0, 1], samples: 7 }],
    };
    is(
        FromInstance::Profile { number: 3, profile: Some(Box::new(profile)), refused: None },
        concat!(
            r#"{"type":"profile","number":3,"profile":{"program":"egret-instance","#,
            r#""startedMs":1000,"forMs":10004,"hz":99,"missed":0,"symbols":true,"#,
            r#""functions":["main","work"],"stacks":[{"thread":"count","functions":[0,1],"#,
            r#""samples":7}]},"refused":null}"#,
        ),
    );
    is(
        FromInstance::Spans { spans: spans(), dropped: 3 },
        concat!(
            r#"{"type":"spans","spans":[{"root":{"task":0,"incarnation":7,"seq":40},"#,
            r#""step":"execute","id":12,"parent":11,"start":1700000000000000000,"#,
            r#""end":1700000000000250000,"peer":0,"stream":0,"bytes":17,"error":"no number"},"#,
            r#"{"root":{"task":0,"incarnation":7,"seq":40},"step":"root","id":10,"#,
            r#""start":1700000000000000000,"end":1700000000001000000,"stream":0,"bytes":0,"#,
            r#""replay":true}],"dropped":3}"#
        ),
    );
    is(
        FromInstance::Broken { error: "no such file".into(), poisoned: None },
        r#"{"type":"broken","error":"no such file"}"#,
    );
}

fn spans() -> Vec<Span> {
    let start = 1_700_000_000_000_000_000;
    let root = Span {
        root: ROOT,
        step: Step::Root,
        id: 10,
        parent: 0,
        start,
        end: start + 1_000_000,
        peer: None,
        stream: 0,
        bytes: 0,
        replay: true,
        error: None,
    };
    let execute = Span {
        step: Step::Execute,
        id: 12,
        parent: 11,
        end: start + 250_000,
        peer: Some(TaskId(0)),
        bytes: 17,
        replay: false,
        error: Some("no number".into()),
        ..root.clone()
    };
    vec![execute, root]
}

fn report() -> TaskReport {
    TaskReport {
        phase: Phase::Active,
        leaving: false,
        roots: RootCounts {
            emitted: 9,
            acked: 4,
            failed: 2,
            timed_out: 1,
            pending: 2,
            replayed: 3,
            dead_letters: 1,
            lost: 1,
            orphaned: 0,
        },
        emitted: 9,
        executed: 0,
        acked: 4,
        failed: 3,
        unfinished: 0,
        heard: 0,
        backpressure_us: 1500,
        blocked_on: Some(TaskId(1)),
        waited_for: vec![(TaskId(1), 300)],
        busy_ms: 0,
        busy_us: 800,
        discarded: 0,
        latency: vec![(350, 3), (1200, 1)],
        execute: Durations { counts: vec![0, 2], sum_ns: 4200 },
        process: Durations { counts: vec![1], sum_ns: 900 },
        inbox_bytes: 640,
        outbox_bytes: 96,
        usage: Some(Usage { cpu_us: 4000, resident_bytes: 8192, started_ms: 1000 }),
        position: Some("a.txt at 40 %".into()),
        held_by: Some("count[1]: has not returned from it for 900 ms".into()),
        user: vec![UserMetric { name: "skipped".into(), gauge: false, value: 2.0 }],
    }
}

const REPORT_JSON: &str = concat!(
    r#""phase":"active","roots":{"emitted":9,"acked":4,"failed":2,"timedOut":1,"pending":2,"#,
    r#""replayed":3,"deadLetters":1,"lost":1,"orphaned":0},"emitted":9,"executed":0,"acked":4,"#,
    r#""failed":3,"unfinished":0,"heard":0,"backpressureUs":1500,"blockedOn":1,"#,
    r#""waitedFor":[[1,300]],"#,
    r#""busyMs":0,"busyUs":800,"discarded":0,"latency":[[350,3],[1200,1]],"#,
    r#""execute":{"counts":[0,2],"sumNs":4200},"process":{"counts":[1],"sumNs":900},"#,
    r#""inboxBytes":640,"outboxBytes":96,"#,
    r#""usage":{"cpuUs":4000,"residentBytes":8192,"startedMs":1000},"#,
    r#""position":"a.txt at 40 %","heldBy":"count[1]: has not returned from it for 900 ms","#,
    r#""user":[{"name":"skipped","gauge":false,"value":2.0}]"#,
);

#[test]
fn a_report_keeps_its_json() {
    is(FromInstance::Report(Box::new(report())), &format!(r#"{{"type":"report",{REPORT_JSON}}}"#));
}

#[test]
fn messages_to_an_instance_keep_their_json() {
    is(
        ToInstance::Assign { plan: plan(), positions: splits(), restarts: 1 },
        &format!(r#"{{"type":"assign","plan":{PLAN},"positions":{{"a.txt":4096}},"restarts":1}}"#),
    );
    is(
        ToInstance::Refused { why: "too late".into(), newest: Some(Incarnation(8)) },
        r#"{"type":"refused","why":"too late","newest":8}"#,
    );
    is(ToInstance::Plan(plan()), &PLAN.replacen('{', r#"{"type":"plan","#, 1));
    is(ToInstance::Drain { frames: 9 }, r#"{"type":"drain","frames":9}"#);
    is(
        ToInstance::Loss { scope: LossScope::Task { task: TaskId(1) }, poisoned: None },
        r#"{"type":"loss","kind":"task","task":1}"#,
    );
    is(ToInstance::WhoHolds { root: ROOT }, &who_holds_json());
    is(
        ToInstance::Profile { number: 3, seconds: 10 },
        r#"{"type":"profile","number":3,"seconds":10}"#,
    );
    is(ToInstance::Holds(hold()), &hold_json());
}

#[test]
fn messages_between_stream_managers_keep_their_json() {
    let incarnation = Incarnation(9);
    let uid = "u-1".to_owned();
    is(
        Peer::Hello { version: 1, uid, pod: PodId(1), incarnation, revision: 5, losses: 2 },
        concat!(
            r#"{"type":"hello","version":1,"uid":"u-1","pod":1,"incarnation":9,"#,
            r#""revision":5,"losses":2}"#
        ),
    );
    is(Peer::Plan(plan()), &PLAN.replacen('{', r#"{"type":"plan","#, 1));
    is(
        Peer::Loss {
            number: 3,
            scope: LossScope::Link { a: PodId(0), b: PodId(1) },
            poisoned: None,
        },
        r#"{"type":"loss","number":3,"scope":{"kind":"link","a":0,"b":1}}"#,
    );
    is(
        Peer::Loss { number: 4, scope: LossScope::Pod { pod: PodId(1) }, poisoned: None },
        r#"{"type":"loss","number":4,"scope":{"kind":"pod","pod":1}}"#,
    );
    is(Peer::WhoHolds { root: ROOT }, &who_holds_json());
    is(Peer::Holds(hold()), &hold_json());
}

#[test]
fn what_a_plan_says_of_tasks_that_are_replaced_keeps_its_json() {
    let definition = Definition {
        component: "count".into(),
        config: serde_json::json!({}),
        tick_ms: Some(1000),
        restarted_at: Some("now".into()),
    };
    let other = Other { tasks: vec![TaskId(1), TaskId(2)], definition };
    let rolling = Rolling { draining: vec![TaskId(1)], others: vec![other], ..Rolling::default() };
    let json = concat!(
        r#"{"draining":[1],"others":[{"tasks":[1,2],"#,
        r#""definition":{"component":"count","config":{},"tickMs":1000,"restartedAt":"now"}}]}"#
    );
    assert_eq!(serde_json::to_string(&rolling).unwrap(), json);
    let plan = PLAN.replacen(r#""components""#, &format!(r#""rolling":{json},"components""#), 1);
    let read: PhysicalPlan = serde_json::from_str(&plan).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), plan);
    assert_eq!(read.rolling, rolling);
    documented(&format!(r#""rolling":{json}"#));
}

#[test]
fn what_a_plan_says_of_pods_that_go_keeps_its_json() {
    let rolling = Rolling {
        draining: vec![TaskId(0)],
        leaving: vec![PodId(0)],
        released: vec![PodId(1)],
        ..Rolling::default()
    };
    let json = r#"{"draining":[0],"others":[],"leaving":[0],"released":[1]}"#;
    assert_eq!(serde_json::to_string(&rolling).unwrap(), json);
    assert_eq!(serde_json::from_str::<Rolling>(json).unwrap(), rolling);
    documented(&format!(r#""rolling":{json}"#));
    let report = TaskReport { leaving: true, ..TaskReport::default() };
    let json = serde_json::to_string(&report).unwrap();
    assert!(json.starts_with(r#"{"phase":"starting","leaving":true,"roots":"#), "{json}");
}

#[test]
fn messages_with_the_operator_keep_their_json() {
    is(
        FromOperator::Hello { version: 1, uid: "u-1".into() },
        r#"{"type":"hello","version":1,"uid":"u-1"}"#,
    );
    is(FromOperator::Plan(plan()), &PLAN.replacen('{', r#"{"type":"plan","#, 1));
    let positions = || {
        let mut positions = Positions::default();
        positions.settle("lines", BTreeMap::from([("a.txt".to_owned(), 4096)]));
        positions
    };
    let json = r#"{"type":"positions","positions":{"lines":{"a.txt":4096}}}"#;
    is(FromOperator::Positions { positions: positions() }, json);
    is(ToOperator::Positions { positions: positions() }, json);
    is(FromOperator::Status, r#"{"type":"status"}"#);
    is(
        FromOperator::Crashed { task: TaskId(1), error: "exit code 70".into() },
        r#"{"type":"crashed","task":1,"error":"exit code 70"}"#,
    );
    is(
        ToOperator::Hello { pod: PodId(0), incarnation: Incarnation(9), revision: 5 },
        r#"{"type":"hello","pod":0,"incarnation":9,"revision":5}"#,
    );
    is(
        ToOperator::Plan { revision: 5, refused: None },
        r#"{"type":"plan","revision":5,"refused":null}"#,
    );
}

#[test]
fn a_status_keeps_its_json() {
    let task = TaskStatus {
        task: TaskId(0),
        connected: true,
        incarnation: Incarnation(7),
        restarts: 1,
        total: report(),
        latency: vec![(350, 9)],
        error: None,
    };
    let status = PodStatus {
        pod: PodId(0),
        revision: 5,
        tasks: vec![task],
        peers_up: vec![PodId(1)],
        peers_down: vec![PodId(2)],
        stalled: vec![Stalled { dest: TaskId(1), bytes: 262_144, for_ms: 40 }],
        queued_bytes: 262_144,
        losses: 2,
        malformed: 0,
    };
    is(
        ToOperator::Status(Box::new(status)),
        &format!(
            concat!(
                r#"{{"type":"status","pod":0,"revision":5,"tasks":[{{"task":0,"connected":true,"#,
                r#""incarnation":7,"restarts":1,"total":{{{}}},"latency":[[350,9]],"#,
                r#""error":null}}],"#,
                r#""peersUp":[1],"peersDown":[2],"#,
                r#""stalled":[{{"dest":1,"bytes":262144,"forMs":40}}],"#,
                r#""queuedBytes":262144,"losses":2,"malformed":0}}"#
            ),
            REPORT_JSON
        ),
    );
}

#[test]
fn words_keep_their_spelling() {
    let json = |value: serde_json::Value| value.to_string();
    let phases = [
        Phase::Starting,
        Phase::Active,
        Phase::Inactive,
        Phase::Drained,
        Phase::Exhausted,
        Phase::Ended,
        Phase::Closed,
    ];
    assert_eq!(
        json(serde_json::json!(phases)),
        r#"["starting","active","inactive","drained","exhausted","ended","closed"]"#
    );
    let holdings = [Holding::Executing, Holding::Unacked, Holding::Queued, Holding::Stalled];
    assert_eq!(json(serde_json::json!(holdings)), r#"["executing","unacked","queued","stalled"]"#);
    let states = [
        RunState::Running,
        RunState::Paused,
        RunState::Draining,
        RunState::Finishing,
        RunState::Stopped,
    ];
    assert_eq!(
        json(serde_json::json!(states)),
        r#"["Running","Paused","Draining","Finishing","Stopped"]"#
    );
    let fields = vec!["k".to_owned()];
    let groupings = [
        Grouping::All,
        Grouping::Custom { custom: "mine".into() },
        Grouping::Direct,
        Grouping::Fields { fields: fields.clone() },
        Grouping::Global,
        Grouping::LocalOrShuffle,
        Grouping::PartialKey { fields },
        Grouping::Shuffle,
    ];
    assert_eq!(
        json(serde_json::json!(groupings)),
        concat!(
            r#"[{"grouping":"All"},{"custom":"mine","grouping":"Custom"},{"grouping":"Direct"},"#,
            r#"{"fields":["k"],"grouping":"Fields"},{"grouping":"Global"},"#,
            r#"{"grouping":"LocalOrShuffle"},{"fields":["k"],"grouping":"PartialKey"},"#,
            r#"{"grouping":"Shuffle"}]"#
        )
    );
}

fn read<T: DeserializeOwned>(json: &str) -> Result<Option<T>, egret_wire::Malformed> {
    let mut bytes = (json.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(json.as_bytes());
    control::decode(&mut bytes[..].into())
}

#[test]
fn a_field_that_is_not_known_is_ignored() {
    let hello = r#"{"type":"hello","version":1,"uid":"u-1","colour":["blue"]}"#;
    assert_eq!(read(hello), Ok(Some(FromOperator::Hello { version: 1, uid: "u-1".into() })));
}

#[test]
fn a_message_that_is_not_known_is_refused() {
    assert!(read::<FromOperator>(r#"{"type":"dance"}"#).is_err());
    assert!(read::<FromOperator>(r#"{"type":"hello"}"#).is_err());
    assert!(read::<FromOperator>("").is_err());
}
