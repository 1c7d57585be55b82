//! Links between real endpoints on loopback: who gets in, who does not, and how a lost peer is
//! noticed.

// Also in the fixture, which clippy does not take for a test.
#![allow(clippy::unwrap_used)]

use egret_link::{
    Admitted, Authority, Credentials, Endpoint, Error, Identity, Windows, admit, authority,
    control,
    quinn::{Connection, ConnectionError, crypto::rustls::QuicClientConfig},
    transport,
};
use egret_topology::id::{PodId, TaskId};
use egret_wire::control::{ALPN_CONTROL, ALPN_INSTANCE, ALPN_PEER, FromOperator, ToOperator};
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::time;

const UID: &str = "u-1";
const ALPNS: &[&[u8]] = &[ALPN_PEER, ALPN_INSTANCE, ALPN_CONTROL];
/// Far longer than anything here takes; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    authority: Authority,
    dir: TempDir,
}

impl World {
    fn new() -> World {
        World { authority: Authority::new(UID).unwrap(), dir: tempfile::tempdir().unwrap() }
    }

    fn dir_of(&self, identity: &Identity) -> PathBuf {
        let dir = self.dir.path().join(identity.to_dns());
        if !dir.exists() {
            let pem = self.authority.issue(identity, Duration::from_secs(3600)).unwrap();
            authority::write(&pem, &dir).unwrap();
        }
        dir
    }

    fn credentials(&self, identity: &Identity) -> Credentials {
        Credentials::load(&self.dir_of(identity)).unwrap()
    }

    fn accepting(&self, identity: &Identity) -> Endpoint {
        let credentials = self.credentials(identity);
        Endpoint::accepting(loopback(), &credentials, ALPNS, Windows::default()).unwrap()
    }

    fn dialing(&self, identity: &Identity) -> Endpoint {
        Endpoint::dialing(loopback(), &self.credentials(identity), Windows::default()).unwrap()
    }
}

fn loopback() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

fn pod(pod: u32) -> Identity {
    Identity::Pod { uid: UID.into(), pod: PodId(pod) }
}

fn task(task: u32) -> Identity {
    Identity::Task { uid: UID.into(), task: TaskId(task) }
}

fn operator() -> Identity {
    Identity::Operator { uid: UID.into() }
}

async fn admitted(endpoint: &Endpoint) -> Result<Admitted, Error> {
    let connecting = time::timeout(PATIENCE, endpoint.accept()).await.unwrap().unwrap();
    time::timeout(PATIENCE, admit(connecting)).await.unwrap()
}

/// Dials `to` as if it were `whom`. What comes of it at the dialer and at `to`.
async fn meet(
    from: &Endpoint,
    to: &Endpoint,
    whom: Identity,
    alpn: &[u8],
) -> (Result<Connection, Error>, Result<Admitted, Error>) {
    let address = to.local_address().unwrap();
    tokio::join!(from.connect(address, &whom, alpn), admitted(to))
}

#[tokio::test]
async fn both_ends_know_each_other() {
    let world = World::new();
    let manager = world.accepting(&pod(0));
    for (who, alpn) in [(pod(1), ALPN_PEER), (task(7), ALPN_INSTANCE), (operator(), ALPN_CONTROL)] {
        let dialer = world.dialing(&who);
        let (there, here) = meet(&dialer, &manager, pod(0), alpn).await;
        let (there, here) = (there.unwrap(), here.unwrap());
        assert_eq!(egret_link::identity_of(&there).unwrap(), pod(0));
        assert_eq!(egret_link::alpn_of(&there).unwrap(), [alpn, b"/1"].concat());
        assert_eq!((here.identity, here.version), (who, 1));
    }
}

#[tokio::test]
async fn a_ca_that_was_kept_speaks_for_the_same_topology() {
    let world = World::new();
    let manager = world.accepting(&pod(0));
    let restored = Authority::restore(UID, &world.authority.keep()).unwrap();
    let pem = restored.issue(&operator(), PATIENCE).unwrap();
    let credentials = Credentials::from_pem(&pem).unwrap();
    let dialer = Endpoint::dialing(loopback(), &credentials, Windows::default()).unwrap();
    let (there, here) = meet(&dialer, &manager, pod(0), ALPN_CONTROL).await;
    there.unwrap();
    assert_eq!(here.unwrap().identity, operator());
    let renewed = restored.renew(&operator(), &pem.key, PATIENCE).unwrap();
    assert_eq!(renewed.key, pem.key);
    assert_ne!(renewed.cert, pem.cert);
    Credentials::from_pem(&renewed).unwrap();
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_from_the_next_link_on() {
    let world = World::new();
    let (manager, dialer) = (world.accepting(&pod(0)), world.dialing(&pod(1)));
    let (first, admitted) = meet(&dialer, &manager, pod(0), ALPN_PEER).await;
    let (first, _admitted) = (first.unwrap(), admitted.unwrap());
    let dir = world.dir_of(&pod(0));
    assert!(!manager.renew(&dir).unwrap(), "nothing is new");
    let key = std::fs::read_to_string(dir.join("key.pem")).unwrap();
    let newer = world.authority.renew(&pod(0), &key, PATIENCE).unwrap();
    authority::write(&newer, &dir).unwrap();
    assert!(manager.renew(&dir).unwrap());
    let (second, admitted) = meet(&dialer, &manager, pod(0), ALPN_PEER).await;
    let (second, _admitted) = (second.unwrap(), admitted.unwrap());
    let shown = |connection: &Connection| {
        let identity = connection.peer_identity().unwrap();
        identity.downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>().unwrap()
    };
    assert_ne!(shown(&first), shown(&second));
    assert_eq!(first.close_reason(), None, "links that are up stay as they are");
    let foreign = world.dir_of(&pod(1));
    let error = manager.renew(&foreign).unwrap_err().to_string();
    assert!(error.contains("not for `pod-0"), "{error}");
}

#[tokio::test]
async fn one_socket_dials_and_accepts() {
    let world = World::new();
    let zero = world.accepting(&pod(0));
    let one = world.accepting(&pod(1));
    let (there, here) = meet(&zero, &one, pod(1), ALPN_PEER).await;
    there.unwrap();
    assert_eq!(here.unwrap().connection.remote_address(), zero.local_address().unwrap());
}

#[tokio::test]
async fn a_peer_of_another_ca_is_refused_by_both_sides() {
    let (world, other) = (World::new(), World::new());
    let manager = world.accepting(&pod(0));
    let stranger = other.dialing(&pod(1));
    let (there, here) = meet(&stranger, &manager, pod(0), ALPN_PEER).await;
    assert!(matches!(there, Err(Error::Connection { .. })), "{there:?}");
    assert!(here.is_err());

    // The same the other way round: a client of that other CA that trusts ours.
    let dir = other.dir_of(&pod(1));
    std::fs::copy(world.dir_of(&pod(0)).join("ca.pem"), dir.join("ca.pem")).unwrap();
    let credulous = other.dialing(&pod(1));
    let (there, here) = meet(&credulous, &manager, pod(0), ALPN_PEER).await;
    assert!(matches!(here, Err(Error::Connection { .. })), "{here:?}");
    // In TLS 1.3 the client is through before the server has seen its certificate.
    if let Ok(there) = there {
        time::timeout(PATIENCE, there.closed()).await.unwrap();
    }
}

#[tokio::test]
async fn a_peer_with_another_name_is_not_taken_for_the_one_dialed() {
    let world = World::new();
    let manager = world.accepting(&pod(0));
    let dialer = world.dialing(&pod(1));
    let (there, here) = meet(&dialer, &manager, pod(2), ALPN_PEER).await;
    let error = there.unwrap_err().to_string();
    assert!(error.contains("not valid for name"), "{error}");
    assert!(here.is_err());
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let world = World::new();
    let manager = world.accepting(&pod(0));
    let mut roots = rustls::RootCertStore::empty();
    let ca = std::fs::read(world.dir_of(&pod(0)).join("ca.pem")).unwrap();
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    roots.add(CertificateDer::from_pem_slice(&ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN_PEER.to_vec()];
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let nobody = quinn::Endpoint::client(loopback()).unwrap();
    let address = manager.local_address().unwrap();
    let dial = nobody.connect_with(config, address, &pod(0).to_dns()).unwrap();
    let (there, here) = tokio::join!(dial, admitted(&manager));
    assert!(matches!(here, Err(Error::Connection { .. })), "{here:?}");
    if let Ok(there) = there {
        let why = time::timeout(PATIENCE, there.closed()).await.unwrap();
        assert!(matches!(why, ConnectionError::ConnectionClosed(_)), "{why:?}");
    }
}

#[tokio::test]
async fn a_protocol_that_is_not_spoken_here_is_refused() {
    let world = World::new();
    let credentials = world.credentials(&pod(0));
    let manager =
        Endpoint::accepting(loopback(), &credentials, &[ALPN_PEER], Windows::default()).unwrap();
    let address = manager.local_address().unwrap();
    let dialer = world.dialing(&pod(1));
    let refused = async {
        for alpn in [b"egret-pear", ALPN_CONTROL] {
            let error = dialer.connect(address, &pod(0), alpn).await.unwrap_err().to_string();
            assert!(error.contains("doesn't support any known protocol"), "{error}");
        }
    };
    // Such attempts break before there is a handshake to complete; the next good one gets through.
    tokio::select! {
        () = refused => {}
        _ = manager.accept() => panic!("accepted"),
    }
    let (there, here) = meet(&dialer, &manager, pod(0), ALPN_PEER).await;
    assert!(there.is_ok() && here.is_ok());
}

#[tokio::test]
async fn a_task_may_not_speak_as_a_peer_nor_control() {
    let world = World::new();
    let manager = world.accepting(&pod(0));
    for (who, alpn) in [(task(1), ALPN_PEER), (task(1), ALPN_CONTROL), (pod(1), ALPN_CONTROL)] {
        let dialer = world.dialing(&who);
        let (there, here) = meet(&dialer, &manager, pod(0), alpn).await;
        assert!(matches!(here, Err(Error::NotForYou { .. })), "{here:?}");
        let why = match there {
            Ok(link) => time::timeout(PATIENCE, link.closed()).await.unwrap(),
            // Before the end of the handshake QUIC hides an application's words.
            Err(Error::Connection { source: ConnectionError::ConnectionClosed(_), .. }) => continue,
            Err(error) => panic!("{error:?}"),
        };
        assert!(matches!(why, ConnectionError::ApplicationClosed(_)), "{why:?}");
    }
}

#[tokio::test]
async fn control_messages_arrive_whole_and_in_order_in_both_directions() {
    let world = World::new();
    let manager = world.accepting(&pod(0));
    let dialer = world.dialing(&operator());
    let (there, here) = meet(&dialer, &manager, pod(0), ALPN_CONTROL).await;
    let (there, here) = (there.unwrap(), here.unwrap().connection);
    let (mut ask, mut answers) = control::open::<FromOperator, ToOperator>(&there).await.unwrap();
    // Larger than a stream's window: it takes several rounds of credit.
    let long = "x".repeat(3 * transport::STREAM_WINDOW as usize);
    let crashed =
        |task| FromOperator::Crashed { task: TaskId(task), error: format!("{task} {long}") };
    let asking = async {
        for task in 0..4 {
            ask.send(&crashed(task)).await.unwrap();
        }
        ask.finish();
        answers.recv().await.unwrap()
    };
    let answering = async {
        let (mut answer, mut asked) =
            control::accept::<ToOperator, FromOperator>(&here).await.unwrap();
        for task in 0..4 {
            assert_eq!(asked.recv().await.unwrap().unwrap(), crashed(task));
        }
        assert_eq!(asked.recv().await.unwrap(), None);
        answer.send(&ToOperator::Plan { revision: 9, refused: None }).await.unwrap();
    };
    let (answer, ()) =
        time::timeout(PATIENCE, async { tokio::join!(asking, answering) }).await.unwrap();
    assert_eq!(answer, Some(ToOperator::Plan { revision: 9, refused: None }));
}

#[tokio::test]
async fn a_receiver_that_was_cancelled_goes_on_where_it_was() {
    let world = World::new();
    let manager = world.accepting(&pod(0));
    let dialer = world.dialing(&operator());
    let (there, here) = meet(&dialer, &manager, pod(0), ALPN_CONTROL).await;
    let (there, here) = (there.unwrap(), here.unwrap().connection);
    let (mut raw, _) = there.open_bi().await.unwrap();
    let bytes = egret_wire::control::encode(&FromOperator::Status).unwrap();
    raw.write_all(&bytes[..7]).await.unwrap();
    let (_answer, mut asked) = control::accept::<ToOperator, FromOperator>(&here).await.unwrap();
    let cancelled = time::timeout(Duration::from_millis(50), asked.recv()).await;
    assert!(cancelled.is_err(), "half a message is none: {cancelled:?}");
    raw.write_all(&bytes[7..]).await.unwrap();
    assert_eq!(asked.recv().await.unwrap(), Some(FromOperator::Status));
    raw.write_all(&bytes[..7]).await.unwrap();
    raw.finish().unwrap();
    assert!(matches!(asked.recv().await, Err(Error::Malformed(_))));
}

/// A stream manager in a thread and runtime of its own, so that it can fall silent or die like a
/// process.
struct Elsewhere {
    address: SocketAddr,
    orders: mpsc::Sender<Order>,
    thread: thread::JoinHandle<()>,
}

enum Order {
    /// Do nothing any more, but keep the socket.
    FallSilent,
    /// End without a word, as a killed process does.
    Die,
}

impl Elsewhere {
    fn start(credentials: Credentials, bind: SocketAddr) -> Elsewhere {
        let (orders, ordered) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let endpoint = {
                let _inside = runtime.enter();
                Endpoint::accepting(bind, &credentials, ALPNS, Windows::default()).unwrap()
            };
            tell.send(endpoint.local_address().unwrap()).unwrap();
            let held = runtime.block_on(async {
                let mut held = Vec::new();
                loop {
                    tokio::select! {
                        Some(connecting) = endpoint.accept() => {
                            held.push(admit(connecting).await.unwrap());
                        }
                        () = time::sleep(Duration::from_millis(5)) => match ordered.try_recv() {
                            Ok(Order::FallSilent) => {
                                let _ = ordered.recv();
                                return held;
                            }
                            Ok(Order::Die) | Err(mpsc::TryRecvError::Disconnected) => return held,
                            Err(mpsc::TryRecvError::Empty) => {}
                        },
                    }
                }
            });
            // The runtime first: without it nobody can say good-bye.
            drop(runtime);
            drop(held);
            drop(endpoint);
        });
        Elsewhere { address: told.recv().unwrap(), orders, thread }
    }

    fn die(self) -> SocketAddr {
        self.orders.send(Order::Die).unwrap();
        self.thread.join().unwrap();
        self.address
    }
}

#[tokio::test]
async fn a_restarted_peer_is_noticed_at_once() {
    let world = World::new();
    let first = Elsewhere::start(world.credentials(&pod(0)), loopback());
    let dialer = world.dialing(&pod(1));
    let link = dialer.connect(first.address, &pod(0), ALPN_PEER).await.unwrap();
    let mut stream = link.open_uni().await.unwrap();
    stream.write_all(b"before").await.unwrap();
    let address = first.die();
    let second = Elsewhere::start(world.credentials(&pod(0)), address);
    assert_eq!(second.address, address);
    let restarted = Instant::now();
    // Whoever writes learns of it in one round trip, whoever is idle with the next keep-alive.
    stream.write_all(b"after").await.unwrap();
    let why = time::timeout(PATIENCE, link.closed()).await.unwrap();
    assert!(matches!(why, ConnectionError::Reset), "{why:?}");
    let took = restarted.elapsed();
    assert!(took < transport::IDLE / 2, "took {took:?}");
    dialer.connect(address, &pod(0), ALPN_PEER).await.unwrap();
}

#[tokio::test]
async fn a_peer_that_comes_up_while_it_is_dialed_is_reached_soon() {
    let world = World::new();
    let placeholder = std::net::UdpSocket::bind(loopback()).unwrap();
    let address = placeholder.local_addr().unwrap();
    let dialer = world.dialing(&pod(1));
    let zero = pod(0);
    let mut dial = Box::pin(dialer.connect(address, &zero, ALPN_PEER));
    // Long enough that the first packet is lost for sure.
    assert!(time::timeout(Duration::from_millis(20), &mut dial).await.is_err());
    drop(placeholder);
    let _manager = Elsewhere::start(world.credentials(&pod(0)), address);
    dial.await.unwrap();
}

#[tokio::test]
async fn a_process_with_another_key_cannot_reset_links() {
    let (world, other) = (World::new(), World::new());
    let first = Elsewhere::start(world.credentials(&pod(0)), loopback());
    let dialer = world.dialing(&pod(1));
    let link = dialer.connect(first.address, &pod(0), ALPN_PEER).await.unwrap();
    let address = first.die();
    let _impostor = Elsewhere::start(other.credentials(&pod(0)), address);
    let why = time::timeout(PATIENCE, link.closed()).await.unwrap();
    assert!(matches!(why, ConnectionError::TimedOut), "{why:?}");
}

#[tokio::test]
async fn a_silent_peer_is_noticed_after_three_seconds() {
    let world = World::new();
    let manager = Elsewhere::start(world.credentials(&pod(0)), loopback());
    let dialer = world.dialing(&pod(1));
    let link = dialer.connect(manager.address, &pod(0), ALPN_PEER).await.unwrap();
    manager.orders.send(Order::FallSilent).unwrap();
    let silent = Instant::now();
    let why = time::timeout(PATIENCE, link.closed()).await.unwrap();
    assert!(matches!(why, ConnectionError::TimedOut), "{why:?}");
    let took = silent.elapsed();
    assert!(took > transport::IDLE / 2 && took < transport::IDLE * 2, "took {took:?}");
    manager.die();
}

#[tokio::test]
async fn a_stream_that_is_not_read_stops_no_other() {
    let world = World::new();
    let windows = Windows::of(4, transport::STREAM_WINDOW);
    let manager =
        Endpoint::accepting(loopback(), &world.credentials(&pod(0)), ALPNS, windows).unwrap();
    let dialer = world.dialing(&pod(1));
    let (there, here) = meet(&dialer, &manager, pod(0), ALPN_PEER).await;
    let (there, here) = (there.unwrap(), here.unwrap().connection);
    let chunk = vec![7; transport::STREAM_WINDOW as usize];
    let mut stalled = Vec::new();
    for _ in 0..3 {
        let mut stream = there.open_uni().await.unwrap();
        stream.write_all(&chunk).await.unwrap();
        let full = time::timeout(Duration::from_millis(20), stream.write_all(&chunk)).await;
        assert!(full.is_err(), "a stream took more than its window");
        stalled.push((stream, here.accept_uni().await.unwrap()));
    }
    let mut free = there.open_uni().await.unwrap();
    let writing = async {
        for _ in 0..40 {
            free.write_all(&chunk).await.unwrap();
        }
        free.finish().unwrap();
    };
    let reading = async {
        let mut stream = here.accept_uni().await.unwrap();
        let all = stream.read_to_end(usize::MAX).await.unwrap();
        assert_eq!(all.len(), 40 * chunk.len());
    };
    time::timeout(PATIENCE, async { tokio::join!(writing, reading) }).await.unwrap();
}

#[tokio::test]
async fn all_streams_of_a_plan_can_be_opened_and_none_that_stalls_stops_another() {
    let world = World::new();
    let (manager, dialer) = (world.accepting(&pod(0)), world.dialing(&pod(1)));
    let chunk = vec![7; transport::STREAM_WINDOW as usize];
    // One more than a link has credit for at first; so few more that QUIC would keep it to itself.
    for streams in [65, 70] {
        let (there, here) = meet(&dialer, &manager, pod(0), ALPN_PEER).await;
        let (there, here) = (there.unwrap(), here.unwrap().connection);
        transport::widen(&here, streams);
        let passing = async {
            let mut stalled = Vec::new();
            for _ in 1..streams {
                let mut stream = there.open_uni().await.unwrap();
                stream.write_all(&chunk).await.unwrap();
                stalled.push((stream, here.accept_uni().await.unwrap()));
            }
            let mut free = there.open_uni().await.unwrap();
            free.write_all(&chunk).await.unwrap();
            let mut read = here.accept_uni().await.unwrap();
            for _ in 0..40 {
                let writing = free.write_all(&chunk);
                let mut buffer = vec![0; chunk.len()];
                let (written, got) = tokio::join!(writing, read.read_exact(&mut buffer));
                written.unwrap();
                got.unwrap();
            }
        };
        time::timeout(PATIENCE, passing).await.expect("the link has credit for all of it");
    }
}
