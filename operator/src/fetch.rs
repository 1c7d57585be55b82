//! Reads what the operator has written before: records, CAs, identities.

use crate::{
    build::{self, CA, CA_KEY, Identities, Owner},
    names,
    record::{Record, Unreadable},
};
use egret_link::{Kept, Pem};
use egret_topology::{id::TaskId, packing_plan::PackedPod};
use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
};
use kube::{Api, Client};
use std::collections::BTreeMap;

/// Something with the version that it was read at.
#[derive(Clone, Debug, Default)]
pub struct Versioned<T> {
    /// The thing.
    pub value: T,
    /// Version of its object; none: there is no object yet.
    pub version: Option<String>,
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server does not answer, or not with that.
    #[error("the API server does not give {what}: {source}")]
    Api {
        /// What was asked for.
        what: String,
        /// Its words.
        source: kube::Error,
    },
    /// The record is of no use.
    #[error(transparent)]
    Record(#[from] Unreadable),
}

fn api(what: String) -> impl FnOnce(kube::Error) -> Error {
    move |source| Error::Api { what, source }
}

/// The record of a topology; none if there is none, or only that of a namesake that is gone.
pub async fn record(
    client: &Client,
    owner: &Owner<'_>,
) -> Result<Versioned<Option<Record>>, Error> {
    let name = names::record(owner.name);
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), owner.namespace);
    let map = maps.get_opt(&name).await.map_err(api(format!("the ConfigMap {name}")))?;
    let Some(map) = map else { return Ok(Versioned::default()) };
    let text = map.data.as_ref().and_then(|data| data.get(build::RECORD));
    let value = match text {
        Some(text) => Record::read(text, owner.uid)?,
        None => None,
    };
    Ok(Versioned { value, version: map.metadata.resource_version })
}

/// The CA of a topology.
pub async fn authority(client: &Client, namespace: &str, uid: &str) -> Result<Option<Kept>, Error> {
    let name = names::authority(uid);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = secrets.get_opt(&name).await.map_err(api(format!("the Secret {name}")))?;
    let data = secret.and_then(|secret| secret.data).unwrap_or_default();
    let kept = text(&data, CA).zip(text(&data, CA_KEY));
    Ok(kept.map(|(ca, key)| Kept { ca, key }))
}

/// The identities of a pod and those of its tasks that have any.
pub async fn identities(
    client: &Client,
    owner: &Owner<'_>,
    pod: &PackedPod,
) -> Result<Option<Identities>, Error> {
    let name = names::identity(owner.name, pod.id);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), owner.namespace);
    let secret = secrets.get_opt(&name).await.map_err(api(format!("the Secret {name}")))?;
    let Some(secret) = secret else { return Ok(None) };
    // A namesake that is gone may have left one.
    let owners = secret.metadata.owner_references.unwrap_or_default();
    if !owners.iter().any(|reference| reference.uid == owner.uid) {
        return Ok(None);
    }
    let data = secret.data.unwrap_or_default();
    let pem = |who: &str| {
        Some(Pem {
            ca: text(&data, CA)?,
            cert: text(&data, &format!("{who}.cert.pem"))?,
            key: text(&data, &format!("{who}.key.pem"))?,
        })
    };
    let Some(manager) = pem("pod") else { return Ok(None) };
    let tasks: BTreeMap<TaskId, Pem> = data
        .keys()
        .filter_map(|key| key.strip_prefix("task-")?.strip_suffix(".key.pem")?.parse().ok())
        .filter_map(|task| Some((TaskId(task), pem(&format!("task-{task}"))?)))
        .collect();
    let annotations = secret.metadata.annotations.unwrap_or_default();
    let renew_at = annotations.get(names::RENEW_AT).and_then(|at| at.parse().ok()).unwrap_or(0);
    Ok(Some(Identities { pod: pod.id, manager, tasks, renew_at }))
}

fn text(data: &BTreeMap<String, ByteString>, key: &str) -> Option<String> {
    String::from_utf8(data.get(key)?.0.clone()).ok()
}
