//! Reads what the operator has written before: records, CAs, identities.

use crate::{
    build::{self, CA, CA_KEY, Identities, Owner},
    history::Revision,
    names,
    positions::Standing,
    record::{Record, Unreadable},
};
use egret_crd::resource::GROUP;
use egret_link::{Authority, Kept, Pem};
use egret_topology::{id::TaskId, packing_plan::PackedPod, resource::KIND};
use k8s_openapi::{
    ByteString,
    api::{
        apps::v1::ControllerRevision,
        coordination::v1::Lease,
        core::v1::{ConfigMap, Pod, Secret},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, api::ListParams};
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
    #[error(
        "the ConfigMap {name}: {why}; put it right, or delete it: it is then made again from what \
         runs"
    )]
    Record {
        /// Name of its ConfigMap.
        name: String,
        /// Why.
        why: Unreadable,
    },
    /// A CA is of no use.
    #[error(
        "the Secret {name} in the operator's namespace holds no CA: {why}; put it right, or delete \
         it: another is made then, and all pods are replaced"
    )]
    Authority {
        /// Name of its Secret.
        name: String,
        /// Why.
        why: String,
    },
    /// Somebody else has taken a name that the operator needs.
    #[error("{}", foreign(.what))]
    Foreign {
        /// The object.
        what: String,
    },
}

impl Error {
    /// The operator may not read it.
    pub fn is_forbidden(&self) -> bool {
        let Error::Api { source: kube::Error::Api(status), .. } = self else { return false };
        status.code == 403
    }
}

/// What to do about an object that is not ours.
pub fn foreign(what: &str) -> String {
    format!(
        "{what} is there already and does not belong to this topology; delete it, or give the \
         topology another name"
    )
}

/// Whose an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The topology's.
    Ours,
    /// A topology's of that name that is gone, and it will be soon.
    Namesake,
    /// Somebody else's, and nothing to touch.
    Foreign,
}

impl Whose {
    /// Whose this is, if `uid` is the topology's.
    pub fn of(metadata: &ObjectMeta, uid: &str) -> Whose {
        let owners = metadata.owner_references.as_deref().unwrap_or_default();
        let ours = format!("{GROUP}/");
        if owners.iter().any(|owner| owner.uid == uid) {
            Whose::Ours
        } else if owners.iter().any(|o| o.kind == KIND && o.api_version.starts_with(&ours)) {
            Whose::Namesake
        } else {
            Whose::Foreign
        }
    }
}

fn api(what: String) -> impl FnOnce(kube::Error) -> Error {
    move |source| Error::Api { what, source }
}

/// Whether there is a pod of this name now.
pub async fn has_pod(client: &Client, owner: &Owner<'_>, name: &str) -> Result<bool, Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), owner.namespace);
    // The role has no `get`; a list that names no version is of now.
    let named = ListParams::default().fields(&format!("metadata.name={name}"));
    let found = pods.list_metadata(&named).await.map_err(api(format!("the Pod {name}")))?;
    Ok(!found.items.is_empty())
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
        Some(text) => Record::read(text, owner.uid)
            .map_err(|why| Error::Record { name: name.clone(), why })?,
        None => None,
    };
    if value.is_none() && Whose::of(&map.metadata, owner.uid) == Whose::Foreign {
        return Err(Error::Foreign { what: format!("the ConfigMap {name}") });
    }
    Ok(Versioned { value, version: map.metadata.resource_version })
}

/// Where the input of a topology stands, or why that cannot be read.
pub async fn positions(
    client: &Client,
    owner: &Owner<'_>,
) -> Result<Versioned<Result<Option<Standing>, serde_json::Error>>, Error> {
    let name = names::positions(owner.name);
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), owner.namespace);
    let map = maps.get_opt(&name).await.map_err(api(format!("the ConfigMap {name}")))?;
    let Some(map) = map else { return Ok(Versioned { value: Ok(None), version: None }) };
    let text = map.data.as_ref().and_then(|data| data.get(build::POSITIONS));
    let value = text.map_or(Ok(None), |text| Standing::read(text, owner.uid));
    if !matches!(value, Ok(Some(_))) && Whose::of(&map.metadata, owner.uid) == Whose::Foreign {
        return Err(Error::Foreign { what: format!("the ConfigMap {name}") });
    }
    Ok(Versioned { value, version: map.metadata.resource_version })
}

/// The CA of a topology.
pub async fn authority(
    client: &Client,
    namespace: &str,
    uid: &str,
) -> Result<Option<Authority>, Error> {
    let name = names::authority(uid);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = secrets.get_opt(&name).await.map_err(api(format!("the Secret {name}")))?;
    let Some(secret) = secret else { return Ok(None) };
    let data = secret.data.unwrap_or_default();
    let kept = text(&data, CA).zip(text(&data, CA_KEY)).map(|(ca, key)| Kept { ca, key });
    let broken = |why: String| Error::Authority { name: name.clone(), why };
    let kept = kept.ok_or_else(|| broken(format!("`{CA}` or `{CA_KEY}` is missing")))?;
    let authority = Authority::restore(uid, &kept).map_err(|error| broken(error.to_string()))?;
    Ok(Some(authority))
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
    match Whose::of(&secret.metadata, owner.uid) {
        Whose::Ours => {}
        Whose::Namesake => return Ok(None),
        Whose::Foreign => return Err(Error::Foreign { what: format!("the Secret {name}") }),
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

/// When the kubelet of a node has renewed its lease, in its own words.
pub async fn lease(client: &Client, node: &str) -> Result<Option<String>, Error> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), "kube-node-lease");
    let lease = leases.get_opt(node).await.map_err(api(format!("the lease of node {node}")))?;
    let renewed = lease.and_then(|lease| lease.spec?.renew_time);
    Ok(renewed.map(|time| time.0.to_string()))
}

/// The specs of a topology that were asked for, as far as they are kept.
pub async fn history(client: &Client, owner: &Owner<'_>) -> Result<Vec<Revision>, Error> {
    let revisions: Api<ControllerRevision> = Api::namespaced(client.clone(), owner.namespace);
    let ours = ListParams::default().labels(&format!("{}={}", names::TOPOLOGY, owner.name));
    let list = revisions.list(&ours).await.map_err(api("its ControllerRevisions".to_owned()))?;
    let read = |kept: ControllerRevision| {
        (Whose::of(&kept.metadata, owner.uid) == Whose::Ours).then_some(())?;
        let version = kept.data?.0.get("spec")?.clone();
        Some(Revision { name: kept.metadata.name?, number: kept.revision, version })
    };
    Ok(list.items.into_iter().filter_map(read).collect())
}

fn text(data: &BTreeMap<String, ByteString>, key: &str) -> Option<String> {
    String::from_utf8(data.get(key)?.0.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_a_topology_owns_is_touched() {
        let whose = |owners: serde_json::Value| {
            Whose::of(&serde_json::from_value(json!({"ownerReferences": owners})).unwrap(), "u")
        };
        let owner = |version: &str, kind: &str, uid: &str| {
            let name = "t";
            json!([{"apiVersion": version, "kind": kind, "name": name, "uid": uid}])
        };
        assert_eq!(whose(owner("egret.dev/v1alpha1", "Topology", "u")), Whose::Ours);
        assert_eq!(whose(owner("egret.dev/v1alpha1", "Topology", "v")), Whose::Namesake);
        assert_eq!(whose(owner("apps/v1", "ReplicaSet", "v")), Whose::Foreign);
        assert_eq!(whose(json!([])), Whose::Foreign);
    }
}
