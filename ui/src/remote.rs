//! Answers that another process on this machine gives: `egret run` answers at a socket in its run
//! directory.

use crate::{
    api::{Answer, Api, Query, Refusal},
    ask::Connection,
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{net::UnixStream, time::timeout};

/// Longer than the other side may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(12);

/// Another process that answers.
#[derive(Clone, Debug)]
pub struct Remote {
    socket: PathBuf,
}

impl Remote {
    /// Whoever listens at this socket.
    pub fn at(socket: impl Into<PathBuf>) -> Remote {
        Remote { socket: socket.into() }
    }

    /// The run directory.
    pub fn directory(&self) -> &Path {
        self.socket.parent().unwrap_or(&self.socket)
    }

    async fn ask(&self, query: &Query) -> Answer {
        let gone = |why: String| Refusal::Silent(format!("the run does not answer: {why}"));
        let stream =
            UnixStream::connect(&self.socket).await.map_err(|error| gone(error.to_string()))?;
        let mut connection = Connection::over(stream).await.map_err(gone)?;
        let (status, body) = connection.answer(&query.target()).await.map_err(gone)?;
        if status.is_success() {
            return Ok(body);
        }
        let words = serde_json::from_slice::<serde_json::Value>(&body).ok();
        let words = words.and_then(|words| words["error"].as_str().map(str::to_owned));
        let words = words.unwrap_or_else(|| status.to_string());
        Err(if status == hyper::StatusCode::NOT_FOUND {
            Refusal::Unknown(words)
        } else {
            Refusal::Silent(words)
        })
    }
}

impl Api for Remote {
    async fn answer(&self, query: Query) -> Answer {
        let answer = timeout(ANSWER_WITHIN, self.ask(&query)).await;
        answer.unwrap_or_else(|_| Err(Refusal::Silent("the run does not answer".into())))
    }
}
