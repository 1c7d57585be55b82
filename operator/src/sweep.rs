//! What topologies leave behind in the operator's namespace, where nothing of theirs can own it.

use crate::{
    apply,
    context::{Guarded, Runs},
    metrics::Metrics,
    names,
};
use egret_crd::Topology;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt, api::ListParams, runtime::reflector::Store};
use std::{collections::BTreeSet, time::Duration};
use tokio::time;

/// Time between two looks for what was missed: it costs a few hundred bytes each.
pub const EVERY: Duration = Duration::from_secs(600);
/// Topologies that are gone and wait to be forgotten.
pub const WAITING: usize = 4096;

/// For a look that is under way.
const LOOK_WITHIN: Duration = Duration::from_secs(5);

/// Forgets a topology that is gone, and deletes its CA.
pub async fn forget(
    client: &Client,
    namespace: &str,
    runs: &Runs,
    metrics: &Metrics,
    uid: &str,
) -> Result<(), apply::Error> {
    // A look that is under way would make again what is taken away. One that lasts is swept later.
    let _ = time::timeout(LOOK_WITHIN, runs.settled(uid)).await;
    runs.forget(uid);
    metrics.staged(uid, None);
    apply::forget_authority(client, namespace, uid).await
}

/// Forgets topologies that are gone, and deletes their CAs.
pub async fn sweep(
    client: &Client,
    namespace: &str,
    stores: &[Store<Guarded>],
    runs: &Runs,
    metrics: &Metrics,
) -> Result<(), kube::Error> {
    let known = uids(stores);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let ours = ListParams::default().labels(names::CA_OF);
    for secret in secrets.list(&ours).await?.items {
        let Some(uid) = secret.labels().get(names::CA_OF) else { continue };
        let there = known.contains(uid)
            || exists(client, &secret, uid).await.unwrap_or_else(|error| {
                // Say of a namespace that is no longer ours: it keeps no other from being swept.
                tracing::warn!(uid, "it is not known whether a topology is gone: {error}");
                true
            });
        if there {
            continue;
        }
        tracing::info!(uid, "the CA of a topology that is gone is deleted");
        if let Err(error) = forget(client, namespace, runs, metrics, uid).await {
            tracing::warn!("{error}");
        }
    }
    // All that was asked above took its time: topologies may have come meanwhile.
    let known = uids(stores);
    runs.keep(|uid| known.contains(uid));
    metrics.keep(|uid| known.contains(uid));
    Ok(())
}

fn uids(stores: &[Store<Guarded>]) -> BTreeSet<String> {
    let topologies = stores.iter().flat_map(|store| store.state());
    topologies.filter_map(|topology| topology.uid()).collect()
}

/// Whether the topology of a CA is there after all: the watch may be behind, or not see it.
async fn exists(client: &Client, secret: &Secret, uid: &str) -> Result<bool, kube::Error> {
    let (Some(name), Some(namespace)) =
        (secret.labels().get(names::TOPOLOGY), secret.annotations().get(names::NAMESPACE))
    else {
        return Ok(true);
    };
    let topologies: Api<Topology> = Api::namespaced(client.clone(), namespace);
    let found = topologies.get_metadata_opt(name).await?;
    Ok(found.is_some_and(|found| found.uid().as_deref() == Some(uid)))
}
