//! Outgoing streams: frames from the flow into large writes.

use crate::{limits, manager::Manager};
use bytes::{Bytes, BytesMut};
use egret_flow::OutId;
use egret_link::{
    endpoint::close,
    quinn::{Connection, SendStream},
    transport::{PRIORITY_ACK, PRIORITY_DATA},
};
use egret_wire::{
    cut::Frame,
    preamble::{Class, StreamKey},
};
use std::{future::poll_fn, pin::pin, rc::Rc, task::Poll};
use tokio::sync::Notify;

/// Opens the stream and writes what the flow has for it, until its link is gone.
pub(crate) async fn run(
    manager: Rc<Manager>,
    out: OutId,
    key: StreamKey,
    connection: Connection,
    more: Rc<Notify>,
) {
    if let Some(stream) = open(&manager, out, key, &connection).await {
        write(&manager, out, key, stream, &more).await;
    }
    manager.writers.borrow_mut().remove(&out);
    // Writing fails with the connection, as a rule. If only the stream was stopped, nobody would
    // ever write it again: the link is made anew.
    connection.close(close::MALFORMED, b"a stream was stopped");
}

async fn open(
    manager: &Manager,
    out: OutId,
    key: StreamKey,
    connection: &Connection,
) -> Option<SendStream> {
    let stream = wait(manager, out, connection.open_uni()).await.ok()?;
    let priority = match key.class {
        Class::Data => PRIORITY_DATA,
        Class::Ack => PRIORITY_ACK,
    };
    // Fails only if the stream is gone; then the first write says so.
    let _ = stream.set_priority(priority);
    Some(stream)
}

async fn write(
    manager: &Rc<Manager>,
    out: OutId,
    key: StreamKey,
    mut stream: SendStream,
    more: &Notify,
) {
    let mut frames = Vec::new();
    let mut chunks = vec![Bytes::copy_from_slice(&key.encode())];
    loop {
        let now = manager.now();
        let taken = manager.flow.borrow_mut().poll_transmit(now, out, limits::WRITE, &mut frames);
        if taken == 0 {
            if manager.flow.borrow().out_stream(out).is_none() {
                return;
            }
            more.notified().await;
            continue;
        }
        manager.act();
        gather(&mut frames, &mut chunks);
        if wait(manager, out, stream.write_all_chunks(&mut chunks)).await.is_err() {
            return;
        }
        chunks.clear();
    }
}

/// Tells the flow when the transport makes us wait.
async fn wait<T>(manager: &Manager, out: OutId, transport: impl Future<Output = T>) -> T {
    let mut transport = pin!(transport);
    let first = poll_fn(|context| Poll::Ready(transport.as_mut().poll(context))).await;
    if let Poll::Ready(done) = first {
        return done;
    }
    manager.flow.borrow_mut().blocked(manager.now(), out, true);
    let done = transport.await;
    manager.flow.borrow_mut().blocked(manager.now(), out, false);
    done
}

/// The parts of all frames; small ones that follow each other become one.
fn gather(frames: &mut Vec<Frame>, chunks: &mut Vec<Bytes>) {
    let mut small = BytesMut::new();
    for part in frames.drain(..).flat_map(|frame| frame.parts) {
        if part.len() < limits::COALESCE {
            small.extend_from_slice(&part);
            continue;
        }
        if !small.is_empty() {
            chunks.push(small.split().freeze());
        }
        chunks.push(part);
    }
    if !small.is_empty() {
        chunks.push(small.freeze());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_topology::id::{Epoch, Incarnation, TaskId};
    use egret_wire::header::{HEADER, Header, Kind};

    fn frame(payload: usize) -> Frame {
        let mut header = Header::new(Kind::Data, Epoch(1), TaskId(1), Incarnation(1), TaskId(2));
        header.len = payload as u32;
        let mut bytes = header.encode().to_vec();
        bytes.resize(HEADER + payload, payload as u8);
        Frame::whole(bytes.into()).unwrap()
    }

    #[test]
    fn small_parts_are_copied_together_and_large_ones_move_untouched() {
        let mut frames: Vec<Frame> =
            [1, 2, 30_000, 3, 4, 5, 20_000, 6].into_iter().map(frame).collect();
        let whole: Vec<u8> = frames.iter().flat_map(|frame| frame.parts.concat()).collect();
        let large = frames[2].parts[0].clone();
        let mut chunks = Vec::new();
        gather(&mut frames, &mut chunks);
        assert_eq!(chunks.len(), 5);
        assert_eq!(chunks.concat(), whole);
        assert_eq!(chunks[1].as_ptr(), large.as_ptr());
    }
}
