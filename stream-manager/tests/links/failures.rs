//! Links that break, processes that die, peers that lie.

use crate::{
    instance::Instance,
    pods::{Pods, UID, eventually},
};
use egret_link::{Identity, quinn::rustls::pki_types::CertificateDer};
use egret_topology::id::{Incarnation, PodId, TaskId};
use egret_wire::{
    control::{
        ALPN_CONTROL, FromInstance, LossScope, Phase, Poisoned, Root, TaskReport, ToInstance,
    },
    header::Kind,
    preamble::Class,
};
use std::{collections::BTreeMap, time::Duration};

fn loss(message: &ToInstance) -> Option<LossScope> {
    match message {
        ToInstance::Loss { scope, .. } => Some(*scope),
        _ => None,
    }
}

#[tokio::test]
async fn malformed_bytes_close_only_that_link_and_are_counted() {
    let pods = Pods::start(&[(&[], &[0, 0]), (&[0], &[0])]).await;
    let (mut good, _) = Instance::start(&pods, 0, 1).await;
    let (mut bad, _) = Instance::start(&pods, 1, 1).await;
    let (mut bolt, _) = Instance::start(&pods, 2, 1).await;
    bad.send(Kind::Data, 2, 1, 100).await;
    assert_eq!(bolt.read().await.source, TaskId(1));
    bad.stream(Class::Data, 2).await.write_all(&[0xff; 100]).await.unwrap();
    let why = bad.closed().await;
    assert!(why.contains("not a frame"), "{why}");
    for n in 0..10 {
        good.send(Kind::Data, 2, n, 1000).await;
    }
    assert_eq!(bolt.read_numbers(10).await[&0].len(), 10);
    assert_eq!(pods.operator(0).await.status().await.malformed, 1);
}

#[tokio::test]
async fn a_forged_source_closes_the_link() {
    let pods = Pods::start(&[(&[], &[0, 0]), (&[0], &[0])]).await;
    let (mut liar, _) = Instance::start(&pods, 0, 1).await;
    liar.task = 1;
    liar.send(Kind::Data, 2, 1, 100).await;
    let why = liar.closed().await;
    assert!(why.contains("task 1"), "{why}");
    assert_eq!(pods.operator(0).await.status().await.malformed, 1);
}

#[tokio::test]
async fn a_hello_for_another_task_than_the_certificate_names_is_refused() {
    let pods = Pods::start(&[(&[], &[0, 0])]).await;
    let (liar, answer) = Instance::greet(&pods, 0, 1, 1).await;
    let ToInstance::Refused { why, newest: None } = answer else { panic!("{answer:?}") };
    assert!(why.contains("certificate"), "{why}");
    liar.closed().await;
}

#[tokio::test]
async fn a_hello_of_a_newer_life_replaces_the_first_link_and_an_older_one_is_refused() {
    let pods = Pods::start(&[(&[], &[0]), (&[0], &[1])]).await;
    let (mut spout, _) = Instance::start(&pods, 0, 1).await;
    let (first, _) = Instance::start(&pods, 1, 1).await;
    let (mut second, assigned) = Instance::start(&pods, 1, 5).await;
    assert_eq!(assigned.restarts, 1);
    assert!(first.closed().await.contains("replaced"));
    let (scope, _) = spout.hear(loss).await;
    assert_eq!(scope, LossScope::Task { task: TaskId(1) });
    spout.send(Kind::Data, 1, 3, 1000).await;
    assert_eq!(second.read().await.base, 3);
    let (_, answer) = Instance::greet(&pods, 1, 1, 4).await;
    let ToInstance::Refused { newest, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(newest, Some(Incarnation(5)));
    spout.send(Kind::Data, 1, 4, 1000).await;
    assert_eq!(second.read().await.base, 4);
}

#[tokio::test]
async fn a_loss_names_the_tuple_that_user_code_failed_at_once() {
    let pods = Pods::start(&[(&[], &[0, 1]), (&[0], &[1])]).await;
    let (mut far, _) = Instance::start(&pods, 0, 1).await;
    let (mut near, _) = Instance::start(&pods, 1, 1).await;
    pods.ready(0).await;
    let root = Root { task: TaskId(0), incarnation: Incarnation(1), seq: 7 };
    let told = Poisoned { roots: vec![root], cause: "seven".to_owned() };
    let poisoned = |message: &ToInstance| match message {
        ToInstance::Loss { scope: LossScope::Task { task: TaskId(2) }, poisoned } => {
            Some(poisoned.clone())
        }
        _ => None,
    };
    for life in 1..4 {
        let (mut bolt, _) = Instance::start(&pods, 2, life).await;
        if life > 1 {
            // The first life was broken, the second was not.
            let expected = (life == 2).then(|| told.clone());
            assert_eq!(far.hear(poisoned).await.0, expected, "in another pod");
            assert_eq!(near.hear(poisoned).await.0, expected, "in its own");
        } else {
            let (error, poisoned) = ("it panicked".to_owned(), Some(told.clone()));
            bolt.control.send(&FromInstance::Broken { error, poisoned }).await.unwrap();
            bolt.control.finish();
            bolt.closed().await;
        }
    }
}

#[tokio::test]
async fn a_killed_peer_is_noticed_at_once_and_is_back_when_it_is_back() {
    let mut pods = Pods::start(&[(&[], &[0]), (&[0], &[1])]).await;
    let (mut spout, _) = Instance::start(&pods, 0, 1).await;
    let (bolt, _) = Instance::start(&pods, 1, 1).await;
    pods.ready(0).await;
    pods.kill(1);
    pods.spawn(1);
    let link = LossScope::Link { a: PodId(0), b: PodId(1) };
    let ((), took) = spout.hear(|m| (loss(m)? == link).then_some(())).await;
    // An idle link finds out with its next keep-alive, a busy one with its next packet.
    assert!(took < Duration::from_millis(2500), "{took:?}");
    let pod = LossScope::Pod { pod: PodId(1) };
    let ((), took) = spout.hear(|m| (loss(m)? == pod).then_some(())).await;
    assert!(took < Duration::from_millis(1500), "{took:?}");
    bolt.closed().await;
    let (mut bolt, assigned) = Instance::start(&pods, 1, 1).await;
    assert_eq!(assigned.plan.revision, 1);
    let task = LossScope::Task { task: TaskId(1) };
    spout.hear(|m| (loss(m)? == task).then_some(())).await;
    for n in 0..100 {
        spout.send(Kind::Data, 1, n, 1000).await;
    }
    assert_eq!(bolt.read_numbers(100).await[&0], (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn plan_positions_and_totals_survive_a_kill() {
    let mut pods = Pods::start(&[(&[], &[0])]).await;
    let (mut spout, assigned) = Instance::start(&pods, 0, 1).await;
    assert_eq!(assigned.positions, BTreeMap::new());
    let splits = |n| BTreeMap::from([("a".to_owned(), n), ("b".to_owned(), 7)]);
    for n in [5, 3] {
        spout.control.send(&FromInstance::Positions { splits: splits(n) }).await.unwrap();
    }
    let file = pods.pod_dir(0).join("positions.json");
    eventually(async || std::fs::read_to_string(&file).is_ok_and(|text| text.contains("\"b\":7")))
        .await;
    pods.kill(0);
    pods.spawn(0);
    spout.closed().await;
    let (_, assigned) = Instance::start(&pods, 0, 2).await;
    assert_eq!(assigned.positions, splits(5));
    assert_eq!(assigned.restarts, 1);
}

#[tokio::test]
async fn a_life_that_is_let_in_is_on_disk() {
    let pods = Pods::start(&[(&[], &[0])]).await;
    for life in 1..10 {
        let _instance = Instance::start(&pods, 0, life).await;
        let text = std::fs::read(pods.pod_dir(0).join("totals.json")).unwrap();
        let totals: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(totals["tasks"]["0"]["wanted"], life, "{totals}");
    }
}

#[tokio::test]
async fn an_instance_that_says_goodbye_is_let_go_at_once() {
    let pods = Pods::start(&[(&[], &[0])]).await;
    let (mut spout, _) = Instance::start(&pods, 0, 1).await;
    let report = TaskReport { phase: Phase::Closed, ..TaskReport::default() };
    spout.control.send(&FromInstance::Report(Box::new(report))).await.unwrap();
    spout.control.finish();
    let why = spout.closed().await;
    assert!(why.contains("closed by peer: 0"), "{why}");
}

#[tokio::test]
async fn a_link_whose_stream_was_stopped_is_made_anew() {
    let pods = Pods::start(&[(&[], &[0]), (&[0], &[0])]).await;
    let (mut spout, _) = Instance::start(&pods, 0, 1).await;
    let (mut bolt, _) = Instance::start(&pods, 1, 1).await;
    bolt.stop_streams();
    let mut n = 0;
    eventually(async || {
        spout.send(Kind::Data, 1, n, 1000).await;
        n += 1;
        bolt.connection.close_reason().is_some()
    })
    .await;
    let (mut bolt, _) = Instance::start(&pods, 1, 1).await;
    spout.send(Kind::Data, 1, n, 1000).await;
    while bolt.read().await.base != n {}
}

#[tokio::test]
async fn a_planned_end_exits_with_zero_and_tells_everybody() {
    let mut pods = Pods::start(&[(&[], &[0])]).await;
    let (spout, _) = Instance::start(&pods, 0, 1).await;
    assert_eq!(pods.terminate(0).code(), Some(0));
    assert!(spout.closed().await.contains("goes down"));
}

#[tokio::test]
async fn a_pod_that_was_replaced_is_dialed_at_its_new_address_while_the_old_one_lives() {
    let mut pods = Pods::start(&[(&[], &[0]), (&[0], &[1])]).await;
    let (mut spout, _) = Instance::start(&pods, 0, 1).await;
    let mut first = pods.operator(0).await;
    eventually(async || first.status().await.peers_up == [PodId(1)]).await;
    pods.replace(1).await;
    pods.push(pods.plan.clone()).await;
    let (mut bolt, _) = Instance::start(&pods, 1, 2).await;
    let (scope, _) = spout.hear(loss).await;
    assert!(matches!(scope, LossScope::Link { .. } | LossScope::Pod { .. }), "{scope:?}");
    let mut second = pods.operator(1).await;
    eventually(async || second.status().await.peers_up == [PodId(0)]).await;
    spout.send(Kind::Data, 1, 7, 1000).await;
    assert_eq!(bolt.read().await.source, TaskId(0));
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_over_without_a_restart() {
    let pods = Pods::start(&[(&[], &[0])]).await;
    let (_instance, _) = Instance::start(&pods, 0, 1).await;
    let shown = async || {
        let identity = Identity::Operator { uid: UID.into() };
        let (_endpoint, connection) = pods.dial(0, &identity, ALPN_CONTROL).await;
        let chain = connection.peer_identity().unwrap();
        chain.downcast::<Vec<CertificateDer<'static>>>().unwrap()
    };
    let before = shown().await;
    pods.renew(0);
    eventually(async || shown().await != before).await;
    let status = pods.operator(0).await.status().await;
    assert!(status.tasks[0].connected && status.tasks[0].restarts == 0);
}
