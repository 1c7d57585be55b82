//! What can go wrong on the way to a link.

use crate::Identity;
use egret_wire::version::Versions;
use std::{io, net::SocketAddr, path::PathBuf};

/// What can go wrong on the way to a link.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The CA could not make a certificate.
    #[error("cannot make a certificate for `{name}`: {why}")]
    Authority {
        /// Whom it was for.
        name: String,
        /// What the certificate library says.
        why: String,
    },
    /// The socket cannot be had.
    #[error("cannot bind the UDP socket {address}: {source}")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the kernel says.
        source: io::Error,
    },
    /// The connection broke, or never came about.
    #[error("the link with {peer} is gone: {source}")]
    Connection {
        /// The other end.
        peer: SocketAddr,
        /// What QUIC says.
        source: quinn::ConnectionError,
    },
    /// Certificate and key are there, but not usable.
    #[error("{}: {why}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// No attempt to connect could be made.
    #[error("cannot dial `{name}` at {address}: {source}")]
    Dial {
        /// Where.
        address: SocketAddr,
        /// Whom.
        name: String,
        /// What QUIC says.
        source: quinn::ConnectError,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// A certificate does not carry exactly one identity.
    #[error("no identity of this protocol: {0}")]
    Identity(String),
    /// The peer sent bytes that are no control message.
    #[error(transparent)]
    Malformed(#[from] egret_wire::Malformed),
    /// The identity may not use the protocol that it asked for.
    #[error("`{identity}` may not speak `{alpn}`")]
    NotForYou {
        /// Who asked.
        identity: Identity,
        /// For what.
        alpn: String,
    },
    /// The control stream can no longer be read.
    #[error("the control stream cannot be read: {0}")]
    Read(#[from] quinn::ReadError),
    /// The TLS library refuses the settings.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
    /// The other end speaks no version of the protocol that this end speaks.
    #[error(
        "`{whom}` at {peer} speaks {} of the protocol, this end {ours}, and so they cannot work \
         together: upgrade one release at a time, all of a topology before the next",
        theirs.map_or_else(|| "other versions".to_owned(), |theirs| theirs.to_string())
    )]
    Versions {
        /// Who it is.
        whom: Identity,
        /// The other end.
        peer: SocketAddr,
        /// What this end speaks.
        ours: Versions,
        /// What the other end speaks, if it has said so in time.
        theirs: Option<Versions>,
    },
    /// The control stream can no longer be written.
    #[error("the control stream cannot be written: {0}")]
    Write(#[from] quinn::WriteError),
}
