//! `egret-operator retire`: ends the operator for good, before it is uninstalled.
//!
//! An operator that is asked to end takes its finalizers away, because nobody else would. But Helm
//! deletes its rights in the same moment. So this comes first: it scales the operator to nothing,
//! waits until that is so, and looks that no finalizer is left.

use crate::{apply, options::RetireOptions};
use egret_crd::Topology;
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::{Lease, LeaseSpec},
};
use kube::{
    Api, Client, Resource,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::time;

/// For an operator to end: as long as its pod has for that, and a lease that was not given back.
const WITHIN: Duration = Duration::from_secs(50);
const PAUSE: Duration = Duration::from_millis(500);
/// Topologies in one answer.
const PAGE: u32 = 500;

/// Ends the operator and takes its finalizers away. How many there were.
pub async fn retire(client: &Client, options: &RetireOptions) -> Result<usize, String> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &options.namespace);
    let none = Patch::Merge(json!({"spec": {"replicas": 0}}));
    deployments
        .patch_scale(&options.deployment, &PatchParams::default(), &none)
        .await
        .map_err(|error| format!("cannot scale {} to nothing: {error}", options.deployment))?;
    wait(client, &options.namespace).await?;
    let mut left = 0;
    for topologies in options.scopes(client) {
        left += release(client, &topologies).await?;
    }
    Ok(left)
}

/// Waits until nobody leads.
async fn wait(client: &Client, namespace: &str) -> Result<(), String> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let began = Instant::now();
    loop {
        let lease = leases.get_opt(crate::run::LEASE).await;
        let holder = match lease.map_err(|error| format!("cannot read the lease: {error}"))? {
            Some(lease) => holder(&lease.spec.unwrap_or_default(), Timestamp::now()),
            None => None,
        };
        let Some(holder) = holder else { return Ok(()) };
        if began.elapsed() >= WITHIN {
            return Err(format!("{holder} still holds the lease after {WITHIN:?}"));
        }
        time::sleep(PAUSE).await;
    }
}

/// Who holds a lease.
fn holder(lease: &LeaseSpec, now: Timestamp) -> Option<String> {
    let holder = lease.holder_identity.clone().filter(|holder| !holder.is_empty())?;
    let seconds = lease.lease_duration_seconds.unwrap_or(0).into();
    let renewed = lease.renew_time.as_ref()?.0;
    (now.duration_since(renewed).as_secs() <= seconds).then_some(holder)
}

async fn release(client: &Client, topologies: &Api<Topology>) -> Result<usize, String> {
    let mut page = ListParams::default().limit(PAGE);
    let mut left = 0;
    loop {
        let list = match topologies.list_metadata(&page).await {
            Ok(list) => list,
            // The kind is gone, and all of them with it.
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(left),
            Err(error) => return Err(format!("cannot list topologies: {error}")),
        };
        for topology in &list.items {
            left += usize::from(apply::has_finalizer(topology.meta()));
            apply::release(client, topology.meta()).await.map_err(|error| error.to_string())?;
        }
        match list.metadata.continue_.filter(|more| !more.is_empty()) {
            Some(more) => page = page.continue_token(&more),
            None => return Ok(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn a_lease_that_was_given_back_or_has_run_out_is_held_by_nobody() {
        let holder = |spec: Value| {
            let now = "2026-01-01T00:00:20Z".parse().unwrap();
            holder(&serde_json::from_value(spec).unwrap(), now)
        };
        let held = |by: &str, renewed: &str| {
            let seconds = 15;
            json!({"holderIdentity": by, "leaseDurationSeconds": seconds, "renewTime": renewed})
        };
        assert_eq!(holder(held("a", "2026-01-01T00:00:10.000000Z")).as_deref(), Some("a"));
        assert_eq!(holder(held("a", "2026-01-01T00:00:01.000000Z")), None);
        assert_eq!(holder(held("", "2026-01-01T00:00:10.000000Z")), None);
        assert_eq!(holder(json!({})), None);
    }
}
