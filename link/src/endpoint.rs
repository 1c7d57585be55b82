//! One UDP socket with links in both directions.

use crate::{
    Credentials, Error, Identity, Windows, transport,
    version::{self, Side},
};
use egret_wire::{
    control::{ALPN_CONTROL, ALPN_INSTANCE, ALPN_PEER},
    version::{self as names, Versions},
};
use quinn::{
    Connecting, Connection, EndpointConfig, TokioRuntime, VarInt,
    crypto::rustls::{HandshakeData, QuicClientConfig, QuicServerConfig},
};
use quinn_proto::HashedConnectionIdGenerator;
use rustls::pki_types::CertificateDer;
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Socket buffers to ask for. The default of 208 KiB drops bursts, which looks like congestion.
const SOCKET_BUFFER: usize = 4 << 20;
/// Below this a warning says which limit of the machine to raise.
const SOCKET_BUFFER_LOW: usize = 1 << 20;
/// Connections that have not been looked at yet: more than all pods and tasks of a pod at once.
const MAX_INCOMING: usize = 512;
/// Bytes kept for one of them, and for all: a handshake is below 16 KiB.
const INCOMING_BUFFER: u64 = 64 << 10;
const INCOMING_BUFFERS: u64 = 4 << 20;
/// The least time between two stateless resets. A reset is smaller than what caused it, so it
/// cannot amplify; all peers of a restarted process should hear of it at once.
const RESET_INTERVAL: Duration = Duration::from_millis(1);

/// Time for one attempt to connect. Its packets are repeated at ever longer intervals (90 ms, 180
/// ms, ...), so a fresh attempt finds a peer that is just back sooner than an old one does.
const DIAL_TIMEOUT: Duration = Duration::from_millis(1500);

/// How often the files of the certificate are looked at: it is replaced weeks before it ends.
const RENEW: Duration = Duration::from_secs(10);

/// Why a link is closed, as the peer sees it.
pub mod close {
    use quinn::VarInt;

    /// Everything has been said.
    pub const DONE: VarInt = VarInt::from_u32(0);
    /// The peer sent bytes that break the protocol.
    pub const MALFORMED: VarInt = VarInt::from_u32(1);
    /// The peer's identity may not do this.
    pub const REFUSED: VarInt = VarInt::from_u32(2);
    /// A newer link of the same peer replaces this one.
    pub const REPLACED: VarInt = VarInt::from_u32(3);
    /// The process goes down as planned.
    pub const SHUTDOWN: VarInt = VarInt::from_u32(4);
}

/// One UDP socket, from which links are dialed and, if it was made so, accepted. Cheap to clone.
#[derive(Clone)]
pub struct Endpoint {
    quinn: quinn::Endpoint,
    credentials: Credentials,
    windows: Windows,
    /// The server's settings without a transport, if it accepts.
    server: Option<quinn::ServerConfig>,
}

/// A link that somebody dials, its handshake still ahead.
#[derive(Debug)]
pub struct Arriving {
    connecting: Connecting,
    versions: Versions,
}

/// A link that was accepted, and who is at its other end.
#[derive(Debug)]
pub struct Admitted {
    /// The link.
    pub connection: Connection,
    /// The peer's identity, from its certificate.
    pub identity: Identity,
    /// The version of the protocol that both ends speak from here on.
    pub version: u8,
}

impl Endpoint {
    /// Binds a socket that dials and accepts the given protocols. Needs a tokio runtime.
    pub fn accepting(
        bind: SocketAddr,
        credentials: &Credentials,
        protocols: &[&[u8]],
        windows: Windows,
    ) -> Result<Endpoint, Error> {
        let tls = QuicServerConfig::try_from(credentials.server(protocols)?).map_err(tls)?;
        let mut server = quinn::ServerConfig::with_crypto(Arc::new(tls));
        server
            // Pods have fixed addresses; a peer that moves is another peer.
            .migration(false)
            .max_incoming(MAX_INCOMING)
            .incoming_buffer_size(INCOMING_BUFFER)
            .incoming_buffer_size_total(INCOMING_BUFFERS);
        Endpoint::bind(bind, credentials, Some(server), windows)
    }

    /// Binds a socket that only dials. Needs a tokio runtime.
    pub fn dialing(
        bind: SocketAddr,
        credentials: &Credentials,
        windows: Windows,
    ) -> Result<Endpoint, Error> {
        Endpoint::bind(bind, credentials, None, windows)
    }

    /// A socket that only dials, on any port, for links to addresses like `remote`.
    pub fn dialing_to(
        remote: SocketAddr,
        credentials: &Credentials,
        windows: Windows,
    ) -> Result<Endpoint, Error> {
        let bind = match remote.ip() {
            ip if ip.is_loopback() => SocketAddr::new(ip, 0),
            ip if ip.is_ipv4() => (Ipv4Addr::UNSPECIFIED, 0).into(),
            _ => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        Endpoint::dialing(bind, credentials, windows)
    }

    fn bind(
        address: SocketAddr,
        credentials: &Credentials,
        server: Option<quinn::ServerConfig>,
        windows: Windows,
    ) -> Result<Endpoint, Error> {
        let key = credentials.connection_id_key();
        let mut config = EndpointConfig::new(Arc::new(credentials.reset_key()));
        config
            .min_reset_interval(RESET_INTERVAL)
            .cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(key)))
            .max_udp_payload_size(transport::max_udp_payload(address.ip(), server.is_some()))
            .map_err(tls)?;
        let failed = |source| Error::Bind { address, source };
        let socket = socket(address).map_err(failed)?;
        let quinn = quinn::Endpoint::new(config, server.clone(), socket, Arc::new(TokioRuntime))
            .map_err(failed)?;
        Ok(Endpoint { quinn, credentials: credentials.clone(), windows, server })
    }

    /// The same socket under another identity, for a process that dials in the name of several. A
    /// socket of its own for each would cost megabytes of receive buffer. [`Endpoint::close`]
    /// closes the links of all.
    pub fn in_name_of(&self, credentials: &Credentials) -> Endpoint {
        Endpoint { credentials: credentials.clone(), ..self.clone() }
    }

    /// The address that the socket is bound to.
    pub fn local_address(&self) -> Result<SocketAddr, Error> {
        let address = (Ipv4Addr::UNSPECIFIED, 0).into();
        self.quinn.local_addr().map_err(|source| Error::Bind { address, source })
    }

    /// Who is at this end.
    pub fn identity(&self) -> &Identity {
        self.credentials.identity()
    }

    /// The versions of the protocol that are spoken at this end.
    pub fn versions(&self) -> Versions {
        self.credentials.versions()
    }

    /// Shows a newer certificate from `dir` from the next link on; see [`Credentials::renew`].
    pub fn renew(&self, dir: &Path) -> Result<bool, Error> {
        self.credentials.renew(dir)
    }

    /// Does so whenever there is a newer one, for as long as it is polled.
    pub async fn keep_renewed(self, dir: PathBuf) -> Infallible {
        let mut told = None;
        loop {
            tokio::time::sleep(RENEW).await;
            let (endpoint, from) = (self.clone(), dir.clone());
            // Frames do not wait for the disk.
            let renewed = tokio::task::spawn_blocking(move || endpoint.renew(&from)).await;
            let trouble = match renewed {
                Ok(Ok(false)) => None,
                Ok(Ok(true)) => {
                    tracing::info!("the certificate was renewed");
                    None
                }
                Ok(Err(error)) => Some(error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(error) = &trouble
                && told != trouble
            {
                tracing::warn!(error, "the certificate in use stays");
            }
            told = trouble;
        }
    }

    /// Dials `address` and makes sure that `whom` answers there. Gives up after 1.5 s: dial again,
    /// with a [`crate::Backoff`] between.
    pub async fn connect(
        &self,
        address: SocketAddr,
        whom: &Identity,
        protocol: &[u8],
    ) -> Result<Connection, Error> {
        let name = whom.to_dns();
        let tls = QuicClientConfig::try_from(self.credentials.client(protocol)?).map_err(tls)?;
        let mut config = quinn::ClientConfig::new(Arc::new(tls));
        config.transport_config(transport::config(&self.windows, address.ip())?);
        let connecting = self
            .quinn
            .connect_with(config, address, &name)
            .map_err(|source| Error::Dial { address, name, source })?;
        let connected = tokio::time::timeout(DIAL_TIMEOUT, connecting).await;
        let connection = connected
            .unwrap_or(Err(quinn::ConnectionError::TimedOut))
            .map_err(|source| Error::Connection { peer: address, source })?;
        if version_of(&connection) == 0 {
            let ours = self.credentials.versions();
            return Err(version::strangers(&connection, whom.clone(), ours, Side::Dialer).await);
        }
        Ok(connection)
    }

    /// The next link that somebody dials, its handshake still ahead: pass it to [`admit`] in a task
    /// of its own, so that a slow peer keeps nobody waiting. `None` after [`Endpoint::close`], or
    /// at once if this endpoint only dials. Cancel-safe.
    pub async fn accept(&self) -> Option<Arriving> {
        let server = self.server.as_ref()?;
        loop {
            let incoming = self.quinn.accept().await?;
            let peer = incoming.remote_address();
            let mut server = server.clone();
            match transport::config(&self.windows, peer.ip()) {
                Ok(transport) => server.transport_config(transport),
                Err(error) => {
                    tracing::warn!(%peer, %error, "a link was not accepted");
                    continue;
                }
            };
            match incoming.accept_with(Arc::new(server)) {
                Ok(connecting) => {
                    return Some(Arriving { connecting, versions: self.credentials.versions() });
                }
                Err(error) => tracing::debug!(%peer, %error, "a link broke before its handshake"),
            }
        }
    }

    /// Closes all links at once, and accepts no more.
    pub fn close(&self, code: VarInt, reason: &str) {
        self.quinn.close(code, reason.as_bytes());
    }

    /// Waits until the peers of closed links have been told.
    pub async fn wait_idle(&self) {
        self.quinn.wait_idle().await;
    }

    /// The endpoint below, for its statistics.
    pub fn quinn(&self) -> &quinn::Endpoint {
        &self.quinn
    }
}

/// Completes the handshake of an accepted link and says who dialed it. A peer whose identity may
/// not speak the protocol that it asked for is refused: pods speak with pods, tasks with their
/// stream manager as instances, and only the operator controls.
pub async fn admit(arriving: Arriving) -> Result<Admitted, Error> {
    let Arriving { connecting, versions } = arriving;
    let peer = connecting.remote_address();
    let connection = connecting.await.map_err(|source| Error::Connection { peer, source })?;
    let admitted = identity_of(&connection).and_then(|identity| {
        let alpn = alpn_of(&connection).unwrap_or_default();
        let own = match identity {
            Identity::Operator { .. } => ALPN_CONTROL,
            Identity::Pod { .. } => ALPN_PEER,
            Identity::Task { .. } => ALPN_INSTANCE,
        };
        if names::parse(&alpn).0 == own {
            return Ok(identity);
        }
        Err(Error::NotForYou { identity, alpn: String::from_utf8_lossy(&alpn).into_owned() })
    });
    match (admitted, version_of(&connection)) {
        (Ok(identity), 0) => {
            Err(version::strangers(&connection, identity, versions, Side::Acceptor).await)
        }
        (Ok(identity), version) => Ok(Admitted { connection, identity, version }),
        (Err(error), _) => {
            connection.close(close::REFUSED, error.to_string().as_bytes());
            Err(error)
        }
    }
}

/// The version of the protocol that both ends of a link speak. A link that [`Endpoint::connect`] or
/// [`admit`] has let through has one; 0 is none.
pub fn version_of(connection: &Connection) -> u8 {
    alpn_of(connection).and_then(|alpn| names::parse(&alpn).1).unwrap_or(0)
}

/// The identity in the certificate of the other end.
pub fn identity_of(connection: &Connection) -> Result<Identity, Error> {
    let chain = connection
        .peer_identity()
        .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok());
    let leaf = chain.as_ref().and_then(|chain| chain.first());
    identity_in(leaf.ok_or_else(|| Error::Identity("the peer shows no certificate".into()))?)
}

/// The protocol that both ends agreed on.
pub fn alpn_of(connection: &Connection) -> Option<Vec<u8>> {
    connection.handshake_data()?.downcast::<HandshakeData>().ok()?.protocol
}

/// The one identity in a certificate.
pub(crate) fn identity_in(cert: &CertificateDer<'_>) -> Result<Identity, Error> {
    let cert = webpki::EndEntityCert::try_from(cert)
        .map_err(|error| Error::Identity(format!("the certificate does not parse: {error}")))?;
    let mut names = cert.valid_dns_names();
    match (names.next(), names.next()) {
        (Some(name), None) => Identity::parse(name),
        (None, _) => Err(Error::Identity("the certificate names nobody".into())),
        (Some(_), Some(_)) => Err(Error::Identity("the certificate names several".into())),
    }
}

fn socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    // Best effort: the kernel grants what it may, and the sizes are read back below.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    let (receive, send) = (socket.recv_buffer_size()?, socket.send_buffer_size()?);
    if receive.min(send) < SOCKET_BUFFER_LOW {
        tracing::warn!(
            receive,
            send,
            wanted = SOCKET_BUFFER,
            "small UDP buffers cost throughput; raise net.core.rmem_max and net.core.wmem_max"
        );
    }
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn tls(error: impl ToString) -> Error {
    Error::Tls(error.to_string())
}
