//! Instances that are asked to end, and an operator that is there or not.

use crate::{
    instance::Instance,
    pods::{Pods, eventually},
};
use egret_topology::id::{PodId, TaskId};
use egret_wire::control::{FromInstance, Phase, TaskReport, ToInstance};

async fn asked_to_end(instance: &mut Instance) {
    let report = TaskReport { phase: Phase::Active, leaving: true, ..TaskReport::default() };
    instance.control.send(&FromInstance::Report(Box::new(report))).await.unwrap();
}

#[tokio::test]
async fn who_is_asked_to_end_is_told_to_the_operator_and_released_when_that_is_gone() {
    let pods = Pods::start(&[(&[], &[0]), (&[0], &[0])]).await;
    let (mut spout, _) = Instance::start(&pods, 0, 1).await;
    let (mut bolt, _) = Instance::start(&pods, 1, 1).await;
    let mut operator = pods.operator(0).await;
    asked_to_end(&mut spout).await;
    eventually(async || operator.status().await.tasks.iter().any(|task| task.total.leaving)).await;
    let mut plan = pods.plan.clone();
    plan.revision += 1;
    plan.rolling.leaving = vec![PodId(0)];
    plan.rolling.draining = vec![TaskId(0)];
    assert_eq!(operator.push(plan).await, None);
    let rolling = |message: &ToInstance| match message {
        ToInstance::Plan(plan) => Some(plan.rolling.clone()),
        _ => None,
    };
    let (said, _) = spout.hear(rolling).await;
    assert_eq!((said.leaving, said.released), (vec![PodId(0)], vec![]));
    drop(operator);
    let (said, _) = spout.hear(rolling).await;
    assert_eq!((said.leaving, said.released), (vec![], vec![PodId(0)]));
    assert_eq!(said.draining, [TaskId(0)], "all else is as it was");
    let (said, _) = bolt.hear(|message| rolling(message).filter(|it| it.leaving.is_empty())).await;
    assert_eq!(said.released, [PodId(0)]);
}
