//! Numbers of tasks that bolts are given: who sets them, and what becomes of those of others.

use crate::{
    api::manages,
    world::{USER, World},
};
use serde_json::{Value, json};

/// The manifest: `count` has no number.
pub(crate) fn spec(autoscale: Value) -> Value {
    json!({
        "pods": 2,
        "spouts": [{"name": "words", "parallelism": 3}],
        "bolts": [{
            "name": "count", "autoscale": autoscale,
            "inputs": [{"from": "words", "grouping": "Fields", "fields": ["word"]}],
        }],
    })
}

fn number(world: &World) -> Value {
    world.topology()["spec"]["bolts"][0]["parallelism"].clone()
}

fn managers(world: &World) -> Vec<String> {
    let topology = world.topology();
    let entries = topology["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let of_number = entries.iter().filter(|entry| manages(entry, "count"));
    of_number.map(|entry| entry["manager"].as_str().unwrap().to_owned()).collect()
}

fn told(world: &World) -> Value {
    world.topology()["status"]["autoscale"][0].clone()
}

fn epoch(world: &World) -> Value {
    world.server.lock().record().unwrap()["epoch"].clone()
}

/// A world that has settled with two tasks of `count`, which the autoscaler has set.
async fn given_two() -> World {
    let mut world = World::new();
    world.apply(spec(json!({"min": 2, "max": 4})));
    world.settle(None).await;
    world.judge("given two");
    assert_eq!(number(&world), 2);
    assert_eq!(managers(&world), ["egret-autoscaler"]);
    world
}

#[tokio::test]
async fn a_number_that_the_manifest_leaves_out_is_set_by_a_manager_of_its_own() {
    let world = given_two().await;
    let told = told(&world);
    assert_eq!((&told["component"], &told["current"]), (&json!("count"), &json!(2)), "{told}");
    assert_eq!((&told["wanted"], &told["dryRun"]), (&json!(2), &Value::Null), "{told}");
    assert!(told["reason"].as_str().unwrap().starts_with("nothing is decided now"), "{told}");
}

#[tokio::test]
async fn the_same_manifest_again_takes_no_tasks_away() {
    let mut world = given_two().await;
    world.decide(|record| record["autoscale"]["count"]["tasks"] = json!(3));
    world.settle(None).await;
    let (pods, before) = (world.pods(), epoch(&world));
    assert_eq!((number(&world), before.as_u64()), (json!(3), Some(2)), "it is carried out");
    // Its list of bolts replaces that with the number.
    world.apply(spec(json!({"min": 2, "max": 4})));
    assert_eq!(number(&world), Value::Null);
    world.settle(None).await;
    world.judge("again");
    assert_eq!(number(&world), 3);
    assert_eq!(managers(&world), ["egret-autoscaler"]);
    assert_eq!((world.pods(), epoch(&world)), (pods, before), "and nothing begins anew");
}

#[tokio::test]
async fn what_somebody_else_sets_is_theirs_until_they_leave_it_out() {
    let mut world = given_two().await;
    let mut numbered = spec(json!({"min": 2, "max": 4}));
    numbered["bolts"][0]["parallelism"] = json!(5);
    world.apply(numbered);
    world.settle(None).await;
    world.judge("numbered");
    assert_eq!((number(&world), managers(&world)), (json!(5), vec![USER.to_owned()]));
    let words = told(&world)["reason"].as_str().unwrap().to_owned();
    assert!(words.starts_with(&format!("parallelism is set by `{USER}`")), "{words}");
    world.decide(|record| record["autoscale"]["count"]["tasks"] = json!(4));
    world.settle(None).await;
    assert_eq!(number(&world), 5, "nor after what was decided before");
    world.apply(spec(json!({"min": 2, "max": 6})));
    world.settle(None).await;
    assert_eq!(number(&world), 5, "it goes on from there");
    assert_eq!(managers(&world), ["egret-autoscaler"]);
}

#[tokio::test]
async fn a_dry_run_sets_nothing() {
    let mut world = World::new();
    world.apply(spec(json!({"min": 2, "max": 4, "dryRun": true})));
    world.settle(None).await;
    world.judge("dry run");
    assert_eq!(number(&world), Value::Null);
    assert!(managers(&world).is_empty());
    assert_eq!(told(&world)["dryRun"], true);
    assert_eq!(told(&world)["current"], 2);
}

#[tokio::test]
async fn other_bounds_hold_at_once() {
    let mut world = given_two().await;
    world.apply(spec(json!({"min": 3, "max": 4})));
    world.settle(None).await;
    world.judge("more at least");
    assert_eq!(number(&world), 3);
    let words = told(&world)["lastChange"].as_str().unwrap().to_owned();
    assert_eq!(words, "3 instead of 2: it has from 3 to 4 tasks");
}

#[tokio::test]
async fn a_look_at_what_has_settled_costs_no_requests() {
    let world = given_two().await;
    let requests = world.server.lock().requests;
    world.look(None).await;
    assert_eq!(world.server.lock().requests, requests);
}

#[tokio::test]
async fn with_server_side_apply_the_number_stays_until_autoscale_goes() {
    let mut world = given_two().await;
    world.decide(|record| record["autoscale"]["count"]["tasks"] = json!(4));
    world.settle(None).await;
    let before = world.topology()["metadata"]["generation"].clone();
    world.apply_server_side(spec(json!({"min": 2, "max": 4})));
    assert_eq!(number(&world), 4);
    world.settle(None).await;
    let after = world.topology()["metadata"]["generation"].clone();
    assert_eq!(after.as_u64(), before.as_u64().map(|before| before + 1), "the operator adds none");
    let mut plain = spec(json!(null));
    plain["bolts"][0].as_object_mut().unwrap().remove("autoscale");
    world.apply_server_side(plain);
    assert_eq!(number(&world), 4);
    world.settle(None).await;
    world.judge("let go");
    assert_eq!((number(&world), managers(&world).len()), (Value::Null, 0));
}

#[tokio::test]
async fn what_is_not_autoscaled_any_more_has_what_the_manifest_says() {
    let mut world = given_two().await;
    let mut plain = spec(json!(null));
    plain["bolts"][0].as_object_mut().unwrap().remove("autoscale");
    plain["bolts"][0]["parallelism"] = json!(2);
    world.apply(plain);
    world.settle(None).await;
    assert_eq!((number(&world), managers(&world)), (json!(2), vec![USER.to_owned()]));
    assert_eq!(world.topology()["status"]["autoscale"], Value::Null);
}
