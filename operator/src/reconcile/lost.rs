//! Pods that were lost with their nodes, or are not there any more.

use super::{Error, Seen, Turn};
use crate::{edit::Successor, fetch, names, record::Record};
use egret_topology::id::PodId;
use std::{collections::BTreeSet, time::Instant};

impl Turn<'_> {
    /// Pods that lived and are gone without having been seen to go: deleted by force, or with their
    /// nodes.
    pub(super) async fn vanished(&self, record: &Record, seen: &Seen) -> Result<Vec<PodId>, Error> {
        let mut vanished = Vec::new();
        if !record.replaces_pods() {
            return Ok(vanished);
        }
        for (id, pod) in record.pods() {
            let name = names::pod(self.owner.name, id, pod.life);
            if seen.pods.iter().any(|pod| pod.name == name) {
                continue;
            }
            // Who has seen it knows; who has just begun may be shown less than there is.
            let gone = self.run.lived.contains(&name)
                || !pod.unborn && !fetch::has_pod(&self.context.client, &self.owner, &name).await?;
            if gone {
                vanished.push(id);
            }
        }
        Ok(vanished)
    }

    /// The same of pods that have no place yet.
    pub(super) async fn stillborn(
        &self,
        record: &Record,
        seen: &Seen,
    ) -> Result<Vec<PodId>, Error> {
        let mut gone = Vec::new();
        for Successor { pod, place } in record.edit.iter().flat_map(|edit| &edit.pods) {
            let name = names::pod(self.owner.name, *pod, place.life);
            if seen.pods.iter().any(|pod| pod.name == name) {
                continue;
            }
            let known = self.run.lived.contains(&name);
            let (client, owner) = (&self.context.client, &self.owner);
            if known || !place.unborn && !fetch::has_pod(client, owner, &name).await? {
                gone.push(*pod);
            }
        }
        Ok(gone)
    }

    /// Pods that are lost with their nodes, and those nodes. Leases are looked at only where
    /// somebody is silent.
    pub(super) async fn lost(&mut self, record: &Record, seen: &Seen) -> Vec<(PodId, String)> {
        if !record.replaces_pods() || self.run.channel.is_none() {
            return Vec::new();
        }
        let now = Instant::now();
        let placed: Vec<(PodId, &str)> = seen
            .pods
            .iter()
            .filter(|pod| pod.ip.is_some() && !pod.terminating && self.is_current(record, pod))
            .filter_map(|pod| Some((pod.id, pod.node.as_deref()?)))
            .collect();
        let pods: BTreeSet<PodId> = placed.iter().map(|(pod, _)| *pod).collect();
        let answers = &seen.answers.pods;
        let heard = answers.iter().flat_map(|pod| pod.peers_up.iter().copied().chain([pod.pod]));
        self.run.nodes.heard(now, &pods, &heard.collect());
        let suspected: Vec<(PodId, &str)> = placed
            .iter()
            .copied()
            .filter(|(pod, _)| self.run.nodes.is_suspected(now, *pod))
            .collect();
        let nodes: BTreeSet<&str> = suspected.iter().map(|(_, node)| *node).collect();
        self.run.nodes.keep(&nodes);
        for node in nodes {
            match fetch::lease(&self.context.client, node).await {
                Ok(Some(at)) => self.run.nodes.renewed(now, node, at),
                Ok(None) => self.run.nodes.unknown(node),
                // Then it is left to Kubernetes.
                Err(error) => {
                    tracing::debug!(%error, node, "whether it is lost is not known");
                    self.run.nodes.unknown(node);
                }
            }
        }
        // If nobody answers from several nodes it is rather this one that is parted from all.
        let places: BTreeSet<&str> = placed.iter().map(|(_, node)| *node).collect();
        if answers.is_empty() && places.len() > 1 {
            return Vec::new();
        }
        let lost = suspected.into_iter();
        let lost = lost.filter(|(pod, node)| self.run.nodes.is_lost(now, *pod, node));
        lost.map(|(pod, node)| (pod, node.to_owned())).collect()
    }
}
