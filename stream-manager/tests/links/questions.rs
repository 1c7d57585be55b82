//! Who holds a tuple of a root that timed out?

use crate::{instance::Instance, pods::Pods};
use egret_topology::id::{Incarnation, TaskId};
use egret_wire::control::{FromInstance, Hold, Holding, Root, ToInstance};

fn asked(message: &ToInstance) -> Option<Root> {
    match message {
        ToInstance::WhoHolds { root } => Some(*root),
        _ => None,
    }
}

fn told(message: &ToInstance) -> Option<Hold> {
    match message {
        ToInstance::Holds(hold) => Some(hold.clone()),
        _ => None,
    }
}

#[tokio::test]
async fn questions_reach_every_task_on_the_way_and_answers_the_spout() {
    let pods = Pods::start(&[(&[], &[0]), (&[0], &[0, 1])]).await;
    let (mut spout, _) = Instance::start(&pods, 0, 1).await;
    let (mut near, _) = Instance::start(&pods, 1, 1).await;
    let (mut far, _) = Instance::start(&pods, 2, 1).await;
    pods.ready(0).await;
    let root = Root { task: TaskId(0), incarnation: Incarnation(1), seq: 9 };
    spout.control.send(&FromInstance::WhoHolds { root }).await.unwrap();
    for bolt in [&mut near, &mut far] {
        assert_eq!(bolt.hear(asked).await.0, root);
        let task = TaskId(bolt.task);
        let hold = Hold { root, task, how: Holding::Executing, for_ms: 1234 };
        bolt.control.send(&FromInstance::Holds(hold.clone())).await.unwrap();
        assert_eq!(spout.hear(told).await.0, hold);
    }
}

#[tokio::test]
async fn a_stream_that_stands_still_answers_for_its_destination() {
    let pods = Pods::start(&[(&[], &[0]), (&[0], &[1])]).await;
    let (mut spout, _) = Instance::start(&pods, 0, 1).await;
    let (bolt, _) = Instance::start(&pods, 1, 1).await;
    pods.ready(0).await;
    bolt.reads.send_replace(false);
    spout.fill(1, 0, 20_000).await;
    let root = Root { task: TaskId(0), incarnation: Incarnation(1), seq: 9 };
    spout.control.send(&FromInstance::WhoHolds { root }).await.unwrap();
    let (hold, _) = spout.hear(told).await;
    assert_eq!((hold.task, hold.how), (TaskId(1), Holding::Stalled));
    assert!(hold.for_ms >= 100);
}
