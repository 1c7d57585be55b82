//! What the server answers, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use egret_topology::plan::PhysicalPlan;
use egret_ui::{
    api::{Api, EdgeName, Query, Refusal},
    live::{Live, now_ms},
    remote::Remote,
    seen::{Seen, SeenPod},
    server::{self, Listener},
    snapshot::{LogLine, Snapshot},
    source::{Log, Samples, Source, TaskName},
};
use egret_wire::inspect::{EdgeKey, Look, Sample};
use serde_json::json;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixListener},
};

/// A source that counts how often it is asked, and can fall silent.
#[derive(Default)]
struct Counting {
    asked: AtomicUsize,
    silent: AtomicBool,
}

fn plan() -> PhysicalPlan {
    let plan = json!({
        "topology": "t", "uid": "u", "revision": 1, "epoch": 1, "state": "Running",
        "delivery": "AtLeastOnce", "maxPending": 1, "messageTimeoutMs": 1, "edgeKey": 1,
        "components": [
            {"name": "s", "kind": "spout", "component": "s", "config": {},
             "streams": [{"name": "default", "fields": ["x"]}]},
            {"name": "b", "kind": "bolt", "component": "b", "config": {}, "streams": [],
             "inputs": [{"from": 0, "stream": 0, "grouping": "Shuffle"}]},
        ],
        "pods": [{"id": 0, "address": "127.0.0.1:1"}],
        "tasks": [{"id": 0, "component": 0, "index": 0, "pod": 0},
                  {"id": 1, "component": 1, "index": 0, "pod": 0}],
    });
    serde_json::from_value(plan).unwrap()
}

struct Shared(Arc<Counting>);

impl Source for Shared {
    async fn see(&self) -> Result<Seen, String> {
        self.0.asked.fetch_add(1, Relaxed);
        if self.0.silent.load(Relaxed) {
            return Err("nobody is there".to_owned());
        }
        let pod =
            SeenPod { name: "pod 0".into(), look: Some(Look::default()), ..SeenPod::default() };
        Ok(Seen {
            at_ms: now_ms(),
            topology: "t".into(),
            plan: Some(Arc::new(plan())),
            pods: vec![pod],
            ..Seen::default()
        })
    }

    async fn log(&self, task: &TaskName) -> Result<Vec<LogLine>, String> {
        let line = |number: usize| LogLine {
            at_ms: None,
            level: "user".into(),
            text: format!("{}[{}] {number}", task.component, task.index),
        };
        Ok((0..500).map(line).collect())
    }

    async fn samples(&self, _: &PhysicalPlan, edge: EdgeKey) -> Result<Vec<Sample>, String> {
        assert_eq!(edge, EdgeKey { from: 0, stream: 0, to: 1 });
        Ok(vec![Sample::default(); 90])
    }
}

fn served() -> (Arc<Counting>, Arc<Live<Shared>>) {
    let counting = Arc::new(Counting::default());
    (counting.clone(), Arc::new(Live::new(Shared(counting))))
}

async fn at_port() -> SocketAddr {
    let (_, live) = served();
    let (listener, address) = server::listen(([127, 0, 0, 1], 0).into()).await.unwrap();
    tokio::spawn(server::serve(listener, live));
    address
}

/// The whole answer to a request of these lines.
async fn ask(address: SocketAddr, lines: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{lines}\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn the_page_is_served_with_a_policy_that_allows_nothing_foreign() {
    let address = at_port().await;
    for path in ["/", "/main.js", "/style.css", "/icon.svg", "/vendor/preact.js"] {
        let answer = ask(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        let policy = answer.lines().find(|line| line.starts_with("content-security-policy: "));
        let policy = policy.unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(!policy.contains("http") && !policy.contains("unsafe"), "{policy}");
    }
}

#[tokio::test]
async fn other_hosts_methods_and_paths_are_refused() {
    let address = at_port().await;
    for (lines, status) in [
        ("GET / HTTP/1.1\r\nHost: evil.example", "403"),
        ("GET /api/snapshot HTTP/1.1\r\nHost: evil.example:80", "403"),
        ("GET / HTTP/1.0", "403"),
        ("GET /api/snapshot HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site", "403"),
        ("POST /api/snapshot HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0", "405"),
        ("DELETE / HTTP/1.1\r\nHost: localhost", "405"),
        ("GET /../Cargo.toml HTTP/1.1\r\nHost: localhost", "404"),
        ("GET /api/log?task=9 HTTP/1.1\r\nHost: localhost", "503"),
    ] {
        let answer = ask(address, lines).await;
        assert_eq!(answer.split_whitespace().nth(1), Some(status), "{lines}: {answer}");
    }
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(64 << 10));
    assert!(!ask(address, &long).await.contains("200 OK"));
}

#[tokio::test]
async fn many_who_ask_at_once_share_one_look() {
    let (counting, live) = served();
    let asking = (0..20).map(|_| live.answer(Query::Snapshot));
    let answers = futures::future::join_all(asking).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(counting.asked.load(Relaxed), 1);
}

#[tokio::test]
async fn a_source_that_falls_silent_leaves_the_last_look_and_says_why() {
    let (counting, live) = served();
    counting.silent.store(true, Relaxed);
    let refused = live.answer(Query::Snapshot).await;
    assert_eq!(refused, Err(Refusal::Silent("nobody is there".into())));
    // A look is shared for a while, also one that failed.
    counting.silent.store(false, Relaxed);
    let snapshot = loop {
        match live.answer(Query::Snapshot).await {
            Ok(bytes) => break serde_json::from_slice::<Snapshot>(&bytes).unwrap(),
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!((snapshot.components.len(), snapshot.stale), (2, None));
    counting.silent.store(true, Relaxed);
    let stale = loop {
        let bytes = live.answer(Query::Snapshot).await.unwrap();
        let snapshot: Snapshot = serde_json::from_slice(&bytes).unwrap();
        if snapshot.stale.is_some() {
            break snapshot;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(stale.stale.as_deref(), Some("nobody is there"));
    assert_eq!((stale.at_ms, stale.components.len()), (snapshot.at_ms, 2));
    assert!(stale.age_seconds > 0.0);
}

#[tokio::test]
async fn another_process_gets_the_same_answers_over_a_socket() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    let (_, live) = served();
    let listener = Listener::Unix(UnixListener::bind(&socket).unwrap());
    tokio::spawn(server::serve(listener, live));
    let remote = Remote::at(socket);
    let snapshot = remote.answer(Query::Snapshot).await.unwrap();
    assert_eq!(serde_json::from_slice::<Snapshot>(&snapshot).unwrap().topology, "t");
    let log = remote.answer(Query::Log(egret_topology::id::TaskId(1))).await.unwrap();
    let log: Log = serde_json::from_slice(&log).unwrap();
    assert_eq!((log.lines.len(), log.lines[199].text.as_str()), (200, "b[0] 499"));
    let edge = |to: &str| EdgeName { from: "s".into(), stream: "default".into(), to: to.into() };
    let samples = remote.answer(Query::Samples(edge("b"))).await.unwrap();
    let samples: Samples = serde_json::from_slice(&samples).unwrap();
    assert_eq!((samples.fields, samples.samples.len()), (vec!["x".to_owned()], 50));
    let unknown = remote.answer(Query::Samples(edge("s"))).await.unwrap_err();
    let words = "there is no edge from s over default to s";
    assert_eq!(unknown, Refusal::Unknown(words.to_owned()));
    let gone = Remote::at(dir.path().join("gone")).answer(Query::Snapshot).await.unwrap_err();
    assert!(gone.words().contains("the run does not answer"), "{gone:?}");
}
