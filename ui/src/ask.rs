//! A question over a stream that is there already: HTTP, one answer of bounded size at a time.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request,
    client::conn::http1::{SendRequest, handshake},
    header,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinHandle,
};

/// Bytes of an answer: a pod with hundreds of tasks and all their histograms stays below.
const ANSWER: usize = 32 << 20;

/// A connection to somebody who answers.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    driver: JoinHandle<()>,
}

impl Connection {
    /// Speaks HTTP over a stream.
    pub async fn over<S>(stream: S) -> Result<Connection, String>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let shaken = handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|error| error.to_string())?;
        let driver = tokio::spawn(async move {
            // What it dies of, the question that waits for it says.
            let _ = connection.await;
        });
        Ok(Connection { sender, driver })
    }

    /// Asks; an answer that is no success is an error with its words.
    pub async fn get(&mut self, target: &str) -> Result<Bytes, String> {
        let (status, body) = self.answer(target).await?;
        if status.is_success() {
            return Ok(body);
        }
        Err(format!("{status}: {}", String::from_utf8_lossy(&body).trim()))
    }

    /// Asks; the status of the answer and its body.
    pub async fn answer(&mut self, target: &str) -> Result<(hyper::StatusCode, Bytes), String> {
        let words = |error: &dyn std::error::Error| error.to_string();
        self.sender.ready().await.map_err(|error| words(&error))?;
        let request = Request::get(target).header(header::HOST, "localhost").body(Empty::new());
        let request = request.map_err(|error| words(&error))?;
        let answered = self.sender.send_request(request).await.map_err(|error| words(&error))?;
        let status = answered.status();
        let body = Limited::new(answered.into_body(), ANSWER).collect().await;
        Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
