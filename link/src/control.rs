//! The control stream: typed messages in both directions on the first bidirectional stream of a
//! link.
//!
//! The dialer opens it and speaks first; an acceptor sees nothing of a stream before its first
//! bytes.

use crate::{Error, transport};
use bytes::BytesMut;
use egret_wire::{Malformed, control};
use quinn::{Connection, RecvStream, SendStream};
use serde::{Serialize, de::DeserializeOwned};
use std::marker::PhantomData;

/// Bytes taken from the stream at once; most messages are far smaller.
const CHUNK: usize = 64 << 10;

/// Sends messages of type `T`.
#[derive(Debug)]
pub struct ControlSender<T> {
    stream: SendStream,
    of: PhantomData<fn(T)>,
}

/// Receives messages of type `T`.
#[derive(Debug)]
pub struct ControlReceiver<T> {
    stream: RecvStream,
    buffer: BytesMut,
    of: PhantomData<fn() -> T>,
}

/// Opens the control stream of a link that was dialed here. Nothing is sent yet.
pub async fn open<Out, In>(
    connection: &Connection,
) -> Result<(ControlSender<Out>, ControlReceiver<In>), Error> {
    pair(connection, connection.open_bi().await)
}

/// Waits for the control stream of a link that was accepted here.
pub async fn accept<Out, In>(
    connection: &Connection,
) -> Result<(ControlSender<Out>, ControlReceiver<In>), Error> {
    pair(connection, connection.accept_bi().await)
}

fn pair<Out, In>(
    connection: &Connection,
    streams: Result<(SendStream, RecvStream), quinn::ConnectionError>,
) -> Result<(ControlSender<Out>, ControlReceiver<In>), Error> {
    let peer = connection.remote_address();
    let (send, receive) = streams.map_err(|source| Error::Connection { peer, source })?;
    // Fails only if the stream is gone; then the first message says so.
    let _ = send.set_priority(transport::PRIORITY_CONTROL);
    Ok((
        ControlSender { stream: send, of: PhantomData },
        ControlReceiver { stream: receive, buffer: BytesMut::new(), of: PhantomData },
    ))
}

impl<T: Serialize> ControlSender<T> {
    /// Sends one message. Waits while the peer does not read. **Not** cancel-safe: half a message
    /// may have left, so after dropping this future the link must be closed.
    pub async fn send(&mut self, message: &T) -> Result<(), Error> {
        self.stream.write_chunk(control::encode(message)?).await?;
        Ok(())
    }

    /// No more messages will follow. Those sent still arrive, if the link lives.
    pub fn finish(&mut self) {
        // Fails only if the stream has been finished or reset already.
        let _ = self.stream.finish();
    }

    /// As [`ControlSender::finish`], and waits until the peer has everything, or never will.
    pub async fn finished(&mut self) {
        self.finish();
        // Either way nothing more can be done.
        let _ = self.stream.stopped().await;
    }
}

impl<T: DeserializeOwned> ControlReceiver<T> {
    /// The next message, or `None` when the peer has finished. Cancel-safe: usable in `select!`.
    pub async fn recv(&mut self) -> Result<Option<T>, Error> {
        loop {
            if let Some(message) = control::decode(&mut self.buffer)? {
                return Ok(Some(message));
            }
            match self.stream.read_chunk(CHUNK, true).await? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk.bytes),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(Malformed::Truncated("a control message").into()),
            }
        }
    }
}
