//! The admin endpoint: `/metrics`, `/live`, `/ready`, and nothing else.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};
use tokio::{net::TcpStream, sync::Semaphore, time};

/// Connections at once: a scraper or two, the probes, and somebody who looks.
const CONNECTIONS: usize = 16;
/// Time for the request's headers: probes give up after a second.
const HEADER_TIMEOUT: Duration = Duration::from_secs(2);
/// Time for one connection, so that a reader who does not read frees its place.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after an error of `accept`, which mostly means too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const _: () = assert!(HEADER_TIMEOUT.as_millis() < CONNECTION_TIMEOUT.as_millis());

/// What the admin endpoint tells. Called on its thread, so that it answers when the main loop does
/// not.
pub trait Admin: Send + Sync + 'static {
    /// All metrics in Prometheus' text format, or why there are none now.
    fn metrics(&self) -> Result<String, String>;
    /// Whether the process should go on living: false if only a restart helps.
    fn live(&self) -> bool;
    /// Whether the process does its work, else why not.
    fn ready(&self) -> Result<(), String>;
}

/// Serves `admin` on a thread of its own until the process ends. Returns the address that was
/// bound.
pub fn serve(bind: SocketAddr, admin: Arc<dyn Admin>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(bind)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("admin".into()).spawn(move || {
        runtime.block_on(async move {
            if let Err(error) = accept(listener, admin).await {
                tracing::error!(%error, "the admin endpoint is gone");
            }
        });
    })?;
    Ok(address)
}

async fn accept(listener: TcpListener, admin: Arc<dyn Admin>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Whoever comes when all places are taken waits in the kernel's backlog.
        let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
        match listener.accept().await {
            Ok((stream, _)) => {
                let admin = admin.clone();
                tokio::spawn(async move {
                    // What a connection dies of is its client's business.
                    let _ = time::timeout(CONNECTION_TIMEOUT, converse(stream, &*admin)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "the admin endpoint did not accept");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, admin: &dyn Admin) -> Result<(), hyper::Error> {
    let answer = service_fn(|request: Request<Incoming>| {
        let response = answer(admin, request.method(), request.uri().path());
        async move { Ok::<_, Infallible>(response) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        // One request each: an idle scraper holds no place.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer)
        .await
}

fn answer(admin: &dyn Admin, method: &Method, path: &str) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
    let (status, kind, body) = match path {
        "/metrics" | "/live" | "/ready" if method != Method::GET => {
            (StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET\n".to_owned())
        }
        "/metrics" => match admin.metrics() {
            Ok(page) => (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", page),
            // A page of before would pass for one of now.
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("no metrics: {why}\n")),
        },
        "/live" if admin.live() => (StatusCode::OK, TEXT, "live\n".to_owned()),
        "/live" => (StatusCode::SERVICE_UNAVAILABLE, TEXT, "not live\n".to_owned()),
        "/ready" => match admin.ready() {
            Ok(()) => (StatusCode::OK, TEXT, "ready\n".to_owned()),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("not ready: {why}\n")),
        },
        _ => (StatusCode::NOT_FOUND, TEXT, "there is /metrics, /live and /ready\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, header::HeaderValue::from_static("GET"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    struct Fixed(bool);

    impl Admin for Fixed {
        fn metrics(&self) -> Result<String, String> {
            if self.0 { Ok("egret_up 1\n".into()) } else { Err("it hangs".into()) }
        }
        fn live(&self) -> bool {
            self.0
        }
        fn ready(&self) -> Result<(), String> {
            if self.0 { Ok(()) } else { Err("no plan yet".into()) }
        }
    }

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(stream, "{request} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    fn serve_on_loopback(well: bool) -> SocketAddr {
        serve(([127, 0, 0, 1], 0).into(), Arc::new(Fixed(well))).unwrap()
    }

    #[test]
    fn it_serves_metrics_and_health_and_nothing_else() {
        let address = serve_on_loopback(true);
        let metrics = ask(address, "GET /metrics");
        assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
        assert!(metrics.ends_with("\r\n\r\negret_up 1\n"), "{metrics}");
        for (request, status) in [
            ("GET /live", "200"),
            ("GET /ready", "200"),
            ("GET /", "404"),
            ("GET /metrics/x", "404"),
            ("POST /metrics", "405"),
            ("POST /x", "404"),
        ] {
            let response = ask(address, request);
            assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {response}");
        }
    }

    #[test]
    fn it_says_why_it_is_not_ready() {
        let address = serve_on_loopback(false);
        assert!(ask(address, "GET /live").starts_with("HTTP/1.1 503"));
        let ready = ask(address, "GET /ready");
        assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("no plan yet"), "{ready}");
        let metrics = ask(address, "GET /metrics");
        assert!(metrics.starts_with("HTTP/1.1 503") && metrics.contains("it hangs"), "{metrics}");
    }

    #[test]
    fn silent_clients_do_not_keep_others_out_for_long() {
        let address = serve_on_loopback(true);
        let silent: Vec<_> =
            (0..CONNECTIONS + 4).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        assert!(ask(address, "GET /live").starts_with("HTTP/1.1 200"));
        drop(silent);
    }
}
