//! The reconcile loop against a model of the API server, with a mishap at every request that it
//! makes: it goes on where it was, makes nothing twice and leaves nothing behind.

// Also in the fixtures, which clippy does not take for tests.
#![allow(clippy::unwrap_used)]

mod api;
mod autoscale;
mod edit;
mod image;
mod world;

use api::Mishap;
use serde_json::{Value, json};
use world::World;

fn spec(pods: u32, variable: &str) -> Value {
    json!({
        "pods": pods,
        "spouts": [{"name": "words", "parallelism": 3}],
        "bolts": [{
            "name": "count", "parallelism": 3, "env": [{"name": "A", "value": variable}],
            "inputs": [{"from": "words", "grouping": "Fields", "fields": ["word"]}],
        }],
    })
}

/// Something that happens to a topology that has settled.
#[derive(Clone, Copy, Debug)]
enum Change {
    Created,
    PodsAdded,
    PodsTakenAway,
    PodsMadeOtherwise,
    Autoscaled,
}

const CHANGES: [Change; 5] = [
    Change::Created,
    Change::PodsAdded,
    Change::PodsTakenAway,
    Change::PodsMadeOtherwise,
    Change::Autoscaled,
];

/// A world in which the change has just happened, and nobody has looked since.
async fn after(change: Change) -> World {
    let mut world = World::new();
    if !matches!(change, Change::Created) {
        world.apply(spec(2, "a"));
        world.settle(None).await;
        world.judge("before");
    }
    match change {
        Change::Created => world.apply(spec(2, "a")),
        Change::PodsAdded => world.apply(spec(3, "a")),
        Change::PodsTakenAway => world.apply(spec(1, "a")),
        Change::PodsMadeOtherwise => world.apply(spec(2, "b")),
        Change::Autoscaled => world.apply(autoscale::spec(json!({"min": 2, "max": 4}))),
    }
    world
}

/// Requests until the change has settled without a mishap.
async fn requests(change: Change) -> usize {
    let mut world = after(change).await;
    let before = world.server.lock().requests;
    world.settle(None).await;
    world.judge(&format!("{change:?}"));
    let after = world.server.lock().requests;
    after - before
}

async fn survives(mishap: Mishap) {
    for change in CHANGES {
        for at in 1..=requests(change).await {
            let what = format!("{change:?}, {mishap:?} at request {at}");
            let mut world = after(change).await;
            world.settle(Some((at, mishap))).await;
            world.judge(&what);
        }
    }
}

#[tokio::test]
async fn an_operator_killed_before_any_request_resumes() {
    survives(Mishap::KillBefore).await;
}

#[tokio::test]
async fn an_operator_killed_before_any_answer_resumes() {
    survives(Mishap::KillAfter).await;
}

#[tokio::test]
async fn any_answer_may_be_lost() {
    survives(Mishap::Lost).await;
}

#[tokio::test]
async fn any_request_may_meet_a_conflict() {
    survives(Mishap::Conflict).await;
}

#[tokio::test]
async fn any_request_may_be_told_that_its_version_is_gone() {
    survives(Mishap::Gone).await;
}

#[tokio::test]
async fn any_request_may_find_the_server_busy() {
    survives(Mishap::Busy).await;
}

#[tokio::test]
async fn any_read_may_be_stale() {
    survives(Mishap::Stale).await;
}

#[tokio::test]
async fn a_topology_that_is_deleted_leaves_nothing_whatever_happens() {
    for mishap in Mishap::ALL {
        for at in 1..=12 {
            let mut world = World::new();
            world.apply(spec(2, "a"));
            world.settle(None).await;
            world.delete();
            world.settle(Some((at, mishap))).await;
            // What owns nothing in the operator's namespace is swept now and then.
            world.server.lock().mishap = None;
            world.sweep().await;
            world.judge_gone(&format!("{mishap:?} at request {at}"));
        }
    }
}

#[tokio::test]
async fn a_watch_that_is_late_makes_nothing_twice() {
    let mut world = after(Change::Created).await;
    let old = world.snapshot();
    for _ in 0..5 {
        // Neither pods nor the topology are seen as they are by now.
        world.look(old.clone()).await;
    }
    world.judge("late");
    world.settle(None).await;
    world.judge("in the end");
}

#[tokio::test]
async fn a_pod_that_vanishes_comes_back_under_another_name() {
    let mut world = after(Change::Created).await;
    world.settle(None).await;
    world.vanish("t-1-1");
    world.settle(None).await;
    world.judge("after one has vanished");
    let pods = world.pods();
    assert_eq!(pods, ["t-0-1", "t-1-2"]);
}

#[tokio::test]
async fn a_pod_that_vanishes_while_nobody_looks_comes_back_under_another_name() {
    let mut world = after(Change::Created).await;
    world.settle(None).await;
    world.vanish("t-1-1");
    world.restart();
    world.settle(None).await;
    world.judge("after one has vanished");
    assert_eq!(world.pods(), ["t-0-1", "t-1-2"]);
}

#[tokio::test]
async fn pods_that_are_asked_to_end_have_successors_while_they_are_there() {
    let mut world = after(Change::Created).await;
    world.settle(None).await;
    for name in ["t-0-1", "t-1-1"] {
        world.ask_to_end(name);
    }
    world.look(None).await;
    assert_eq!(world.pods(), ["t-0-1", "t-0-2", "t-1-1", "t-1-2"]);
    world.settle(None).await;
    world.judge("after both have gone");
    // No stream manager could be told of it, so there was nothing to wait for.
    let record = world.server.lock().record().unwrap();
    assert!(record["leaves"].is_null(), "{record}");
}
