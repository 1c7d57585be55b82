//! `egret ui`: a page that shows a running topology, on this machine or on a cluster.

pub(crate) mod find;
pub(crate) mod look;

use clap::Args;
use egret_process::Exit;
use egret_ui::{
    api::Api,
    server::{self, Listener},
};
use find::{Place, Which};
use std::{
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

/// Where the page is served if nobody says otherwise, and nobody else is there.
pub(crate) const PORT: u16 = 4741;

/// Show a running topology as a page in the browser
///
/// A run on this machine, else a topology on the cluster. The page changes nothing; it is served
/// to this machine only, unless told otherwise.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  egret ui                          the run on this machine
  egret ui word-count
  egret ui word-count --namespace prod --listen 127.0.0.1:8080")]
pub(crate) struct Options {
    #[command(flatten)]
    which: Which,

    /// Address to serve the page at; by default port 4741 of loopback, or any if that is taken.
    /// Whoever reaches it sees what flows through the topology
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

pub(crate) fn main(options: &Options) -> Exit {
    find::with(&options.which, async |place| match place {
        Place::Here(remote) => serve(options.listen, remote).await,
        #[cfg(feature = "cluster")]
        Place::Cluster(live) => serve(options.listen, *live).await,
    })
}

async fn serve(listen: Option<SocketAddr>, api: impl Api) -> Exit {
    let (listener, address) = match open(listen).await {
        Ok(opened) => opened,
        Err(why) => {
            eprintln!("error: {why}");
            return Exit::Failed;
        }
    };
    // Whoever closed the pipe knows where the page is.
    let _ = writeln!(io::stdout(), "the page is at http://{address}/ until you press Ctrl-C");
    if let Some(warning) = exposed(address) {
        eprintln!("{warning}");
    }
    server::serve(listener, Arc::new(api)).await;
    Exit::Ok
}

/// Opens the port that is asked for; else the usual one, or any if that is taken.
pub(crate) async fn open(asked: Option<SocketAddr>) -> Result<(Listener, SocketAddr), String> {
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let opened = match asked {
        Some(asked) => server::listen(asked).await,
        None => match server::listen(loopback(PORT)).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                server::listen(loopback(0)).await
            }
            opened => opened,
        },
    };
    opened.map_err(|error| {
        let address = asked.unwrap_or_else(|| loopback(PORT));
        format!("cannot serve the page at {address}: {error}")
    })
}

/// What to say to who serves it to others as well.
pub(crate) fn exposed(address: SocketAddr) -> Option<String> {
    let others = !address.ip().is_loopback();
    others.then(|| {
        format!("warning: whoever reaches {address} sees logs and tuples: there is no password")
    })
}
