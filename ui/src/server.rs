//! HTTP for one browser or a few: the page, and the three questions of [`crate::api`].
//!
//! Read-only, and for whoever can reach it: by default that is this machine. Nothing that is
//! served may load, run or send anything elsewhere.

mod guard;
mod page;

use crate::api::{Answer, Api, Query, Refusal};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header, header::HeaderValue,
    server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::Semaphore,
    time,
};

/// Connections at once: a browser opens six for a page.
const CONNECTIONS: usize = 32;
/// Time for a request's headers, and how long a connection may be idle.
const IDLE: Duration = Duration::from_secs(30);
/// Bytes of a request's headers. Browsers send one or two KiB.
const HEADERS: usize = 16 << 10;
/// Pause after an error of `accept`, which mostly means too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where it is served.
pub enum Listener {
    /// To whoever reaches an address.
    Tcp(TcpListener),
    /// To whoever may open a socket file.
    Unix(UnixListener),
}

/// Serves until the process ends.
pub async fn serve(listener: Listener, api: Arc<impl Api>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Whoever comes when all places are taken waits in the kernel's backlog.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = match &listener {
            Listener::Tcp(tcp) => tcp.accept().await.map(|(stream, _)| {
                // Small answers go out at once.
                let _ = stream.set_nodelay(true);
                tokio::spawn(converse(stream, api.clone(), place))
            }),
            Listener::Unix(unix) => unix
                .accept()
                .await
                .map(|(stream, _)| tokio::spawn(converse(stream, api.clone(), place))),
        };
        if accepted.is_err() {
            time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

async fn converse<S, A: Api>(stream: S, api: Arc<A>, place: tokio::sync::OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let api = api.clone();
        async move { Ok::<_, Infallible>(respond(&*api, &request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    // What a connection dies of is its client's business.
    drop((served as Result<(), hyper::Error>, place));
}

/// An answer before it has headers.
struct Reply {
    status: StatusCode,
    kind: &'static str,
    body: Bytes,
}

async fn respond(api: &impl Api, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let text = |status, words: &str| Reply {
        status,
        kind: "text/plain; charset=utf-8",
        body: Bytes::from(format!("{words}\n")),
    };
    let path = request.uri().path();
    let reply = if let Err(why) = guard::check(request.headers(), path.starts_with("/api/")) {
        text(StatusCode::FORBIDDEN, why)
    } else if request.method() != Method::GET && request.method() != Method::HEAD {
        text(StatusCode::METHOD_NOT_ALLOWED, "nothing can be changed here: only GET")
    } else if let Some(query) = Query::parse(path, request.uri().query().unwrap_or_default()) {
        match query {
            Ok(query) => answered(api.answer(query).await),
            Err(refusal) => answered(Err(refusal)),
        }
    } else if let Some((kind, body)) = page::file(path) {
        Reply { status: StatusCode::OK, kind, body: Bytes::from_static(body) }
    } else {
        text(StatusCode::NOT_FOUND, "there is nothing here; the page is at /")
    };
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.kind));
    for (name, value) in guard::HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn answered(answer: Answer) -> Reply {
    let kind = "application/json";
    match answer {
        Ok(body) => Reply { status: StatusCode::OK, kind, body },
        Err(refusal) => {
            let status = match refusal {
                Refusal::Unknown(_) => StatusCode::NOT_FOUND,
                Refusal::Silent(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            let body = serde_json::json!({"error": refusal.words()}).to_string();
            Reply { status, kind, body: Bytes::from(body) }
        }
    }
}

/// Listens at an address of this machine, and says at which one.
pub async fn listen(address: SocketAddr) -> io::Result<(Listener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((Listener::Tcp(listener), address))
}
