//! Links that others dial: who they are decides who serves them.

use crate::{instance_link, limits, manager::Manager, operator_link, peer_link};
use egret_link::{Admitted, Identity, admit, endpoint::close, quinn::Connection, version_of};
use std::{cell::Cell, rc::Rc};
use tokio::{task::spawn_local, time::timeout};

/// Accepts links until the endpoint is closed.
pub(crate) async fn run(manager: Rc<Manager>) {
    let greeting = Rc::new(Cell::new(0));
    while let Some(connecting) = manager.endpoint.accept().await {
        if greeting.get() >= limits::GREETING {
            // Dropping it refuses the link; whoever means it comes again.
            crate::manager::bump(&manager.tally.refused);
            continue;
        }
        greeting.set(greeting.get() + 1);
        let greeted = Greeted(greeting.clone());
        let manager = manager.clone();
        spawn_local(async move {
            match timeout(limits::HELLO, admit(connecting)).await {
                Ok(Ok(admitted)) => serve(manager, admitted, greeted).await,
                Ok(Err(error)) => {
                    crate::manager::bump(&manager.tally.refused);
                    tracing::warn!("link refused: {error}");
                }
                Err(_) => {
                    crate::manager::bump(&manager.tally.refused);
                    tracing::debug!("a link took too long to shake hands");
                }
            }
        });
    }
}

/// One of the links that have not said hello yet, until it is dropped.
pub(crate) struct Greeted(Rc<Cell<usize>>);

impl Drop for Greeted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Why a hello is refused that does not repeat the version of its link.
pub(crate) fn another_version(said: u8, connection: &Connection) -> String {
    let agreed = version_of(connection);
    format!("its hello is of version {said} of the protocol, its link of version {agreed}")
}

async fn serve(manager: Rc<Manager>, admitted: Admitted, greeted: Greeted) {
    let Admitted { connection, identity, .. } = admitted;
    if identity.uid() != manager.options.uid {
        return manager.refuse(&identity, &connection, "it belongs to another topology");
    }
    match identity {
        Identity::Task { task, .. } => {
            instance_link::serve(&manager, &connection, &identity, task, greeted).await;
        }
        Identity::Pod { pod, .. } => {
            peer_link::accepted(&manager, &connection, &identity, pod, greeted).await;
        }
        Identity::Operator { .. } => {
            operator_link::serve(&manager, &connection, &identity, greeted).await;
        }
    }
    connection.close(close::DONE, b"");
}
