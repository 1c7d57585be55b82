//! The operator's link: plans in, status and positions out.

use crate::{
    accept::{Greeted, another_version},
    limits,
    manager::Manager,
};
use egret_link::{
    ControlReceiver, ControlSender, Error, Identity, control, quinn::Connection, version_of,
};
use egret_topology::positions::Positions;
use egret_wire::control::{FromOperator, ToOperator};
use std::rc::Rc;
use tokio::time::timeout;

pub(crate) async fn serve(
    manager: &Rc<Manager>,
    connection: &Connection,
    operator: &Identity,
    greeted: Greeted,
) {
    let greeting = timeout(limits::HELLO, async {
        let (sender, mut receiver) = control::accept(connection).await?;
        let hello = receiver.recv().await?;
        Ok::<_, Error>((sender, receiver, hello))
    });
    let (mut sender, mut receiver, hello) = match greeting.await {
        Ok(Ok(greeting)) => greeting,
        Ok(Err(error)) => return manager.control_failed(operator, connection, &error),
        Err(_) => return manager.refuse(operator, connection, "it did not say hello in time"),
    };
    drop(greeted);
    let refused = match hello {
        Some(FromOperator::Hello { version, .. }) if version != version_of(connection) => {
            Some(another_version(version, connection))
        }
        Some(FromOperator::Hello { uid, .. }) if uid != manager.options.uid => {
            Some(format!("it says that it belongs to topology uid `{uid}`"))
        }
        Some(FromOperator::Hello { .. }) => None,
        _ => Some("its first message is no hello".to_owned()),
    };
    if let Some(why) = refused {
        return manager.refuse(operator, connection, &why);
    }
    tracing::info!(version = version_of(connection), "the operator is linked");
    manager.operators.send_modify(|count| *count += 1);
    if let Err(error) = converse(manager, &mut sender, &mut receiver).await {
        manager.control_failed(operator, connection, &error);
    }
    manager.operators.send_modify(|count| *count -= 1);
    tracing::info!("the operator's link is gone");
}

async fn converse(
    manager: &Rc<Manager>,
    sender: &mut ControlSender<ToOperator>,
    receiver: &mut ControlReceiver<FromOperator>,
) -> Result<(), Error> {
    let revision = *manager.revision.borrow();
    let (pod, incarnation) = (manager.options.pod, manager.incarnation);
    sender.send(&ToOperator::Hello { pod, incarnation, revision }).await?;
    let mut told = Told::default();
    let mut farewell = manager.farewell.subscribe();
    loop {
        let message = tokio::select! {
            message = receiver.recv() => message?,
            _ = farewell.wait_for(|farewell| *farewell) => {
                told.go_on(manager, sender).await?;
                sender.finished().await;
                break;
            }
        };
        let Some(message) = message else { break };
        match message {
            FromOperator::Plan(plan) => {
                let revision = plan.revision;
                let refused = manager.take_plan(*plan).await.err();
                sender.send(&ToOperator::Plan { revision, refused }).await?;
            }
            FromOperator::Positions { positions } => {
                told.positions.merge(positions.clone());
                manager.take_positions(positions);
            }
            FromOperator::Status => {
                told.go_on(manager, sender).await?;
                sender.send(&ToOperator::Status(Box::new(manager.status()))).await?;
            }
            FromOperator::Crashed { task, error } => manager.told_of_crash(task, error),
            FromOperator::Hello { .. } => break,
        }
    }
    Ok(())
}

/// Positions that the operator has heard of over this link.
#[derive(Default)]
struct Told {
    positions: Positions,
    /// How often they had changed here when they were told last.
    settled: Option<u64>,
}

impl Told {
    /// Tells what has moved on.
    async fn go_on(
        &mut self,
        manager: &Manager,
        sender: &mut ControlSender<ToOperator>,
    ) -> Result<(), Error> {
        let settled = Some(*manager.settled.borrow());
        if std::mem::replace(&mut self.settled, settled) == settled {
            return Ok(());
        }
        let positions = match &*manager.positions.borrow() {
            Some(positions) => positions.beyond(&self.positions),
            None => return Ok(()),
        };
        if positions.is_empty() {
            return Ok(());
        }
        self.positions.merge(positions.clone());
        sender.send(&ToOperator::Positions { positions }).await
    }
}
