//! Incoming streams: bytes into frames, frames into the flow.

use crate::{
    limits,
    manager::{Manager, Waiter},
};
use bytes::Bytes;
use egret_flow::{InId, LinkId};
use egret_link::{
    Identity,
    quinn::{Connection, ReadExactError, RecvStream},
};
use egret_topology::plan::PlanIndex;
use egret_wire::{
    Malformed,
    cut::{Cutter, Frame},
    preamble::{PREAMBLE, StreamKey},
};
use std::{rc::Rc, time::SystemTime};
use tokio::sync::Notify;

/// Accepts the streams of a link until it is gone.
pub(crate) async fn accept(
    manager: Rc<Manager>,
    link: LinkId,
    connection: Connection,
    from: Identity,
) {
    while let Ok(stream) = connection.accept_uni().await {
        let reader = Reader {
            manager: manager.clone(),
            link,
            connection: connection.clone(),
            from: from.clone(),
            stream,
        };
        tokio::task::spawn_local(reader.run());
    }
}

struct Reader {
    manager: Rc<Manager>,
    link: LinkId,
    connection: Connection,
    from: Identity,
    stream: RecvStream,
}

impl Reader {
    async fn run(mut self) {
        let mut preamble = [0; PREAMBLE];
        match self.stream.read_exact(&mut preamble).await {
            Ok(()) => {}
            Err(ReadExactError::FinishedEarly(_)) => {
                return self.offended(&Malformed::Truncated("a preamble"));
            }
            Err(ReadExactError::ReadError(_)) => return,
        }
        let key = match StreamKey::decode(&preamble) {
            Ok(key) => key,
            Err(error) => return self.offended(&error),
        };
        let opened = self.manager.flow.borrow_mut().open_in(self.link, key);
        let id = match opened {
            Ok(id) => id,
            Err(why) => return self.manager.violated(&self.from, &self.connection, why),
        };
        let waiter = Waiter { link: self.link, notify: Rc::new(Notify::new()) };
        self.manager.readers.borrow_mut().insert(id, waiter.clone());
        self.read(id, &waiter.notify).await;
        self.manager.readers.borrow_mut().remove(&id);
        self.manager.flow.borrow_mut().close_in(id);
    }

    async fn read(&mut self, id: InId, room: &Notify) {
        let mut cutter = Cutter::speaking(self.manager.endpoint.versions());
        let mut chunks: [Bytes; limits::READ_CHUNKS] = std::array::from_fn(|_| Bytes::new());
        loop {
            while !self.manager.flow.borrow().may_read(id) {
                if self.manager.flow.borrow().in_stream(id).is_none() {
                    return;
                }
                room.notified().await;
            }
            match self.stream.read_chunks(&mut chunks).await {
                Ok(Some(count)) => {
                    for chunk in &mut chunks[..count] {
                        cutter.push(std::mem::take(chunk));
                    }
                }
                Ok(None) if cutter.is_at_boundary() => return,
                Ok(None) => return self.offended(&Malformed::Truncated("a frame")),
                Err(_) => return,
            }
            if !self.hand_over(id, &mut cutter) {
                return;
            }
        }
    }

    /// Whole frames to the flow, then one round of effects for all of them. False: nothing more may
    /// come.
    fn hand_over(&self, id: InId, cutter: &mut Cutter) -> bool {
        let now = self.manager.now();
        let mut flow = self.manager.flow.borrow_mut();
        let broken = loop {
            match cutter.next() {
                Ok(None) => break None,
                Ok(Some(frame)) => {
                    if self.manager.tap.is_on() {
                        self.show(now, flow.plan(), &frame);
                    }
                    if let Err(why) = flow.handle_frame(now, id, frame) {
                        drop(flow);
                        self.manager.violated(&self.from, &self.connection, why);
                        self.manager.act();
                        return false;
                    }
                }
                Err(error) => break Some(error),
            }
        };
        drop(flow);
        self.manager.act();
        if let Some(error) = &broken {
            self.offended(error);
        }
        broken.is_none()
    }

    /// To whoever looks: frames of this pod's own instances, so that each is seen once.
    #[cold]
    fn show(&self, now: u64, plan: Option<&PlanIndex>, frame: &Frame) {
        if matches!(self.from, Identity::Task { .. }) {
            let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let wall_ms = wall.map_or(0, |since| since.as_millis() as u64);
            self.manager.tap.see(now, wall_ms, plan, frame);
        }
    }

    fn offended(&self, why: &Malformed) {
        self.manager.offended(&self.from, &self.connection, why);
    }
}
