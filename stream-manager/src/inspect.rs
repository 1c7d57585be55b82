//! The inspect endpoint: what the pod does, for `egret ui` and `egret top` (design section 7).
//!
//! Read-only HTTP on the pod's loopback, to be reached by port-forward; in a local run on a socket
//! file in the run directory. Nothing depends on it: where it cannot be had, it is gone without.

use crate::{limits, manager::Manager, profile::Refused};
use bytes::Bytes;
use egret_topology::plan::PhysicalPlan;
use egret_wire::inspect::{EdgeKey, Look};
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde_json::Value;
use std::{
    convert::Infallible, fmt, net::SocketAddr, path::PathBuf, rc::Rc, str::FromStr, sync::Arc,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_local,
    time::sleep,
};

/// Where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// An address, which should be one of loopback.
    Address(SocketAddr),
    /// A socket file.
    File(PathBuf),
    /// Nowhere.
    Off,
}

impl FromStr for At {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<At, Self::Err> {
        match text {
            "off" => Ok(At::Off),
            path if path.contains('/') => Ok(At::File(path.into())),
            address => address.parse().map(At::Address),
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Address(address) => address.fmt(f),
            At::File(path) => path.display().fmt(f),
            At::Off => f.write_str("off"),
        }
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Serves until the process ends.
pub(crate) async fn serve(manager: Rc<Manager>) {
    let at = manager.options.inspect.clone();
    let listener = match &at {
        At::Off => return,
        At::Address(address) => TcpListener::bind(address).await.map(Listener::Tcp),
        At::File(path) => {
            // An earlier life has left it.
            let _ = std::fs::remove_file(path);
            UnixListener::bind(path).map(Listener::Unix)
        }
    };
    let listener = match listener {
        Ok(listener) => listener,
        Err(error) => {
            tracing::info!("nobody can look into this pod: cannot listen at {at}: {error}");
            return;
        }
    };
    let places = Arc::new(Semaphore::new(limits::INSPECTORS));
    loop {
        // Whoever comes when all places are taken waits in the kernel's backlog.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let manager = manager.clone();
        let accepted = match &listener {
            Listener::Tcp(tcp) => {
                tcp.accept().await.map(|(stream, _)| converse(stream, manager, place))
            }
            Listener::Unix(unix) => {
                unix.accept().await.map(|(stream, _)| converse(stream, manager, place))
            }
        };
        if accepted.is_err() {
            sleep(limits::ACCEPT_PAUSE).await;
        }
    }
}

fn converse<S>(stream: S, manager: Rc<Manager>, place: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    spawn_local(async move {
        let service = service_fn(|request: Request<Incoming>| {
            let manager = manager.clone();
            async move { Ok::<_, Infallible>(respond(&manager, &request).await) }
        });
        // What a connection dies of is its client's business.
        let _ = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::INSPECTOR_IDLE)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        drop(place);
    });
}

async fn respond(manager: &Manager, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let (status, body) = match answer(manager, request).await {
        Ok(body) => (StatusCode::OK, body),
        Err((status, words)) => (status, format!("{words}\n").into()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = if status == StatusCode::OK { "application/json" } else { "text/plain" };
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

async fn answer(manager: &Manager, request: &Request<Incoming>) -> Result<Vec<u8>, Refused> {
    let no = |status, words: &str| Err((status, words.to_owned()));
    if request.method() != Method::GET {
        return no(StatusCode::METHOD_NOT_ALLOWED, "only GET");
    }
    // A page of a browser may be led here by a name of its own.
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if !host.is_some_and(is_ours) {
        return no(StatusCode::FORBIDDEN, "the host is not localhost");
    }
    let now = manager.now();
    let query = request.uri().query().unwrap_or_default();
    match request.uri().path() {
        "/look" => json(&Look {
            status: manager.status(),
            edges: manager.tap.counts(now),
            errors: manager.errors(),
        }),
        "/plan" => match manager.plan() {
            Some(plan) => json(&shown(plan.plan())),
            None => no(StatusCode::SERVICE_UNAVAILABLE, "there is no plan yet"),
        },
        "/samples" => match edge(query) {
            Some(edge) => json(&manager.tap.samples(now, edge)),
            None => no(StatusCode::BAD_REQUEST, "from, stream and to are numbers"),
        },
        "/profile" => json(&manager.profile(query).await?),
        _ => no(StatusCode::NOT_FOUND, "there is /look, /plan, /profile and /samples"),
    }
}

/// `localhost` or its address, with or without a port.
fn is_ours(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name == "127.0.0.1"
}

fn json(of: &impl Serialize) -> Result<Vec<u8>, Refused> {
    let words = || "the answer cannot be written".to_owned();
    let failed = |_| (StatusCode::INTERNAL_SERVER_ERROR, words());
    serde_json::to_vec(of).map_err(failed)
}

/// Without what may be secret: what users configure, and the key of edge ids.
fn shown(plan: &PhysicalPlan) -> PhysicalPlan {
    let mut plan = plan.clone();
    plan.edge_key = 0;
    plan.components.iter_mut().for_each(|component| component.config = Value::Null);
    plan.rolling.others.iter_mut().for_each(|other| other.definition.config = Value::Null);
    plan
}

/// `from=0&stream=0&to=1`.
fn edge(query: &str) -> Option<EdgeKey> {
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    Some(EdgeKey {
        from: value("from")?.parse().ok()?,
        stream: value("stream")?.parse().ok()?,
        to: value("to")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_three_numbers() {
        let expected = EdgeKey { from: 1, stream: 2, to: 30 };
        assert_eq!(edge("to=30&from=1&stream=2"), Some(expected));
        for wrong in ["", "from=1&to=2", "from=a&stream=0&to=1", "from=1&stream=-1&to=2"] {
            assert_eq!(edge(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_who_means_this_machine_is_answered() {
        assert!(["localhost", "localhost:4740", "127.0.0.1:4740"].into_iter().all(is_ours));
        assert!(!["", "evil.example", "localhost.evil.example:80"].into_iter().any(is_ours));
    }

    #[test]
    fn it_listens_at_an_address_or_a_file_or_not_at_all() {
        for text in ["127.0.0.1:4740", "/run/x/inspect.sock", "off"] {
            assert_eq!(text.parse::<At>().unwrap().to_string(), text);
        }
        assert!("localhost".parse::<At>().is_err());
    }
}
