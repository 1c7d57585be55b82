//! The link of an instance: registration, then reports until it ends.

use crate::{
    accept::{Greeted, another_version},
    errors::Told,
    limits,
    links::{self, Attached, Queue},
    manager::{Manager, bump},
    reader,
};
use egret_flow::{Link, LinkId, LinkUp, Refused};
use egret_link::{
    ControlReceiver, ControlSender, Identity, control, endpoint::close, quinn::Connection,
    version_of,
};
use egret_topology::id::{Incarnation, TaskId};
use egret_wire::control::{FromInstance, Phase, ToInstance};
use std::{collections::BTreeMap, rc::Rc};
use tokio::{task::spawn_local, time::timeout};

pub(crate) async fn serve(
    manager: &Rc<Manager>,
    connection: &Connection,
    from: &Identity,
    task: TaskId,
    greeted: Greeted,
) {
    let hello = timeout(limits::HELLO, hello(connection)).await;
    let (sender, mut receiver, incarnation, died_of) = match hello {
        Ok(Ok((sender, receiver, hello))) => match check(&hello, manager, connection, task) {
            Ok(incarnation) => (sender, receiver, incarnation, died_of(hello)),
            Err(why) => return refuse(manager, connection, from, sender, why, None).await,
        },
        Ok(Err(error)) => return manager.control_failed(from, connection, &error),
        Err(_) => return manager.refuse(from, connection, "it did not say hello in time"),
    };
    drop(greeted);
    if !has_plan(manager, connection).await
        || !may_open(manager, connection, task).await
        || !is_written(manager, connection, task, incarnation).await
    {
        return;
    }
    let up = manager.flow.borrow_mut().instance_up(manager.now(), task, incarnation);
    let up = match up {
        Ok(up) => up,
        Err(why) => {
            let newest = match why {
                Refused::Outlived { newest, .. } => Some(newest),
                _ => None,
            };
            return refuse(manager, connection, from, sender, why.to_string(), newest).await;
        }
    };
    if let Some(why) = died_of {
        manager.told_of_death(task, incarnation, &why);
    }
    register(manager, connection, sender, task, incarnation, up);
    spawn_local(reader::accept(manager.clone(), up.link, connection.clone(), from.clone()));
    converse(manager, connection, from, (task, up.link), &mut receiver).await;
    let current = manager.flow.borrow().link(up.link).is_some();
    manager.link_down(up.link);
    if current {
        manager.profile_lost(task);
        tracing::info!(task = task.0, "an instance is gone");
        manager.with_totals(task, crate::totals::TaskTotals::disconnected);
        manager.save_now();
    }
}

type Greeting = (ControlSender<ToInstance>, ControlReceiver<FromInstance>, FromInstance);

async fn hello(connection: &Connection) -> Result<Greeting, egret_link::Error> {
    let (sender, mut receiver) = control::accept(connection).await?;
    let hello = receiver.recv().await?;
    let missing = || egret_wire::Malformed::Truncated("the handshake");
    Ok((sender, receiver, hello.ok_or_else(missing)?))
}

fn check(
    hello: &FromInstance,
    manager: &Manager,
    connection: &Connection,
    task: TaskId,
) -> Result<Incarnation, String> {
    match hello {
        FromInstance::Hello { version, .. } if *version != version_of(connection) => {
            Err(another_version(*version, connection))
        }
        FromInstance::Hello { uid, .. } if *uid != manager.options.uid => {
            Err(format!("it says that it belongs to topology uid `{uid}`"))
        }
        FromInstance::Hello { task: said, .. } if *said != task => {
            Err(format!("it says that it is task {said}, its certificate says {task}"))
        }
        FromInstance::Hello { incarnation, .. } => Ok(*incarnation),
        _ => Err("its first message is no hello".into()),
    }
}

fn died_of(hello: FromInstance) -> Option<String> {
    match hello {
        FromInstance::Hello { died_of, .. } => died_of,
        _ => None,
    }
}

async fn refuse(
    manager: &Manager,
    connection: &Connection,
    from: &Identity,
    mut sender: ControlSender<ToInstance>,
    why: String,
    newest: Option<Incarnation>,
) {
    // A link that closes at once would take the reason with it.
    let _ = sender.send(&ToInstance::Refused { why: why.clone(), newest }).await;
    sender.finish();
    let _ = timeout(limits::FAREWELL, connection.closed()).await;
    manager.refuse(from, connection, &why);
}

/// Waits for the first plan. False: the link ended first.
async fn has_plan(manager: &Manager, connection: &Connection) -> bool {
    let mut revision = manager.revision.subscribe();
    tokio::select! {
        _ = connection.closed() => false,
        known = revision.wait_for(|revision| *revision > 0) => known.is_ok(),
    }
}

/// Waits until it is known where the input of a spout stands: it would be read from its beginning.
/// False: the link ended first.
async fn may_open(manager: &Rc<Manager>, connection: &Connection, task: TaskId) -> bool {
    let mut settled = manager.settled.subscribe();
    let known = || manager.positions.borrow().is_some();
    let is_spout = || manager.plan().is_some_and(|plan| plan.is_spout(task));
    if known() || !is_spout() {
        return true;
    }
    tracing::info!(task = task.0, "a spout waits to hear from the operator where its input stands");
    tokio::select! {
        _ = connection.closed() => false,
        told = settled.wait_for(|_| known()) => told.is_ok(),
    }
}

/// Waits until the life is on disk. The next life of this stream manager would not know of it
/// otherwise, and might let in one that is no greater: others would take what that sends for old.
/// False: the link ended first.
async fn is_written(
    manager: &Rc<Manager>,
    connection: &Connection,
    task: TaskId,
    life: Incarnation,
) -> bool {
    let mut written = manager.written.subscribe();
    let knows = |lives: &BTreeMap<TaskId, Incarnation>| lives.get(&task) >= Some(&life);
    if knows(&written.borrow()) {
        return true;
    }
    manager.with_totals(task, |totals| totals.registers(life));
    manager.save_now();
    tokio::select! {
        _ = connection.closed() => false,
        lives = written.wait_for(knows) => lives.is_ok(),
    }
}

/// From here on the instance takes part.
fn register(
    manager: &Rc<Manager>,
    connection: &Connection,
    sender: ControlSender<ToInstance>,
    task: TaskId,
    incarnation: Incarnation,
    up: LinkUp,
) {
    let restarts = manager.with_totals(task, |totals| totals.registered(incarnation));
    manager.save_now();
    let queue = links::queue(sender);
    if let Some(plan) = manager.plan() {
        let component = plan.component_of(task).map_or("", |component| component.name.as_str());
        let positions = manager.positions.borrow();
        let positions = positions.as_ref().map(|positions| positions.of(component));
        let positions = positions.unwrap_or_default();
        tracing::info!(
            task = task.0,
            component,
            incarnation = incarnation.0,
            restarts,
            replaced = up.replaced,
            version = version_of(connection),
            "an instance has registered"
        );
        let plan = Box::new(plan.plan().clone());
        // The queue is new and has room.
        let _ = queue.try_send(ToInstance::Assign { plan, positions, restarts });
    }
    let attached =
        Attached { link: up.link, connection: connection.clone(), queue: Queue::Instance(queue) };
    manager.attach(Link::Instance(task), attached);
    manager.act();
    // What its life before has left behind is told.
    manager.poisoned.borrow_mut().remove(&task);
}

async fn converse(
    manager: &Rc<Manager>,
    connection: &Connection,
    from: &Identity,
    (task, link): (TaskId, LinkId),
    receiver: &mut ControlReceiver<FromInstance>,
) {
    let mut closed = false;
    loop {
        let message = match receiver.recv().await {
            Ok(Some(message)) => message,
            // It waits for the end of the link, to be sure that its last report was read.
            Ok(None) if closed => return,
            Ok(None) => return drop(connection.closed().await),
            Err(error) => return manager.control_failed(from, connection, &error),
        };
        if manager.flow.borrow().link(link).is_none() {
            // What a replaced link still brings would count as the new life's.
            return;
        }
        match message {
            FromInstance::Report(report) => {
                closed = report.phase == Phase::Closed;
                manager.reported(task, *report);
            }
            FromInstance::Positions { splits } => manager.settle(task, splits),
            FromInstance::WhoHolds { root } => manager.asked_by_instance(task, root),
            FromInstance::Drained { frames } => {
                manager.flow.borrow_mut().drained(link, frames);
            }
            FromInstance::Holds(hold) => manager.answered_by_instance(task, hold),
            FromInstance::Spans { spans, dropped } => manager.traced(task, spans, dropped),
            FromInstance::Profile { number, profile, refused } => {
                manager.profiled(task, number, profile, refused);
            }
            FromInstance::Broken { error, poisoned } => {
                tracing::error!(task = task.0, "the task has ended with an error: {error}");
                // Its loss is announced when it is back, or stays away.
                if let Some(poisoned) = poisoned {
                    manager.poisoned.borrow_mut().insert(task, poisoned.bounded());
                }
                closed = true;
                manager.crashed(task, Told::ByItself, error);
            }
            FromInstance::Hello { .. } => {
                bump(&manager.tally.refused);
                connection.close(close::REFUSED, b"a second hello on one link");
                return;
            }
        }
    }
}
