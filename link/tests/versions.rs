//! Builds of neighbouring versions: what they agree on, and what they say where they cannot.

// Also in the fixture, which clippy does not take for a test.
#![allow(clippy::unwrap_used)]

use egret_link::{
    Admitted, Authority, Credentials, Endpoint, Error, Identity, Windows, admit,
    quinn::{self, Connection},
    version_of,
};
use egret_topology::id::{PodId, TaskId};
use egret_wire::{
    control::{ALPN_CONTROL, ALPN_INSTANCE, ALPN_PEER},
    version::Versions,
};
use std::{net::SocketAddr, time::Duration};
use tokio::time::timeout;

const UID: &str = "u-1";
const PROTOCOLS: &[&[u8]] = &[ALPN_PEER, ALPN_INSTANCE, ALPN_CONTROL];
/// Far longer than anything here takes; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

const ONE: Versions = Versions::new(1, 1);
const BOTH: Versions = Versions::new(1, 2);
const TWO: Versions = Versions::new(2, 2);

fn pod(pod: u32) -> Identity {
    Identity::Pod { uid: UID.into(), pod: PodId(pod) }
}

/// Everybody who dials, and what.
fn dialers() -> [(Identity, &'static [u8]); 3] {
    let task = Identity::Task { uid: UID.into(), task: TaskId(7) };
    let operator = Identity::Operator { uid: UID.into() };
    [(pod(1), ALPN_PEER), (task, ALPN_INSTANCE), (operator, ALPN_CONTROL)]
}

/// What came of a link at both ends. The endpoints live as long as it.
struct Met {
    dialed: Result<Connection, Error>,
    admitted: Result<Admitted, Error>,
    _endpoints: (Endpoint, Endpoint),
}

/// A build of some versions dials the stream manager of pod 0, which is of others.
async fn meet((who, protocol): &(Identity, &[u8]), dials: Versions, accepts: Versions) -> Met {
    let authority = Authority::new(UID).unwrap();
    let credentials = |identity: &Identity, versions| {
        let pem = authority.issue(identity, Duration::from_secs(3600)).unwrap();
        Credentials::from_pem(&pem).unwrap().speaking(versions)
    };
    let (any, windows): (SocketAddr, _) = (([127, 0, 0, 1], 0).into(), Windows::default());
    let there =
        Endpoint::accepting(any, &credentials(&pod(0), accepts), PROTOCOLS, windows).unwrap();
    let here = Endpoint::dialing(any, &credentials(who, dials), windows).unwrap();
    let address = there.local_address().unwrap();
    let whom = pod(0);
    let admitted = async { admit(there.accept().await.unwrap()).await };
    let both = async { tokio::join!(here.connect(address, &whom, protocol), admitted) };
    let (dialed, admitted) = timeout(PATIENCE, both).await.unwrap();
    Met { dialed, admitted, _endpoints: (here, there) }
}

#[tokio::test]
async fn a_link_has_the_newest_version_that_both_ends_speak_whoever_dials() {
    let later = Versions::new(2, 3);
    for (dials, accepts, common) in [
        (ONE, ONE, 1),
        (ONE, BOTH, 1),
        (BOTH, ONE, 1),
        (BOTH, BOTH, 2),
        (BOTH, TWO, 2),
        (TWO, BOTH, 2),
        (BOTH, later, 2),
        (later, BOTH, 2),
    ] {
        for dialer in &dialers() {
            let met = meet(dialer, dials, accepts).await;
            let admitted = met.admitted.unwrap();
            assert_eq!(version_of(&met.dialed.unwrap()), common, "{dials} dials {accepts}");
            assert_eq!(admitted.version, common, "{dials} dials {accepts}");
            assert_eq!(admitted.identity, dialer.0);
        }
    }
}

#[tokio::test]
async fn who_has_no_version_in_common_hears_at_both_ends_who_speaks_what_and_what_to_do() {
    for (dials, accepts) in [(ONE, TWO), (TWO, ONE), (BOTH, Versions::new(3, 4))] {
        for dialer in &dialers() {
            let met = meet(dialer, dials, accepts).await;
            for (error, whom, ours, theirs) in [
                (met.dialed.unwrap_err(), &pod(0), dials, accepts),
                (met.admitted.unwrap_err(), &dialer.0, accepts, dials),
            ] {
                let text = error.to_string();
                let speaks = format!("speaks {theirs} of the protocol, this end {ours}");
                assert!(text.starts_with(&format!("`{whom}` at 127.0.0.1:")), "{text}");
                assert!(text.contains(&speaks), "{text}");
                assert!(text.contains("upgrade one release at a time"), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn an_identity_that_may_not_speak_a_protocol_may_not_do_so_without_a_version_either() {
    let task = Identity::Task { uid: UID.into(), task: TaskId(7) };
    let met = meet(&(task, ALPN_CONTROL), ONE, TWO).await;
    assert!(matches!(met.admitted, Err(Error::NotForYou { .. })), "{:?}", met.admitted);
    assert!(met.dialed.is_err());
}

/// Something that has a certificate, and stops speaking when no version was agreed on.
async fn silent(authority: &Authority, address: SocketAddr) -> (quinn::Endpoint, Connection) {
    use quinn::{crypto::rustls::QuicClientConfig, rustls};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let pem = authority.issue(&pod(1), Duration::from_secs(3600)).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.ca.as_bytes()).unwrap()).unwrap();
    let chain = CertificateDer::pem_slice_iter(pem.cert.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(pem.key.as_bytes()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    tls.alpn_protocols = vec![ALPN_PEER.to_vec()];
    let tls = std::sync::Arc::new(QuicClientConfig::try_from(tls).unwrap());
    let endpoint = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    let config = quinn::ClientConfig::new(tls);
    let connecting = endpoint.connect_with(config, address, &pod(0).to_dns()).unwrap();
    let connection = connecting.await.unwrap();
    (endpoint, connection)
}

#[tokio::test]
async fn who_does_not_tell_its_versions_is_refused_all_the_same() {
    let authority = Authority::new(UID).unwrap();
    let pem = authority.issue(&pod(0), Duration::from_secs(3600)).unwrap();
    let credentials = Credentials::from_pem(&pem).unwrap();
    let any = ([127, 0, 0, 1], 0).into();
    let there = Endpoint::accepting(any, &credentials, PROTOCOLS, Windows::default()).unwrap();
    let address = there.local_address().unwrap();
    let admitted = async { admit(there.accept().await.unwrap()).await };
    let both = async { tokio::join!(silent(&authority, address), admitted) };
    let ((_endpoint, link), admitted) = timeout(PATIENCE, both).await.unwrap();
    let error = admitted.unwrap_err().to_string();
    assert!(error.contains("speaks other versions of the protocol, this end version 1"), "{error}");
    let closed = timeout(PATIENCE, link.closed()).await.unwrap().to_string();
    assert!(closed.contains("speaks other versions"), "{closed}");
}
