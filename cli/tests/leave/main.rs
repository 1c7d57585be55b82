//! Pods that are asked to end while lines flow through them: an operator, a model of the API
//! server, and real processes.

// Also in the fixtures, which clippy does not take for tests.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../../../operator/tests/reconcile/api.rs"]
mod api;
mod kubelet;
#[allow(dead_code)]
#[path = "../../../operator/tests/reconcile/world.rs"]
mod world;

use kubelet::Kubelet;
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::sync::{Semaphore, SemaphorePermit};
use world::World;

const PATIENCE: Duration = Duration::from_secs(90);
/// Tests at the same time: each has half a dozen processes.
static ROOM: Semaphore = Semaphore::const_new(3);

/// A bolt that passes all lines on.
fn keep(name: &str, tasks: u32, from: &str) -> Value {
    json!({
        "name": name, "component": "filter", "parallelism": tasks,
        "config": {"contains": "line"}, "streams": [{"fields": ["line"]}],
        "inputs": [{"from": from}],
    })
}

/// A topology that copies lines, and who writes them.
struct Copying {
    world: World,
    kubelet: Kubelet,
    input: File,
    output: PathBuf,
    written: usize,
    wrote: Instant,
    /// How many lines have arrived, when that was more than before, and the longest time without.
    arrived: (usize, Instant, Duration),
    /// The operator looks.
    operator: bool,
    _dir: tempfile::TempDir,
    _room: SemaphorePermit<'static>,
}

impl Copying {
    async fn new() -> Copying {
        Copying::with(&json!({})).await
    }

    /// With something else in the spec.
    async fn with(more: &Value) -> Copying {
        let room = ROOM.acquire().await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (from, output) = (dir.path().join("in.txt"), dir.path().join("out.txt"));
        let input = File::create(&from).unwrap();
        let world = World::answering();
        let arrived = (0, Instant::now(), Duration::ZERO);
        let kubelet = Kubelet::new(dir.path());
        let mut copying = Copying {
            world,
            kubelet,
            input,
            output,
            written: 0,
            wrote: Instant::now(),
            arrived,
            operator: true,
            _dir: dir,
            _room: room,
        };
        copying.apply(more);
        copying.until("lines flow", |it| it.arrived.0 > 100).await;
        copying
    }

    /// Its spec, with something else in it.
    fn apply(&self, more: &Value) {
        let path = |name: &str| self.output.with_file_name(name).to_str().unwrap().to_owned();
        let mut spec = json!({
            "pods": 2,
            "messageTimeout": "60s",
            "spouts": [{
                "name": "lines", "streams": [{"fields": ["line"]}],
                "config": {"path": path("in.txt"), "follow": true},
            }],
            "bolts": [keep("keep", 2, "lines"), self.out("keep")],
        });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.world.apply(spec);
    }

    /// The bolt that writes what it gets from another one.
    fn out(&self, from: &str) -> Value {
        let path = self.output.to_str().unwrap();
        json!({
            "name": "out", "component": "file", "streams": [],
            "config": {"path": path, "mode": "append"}, "inputs": [{"from": from}],
        })
    }

    /// The world goes on until something is so.
    async fn until(&mut self, what: &str, so: impl Fn(&Copying) -> bool) {
        let began = Instant::now();
        while !so(self) {
            assert!(began.elapsed() < PATIENCE, "{what}: {:?} arrived", self.arrived);
            self.kubelet.look(&mut self.world);
            if self.operator {
                self.world.look(None).await;
            }
            self.write();
            let arrived = fs::read(&self.output).unwrap_or_default();
            let arrived = arrived.iter().filter(|byte| **byte == b'\n').count();
            if arrived > self.arrived.0 {
                let gap = self.arrived.1.elapsed().max(self.arrived.2);
                self.arrived = (arrived, Instant::now(), gap);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A thousand lines a second.
    fn write(&mut self) {
        let lines = self.wrote.elapsed().as_millis() as usize;
        let lines: String = (self.written..lines).map(|n| format!("line {n}\n")).collect();
        self.written += lines.lines().count();
        self.input.write_all(lines.as_bytes()).unwrap();
    }

    /// Evicts pods and waits until others have taken their place and the lines flow.
    async fn replaces(&mut self, pods: &[&str]) {
        self.arrived.2 = Duration::ZERO;
        pods.iter().for_each(|pod| self.world.ask_to_end(pod));
        self.replaced(pods).await;
    }

    /// Waits until others have taken the place of pods and the lines flow.
    async fn replaced(&mut self, pods: &[&str]) {
        let gone = |it: &Copying| pods.iter().all(|pod| it.kubelet.gone.contains_key(*pod));
        self.until("the pods are gone", gone).await;
        let began = self.written;
        let recorded = |it: &Copying| it.record()["leaves"].is_null();
        self.until("all of it is over", recorded).await;
        self.until("lines flow again", |it| it.arrived.0 > began).await;
        eprintln!("{pods:?}: gone after {:?}, gap {:?}", self.kubelet.gone, self.arrived.2);
    }

    /// Applies something else and waits until it is in force and the lines flow.
    async fn edits(&mut self, more: &Value) {
        self.arrived.2 = Duration::ZERO;
        self.apply(more);
        self.until("it is known", |it| !it.record()["edit"].is_null()).await;
        self.edited().await;
    }

    /// Waits until a change is in force and the lines flow.
    async fn edited(&mut self) {
        self.until("it is over", |it| it.record()["edit"].is_null()).await;
        let pods = self.record()["packing"]["pods"].as_array().unwrap().len();
        self.until("old pods are gone", |it| it.world.pods().len() == pods).await;
        let began = self.written;
        self.until("lines flow again", |it| it.arrived.0 > began).await;
        eprintln!("{:?}: gap {:?}", self.world.pods(), self.arrived.2);
    }

    /// How far a change is.
    fn step(&self) -> Value {
        self.record()["edit"]["step"].clone()
    }

    fn record(&self) -> Value {
        let api = self.world.server.lock();
        let maps = api.objects.iter().filter(|(key, _)| key.0 == "configmaps");
        let plan = maps.filter(|(key, _)| key.2 == "t-plan").map(|(_, map)| map);
        let text = plan.flat_map(|map| map["data"].as_object().unwrap().values()).next().unwrap();
        serde_json::from_str(text.as_str().unwrap()).unwrap()
    }

    /// How many lines have arrived twice of those that are written by now, once each of them has
    /// arrived.
    async fn twice(&mut self) -> usize {
        let (all, began) = (self.written, Instant::now());
        loop {
            let before = self.arrived.0;
            self.until("more lines have arrived", |it| it.arrived.0 > before + 100).await;
            let counts = self.counts(all);
            let missing = counts.iter().filter(|count| **count == 0).count();
            if missing == 0 {
                return counts.iter().map(|count| count - 1).sum();
            }
            assert!(began.elapsed() < PATIENCE, "{missing} of {all} lines are missing");
        }
    }

    /// How often each of the first lines has arrived.
    fn counts(&self, lines: usize) -> Vec<usize> {
        let mut counts = vec![0usize; lines];
        let text = fs::read_to_string(&self.output).unwrap();
        // The last one may not be whole yet.
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let number: usize = line.strip_prefix("line ").unwrap().parse().unwrap();
            if let Some(count) = counts.get_mut(number) {
                *count += 1;
            }
        }
        counts
    }
}

#[tokio::test]
async fn a_pod_that_is_evicted_is_replaced_and_no_line_comes_twice() {
    let mut copying = Copying::new().await;
    copying.kubelet.pull = Duration::from_secs(1);
    copying.replaces(&["t-0-1"]).await;
    copying.replaces(&["t-1-1"]).await;
    assert_eq!(copying.twice().await, 0);
}

#[tokio::test]
async fn pods_that_feed_each_other_may_go_at_the_same_time() {
    let mut copying = Copying::new().await;
    copying.kubelet.pull = Duration::from_millis(300);
    copying.replaces(&["t-0-1", "t-1-1"]).await;
    assert_eq!(copying.twice().await, 0);
}

#[tokio::test]
async fn a_pod_that_nobody_looks_after_ends_all_the_same() {
    let mut copying = Copying::new().await;
    copying.operator = false;
    copying.world.ask_to_end("t-0-1");
    copying.until("the pod is gone", |it| it.kubelet.gone.contains_key("t-0-1")).await;
    assert!(copying.kubelet.gone["t-0-1"] < Duration::from_secs(15), "nobody has answered");
    copying.operator = true;
    let twice = copying.twice().await;
    eprintln!("{twice} came twice");
}

#[tokio::test]
async fn a_pod_whose_operator_goes_away_for_good_ends_all_the_same() {
    let mut copying = Copying::new().await;
    copying.kubelet.pull = Duration::from_secs(3);
    copying.world.ask_to_end("t-0-1");
    copying.until("it is known", |it| it.record()["leaves"][0]["step"] == "Working").await;
    copying.world.restart();
    copying.operator = false;
    copying.until("the pod is gone", |it| it.kubelet.gone.contains_key("t-0-1")).await;
    assert!(copying.kubelet.gone["t-0-1"] < Duration::from_secs(20), "nobody has released it");
    copying.operator = true;
    let twice = copying.twice().await;
    eprintln!("{twice} came twice");
}

#[tokio::test]
async fn an_operator_that_ends_meanwhile_goes_on_where_it_was() {
    let mut copying = Copying::new().await;
    copying.kubelet.pull = Duration::from_secs(2);
    copying.world.ask_to_end("t-0-1");
    copying.until("it is known", |it| it.record()["leaves"][0]["step"] == "Working").await;
    copying.world.restart();
    copying.until("it drains", |it| it.record()["leaves"][0]["step"] != "Working").await;
    copying.world.restart();
    copying.replaced(&["t-0-1"]).await;
    assert_eq!(copying.twice().await, 0);
}

#[tokio::test]
async fn a_pod_whose_successor_finds_no_room_is_drained_before_its_time_is_over() {
    let template = json!({"spec": {"terminationGracePeriodSeconds": 18}});
    let mut copying =
        Copying::with(&json!({"podTemplate": template, "messageTimeout": "20s"})).await;
    copying.kubelet.pull = Duration::from_secs(15);
    copying.replaces(&["t-0-1"]).await;
    assert_eq!(copying.twice().await, 0);
}

#[tokio::test]
async fn a_node_that_shuts_down_is_known_from_what_its_tasks_say() {
    let mut copying = Copying::new().await;
    copying.kubelet.shut_down("t-0-1");
    copying.replaced(&["t-0-1"]).await;
    assert_eq!(copying.twice().await, 0);
}

#[tokio::test]
async fn pods_that_are_replaced_by_a_change_or_stopped_end_soon() {
    let mut copying = Copying::new().await;
    copying.apply(&json!({"podTemplate": {"metadata": {"labels": {"a": "b"}}}}));
    copying.replaced(&["t-0-1", "t-1-1"]).await;
    let took = copying.kubelet.gone.values().max().copied().unwrap();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(copying.twice().await, 0);
    copying.apply(&json!({"state": "Stopped"}));
    let gone = |it: &Copying| it.kubelet.gone.len() >= 4;
    copying.until("all pods are gone", gone).await;
    let took = copying.kubelet.gone.values().max().copied().unwrap();
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_pod_that_is_deleted_without_a_grace_period_is_not_waited_for() {
    let mut copying = Copying::new().await;
    copying.kubelet.pull = Duration::from_secs(2);
    copying.world.vanish("t-0-1");
    copying.replaced(&["t-0-1"]).await;
    let took = copying.kubelet.gone["t-0-1"];
    assert!(took < Duration::from_secs(5), "{took:?}");
    let twice = copying.twice().await;
    eprintln!("{twice} came twice");
}

#[tokio::test]
async fn without_acks_too_nothing_is_lost() {
    let mut copying = Copying::with(&json!({"delivery": "AtMostOnce"})).await;
    copying.replaces(&["t-0-1"]).await;
    copying.replaces(&["t-1-1"]).await;
    assert_eq!(copying.twice().await, 0);
}

#[tokio::test]
async fn a_bolt_gets_another_task_and_one_behind_it_and_no_line_comes_twice() {
    let mut copying = Copying::new().await;
    copying.kubelet.pull = Duration::from_secs(1);
    let three = json!({"bolts": [keep("keep", 3, "lines"), copying.out("keep")]});
    copying.edits(&three).await;
    let pods = copying.world.pods();
    let stays = ["t-0-1", "t-1-1"].iter().filter(|pod| pods.contains(&(**pod).to_owned()));
    assert_eq!(stays.count(), 1, "{pods:?}");
    let [first, behind] = [keep("keep", 3, "lines"), keep("again", 1, "keep")];
    copying.edits(&json!({"bolts": [first, behind, copying.out("again")]})).await;
    copying.edits(&json!({})).await;
    assert_eq!(copying.record()["epoch"], 4);
    assert_eq!(copying.twice().await, 0);
}

#[tokio::test]
async fn pods_are_added_and_taken_away_and_no_line_comes_twice() {
    let mut copying = Copying::new().await;
    copying.edits(&json!({"pods": 3})).await;
    assert_eq!(copying.world.pods().len(), 3);
    copying.edits(&json!({"pods": 1})).await;
    assert_eq!(copying.world.pods().len(), 1);
    let took = copying.kubelet.gone.values().max().copied().unwrap();
    assert!(took < Duration::from_secs(5), "they were released: {took:?}");
    assert_eq!(copying.twice().await, 0);
}

#[tokio::test]
async fn an_operator_that_ends_at_each_step_of_a_change_goes_on_where_it_was() {
    let mut copying = Copying::new().await;
    copying.kubelet.pull = Duration::from_secs(1);
    copying.apply(&json!({"pods": 3, "bolts": [keep("keep", 3, "lines"), copying.out("keep")]}));
    for step in ["Working", "Draining", "Closing", "Starting"] {
        let there = |it: &Copying| it.step() == step || it.step().is_null() && step != "Working";
        copying.until(step, there).await;
        copying.world.restart();
    }
    copying.edited().await;
    assert_eq!(copying.world.pods().len(), 3);
    assert_eq!(copying.twice().await, 0);
}

#[tokio::test]
async fn pods_that_cannot_start_cost_nothing_and_another_change_takes_their_place() {
    let mut copying = Copying::new().await;
    copying.kubelet.pull = Duration::from_secs(600);
    copying.apply(&json!({"pods": 3}));
    copying.until("it is known", |it| it.step() == "Working").await;
    copying.arrived.2 = Duration::ZERO;
    let arrived = copying.arrived.0;
    copying.until("lines flow on", |it| it.arrived.0 > arrived + 1000).await;
    assert_eq!(copying.step(), "Working");
    copying.kubelet.pull = Duration::ZERO;
    copying.apply(&json!({}));
    copying.until("it is taken back", |it| it.record()["edit"].is_null()).await;
    copying.until("nothing is left", |it| it.world.pods() == ["t-0-1", "t-1-1"]).await;
    assert!(copying.arrived.2 < Duration::from_secs(5), "{:?}", copying.arrived.2);
    copying.edits(&json!({"pods": 3})).await;
    assert_eq!(copying.twice().await, 0);
}
