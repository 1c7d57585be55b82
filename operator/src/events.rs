//! Events: what happened to a topology, for `kubectl describe`. Reasons are a closed set, and the
//! same event in a row is told once.

use crate::reason::Reason;
use egret_crd::Topology;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

/// Characters of a note; the API server takes 1 KiB.
const MAX_NOTE: usize = 900;

/// Tells events.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
}

impl Events {
    /// Events of this operator.
    pub fn new(client: Client, name: &str) -> Events {
        let reporter =
            Reporter { controller: "egret-operator".into(), instance: Some(name.to_owned()) };
        Events { recorder: Recorder::new(client, reporter) }
    }

    /// Something went as it should.
    pub async fn normal(&self, topology: &Topology, reason: Reason, note: &str) {
        self.tell(topology.object_ref(&()), EventType::Normal, reason, note).await;
    }

    /// Something did not.
    pub async fn warning(&self, topology: &Topology, reason: Reason, note: &str) {
        self.tell(topology.object_ref(&()), EventType::Warning, reason, note).await;
    }

    /// Something did not, of a topology that cannot even be read.
    pub async fn unreadable(&self, topology: &ObjectReference, note: &str) {
        self.tell(topology.clone(), EventType::Warning, Reason::Unreadable, note).await;
    }

    async fn tell(&self, of: ObjectReference, kind: EventType, reason: Reason, note: &str) {
        let note: String = note.chars().take(MAX_NOTE).collect();
        let event = Event {
            type_: kind,
            reason: reason.as_str().to_owned(),
            note: Some(note),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        // An event that is lost is no reason to stop.
        if let Err(error) = self.recorder.publish(&event, &of).await {
            tracing::debug!(%error, "an event was not told");
        }
    }
}
