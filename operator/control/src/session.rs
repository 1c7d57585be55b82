//! The link of one stream manager, made again and again.

use crate::pending::{Pending, Request};
use egret_link::{Backoff, Endpoint, Identity, control, endpoint::close, version_of};
use egret_topology::id::PodId;
use egret_wire::control::{ALPN_CONTROL, FromOperator, ToOperator};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time,
};

/// Time for the answer to the hello; a stream manager that is up answers within milliseconds.
const HELLO_TIMEOUT: Duration = Duration::from_secs(3);

/// How the link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Up, and greeted.
    Up,
    /// Not up, and why.
    Down(String),
}

/// What the task of one stream manager works with.
pub(crate) struct Session {
    pub(crate) endpoint: Endpoint,
    pub(crate) uid: String,
    pub(crate) pod: PodId,
    pub(crate) address: watch::Receiver<SocketAddr>,
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) state: watch::Sender<State>,
    pub(crate) pending: Pending,
}

/// Why a session goes on to its next link, or not.
enum Turn {
    /// The link broke or could not be made; wait before the next.
    Broken(String),
    /// The address changed.
    Moved,
    /// No handle is left.
    Unwanted,
}

type Streams = (
    egret_link::quinn::Connection,
    egret_link::ControlSender<FromOperator>,
    egret_link::ControlReceiver<ToOperator>,
);

impl Session {
    /// Runs until no handle is left.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::new(self.pod.0.into());
        loop {
            let turn = match self.greeted().await {
                Ok(streams) => {
                    backoff.reset();
                    self.state.send_replace(State::Up);
                    self.converse(streams).await
                }
                Err(turn) => turn,
            };
            match turn {
                Turn::Unwanted => return,
                Turn::Moved => {
                    backoff.reset();
                    self.state.send_replace(State::Down("the address changed".into()));
                }
                Turn::Broken(why) => {
                    tracing::debug!(pod = self.pod.0, why, "no control link");
                    self.state.send_replace(State::Down(why));
                    let pause = time::sleep(backoff.delay());
                    if let Err(Turn::Unwanted) = self.meanwhile(pause).await {
                        return;
                    }
                }
            }
        }
    }

    /// Makes a link and exchanges hellos.
    async fn greeted(&mut self) -> Result<Streams, Turn> {
        let (endpoint, uid, pod) = (self.endpoint.clone(), self.uid.clone(), self.pod);
        let address = *self.address.borrow_and_update();
        let greeting = async move {
            let whom = Identity::Pod { uid: uid.clone(), pod };
            let connection = endpoint.connect(address, &whom, ALPN_CONTROL).await?;
            let (mut send, mut receive) = control::open(&connection).await?;
            let version = version_of(&connection);
            send.send(&FromOperator::Hello { version, uid }).await?;
            let hello = receive.recv().await?;
            Ok::<_, egret_link::Error>(((connection, send, receive), hello))
        };
        let greeted = self.meanwhile(time::timeout(HELLO_TIMEOUT, greeting)).await?;
        match greeted {
            Ok(Ok((streams, Some(ToOperator::Hello { pod, revision, .. })))) if pod == self.pod => {
                self.pending.handle_connected(revision);
                Ok(streams)
            }
            Ok(Ok(((connection, ..), other))) => {
                connection.close(close::MALFORMED, b"expected the hello of another pod");
                Err(Turn::Broken(format!("{address} answered the hello with {other:?}")))
            }
            Ok(Err(error)) => {
                if matches!(error, egret_link::Error::Versions { .. }) {
                    tracing::warn!("link refused: {error}");
                }
                Err(Turn::Broken(error.to_string()))
            }
            Err(_) => Err(Turn::Broken(format!("{address} did not answer the hello"))),
        }
    }

    /// Sends what is pending and takes answers until the link breaks.
    async fn converse(&mut self, (connection, mut send, mut receive): Streams) -> Turn {
        loop {
            while let Some(message) = self.pending.poll_send() {
                if let Err(error) = send.send(&message).await {
                    return Turn::Broken(error.to_string());
                }
            }
            tokio::select! {
                answer = receive.recv() => match answer {
                    Ok(Some(answer)) => self.pending.handle_answer(answer),
                    Ok(None) => return Turn::Broken("the stream manager has hung up".into()),
                    Err(error) => return Turn::Broken(broken(&connection, &error)),
                },
                request = self.requests.recv() => match request {
                    Some(request) => self.pending.add(request),
                    None => {
                        connection.close(close::DONE, b"done");
                        return Turn::Unwanted;
                    }
                },
                _ = self.address.changed() => {
                    connection.close(close::DONE, b"the address changed");
                    return Turn::Moved;
                }
            }
        }
    }

    /// Takes requests in while something else goes on, until the address changes or no handle is
    /// left.
    async fn meanwhile<T>(&mut self, what: impl Future<Output = T>) -> Result<T, Turn> {
        tokio::pin!(what);
        loop {
            tokio::select! {
                done = &mut what => return Ok(done),
                request = self.requests.recv() => match request {
                    Some(request) => self.pending.add(request),
                    None => return Err(Turn::Unwanted),
                },
                changed = self.address.changed() => {
                    return Err(if changed.is_ok() { Turn::Moved } else { Turn::Unwanted });
                }
            }
        }
    }
}

/// A link that was closed says why better than its streams do.
fn broken(connection: &egret_link::quinn::Connection, error: &egret_link::Error) -> String {
    match connection.close_reason() {
        Some(reason) => reason.to_string(),
        None => {
            connection.close(close::MALFORMED, b"malformed");
            error.to_string()
        }
    }
}
