//! The links that are up, and the control messages that wait for them.

use crate::limits;
use egret_flow::{Link, LinkId};
use egret_link::{ControlSender, endpoint::close, quinn::Connection};
use egret_topology::{
    id::{PodId, TaskId},
    plan::PlanIndex,
};
use egret_wire::control::{Peer, ToInstance};
use serde::Serialize;
use std::{cell::RefCell, collections::BTreeMap};
use tokio::sync::mpsc::{self, error::TrySendError};

/// Control messages on their way to one link.
#[derive(Clone)]
pub(crate) enum Queue {
    Instance(mpsc::Sender<ToInstance>),
    Peer(mpsc::Sender<Peer>),
}

/// A link that is up.
#[derive(Clone)]
pub(crate) struct Attached {
    pub(crate) link: LinkId,
    pub(crate) connection: Connection,
    pub(crate) queue: Queue,
}

/// A peer that hears of losses from the moment at which its hello was written, so that no number is
/// missed between the hello and the end of the handshake.
struct Listener {
    id: u64,
    connection: Connection,
    queue: mpsc::Sender<Peer>,
}

#[derive(Default)]
pub(crate) struct Links {
    up: RefCell<BTreeMap<Link, Attached>>,
    listeners: RefCell<Vec<Listener>>,
}

/// Ends the listening when it is dropped.
pub(crate) struct Listening<'a> {
    links: &'a Links,
    id: u64,
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.links.listeners.borrow_mut().retain(|listener| listener.id != self.id);
    }
}

impl Links {
    /// Returns the link that was there before.
    pub(crate) fn attach(&self, link: Link, attached: Attached) -> Option<Attached> {
        self.up.borrow_mut().insert(link, attached)
    }

    /// Returns the link, unless another life has taken its place.
    pub(crate) fn detach(&self, id: LinkId) -> Option<(Link, Attached)> {
        let mut up = self.up.borrow_mut();
        let link = up.iter().find(|(_, attached)| attached.link == id).map(|(link, _)| *link)?;
        up.remove(&link).map(|gone| (link, gone))
    }

    pub(crate) fn connection(&self, link: Link) -> Option<(LinkId, Connection)> {
        let up = self.up.borrow();
        up.get(&link).map(|attached| (attached.link, attached.connection.clone()))
    }

    pub(crate) fn connections(&self) -> Vec<(Link, Connection)> {
        let up = self.up.borrow();
        up.iter().map(|(link, attached)| (*link, attached.connection.clone())).collect()
    }

    /// Tasks whose instances are up.
    pub(crate) fn instances(&self) -> Vec<TaskId> {
        let task = |link: &Link| match link {
            Link::Instance(task) => Some(*task),
            Link::Peer(_) => None,
        };
        self.up.borrow().keys().filter_map(task).collect()
    }

    /// Peers that are up.
    pub(crate) fn peers(&self) -> Vec<PodId> {
        let pod = |link: &Link| match link {
            Link::Peer(pod) => Some(*pod),
            Link::Instance(_) => None,
        };
        self.up.borrow().keys().filter_map(pod).collect()
    }

    /// Returns false if the instance's queue is full; then its link is closed.
    pub(crate) fn to_instance(&self, task: TaskId, message: ToInstance) -> bool {
        match self.up.borrow().get(&Link::Instance(task)) {
            Some(Attached { queue: Queue::Instance(queue), connection, .. }) => {
                push(queue, connection, message)
            }
            _ => true,
        }
    }

    /// Returns false if the peer's queue is full; then its link is closed.
    pub(crate) fn to_peer(&self, pod: PodId, message: Peer) -> bool {
        match self.up.borrow().get(&Link::Peer(pod)) {
            Some(Attached { queue: Queue::Peer(queue), connection, .. }) => {
                push(queue, connection, message)
            }
            _ => true,
        }
    }

    /// From now on the queue gets every loss that is announced.
    pub(crate) fn listen(
        &self,
        connection: &Connection,
        queue: mpsc::Sender<Peer>,
    ) -> Listening<'_> {
        let mut listeners = self.listeners.borrow_mut();
        let id = listeners.last().map_or(0, |last| last.id + 1);
        listeners.push(Listener { id, connection: connection.clone(), queue });
        Listening { links: self, id }
    }

    /// Sends a loss to all peers.
    pub(crate) fn announce(&self, loss: &Peer) {
        for listener in self.listeners.borrow().iter() {
            push(&listener.queue, &listener.connection, loss.clone());
        }
    }
}

fn push<T>(queue: &mpsc::Sender<T>, connection: &Connection, message: T) -> bool {
    match queue.try_send(message) {
        Err(TrySendError::Full(_)) => {
            connection.close(close::REFUSED, b"control messages are not taken");
            false
        }
        Ok(()) | Err(TrySendError::Closed(_)) => true,
    }
}

/// A queue of control messages, and the task that writes them.
pub(crate) fn queue<T: Serialize + 'static>(mut control: ControlSender<T>) -> mpsc::Sender<T> {
    let (sender, mut receiver) = mpsc::channel(limits::CONTROL_QUEUE);
    tokio::task::spawn_local(async move {
        while let Some(message) = receiver.recv().await {
            if control.send(&message).await.is_err() {
                return;
            }
        }
        control.finish();
    });
    sender
}

/// Incoming streams that a link needs under a plan.
pub(crate) fn streams(plan: &PlanIndex, link: Link) -> u32 {
    let tasks = &plan.plan().tasks;
    let count = match link {
        // One per destination, and one per task whose roots it can meet.
        Link::Instance(task) => {
            let data: usize = plan.task(task).map_or(0, |planned| {
                plan.downstream(planned.component).iter().map(|edge| edge.tasks.len()).sum()
            });
            data + tasks.iter().filter(|root| plan.reaches(root.id, task)).count()
        }
        // Data and acks for each of our tasks, whose number is at most that of all.
        Link::Peer(_) => 2 * tasks.len(),
    };
    count as u32
}
