//! One request with spans over HTTP.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{HeaderMap, Request, StatusCode, Uri, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use std::{fmt::Display, time::Duration};
use tokio::net::TcpStream;

/// Bytes of an answer that are read: a few words at most.
const ANSWER: usize = 64 << 10;

/// Letters of an answer that are shown.
const SHOWN: usize = 200;

/// Why spans were not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// They may be taken later.
    Later {
        why: String,
        /// When, if the endpoint says so.
        after: Option<Duration>,
    },
    /// They never will be.
    Refused(String),
}

/// Posts a body of JSON and returns the answer's.
pub(super) async fn post(uri: &Uri, headers: &HeaderMap, body: Bytes) -> Result<Bytes, Failed> {
    let later = |why: &dyn Display| Failed::Later { why: why.to_string(), after: None };
    let host = uri.host().unwrap_or_default();
    let address = (host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80));
    let stream = TcpStream::connect(address).await.map_err(|error| later(&error))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| later(&error))?;
    // It ends with the answer.
    let connection = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::post(path)
        .header(header::HOST, uri.authority().map_or(host, |authority| authority.as_str()))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        .body(Full::new(body))
        .map_err(|error| Failed::Refused(error.to_string()))?;
    request.headers_mut().extend(headers.clone());
    let response = sender.send_request(request).await.map_err(|error| later(&error))?;
    let (status, after) = (response.status(), retry_after(response.headers()));
    let body = Limited::new(response.into_body(), ANSWER).collect().await;
    connection.abort();
    let body = body.map_or_else(|_| Bytes::new(), |body| body.to_bytes());
    judge(status, after, body)
}

/// By OTLP's table of what may be tried again.
fn judge(status: StatusCode, after: Option<Duration>, body: Bytes) -> Result<Bytes, Failed> {
    if status.is_success() {
        return Ok(body);
    }
    let shown: String = String::from_utf8_lossy(&body).chars().take(SHOWN).collect();
    let why = format!("it answers {status}: {}", shown.trim().escape_debug());
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Err(Failed::Later { why, after }),
        _ => Err(Failed::Refused(why)),
    }
}

/// Seconds; a date counts as nothing said.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let says = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            judge(status, Some(Duration::from_secs(3)), Bytes::from_static(b"no\n"))
        };
        assert_eq!(says(200), Ok(Bytes::from_static(b"no\n")));
        for status in [429, 502, 503, 504] {
            let Err(Failed::Later { why, after }) = says(status) else { panic!("{status}") };
            assert!(why.contains("no"), "{why}");
            assert_eq!(after, Some(Duration::from_secs(3)));
        }
        for status in [301, 400, 401, 404, 413, 500] {
            assert!(matches!(says(status), Err(Failed::Refused(_))), "{status}");
        }
    }
}
