//! What can go wrong with a cluster, always with the component that is to blame.

use std::{io, path::PathBuf, time::Duration};

/// A cluster that did not come up, does not answer or cannot be taken down.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This machine lacks something.
    #[error("this machine cannot run a cluster: {0}")]
    Host(String),
    /// A fault that cannot be inflicted, or that something did not stand.
    #[error("{0}")]
    Fault(String),
    /// A file or directory.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    File {
        /// As an infinitive: `write`.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program that failed or took too long.
    #[error("`{command}` {how}\n{tail}")]
    Command {
        /// With arguments.
        command: String,
        /// How it ended.
        how: String,
        /// The end of what it wrote.
        tail: String,
    },
    /// Something that was waited for.
    #[error("{component}: {what} did not come true within {} s: {last}\n{tail}", limit.as_secs())]
    Late {
        /// Who is to blame.
        component: String,
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
        /// What the last look saw.
        last: String,
        /// The end of the component's log.
        tail: String,
    },
    /// A certificate.
    #[error("cannot make the certificate of {name}: {source}")]
    Certificate {
        /// Of whom.
        name: String,
        /// Why.
        source: rcgen::Error,
    },
    /// An image.
    #[error(transparent)]
    Image(#[from] egret_oci::Error),
    /// A teardown that missed something.
    #[error("the cluster is down but left behind: {0}")]
    Left(String),
    /// A question to a cluster that is not there.
    #[error("there is no cluster: set KUBECONFIG, or start one with `egret-cluster up` as root")]
    NoCluster,
}

/// What nearly everything here returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Turns an error of a file into ours.
pub(crate) fn file(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::File { action, path, source }
}
