//! Other tasks and pods of a topology that runs: their pods start beside those that work, and
//! whoever looks after them may die at any request.

use crate::{api::Mishap, spec, world::World};
use serde_json::{Value, json};

/// The others are tried at every request of the changes that need nobody to answer.
const MISHAPS: [Mishap; 4] =
    [Mishap::KillBefore, Mishap::KillAfter, Mishap::Lost, Mishap::Conflict];

fn record(world: &World) -> Value {
    world.server.lock().record().unwrap()
}

/// A topology of two pods that runs, of which stream managers may answer.
async fn running() -> World {
    let mut world = World::answering();
    world.apply(spec(2, "a"));
    world.settle(None).await;
    world.decide(|record| record["stage"] = json!("Live"));
    world.settle(None).await;
    world.judge("it runs");
    assert_eq!(world.pods(), ["t-0-1", "t-1-1"]);
    world
}

/// The same with a third pod on its way.
async fn editing() -> World {
    let mut world = running().await;
    world.apply(spec(3, "a"));
    world.settle(None).await;
    world.judge("with pods beside");
    world
}

/// Nobody answers any more: the change ends.
async fn ends(world: &mut World, mishap: Option<(usize, Mishap)>, what: &str) {
    world.fall_silent();
    world.settle(mishap).await;
    world.judge(what);
    let record = record(world);
    assert!(record["edit"].is_null(), "{what}: {}", record["edit"]);
    assert_eq!(record["packing"]["pods"].as_array().map(Vec::len), Some(3), "{what}");
    assert_eq!(record["accepted"]["pods"], 3, "{what}");
}

#[tokio::test]
async fn pods_that_are_new_start_beside_those_that_run() {
    let mut world = editing().await;
    let before = record(&world);
    assert_eq!(
        (&before["edit"]["step"], &before["accepted"]["pods"]),
        (&json!("Working"), &json!(2))
    );
    let pods = world.pods();
    assert!(["t-0-1", "t-1-1", "t-2-1"].iter().all(|pod| pods.contains(&(*pod).to_owned())));
    ends(&mut world, None, "in the end").await;
    let stays =
        record(&world)["pods"].as_array().unwrap().iter().filter(|pod| pod["life"] == 1).count();
    assert!(world.pods().len() == 3 && stays >= 1);
}

#[tokio::test]
async fn a_change_that_is_taken_back_leaves_nothing_behind() {
    let mut world = editing().await;
    world.apply(spec(2, "a"));
    world.settle(None).await;
    world.judge("taken back");
    assert_eq!(world.pods(), ["t-0-1", "t-1-1"]);
    world.apply(spec(3, "a"));
    world.settle(None).await;
    world.judge("and asked for again, under other names");
}

#[tokio::test]
async fn a_change_that_is_refused_stops_neither_what_runs_nor_what_is_on_its_way() {
    let mut world = editing().await;
    let (pods, mut broken) = (world.pods(), spec(4, "a"));
    broken["bolts"][0]["inputs"][0]["from"] = json!("nobody");
    world.apply(broken);
    world.settle(None).await;
    world.judge("refused");
    assert_eq!(world.pods(), pods);
    ends(&mut world, None, "and it goes on").await;
}

#[tokio::test]
async fn a_topology_that_is_stopped_meanwhile_drops_the_change() {
    let mut world = editing().await;
    let mut stopped = spec(3, "a");
    stopped["state"] = json!("Stopped");
    world.apply(stopped);
    world.settle(None).await;
    world.judge("stopped");
    assert_eq!(record(&world)["stage"], "Draining");
    assert_eq!(world.pods(), ["t-0-1", "t-1-1"]);
}

#[tokio::test]
async fn pods_that_close_are_not_made_again() {
    let mut world = editing().await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let leaving: Vec<u64> =
        serde_json::from_value(record(&world)["edit"]["leaving"].clone()).unwrap();
    assert!(!leaving.is_empty());
    world.decide(|record| {
        record["edit"]["step"] = json!("Closing");
        record["edit"]["since"] = json!(now.as_millis() as u64);
    });
    world.settle(None).await;
    let pods = world.pods();
    for pod in leaving {
        let of = format!("t-{pod}-");
        let of: Vec<_> = pods.iter().filter(|name| name.starts_with(&of)).collect();
        assert_eq!(of, [&format!("t-{pod}-2")], "{pods:?}");
    }
    ends(&mut world, None, "closed").await;
}

#[tokio::test]
async fn a_pod_that_vanishes_before_it_has_a_place_comes_back_under_another_name() {
    let mut world = editing().await;
    world.vanish("t-2-1");
    world.restart();
    world.settle(None).await;
    world.judge("after it has vanished");
    assert!(world.pods().contains(&"t-2-2".to_owned()), "{:?}", world.pods());
}

#[tokio::test]
async fn any_request_on_the_way_there_may_go_wrong() {
    let mut world = running().await;
    let before = world.server.lock().requests;
    world.apply(spec(3, "a"));
    world.settle(None).await;
    let requests = world.server.lock().requests - before;
    for mishap in MISHAPS {
        for at in 1..=requests {
            let what = format!("{mishap:?} at request {at}");
            let mut world = running().await;
            world.apply(spec(3, "a"));
            world.settle(Some((at, mishap))).await;
            world.judge(&what);
            ends(&mut world, None, &what).await;
        }
    }
}

#[tokio::test]
async fn any_request_when_the_new_plan_begins_may_go_wrong() {
    let mut world = editing().await;
    let before = world.server.lock().requests;
    ends(&mut world, None, "without a mishap").await;
    let requests = world.server.lock().requests - before;
    for mishap in MISHAPS {
        for at in 1..=requests {
            let what = format!("{mishap:?} at request {at}");
            let mut world = editing().await;
            ends(&mut world, Some((at, mishap)), &what).await;
        }
    }
}
