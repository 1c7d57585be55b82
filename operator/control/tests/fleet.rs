//! A fleet of small fake stream managers, over real links.

// Also in the fixture, which clippy does not take for a test.
#![allow(clippy::unwrap_used)]

use egret_control::{Error, Fleet, Manager};
use egret_link::{
    Authority, Credentials, Endpoint, Identity, Windows, admit, authority, control, endpoint::close,
};
use egret_topology::{
    id::{Epoch, Incarnation, PodId, TaskId},
    plan::{Delivery, PhysicalPlan},
};
use egret_wire::{
    control::{ALPN_CONTROL, FromOperator, PodStatus, ToOperator},
    limits::VERSIONS,
    version::Versions,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinHandle, time};

const UID: &str = "u-1";
/// Far longer than anything here takes; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(20);
/// For answers that never come.
const SHORT: Duration = Duration::from_millis(100);

struct World {
    authority: Authority,
    dir: TempDir,
}

impl World {
    fn new() -> World {
        World { authority: Authority::new(UID).unwrap(), dir: tempfile::tempdir().unwrap() }
    }

    fn credentials(&self, identity: &Identity) -> Credentials {
        let dir = self.dir.path().join(identity.to_dns());
        if !dir.exists() {
            let pem = self.authority.issue(identity, PATIENCE).unwrap();
            authority::write(&pem, &dir).unwrap();
        }
        Credentials::load(&dir).unwrap()
    }

    fn operator(&self) -> Endpoint {
        self.operator_of(VERSIONS)
    }

    /// That of a build that speaks these versions.
    fn operator_of(&self, versions: Versions) -> Endpoint {
        let credentials = self.credentials(&Identity::Operator { uid: UID.into() });
        let credentials = credentials.speaking(versions);
        Endpoint::dialing(loopback(), &credentials, Windows::default()).unwrap()
    }

    fn manager(&self, pod: u32, bind: SocketAddr) -> Fake {
        let identity = Identity::Pod { uid: UID.into(), pod: PodId(pod) };
        let endpoint = Endpoint::accepting(
            bind,
            &self.credentials(&identity),
            &[ALPN_CONTROL],
            Windows::default(),
        )
        .unwrap();
        let address = endpoint.local_address().unwrap();
        let (tell, heard) = mpsc::unbounded_channel();
        let task = tokio::spawn(fake(endpoint.clone(), PodId(pod), tell));
        Fake { address, endpoint, heard, task }
    }
}

fn loopback() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// Takes every plan of an even revision over, refuses the others, and answers with its revision.
struct Fake {
    address: SocketAddr,
    endpoint: Endpoint,
    heard: mpsc::UnboundedReceiver<FromOperator>,
    task: JoinHandle<()>,
}

impl Fake {
    async fn hears(&mut self) -> FromOperator {
        time::timeout(PATIENCE, self.heard.recv()).await.unwrap().unwrap()
    }

    /// Ends, and frees its port.
    async fn die(self) -> SocketAddr {
        let Fake { address, endpoint, task, .. } = self;
        endpoint.close(close::SHUTDOWN, "dies");
        task.await.unwrap();
        endpoint.wait_idle().await;
        drop(endpoint);
        // The socket is freed when the endpoint's own task has seen that nobody holds it.
        let free = async {
            while std::net::UdpSocket::bind(address).is_err() {
                tokio::task::yield_now().await;
            }
        };
        time::timeout(PATIENCE, free).await.unwrap();
        address
    }
}

async fn fake(endpoint: Endpoint, pod: PodId, heard: mpsc::UnboundedSender<FromOperator>) {
    let mut revision = 0;
    while let Some(connecting) = endpoint.accept().await {
        let link = admit(connecting).await.unwrap().connection;
        let Ok((mut answer, mut asked)) = control::accept::<ToOperator, FromOperator>(&link).await
        else {
            continue;
        };
        while let Ok(Some(message)) = asked.recv().await {
            let said = match &message {
                FromOperator::Hello { .. } => {
                    Some(ToOperator::Hello { pod, incarnation: Incarnation(1), revision })
                }
                FromOperator::Plan(plan) if plan.revision % 2 == 0 => {
                    revision = plan.revision;
                    Some(ToOperator::Plan { revision, refused: None })
                }
                FromOperator::Plan(plan) => {
                    let refused = Some("odd".into());
                    Some(ToOperator::Plan { revision: plan.revision, refused })
                }
                FromOperator::Status => {
                    let status = PodStatus { pod, revision, ..PodStatus::default() };
                    Some(ToOperator::Status(Box::new(status)))
                }
                FromOperator::Crashed { .. } | FromOperator::Positions { .. } => None,
            };
            heard.send(message).unwrap();
            if let Some(said) = said
                && answer.send(&said).await.is_err()
            {
                break;
            }
        }
    }
}

fn plan(revision: u64) -> Arc<PhysicalPlan> {
    Arc::new(PhysicalPlan {
        topology: "t".into(),
        uid: UID.into(),
        revision,
        epoch: Epoch(1),
        state: Default::default(),
        delivery: Delivery::AtLeastOnce,
        max_pending: 1,
        message_timeout_ms: 1,
        edge_key: 0,
        log_levels: Default::default(),
        tracing: None,
        rolling: Default::default(),
        restarted_at: None,
        max_rates: Default::default(),
        max_tries: Default::default(),
        components: Vec::new(),
        pods: Vec::new(),
        tasks: Vec::new(),
    })
}

#[tokio::test]
async fn a_plan_reaches_all_pods_and_their_statuses_come_back() {
    let world = World::new();
    let fleet = Fleet::new(world.operator(), UID);
    let fakes: Vec<_> = (0..3).map(|pod| world.manager(pod, loopback())).collect();
    for (pod, fake) in (0..).zip(&fakes) {
        fleet.set_address(PodId(pod), fake.address);
    }
    let pods = [PodId(0), PodId(1), PodId(2)];
    let pushed = fleet.push(&plan(2), PATIENCE).await;
    assert_eq!((pushed.accepted.as_slice(), pushed.failed.as_slice()), (&pods[..], &[][..]));
    let statuses = fleet.statuses(PATIENCE).await;
    assert_eq!(statuses.pods.iter().map(|status| status.pod).collect::<Vec<_>>(), pods);
    assert!(statuses.pods.iter().all(|status| status.revision == 2));
}

#[tokio::test]
async fn a_pod_that_does_not_answer_is_named_and_keeps_nobody_waiting() {
    let world = World::new();
    let fleet = Fleet::new(world.operator(), UID);
    let fake = world.manager(0, loopback());
    let deaf = std::net::UdpSocket::bind(loopback()).unwrap();
    fleet.set_address(PodId(0), fake.address);
    fleet.set_address(PodId(1), deaf.local_addr().unwrap());
    fleet.manager(PodId(0)).unwrap().status(PATIENCE).await.unwrap();
    let statuses = fleet.statuses(SHORT).await;
    assert_eq!(statuses.pods.len(), 1);
    let [(pod, error)] = &statuses.failed[..] else { panic!("{statuses:?}") };
    assert_eq!(*pod, PodId(1));
    assert!(matches!(error, Error::Silent { .. }), "{error}");
    assert!(error.to_string().contains("pod 1 did not answer within 100ms (not connected"));
}

#[tokio::test]
async fn a_refused_plan_says_why() {
    let world = World::new();
    let fake = world.manager(0, loopback());
    let manager = Manager::connect(world.operator(), UID, PodId(0), fake.address);
    let error = manager.push(plan(3), PATIENCE).await.unwrap_err();
    assert_eq!(error, Error::Refused { pod: PodId(0), why: "odd".into() });
    manager.push(plan(4), PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_restarted_stream_manager_gets_the_plan_again_by_itself() {
    let world = World::new();
    let fake = world.manager(0, loopback());
    let manager = Manager::connect(world.operator(), UID, PodId(0), fake.address);
    manager.push(plan(2), PATIENCE).await.unwrap();
    let address = fake.die().await;
    // Asked while nobody is there, answered when somebody is again.
    let (asking, mut second) = {
        let manager = manager.clone();
        let asking = tokio::spawn(async move { manager.status(PATIENCE).await });
        (asking, world.manager(0, address))
    };
    assert!(matches!(second.hears().await, FromOperator::Hello { .. }));
    assert!(matches!(second.hears().await, FromOperator::Plan(plan) if plan.revision == 2));
    assert_eq!(asking.await.unwrap().unwrap().revision, 2);
    assert!(manager.connected());
}

#[tokio::test]
async fn a_moved_stream_manager_is_found_at_its_new_address() {
    let world = World::new();
    let (first, second) = (world.manager(0, loopback()), world.manager(0, loopback()));
    let manager = Manager::connect(world.operator(), UID, PodId(0), first.address);
    manager.push(plan(2), PATIENCE).await.unwrap();
    manager.set_address(second.address);
    manager.push(plan(4), PATIENCE).await.unwrap();
    drop(first);
    assert_eq!(manager.status(PATIENCE).await.unwrap().revision, 4);
}

#[tokio::test]
async fn a_crash_reported_while_the_link_is_down_arrives_later() {
    let world = World::new();
    let address = world.manager(0, loopback()).die().await;
    let manager = Manager::connect(world.operator(), UID, PodId(0), address);
    manager.crashed(TaskId(5), "no such file".into()).unwrap();
    assert!(manager.status(SHORT).await.is_err());
    let mut fake = world.manager(0, address);
    let crashed = loop {
        if let FromOperator::Crashed { task, error } = fake.hears().await {
            break (task, error);
        }
    };
    assert_eq!(crashed, (TaskId(5), "no such file".into()));
}

#[tokio::test]
async fn the_link_closes_with_the_last_handle() {
    let world = World::new();
    let fake = world.manager(0, loopback());
    let operator = world.operator();
    let manager = Manager::connect(operator.clone(), UID, PodId(0), fake.address);
    manager.status(PATIENCE).await.unwrap();
    drop(manager);
    time::timeout(PATIENCE, operator.wait_idle()).await.unwrap();
    time::timeout(PATIENCE, fake.endpoint.wait_idle()).await.unwrap();
}

#[tokio::test]
async fn an_operator_of_the_next_release_speaks_as_the_stream_managers_of_this_one_do() {
    let world = World::new();
    let next = Versions::new(VERSIONS.newest(), VERSIONS.newest() + 1);
    let fleet = Fleet::new(world.operator_of(next), UID);
    let mut fake = world.manager(0, loopback());
    fleet.set_address(PodId(0), fake.address);
    let pushed = fleet.push(&plan(2), PATIENCE).await;
    assert_eq!(pushed.accepted, [PodId(0)]);
    let FromOperator::Hello { version, .. } = fake.hears().await else { panic!("no hello") };
    assert_eq!(version, VERSIONS.newest());
}

#[tokio::test]
async fn a_stream_manager_without_a_version_in_common_is_named_with_what_it_speaks() {
    let world = World::new();
    let strange = Versions::new(VERSIONS.newest() + 1, VERSIONS.newest() + 1);
    let fleet = Fleet::new(world.operator_of(strange), UID);
    let pod = Identity::Pod { uid: UID.into(), pod: PodId(0) };
    let credentials = world.credentials(&pod);
    let manager =
        Endpoint::accepting(loopback(), &credentials, &[ALPN_CONTROL], Windows::default()).unwrap();
    fleet.set_address(PodId(0), manager.local_address().unwrap());
    let expected = format!("speaks {VERSIONS} of the protocol, this end {strange}");
    let refused = async {
        while let Some(arriving) = manager.accept().await {
            assert!(matches!(admit(arriving).await, Err(egret_link::Error::Versions { .. })));
        }
    };
    let told = async {
        loop {
            let statuses = fleet.statuses(SHORT).await;
            let [(_, error)] = &statuses.failed[..] else { panic!("{statuses:?}") };
            if error.to_string().contains(&expected) {
                return;
            }
        }
    };
    tokio::select! {
        () = refused => panic!("nobody dials"),
        told = time::timeout(PATIENCE, told) => told.unwrap(),
    }
}
