//! The image of built-in components when a newer operator brings another.

use crate::{spec, world::World};
use serde_json::{Value, json};

fn record(world: &World) -> Value {
    world.server.lock().record().unwrap()
}

/// What the containers of tasks run.
fn images(world: &World) -> Vec<String> {
    let api = world.server.lock();
    let pods = api.objects.iter().filter(|(key, _)| key.0 == "pods").map(|(_, pod)| pod);
    let tasks = pods.flat_map(|pod| pod["spec"]["containers"].as_array().unwrap().clone());
    let mut images: Vec<String> =
        tasks.map(|task| task["image"].as_str().unwrap().to_owned()).collect();
    images.sort();
    images.dedup();
    images
}

/// A topology that runs, and an operator that brings another image.
async fn upgraded() -> World {
    let mut world = World::answering();
    world.apply(spec(2, "a"));
    world.settle(None).await;
    world.decide(|record| record["stage"] = json!("Live"));
    world.settle(None).await;
    world.upgrade("i:2");
    world.settle(None).await;
    world
}

fn restarted() -> Value {
    let mut restarted = spec(2, "a");
    restarted["restartedAt"] = json!("now");
    restarted
}

#[tokio::test]
async fn a_newer_operator_leaves_the_image_of_what_runs_alone() {
    let mut world = upgraded().await;
    let mut other = spec(2, "a");
    other["maxPending"] = json!(7);
    world.apply(other);
    world.settle(None).await;
    assert_eq!(
        (images(&world), &record(&world)["images"]["instance"]),
        (vec!["i:1".to_owned()], &json!("i:1"))
    );
    assert!(record(&world)["rollout"].is_null());
}

#[tokio::test]
async fn a_restart_that_somebody_asks_for_takes_the_newer_image_task_by_task() {
    let mut world = upgraded().await;
    world.apply(restarted());
    world.settle(None).await;
    let record = record(&world);
    assert_eq!(record["images"]["instance"], "i:2");
    assert_eq!(record["rollout"]["from"]["image"], "i:1", "what there is to go back to");
    assert_eq!(images(&world), ["i:1"], "no task has drained");
}
