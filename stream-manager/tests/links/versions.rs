//! Stream managers and instances of builds that speak neighbouring versions of the protocol.

use crate::{
    instance::Instance,
    pods::{Component, PATIENCE, Pods, UID, eventually},
};
use egret_link::{Error, Identity, control, quinn::Connection, version_of};
use egret_topology::id::{Incarnation, PodId, TaskId};
use egret_wire::{
    control::{
        ALPN_CONTROL, ALPN_INSTANCE, ALPN_PEER, FromInstance, FromOperator, Peer, ToInstance,
        ToOperator,
    },
    header::Kind,
    preamble::Class,
    version::Versions,
};
use tokio::time::timeout;

const ONE: Versions = Versions::new(1, 1);
const BOTH: Versions = Versions::new(1, 2);
const TWO: Versions = Versions::new(2, 2);

/// A spout in pod 0 and a bolt in pod 1.
const PAIR: &[Component<'static>] = &[(&[], &[0]), (&[0], &[1])];

fn pod(pod: u32) -> Identity {
    Identity::Pod { uid: UID.into(), pod: PodId(pod) }
}

fn task(task: u32) -> Identity {
    Identity::Task { uid: UID.into(), task: TaskId(task) }
}

/// A frame as a build makes it that speaks these versions.
fn frame(from: &Instance, of: Versions, kind: Kind, to: u32, n: u64) -> Vec<u8> {
    let mut bytes = from.frame(kind, to, n, 1000);
    bytes[2] = of.of_frames();
    bytes
}

/// Links that a pod has refused, or was refused.
fn refused(pods: &Pods, pod: usize) -> f64 {
    let page = pods.get(pod, "/metrics").1;
    let counts = page.lines().find(|line| {
        line.starts_with("egret_links_closed_total{") && line.contains(r#"reason="refused""#)
    });
    counts.and_then(|line| line.rsplit(' ').next()).unwrap().parse().unwrap()
}

/// Frames of a spout and of a bolt arrive as they were made, byte for byte.
async fn carries(spout: Versions, managers: [Versions; 2], bolt: Versions) {
    let what = format!("a spout of {spout}, {managers:?}, a bolt of {bolt}");
    let pods = Pods::speaking(PAIR, &managers).await;
    let mut from = Instance::start_as(spout, &pods, 0).await;
    let mut to = Instance::start_as(bolt, &pods, 1).await;
    for n in 0..3 {
        let sent = frame(&from, spout, Kind::Data, 1, n);
        from.stream(Class::Data, 1).await.write_all(&sent).await.unwrap();
        assert_eq!(to.read_bytes().await, sent, "{what}");
        let sent = frame(&to, bolt, Kind::Ack, 0, n);
        to.stream(Class::Ack, 0).await.write_all(&sent).await.unwrap();
        assert_eq!(from.read_bytes().await, sent, "{what}");
    }
    assert_eq!([refused(&pods, 0), refused(&pods, 1)], [0.0, 0.0], "{what}");
}

#[tokio::test]
async fn a_newer_stream_manager_forwards_the_frames_of_an_older_instance_to_an_older_peer() {
    carries(ONE, [BOTH, ONE], ONE).await;
    carries(ONE, [ONE, BOTH], ONE).await;
}

#[tokio::test]
async fn builds_of_the_release_before_and_of_the_next_one_work_together_in_any_mixture() {
    carries(BOTH, [ONE, BOTH], ONE).await;
    carries(ONE, [BOTH, BOTH], BOTH).await;
    carries(BOTH, [TWO, BOTH], TWO).await;
    carries(TWO, [BOTH, TWO], BOTH).await;
    carries(TWO, [TWO, TWO], BOTH).await;
}

#[tokio::test]
async fn an_instance_without_a_version_in_common_is_refused_at_both_ends_and_counted() {
    let pods = Pods::speaking(PAIR, &[ONE, TWO]).await;
    for (at, ours, theirs) in [(0, TWO, ONE), (1, ONE, TWO)] {
        let before = refused(&pods, at);
        let dialed = pods.dial_as(ours, at, &task(at as u32), ALPN_INSTANCE).await;
        let error = dialed.err().unwrap();
        let (told, text) = (matches!(error, Error::Versions { .. }), error.to_string());
        assert!(told && text.contains(&format!("speaks {theirs} of the protocol")), "{text}");
        eventually(async || refused(&pods, at) > before).await;
    }
}

#[tokio::test]
async fn peers_without_a_version_in_common_refuse_each_other_and_both_count_it() {
    let pods = Pods::speaking(PAIR, &[ONE, TWO]).await;
    // The one with the lower index dials, again and again.
    eventually(async || refused(&pods, 0) > 1.0 && refused(&pods, 1) > 1.0).await;
    let status = pods.operator(0).await.status().await;
    assert_eq!((status.peers_up.len(), status.peers_down), (0, vec![PodId(1)]));
}

/// Why a stream manager has closed a link.
async fn closed(connection: &Connection) -> String {
    timeout(PATIENCE, connection.closed()).await.unwrap().to_string()
}

#[tokio::test]
async fn a_hello_of_another_version_than_its_link_is_refused() {
    let pods = Pods::speaking(PAIR, &[BOTH, BOTH]).await;
    let uid = || UID.to_owned();
    for (speaks, said) in [(ONE, 2), (BOTH, 1)] {
        let before = refused(&pods, 1);
        let agreed = speaks.newest();
        let why = format!("of version {said} of the protocol, its link of version {agreed}");
        let (liar, answer) = Instance::greet_as(speaks, &pods, 1, 1, |version| {
            assert_eq!(version, agreed);
            let (task, incarnation) = (TaskId(1), Incarnation(1));
            FromInstance::Hello { version: said, uid: uid(), task, incarnation, died_of: None }
        })
        .await;
        let ToInstance::Refused { why: told, newest: None } = answer else { panic!("{answer:?}") };
        assert!(told.contains(&why), "{told}");
        liar.closed().await;

        let (_endpoint, link) = pods.dial_as(speaks, 1, &pod(0), ALPN_PEER).await.unwrap();
        let (mut sender, _receiver) = control::open::<Peer, Peer>(&link).await.unwrap();
        let (pod, incarnation) = (PodId(0), Incarnation(u64::MAX));
        let hello =
            Peer::Hello { version: said, uid: uid(), pod, incarnation, revision: 1, losses: 0 };
        sender.send(&hello).await.unwrap();
        let told = closed(&link).await;
        assert!(told.contains(&why), "{told}");

        let operator = Identity::Operator { uid: uid() };
        let (_endpoint, link) = pods.dial_as(speaks, 1, &operator, ALPN_CONTROL).await.unwrap();
        assert_eq!(version_of(&link), agreed);
        let (mut sender, _receiver) = control::open::<_, ToOperator>(&link).await.unwrap();
        sender.send(&FromOperator::Hello { version: said, uid: uid() }).await.unwrap();
        let told = closed(&link).await;
        assert!(told.contains(&why), "{told}");
        eventually(async || refused(&pods, 1) == before + 3.0).await;
    }
}

#[tokio::test]
async fn a_frame_of_a_version_that_is_not_read_closes_its_link_with_words() {
    let pods = Pods::speaking(PAIR, &[ONE, ONE]).await;
    let mut spout = Instance::start_as(ONE, &pods, 0).await;
    let sent = frame(&spout, TWO, Kind::Data, 1, 0);
    spout.stream(Class::Data, 1).await.write_all(&sent).await.unwrap();
    let why = spout.closed().await;
    assert!(why.contains("of version 2 of the protocol, this end speaks version 1"), "{why}");
    assert_eq!(pods.operator(0).await.status().await.malformed, 1);
}
