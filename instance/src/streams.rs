//! The unidirectional streams of the link: one writer and one reader for each, as local tasks.

use crate::gateway_loop::Shared;
use bytes::Bytes;
use egret_link::{
    quinn::{self, RecvStream, SendStream},
    transport::{PRIORITY_ACK, PRIORITY_DATA},
};
use egret_wire::{
    Malformed,
    cut::Cutter,
    preamble::{Class, PREAMBLE, StreamKey},
};
use std::rc::Rc;
use tokio::sync::Notify;

/// Bytes of one write. Small writes cost many times as much per byte on every transport.
const WRITE_BYTES: usize = 64 << 10;

/// Chunks of one read.
const READ_CHUNKS: usize = 32;

/// Why a stream ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    #[error(transparent)]
    Connection(#[from] quinn::ConnectionError),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Read(#[from] quinn::ReadError),
    #[error(transparent)]
    ReadExact(#[from] quinn::ReadExactError),
    #[error(transparent)]
    Write(#[from] quinn::WriteError),
}

/// Writes what the gateway has for a stream, whenever it has something.
pub(crate) async fn write(
    shared: Rc<Shared>,
    connection: quinn::Connection,
    key: StreamKey,
    wake: Rc<Notify>,
) -> Result<(), StreamError> {
    let mut stream: SendStream = connection.open_uni().await?;
    let priority = if key.class == Class::Ack { PRIORITY_ACK } else { PRIORITY_DATA };
    let _ = stream.set_priority(priority);
    stream.write_all(&key.encode()).await?;
    let mut chunks: Vec<Bytes> = Vec::new();
    loop {
        chunks.clear();
        if shared.poll_transmit(key, WRITE_BYTES, &mut chunks) == 0 {
            wake.notified().await;
            continue;
        }
        stream.write_all_chunks(&mut chunks).await?;
    }
}

/// Reads frames from a stream while the task takes them.
pub(crate) async fn read(shared: Rc<Shared>, mut stream: RecvStream) -> Result<(), StreamError> {
    let mut preamble = [0; PREAMBLE];
    stream.read_exact(&mut preamble).await?;
    let key = StreamKey::decode(&preamble)?;
    let mut cutter = Cutter::default();
    let mut chunks = vec![Bytes::new(); READ_CHUNKS];
    loop {
        if key.class == Class::Data {
            shared.may_read().await;
        }
        let Some(count) = stream.read_chunks(&mut chunks).await? else { return Ok(()) };
        for chunk in &mut chunks[..count] {
            cutter.push(std::mem::take(chunk));
        }
        shared.handle_frames(&mut cutter)?;
    }
}
