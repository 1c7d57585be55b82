//! The link between two stream managers, dialed by the one with the lower index.

use crate::{
    accept::{Greeted, another_version},
    limits,
    links::{self, Attached, Listening, Queue},
    manager::{Manager, bump},
    reader,
};
use egret_flow::Link;
use egret_link::{
    Backoff, ControlReceiver, ControlSender, Error, Identity, control, endpoint::close,
    quinn::Connection, version_of,
};
use egret_topology::id::{Incarnation, PodId};
use egret_wire::control::{ALPN_PEER, Peer};
use std::{net::SocketAddr, rc::Rc};
use tokio::{sync::mpsc, task::spawn_local, time::timeout};

/// What a peer's hello says.
struct Hello {
    incarnation: Incarnation,
    revision: u64,
    losses: u64,
}

/// Keeps a link to a pod for as long as the plan has it.
pub(crate) async fn dial(manager: Rc<Manager>, pod: PodId) {
    let mut backoff = Backoff::new(manager.incarnation.0 ^ u64::from(pod.0));
    let whom = Identity::Pod { uid: manager.options.uid.clone(), pod };
    while let Some(address) = address(&manager, pod) {
        let moved = moved(&manager, pod, address);
        tokio::pin!(moved);
        let connected = tokio::select! {
            connected = manager.endpoint.connect(address, &whom, ALPN_PEER) => connected,
            () = &mut moved => continue,
        };
        match connected {
            Ok(connection) => {
                let linked = dialed(&manager, &connection, &whom, pod);
                tokio::pin!(linked);
                let up = tokio::select! {
                    up = &mut linked => up,
                    () = &mut moved => {
                        // The life before may be alive for a while; what counts is its successor.
                        connection.close(close::REPLACED, b"the pod is replaced");
                        linked.await;
                        continue;
                    }
                };
                // A link that came up was a success; one that is refused at once is not.
                if up {
                    backoff.reset();
                }
                connection.close(close::DONE, b"");
            }
            Err(error) => unlinked(&manager, pod, &error),
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.delay()) => {}
            () = &mut moved => {}
        }
    }
    manager.dialed.borrow_mut().remove(&pod);
}

/// An attempt to link has failed: as a rule because the other end is not there yet.
fn unlinked(manager: &Manager, pod: PodId, error: &Error) {
    if matches!(error, Error::Versions { .. }) {
        bump(&manager.tally.refused);
        tracing::warn!(pod = pod.0, "link refused: {error}");
    } else {
        tracing::debug!(pod = pod.0, "no link yet: {error}");
    }
}

/// Where the plan in force has a pod.
fn address(manager: &Manager, pod: PodId) -> Option<SocketAddr> {
    let plan = manager.plan()?;
    plan.plan().pods.get(pod.0 as usize).map(|planned| planned.address)
}

/// Waits until the plan has the pod elsewhere, or no longer at all.
async fn moved(manager: &Manager, pod: PodId, from: SocketAddr) {
    let mut revision = manager.revision.subscribe();
    while address(manager, pod) == Some(from) {
        if revision.changed().await.is_err() {
            return;
        }
    }
}

/// Returns whether the link came up.
async fn dialed(
    manager: &Rc<Manager>,
    connection: &Connection,
    peer: &Identity,
    pod: PodId,
) -> bool {
    let (sender, mut receiver) = match control::open(connection).await {
        Ok(streams) => streams,
        Err(error) => {
            manager.control_failed(peer, connection, &error);
            return false;
        }
    };
    let ups = |manager: &Manager| manager.flow.borrow().ups(Link::Peer(pod));
    let before = ups(manager);
    let (queue, listening) = greet(manager, connection, sender);
    match timeout(limits::HELLO, hello(&mut receiver, manager, connection, pod)).await {
        Ok(Ok(Ok(hello))) => {
            serve(manager, connection, peer, pod, hello, queue, &mut receiver).await;
        }
        Ok(Ok(Err(why))) => manager.refuse(peer, connection, &why),
        Ok(Err(error)) => manager.control_failed(peer, connection, &error),
        Err(_) => manager.refuse(peer, connection, "it did not say hello in time"),
    }
    drop(listening);
    ups(manager) > before
}

/// A peer has dialed.
pub(crate) async fn accepted(
    manager: &Rc<Manager>,
    connection: &Connection,
    peer: &Identity,
    pod: PodId,
    greeted: Greeted,
) {
    let greeting = timeout(limits::HELLO, async {
        let (sender, mut receiver) = control::accept(connection).await?;
        let hello = hello(&mut receiver, manager, connection, pod).await?;
        Ok::<_, Error>((sender, receiver, hello))
    });
    let (sender, mut receiver, hello) = match greeting.await {
        Ok(Ok((sender, receiver, Ok(hello)))) => (sender, receiver, hello),
        Ok(Ok((_, _, Err(why)))) => return manager.refuse(peer, connection, &why),
        Ok(Err(error)) => return manager.control_failed(peer, connection, &error),
        Err(_) => return manager.refuse(peer, connection, "it did not say hello in time"),
    };
    drop(greeted);
    let (queue, listening) = greet(manager, connection, sender);
    serve(manager, connection, peer, pod, hello, queue, &mut receiver).await;
    drop(listening);
}

/// Says hello, and from that moment on tells of every loss that the hello does not count.
fn greet<'a>(
    manager: &'a Manager,
    connection: &Connection,
    sender: ControlSender<Peer>,
) -> (mpsc::Sender<Peer>, Listening<'a>) {
    let queue = links::queue(sender);
    let flow = manager.flow.borrow();
    let hello = Peer::Hello {
        version: version_of(connection),
        uid: manager.options.uid.clone(),
        pod: manager.options.pod,
        incarnation: manager.incarnation,
        revision: *manager.revision.borrow(),
        losses: flow.losses(),
    };
    // The queue is new and has room.
    let _ = queue.try_send(hello);
    let listening = manager.links.listen(connection, queue.clone());
    (queue, listening)
}

async fn hello(
    receiver: &mut ControlReceiver<Peer>,
    manager: &Manager,
    connection: &Connection,
    pod: PodId,
) -> Result<Result<Hello, String>, Error> {
    let ours = &manager.options.uid;
    Ok(match receiver.recv().await? {
        Some(Peer::Hello { version, .. }) if version != version_of(connection) => {
            Err(another_version(version, connection))
        }
        Some(Peer::Hello { uid, .. }) if uid != *ours => {
            Err(format!("it says that it belongs to topology uid `{uid}`"))
        }
        Some(Peer::Hello { pod: said, .. }) if said != pod => {
            Err(format!("it says that it is pod {said}, its certificate says {pod}"))
        }
        Some(Peer::Hello { incarnation, revision, losses, .. }) => {
            Ok(Hello { incarnation, revision, losses })
        }
        _ => Err("its first message is no hello".into()),
    })
}

async fn serve(
    manager: &Rc<Manager>,
    connection: &Connection,
    peer: &Identity,
    pod: PodId,
    mut hello: Hello,
    queue: mpsc::Sender<Peer>,
    receiver: &mut ControlReceiver<Peer>,
) {
    if let Some(plan) = manager.plan().filter(|plan| plan.plan().revision > hello.revision) {
        // The queue is new and has room.
        let _ = queue.try_send(Peer::Plan(Box::new(plan.plan().clone())));
    }
    match catch_up(manager, connection, &mut hello, receiver).await {
        Ok(true) => {}
        Ok(false) => return,
        Err(error) => return manager.control_failed(peer, connection, &error),
    }
    let now = manager.now();
    let up = manager.flow.borrow_mut().peer_up(now, pod, hello.incarnation, hello.losses);
    let up = match up {
        Ok(up) => up,
        Err(why) => return manager.refuse(peer, connection, &why.to_string()),
    };
    let (incarnation, version) = (hello.incarnation.0, version_of(connection));
    tracing::info!(peer = pod.0, incarnation, version, "a peer is linked");
    let attached =
        Attached { link: up.link, connection: connection.clone(), queue: Queue::Peer(queue) };
    manager.attach(Link::Peer(pod), attached);
    manager.act();
    spawn_local(reader::accept(manager.clone(), up.link, connection.clone(), peer.clone()));
    if let Err(error) = converse(manager, up.link, pod, receiver).await {
        manager.control_failed(peer, connection, &error);
    }
    let reason = connection.close_reason().map(|reason| reason.to_string());
    tracing::info!(peer = pod.0, reason, "a peer's link is gone");
    manager.link_down(up.link);
}

/// Waits until our plan is as new as the peer's: its streams may be for tasks that we do not know
/// yet. False: the link ended first.
async fn catch_up(
    manager: &Rc<Manager>,
    connection: &Connection,
    hello: &mut Hello,
    receiver: &mut ControlReceiver<Peer>,
) -> Result<bool, Error> {
    let mut revision = manager.revision.subscribe();
    loop {
        let ours = *revision.borrow_and_update();
        if ours > 0 && ours >= hello.revision {
            return Ok(true);
        }
        tokio::select! {
            _ = connection.closed() => return Ok(false),
            _ = revision.changed() => {}
            message = receiver.recv() => match message? {
                Some(Peer::Plan(plan)) => {
                    // A refusal is counted and logged; the operator may still bring the plan.
                    let _ = manager.take_plan(*plan).await;
                }
                // The number alone tells that something was missed.
                Some(Peer::Loss { number, .. }) => hello.losses = hello.losses.max(number),
                Some(_) => {}
                None => return Ok(false),
            }
        }
    }
}

async fn converse(
    manager: &Rc<Manager>,
    link: egret_flow::LinkId,
    pod: PodId,
    receiver: &mut ControlReceiver<Peer>,
) -> Result<(), Error> {
    while let Some(message) = receiver.recv().await? {
        match message {
            Peer::Plan(plan) => {
                // A refusal is counted and logged.
                let _ = manager.take_plan(*plan).await;
            }
            Peer::Loss { number, scope, poisoned } => {
                tracing::info!(peer = pod.0, number, ?scope, "a peer announces a loss");
                manager.flow.borrow_mut().peer_loss(link, number, scope);
                manager.act_on_poisoned(scope, poisoned);
            }
            Peer::WhoHolds { root } => manager.asked_by_peer(pod, root),
            Peer::Holds(hold) => manager.answered_by_peer(pod, hold),
            Peer::Hello { .. } => return Ok(()),
        }
    }
    Ok(())
}
