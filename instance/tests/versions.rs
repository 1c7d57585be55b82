//! An instance and a stream manager that have no version of the protocol in common.

// Also in the fixture, which clippy does not take for a test.
#![allow(clippy::unwrap_used)]

use clap::Parser;
use egret_instance::{Registry, RunOptions};
use egret_link::{
    Authority, Credentials, Endpoint, Error, Identity, Windows, admit, authority, control,
    endpoint::close,
};
use egret_topology::id::{PodId, TaskId};
use egret_wire::{
    control::{ALPN_INSTANCE, FromInstance, ToInstance},
    version::Versions,
};
use std::{net::SocketAddr, path::Path, thread, time::Duration};
use tokio::time::timeout;

const UID: &str = "u-1";
const VALID: Duration = Duration::from_secs(3600);
/// Far longer than anything here takes; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Parser)]
struct Instance {
    #[command(flatten)]
    options: RunOptions,
}

/// Runs task 0 as a build of these versions does.
fn run(versions: Versions, manager: SocketAddr, identity: &Path) -> thread::JoinHandle<()> {
    let (manager, identity) = (manager.to_string(), identity.to_str().unwrap());
    let mut args = vec!["instance", "--topology", "t", "--uid", UID, "--task", "0", "--pod", "0"];
    args.extend(["--component", "c", "--manager", &manager, "--identity", identity]);
    let options = RunOptions { versions, ..Instance::try_parse_from(args).unwrap().options };
    thread::spawn(move || {
        // How it ends is no matter here.
        let _ = egret_instance::run(Registry::new(), options);
    })
}

/// A stream manager of pod 0, of a build of these versions.
async fn manager(authority: &Authority, versions: Versions, at: SocketAddr) -> Endpoint {
    let identity = Identity::Pod { uid: UID.into(), pod: PodId(0) };
    let pem = authority.issue(&identity, VALID).unwrap();
    let credentials = Credentials::from_pem(&pem).unwrap().speaking(versions);
    let bind = || Endpoint::accepting(at, &credentials, &[ALPN_INSTANCE], Windows::default());
    let bound = async {
        loop {
            match bind() {
                // The one before lets go of its socket when it has been told.
                Err(Error::Bind { .. }) => tokio::task::yield_now().await,
                bound => return bound.unwrap(),
            }
        }
    };
    timeout(PATIENCE, bound).await.unwrap()
}

#[tokio::test]
async fn an_instance_that_is_refused_for_its_version_tries_until_there_is_one_in_common() {
    let (one, both, two) = (Versions::new(1, 1), Versions::new(1, 2), Versions::new(2, 2));
    let (authority, dir) = (Authority::new(UID).unwrap(), tempfile::tempdir().unwrap());
    let identity = Identity::Task { uid: UID.into(), task: TaskId(0) };
    authority::write(&authority.issue(&identity, VALID).unwrap(), dir.path()).unwrap();
    let older = manager(&authority, one, ([127, 0, 0, 1], 0).into()).await;
    let address = older.local_address().unwrap();
    let instance = run(two, address, dir.path());
    for _ in 0..2 {
        let arriving = timeout(PATIENCE, older.accept()).await.unwrap().unwrap();
        let error = timeout(PATIENCE, admit(arriving)).await.unwrap().unwrap_err();
        let Error::Versions { whom, ours, theirs, .. } = error else { panic!("{error}") };
        assert_eq!((whom, ours, theirs), (identity.clone(), one, Some(two)));
    }
    older.close(close::SHUTDOWN, "another build takes its place");
    older.wait_idle().await;
    drop(older);
    let newer = manager(&authority, both, address).await;
    let arriving = timeout(PATIENCE, newer.accept()).await.unwrap().unwrap();
    let link = timeout(PATIENCE, admit(arriving)).await.unwrap().unwrap();
    assert_eq!(link.version, 2);
    let (mut sender, mut receiver) = control::accept(&link.connection).await.unwrap();
    let hello = timeout(PATIENCE, receiver.recv()).await.unwrap().unwrap();
    assert!(matches!(hello, Some(FromInstance::Hello { version: 2, .. })), "{hello:?}");
    let refused = ToInstance::Refused { why: "the test is over".to_owned(), newest: None };
    sender.send(&refused).await.unwrap();
    // The link is served meanwhile, so that it is told.
    let ended = tokio::task::spawn_blocking(|| instance.join());
    timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap();
}
