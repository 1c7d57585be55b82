//! Frames between tasks of one pod and of two.

use crate::{
    instance::Instance,
    pods::{Pods, eventually},
};
use egret_wire::{
    control::{FromInstance, Phase, RootCounts, TaskReport, ToInstance},
    header::Kind,
};
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test]
async fn frames_reach_local_and_remote_tasks_in_order() {
    let pods = Pods::start(&[(&[], &[0, 1]), (&[0], &[0, 1])]).await;
    let (mut spouts, mut bolts) = (Vec::new(), Vec::new());
    for task in 0..2 {
        spouts.push(Instance::start(&pods, task, 1).await.0);
        bolts.push(Instance::start(&pods, task + 2, 1).await.0);
    }
    let sizes = [48, 60, 700, 5_000, 33_000, 100_000];
    for n in 0..300 {
        for spout in &mut spouts {
            for to in 2..4 {
                let size = sizes[(n as usize + to as usize) % sizes.len()];
                spout.send(Kind::Data, to, n, size).await;
            }
        }
    }
    for bolt in &mut bolts {
        let numbers = bolt.read_numbers(600).await;
        for from in 0..2 {
            assert_eq!(numbers[&from], (0..300).collect::<Vec<_>>());
        }
        for to in 0..2 {
            bolt.send(Kind::Ack, to, 7, 100).await;
        }
    }
    for spout in &mut spouts {
        let acks = spout.read_numbers(2).await;
        assert_eq!(acks.keys().copied().collect::<Vec<_>>(), [2, 3]);
    }
}

#[tokio::test]
async fn a_stalled_destination_stalls_only_its_own() {
    let pods = Pods::start(&[(&[], &[0]), (&[0], &[1, 1, 0])]).await;
    let (mut spout, _) = Instance::start(&pods, 0, 1).await;
    let (mut stalled, _) = Instance::start(&pods, 1, 1).await;
    let (mut other, _) = Instance::start(&pods, 2, 1).await;
    let (mut local, _) = Instance::start(&pods, 3, 1).await;
    stalled.reads.send_replace(false);
    let taken = timeout(Duration::from_secs(60), spout.fill(1, 0, 20_000)).await.unwrap();
    assert!(taken * 20_000 < 4 << 20, "{taken} frames are held for a task that reads nothing");
    for n in 0..500 {
        spout.send(Kind::Data, 2, n, 20_000).await;
        spout.send(Kind::Data, 3, n, 20_000).await;
    }
    assert_eq!(other.read_numbers(500).await[&0].len(), 500);
    assert_eq!(local.read_numbers(500).await[&0].len(), 500);
    let mut operator = pods.operator(1).await;
    let status = operator.status().await;
    let held: Vec<u32> = status.stalled.iter().map(|stalled| stalled.dest.0).collect();
    assert_eq!(held, [1]);
    assert!(pods.get(0, "/metrics").1.contains("egret_stream_stalled_bytes"));
    stalled.reads.send_replace(true);
    let numbers = stalled.read_numbers(taken as usize).await;
    assert_eq!(numbers[&0], (0..taken).collect::<Vec<_>>());
    eventually(async || operator.status().await.stalled.is_empty()).await;
}

#[tokio::test]
async fn a_pod_is_ready_when_plan_instances_and_peers_are_there_and_counts_what_they_do() {
    let pods = Pods::start(&[(&[], &[0]), (&[0], &[1])]).await;
    assert_eq!(pods.get(0, "/live").0, 200);
    let (status, why) = pods.get(0, "/ready");
    assert_eq!(status, 503);
    assert!(why.contains("c0[0] (task 0) has not registered"), "{why}");
    let (mut spout, assigned) = Instance::start(&pods, 0, 1).await;
    assert_eq!(assigned.plan, pods.plan);
    assert_eq!(assigned.restarts, 0);
    pods.ready(0).await;
    let roots = RootCounts { emitted: 10, acked: 7, pending: 3, ..RootCounts::default() };
    let latency = vec![(1_500, 7)];
    let report = TaskReport { roots, phase: Phase::Active, latency, ..TaskReport::default() };
    spout.control.send(&FromInstance::Report(Box::new(report))).await.unwrap();
    let lines = [
        "egret_roots_acked_total{topology=\"t\",pod=\"0\",component=\"c0\",task=\"0\"} 7",
        "egret_complete_latency_seconds_bucket\
         {topology=\"t\",pod=\"0\",component=\"c0\",le=\"0.002\"} 7",
        "egret_link_up{topology=\"t\",pod=\"0\",link=\"peer\",peer=\"1\"} 1",
    ];
    eventually(async || {
        let (_, page) = pods.get(0, "/metrics");
        lines.iter().all(|line| page.contains(line))
    })
    .await;
    let (_, _) = Instance::start(&pods, 0, 2).await;
    let status = pods.operator(0).await.status().await;
    assert_eq!(status.tasks[0].restarts, 1);
    assert_eq!(status.tasks[0].total.roots.failed, 3);
    assert_eq!(status.peers_up.len(), 1);
}

#[tokio::test]
async fn newer_plans_reach_instances_and_older_ones_are_refused() {
    let pods = Pods::start(&[(&[], &[0])]).await;
    let (mut spout, _) = Instance::start(&pods, 0, 1).await;
    let mut operator = pods.operator(0).await;
    let mut plan = pods.plan.clone();
    plan.revision = 5;
    assert_eq!(operator.push(plan.clone()).await, None);
    let (revision, _) = spout
        .hear(|message| match message {
            ToInstance::Plan(plan) => Some(plan.revision),
            _ => None,
        })
        .await;
    assert_eq!(revision, 5);
    assert_eq!(operator.push(plan.clone()).await, None);
    plan.revision = 4;
    let why = operator.push(plan.clone()).await.unwrap();
    assert!(why.contains("revision 5 is in force"), "{why}");
    plan.revision = 6;
    plan.uid = "u-2".into();
    let why = operator.push(plan).await.unwrap();
    assert!(why.contains("u-2"), "{why}");
}

#[tokio::test]
async fn a_peer_brings_the_plan_that_the_operator_could_not() {
    let pods = Pods::start(&[(&[], &[0]), (&[0], &[1])]).await;
    let mut plan = pods.plan.clone();
    plan.revision = 9;
    pods.operator(0).await.push(plan).await;
    // The copy travels with the next hello.
    let mut pods = pods;
    pods.kill(0);
    pods.spawn(0);
    let mut other = pods.operator(1).await;
    eventually(async || other.status().await.revision == 9).await;
}
