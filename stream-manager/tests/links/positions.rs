//! Where input stands: told to the operator, heard from it before a spout opens.

use crate::{
    instance::Instance,
    pods::{Pods, eventually},
};
use egret_topology::positions::Positions;
use egret_wire::control::FromInstance;
use std::collections::BTreeMap;

fn positions(at: u64) -> Positions {
    let mut positions = Positions::default();
    positions.settle("c0", BTreeMap::from([("a".to_owned(), at)]));
    positions
}

async fn settles(spout: &mut Instance, at: u64) {
    let splits = positions(at).of("c0");
    spout.control.send(&FromInstance::Positions { splits }).await.unwrap();
}

#[tokio::test]
async fn a_spout_in_a_new_pod_opens_when_it_is_known_where_its_input_stands() {
    let mut pods = Pods::start(&[(&[], &[0]), (&[0], &[0])]).await;
    pods.replace(0).await;
    let mut operator = pods.operator(0).await;
    assert_eq!(operator.push(pods.plan.clone()).await, None);
    let (_, assigned) = Instance::start(&pods, 1, 1).await;
    assert_eq!(assigned.restarts, 0, "a bolt has no input of its own and need not wait");
    let mut spout = Box::pin(Instance::start(&pods, 0, 1));
    tokio::select! {
        (_, assigned) = &mut spout => panic!("{assigned:?}"),
        // The stream manager has let it in by now if it ever does.
        _ = operator.status() => {}
    }
    operator.give(positions(7)).await;
    let (_spout, assigned) = spout.await;
    assert_eq!(assigned.positions, positions(7).of("c0"));
}

#[tokio::test]
async fn what_has_settled_is_told_with_a_status_and_as_last_words() {
    let mut pods = Pods::start(&[(&[], &[0]), (&[0], &[0])]).await;
    let (mut spout, _) = Instance::start(&pods, 0, 1).await;
    let mut operator = pods.operator(0).await;
    settles(&mut spout, 5).await;
    eventually(async || {
        operator.status().await;
        operator.told == positions(5)
    })
    .await;
    settles(&mut spout, 9).await;
    let file = pods.pod_dir(0).join("positions.json");
    eventually(async || std::fs::read_to_string(&file).unwrap().contains('9')).await;
    assert_eq!(operator.told, positions(5), "nobody has asked since");
    let status = pods.ends(0).await;
    assert!(status.success(), "{status}");
    assert_eq!(operator.answer().await, None);
    assert_eq!(operator.told, positions(9));
}
