//! What the page does with names, errors, logs and tuples that were written to hurt it.

use crate::page::Page;
use egret_topology::{
    id::{PodId, TaskId},
    plan::PhysicalPlan,
};
use egret_ui::{
    live::{Live, now_ms},
    seen::{Seen, SeenPod},
    server,
    snapshot::LogLine,
    source::{Source, TaskName},
};
use egret_wire::{
    control::{Phase, PodStatus, TaskReport, TaskStatus},
    inspect::{EdgeKey, Look, PastError, Sample, SampledValue, TaskErrors},
};
use serde_json::json;
use std::sync::{Arc, mpsc};

/// Whoever lets this become more than text sets `pwned`, or asks another origin.
const ATTACK: &str = "<img src=x onerror=pwned=1><script>pwned=1</script>\
                      <svg onload=pwned=1>\"'`javascript:pwned=1//http://evil.example/\u{202e}";

/// A topology whose every word is an attack.
struct Hostile {
    plan: Arc<PhysicalPlan>,
}

impl Source for Hostile {
    async fn see(&self) -> Result<Seen, String> {
        let status = |task: &egret_topology::plan::PlannedTask| TaskStatus {
            task: task.id,
            connected: true,
            error: Some(ATTACK.to_owned()),
            total: TaskReport {
                phase: Phase::Active,
                position: Some(ATTACK.to_owned()),
                ..TaskReport::default()
            },
            ..TaskStatus::default()
        };
        let tasks = self.plan.tasks.iter().map(status).collect();
        let status = PodStatus { revision: 1, tasks, ..PodStatus::default() };
        let past = PastError {
            first_ms: now_ms() - 60_000,
            last_ms: now_ms(),
            times: 1234,
            restarts: 1240,
            text: ATTACK.to_owned(),
        };
        let errors = vec![TaskErrors { task: TaskId(1), errors: vec![past] }];
        Ok(Seen {
            at_ms: now_ms(),
            topology: ATTACK.to_owned(),
            place: ATTACK.to_owned(),
            state: ATTACK.to_owned(),
            plan: Some(self.plan.clone()),
            pods: vec![SeenPod {
                id: PodId(0),
                name: ATTACK.to_owned(),
                node: Some(ATTACK.to_owned()),
                state: ATTACK.to_owned(),
                look: Some(Look { status, edges: Vec::new(), errors }),
            }],
            troubles: vec![ATTACK.to_owned()],
        })
    }

    async fn log(&self, _: &TaskName) -> Result<Vec<LogLine>, String> {
        let (level, text) = (ATTACK.to_owned(), ATTACK.to_owned());
        Ok(vec![LogLine { at_ms: Some(1), level, text }])
    }

    async fn samples(&self, _: &PhysicalPlan, _: EdgeKey) -> Result<Vec<Sample>, String> {
        let value = SampledValue { kind: ATTACK.into(), text: ATTACK.into(), cut: true };
        let (source, dest) = (TaskId(0), TaskId(1));
        Ok(vec![Sample { at_ms: 1, source, dest, values: vec![value] }])
    }
}

/// Components with hostile names, each with one task, in a row.
fn plan(names: &[String]) -> PhysicalPlan {
    let component = |(at, name): (usize, &String)| {
        let inputs = match at.checked_sub(1) {
            Some(from) => json!([{"from": from, "stream": 0, "grouping": "Shuffle"}]),
            None => json!([]),
        };
        json!({"name": name, "kind": if at == 0 { "spout" } else { "bolt" }, "component": name,
               "config": {}, "streams": [{"name": ATTACK, "fields": [ATTACK]}], "inputs": inputs})
    };
    let components: Vec<_> = names.iter().enumerate().map(component).collect();
    let tasks: Vec<_> = (0..names.len())
        .map(|at| json!({"id": at, "component": at, "index": 0, "pod": 0}))
        .collect();
    let plan = json!({
        "topology": ATTACK, "uid": "u", "revision": 1, "epoch": 1, "state": "Running",
        "delivery": "AtLeastOnce", "maxPending": 1, "messageTimeoutMs": 1, "edgeKey": 1,
        "components": components, "pods": [{"id": 0, "address": "127.0.0.1:1"}], "tasks": tasks,
    });
    serde_json::from_value(plan).unwrap()
}

/// Serves it on a thread of its own; the origin.
fn serve(plan: PhysicalPlan) -> String {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (listener, address) = server::listen(([127, 0, 0, 1], 0).into()).await.unwrap();
            sender.send(address).unwrap();
            let live = Live::new(Hostile { plan: Arc::new(plan) });
            server::serve(listener, Arc::new(live)).await;
        });
    });
    format!("http://{}", receiver.recv().unwrap())
}

fn assert_harmless(page: &mut Page) {
    assert_eq!(page.value("typeof pwned"), "undefined");
    let made = "document.querySelectorAll('img[src=x], script:not([src]), svg[onload]').length";
    assert_eq!(page.value(made), 0);
    page.assert_well_behaved();
}

#[test]
fn hostile_names_errors_logs_and_tuples_are_only_text() {
    let names: Vec<String> = (0..3).map(|at| format!("{ATTACK}{at}")).collect();
    let origin = serve(plan(&names));
    let Some(mut page) = Page::open(&origin) else { return };
    let text = serde_json::to_string(ATTACK).unwrap();
    page.until(&format!("document.querySelector('.topology').textContent === {text}"));
    for tab in ["tasks", "pods", "components"] {
        page.click(&format!("[data-tab={tab}]"));
        page.until(&format!("document.querySelector('#tab-{tab}[aria-selected=true]')"));
    }
    page.value("location.hash = 'task/1'");
    page.until(&format!("document.querySelector('.log p span')?.textContent === {text}"));
    page.until(&format!("document.querySelector('.errors pre')?.textContent === {text}"));
    let notes = "[...document.querySelectorAll('.errors small')].map((note) => note.textContent)";
    let notes = page.value(notes);
    let notes: Vec<&str> = notes.as_array().unwrap().iter().filter_map(|n| n.as_str()).collect();
    assert!(notes[0].contains("times since 20") && notes[1].contains("restarts"), "{notes:?}");
    assert!(notes.iter().all(|note| note.contains("1") && note.contains("4")), "{notes:?}");
    page.click(".edge-label");
    page.click("#detail .button");
    page.until(&format!(
        "document.querySelector('.samples .value')?.textContent.startsWith({text})"
    ));
    // A link that somebody sends.
    page.value(&format!("location.hash = {text}"));
    page.until("!document.querySelector('#detail')");
    assert_harmless(&mut page);
}

#[test]
fn fifty_components_with_long_names_keep_the_page_in_shape() {
    let names: Vec<String> =
        (0..50).map(|at| format!("a-component-with-a-very-long-name-of-its-own-{at}")).collect();
    let origin = serve(plan(&names));
    let Some(mut page) = Page::open(&origin) else { return };
    assert_eq!(page.value("document.querySelectorAll('.node').length"), 50);
    for width in [400, 1280] {
        page.resize(width, 800);
        page.until(&format!("innerWidth === {width}"));
        page.assert_no_sideways_scroll(&width.to_string());
        let cut = "[...document.querySelectorAll('.node')]
            .filter(node => node.scrollWidth > node.clientWidth + 1).length";
        assert_eq!(page.value(cut), 0, "at {width} pixels");
    }
    page.assert_well_behaved();
}
