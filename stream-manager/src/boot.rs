//! The start of one life: what an earlier one left, the socket, the address.

use crate::{files, limits, manager::Manager, options::Options, plans};
use egret_flow::{Flow, Limits};
use egret_link::{Credentials, Endpoint, Identity, Windows};
use egret_process::{orphan::Orphaned, write_atomically};
use egret_wire::control::{ALPN_CONTROL, ALPN_INSTANCE, ALPN_PEER};
use std::{fs, io, net::SocketAddr, path::PathBuf, rc::Rc, time::Duration};

/// Why a stream manager cannot work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The admin endpoint cannot be had.
    #[error("cannot serve metrics and probes at {address}: {source}")]
    Admin {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the kernel says.
        source: io::Error,
    },
    /// The certificate is another's.
    #[error("the certificate is for `{got}`, not for `{expected}`: give --dir of this pod")]
    ForeignIdentity {
        /// Whom the certificate names.
        got: Identity,
        /// Whom the arguments name.
        expected: Identity,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// No credentials, or no socket.
    #[error(transparent)]
    Link(#[from] egret_link::Error),
    /// The parent is gone.
    #[error(transparent)]
    Orphaned(#[from] Orphaned),
    /// The runtime or its signal handlers cannot be had.
    #[error("cannot start the runtime: {0}")]
    Runtime(io::Error),
}

/// File that tells others where to dial.
pub(crate) const ADDRESS: &str = "address";
/// File that tells others where metrics and probes are.
pub(crate) const ADMIN_ADDRESS: &str = "admin-address";

pub(crate) async fn start(options: Options) -> Result<Rc<Manager>, Error> {
    let credentials = Credentials::load(&options.dir.join("identity"))?;
    let credentials = credentials.speaking(options.versions);
    let expected = Identity::Pod { uid: options.uid.clone(), pod: options.pod };
    if *credentials.identity() != expected {
        return Err(Error::ForeignIdentity { got: credentials.identity().clone(), expected });
    }
    let endpoint = bind(&options, &credentials).await?;
    let left = files::load(&options);
    let incarnation = left.next_incarnation(options.birth);
    let limits = Limits::default();
    let mut flow = Flow::new(options.pod, incarnation, left.reborn, limits);
    if let Some(plan) = left.plan {
        plans::follow_log_level(plan.plan());
        match flow.set_plan(0, plan) {
            Ok(_) => tracing::info!("the plan of the last life is in force again"),
            Err(error) => tracing::warn!("the plan of the last life is of no use: {error}"),
        }
    }
    for (task, totals) in &left.totals {
        if let Some(life) = totals.newest() {
            flow.remember(*task, life);
        }
    }
    let manager = Manager::new(options, incarnation, endpoint, flow, left.totals, left.positions);
    manager.dirty.set(true);
    // The next life must know of this one, however early this one ends.
    files::save(&manager).await;
    Ok(manager)
}

/// The port of the last life if there was one: peers and instances know it.
async fn bind(options: &Options, credentials: &Credentials) -> Result<Endpoint, Error> {
    let alpns = [ALPN_PEER, ALPN_INSTANCE, ALPN_CONTROL];
    let last = fs::read_to_string(options.dir.join(ADDRESS));
    let last = last.ok().and_then(|text| text.trim().parse::<SocketAddr>().ok());
    let address = match last {
        Some(last) if options.listen.port() == 0 && last.ip() == options.listen.ip() => last,
        _ => options.listen,
    };
    let deadline = tokio::time::Instant::now() + limits::REBIND;
    loop {
        match Endpoint::accepting(address, credentials, &alpns, Windows::default()) {
            Ok(endpoint) => return Ok(endpoint),
            Err(error) if tokio::time::Instant::now() > deadline => return Err(error.into()),
            Err(error) => {
                tracing::warn!("{error}; trying again");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Tells where to dial, once everything is ready to answer.
pub(crate) async fn publish_address(manager: &Manager) -> Result<(), Error> {
    let address = manager.endpoint.local_address()?;
    publish(manager, ADDRESS, address)?;
    tracing::info!(%address, "links are accepted");
    Ok(())
}

pub(crate) fn publish(manager: &Manager, file: &str, address: SocketAddr) -> Result<(), Error> {
    let path = manager.options.dir.join(file);
    write_atomically(&path, address.to_string().as_bytes())
        .map_err(|source| Error::File { path, source })
}
