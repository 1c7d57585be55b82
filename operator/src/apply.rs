//! Writes objects: what may be written again is applied, what must be there once is created, and a
//! record is replaced only by who has read it.

use crate::{
    build::{self, Owner},
    fetch::{Versioned, Whose, foreign},
    names,
    positions::Standing,
    record::Record,
};
use egret_crd::{Topology, TopologyStatus};
use k8s_openapi::{
    api::{
        apps::v1::ControllerRevision,
        core::v1::{ConfigMap, Pod, Secret},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
        PostParams,
    },
    core::Request,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Why something could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refuses it for what it is: writing it again does not help.
    #[error("the API server refuses {what}: {why}")]
    Refused {
        /// What was written.
        what: String,
        /// Its words.
        why: String,
    },
    /// It is not as it was read.
    #[error("{what} has changed meanwhile; it is read again")]
    Stale {
        /// What was written.
        what: String,
    },
    /// Somebody else has taken its name.
    #[error("{}", foreign(.what))]
    Foreign {
        /// What was to be written.
        what: String,
    },
    /// It is that of a topology of the same name which was deleted, and goes soon.
    #[error("{what} of the topology that had this name before is not gone yet")]
    Namesake {
        /// What was written.
        what: String,
    },
    /// The API server does not answer, or not now.
    #[error("the API server does not take {what}: {source}")]
    Api {
        /// What was written.
        what: String,
        /// Its words.
        source: kube::Error,
    },
    /// An object cannot be read back; a mistake of this program.
    #[error("{what} is malformed: {why}")]
    Malformed {
        /// What was built.
        what: String,
        /// Why.
        why: String,
    },
}

fn failed(what: &str, source: kube::Error) -> Error {
    let what = what.to_owned();
    match source {
        kube::Error::Api(status) if status.code == 409 => Error::Stale { what },
        // Invalid, or forbidden by admission, quota or rights.
        kube::Error::Api(status) if matches!(status.code, 400 | 403 | 422) => {
            Error::Refused { what, why: status.message }
        }
        source => Error::Api { what, source },
    }
}

/// What an object is called in errors.
fn called(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or_default();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    format!("{kind} {name}")
}

fn params() -> PatchParams {
    // Whoever else has set our fields was wrong; a conflict would be tried again for ever.
    PatchParams::apply(names::FIELD_MANAGER).force()
}

/// Applies an object on the server's side, unless it is there and not the topology's.
pub async fn apply(client: &Client, owner: &Owner<'_>, object: &Value) -> Result<(), Error> {
    let what = called(object);
    let malformed = |why: &str| Error::Malformed { what: what.clone(), why: why.to_owned() };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (Some(version), Some(kind)) = (text(&object["apiVersion"]), text(&object["kind"])) else {
        return Err(malformed("it has no kind"));
    };
    let (group, version) = version.split_once('/').unwrap_or(("", &version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
    let metadata = &object["metadata"];
    let (Some(name), Some(namespace)) = (text(&metadata["name"]), text(&metadata["namespace"]))
    else {
        return Err(malformed("it has no name"));
    };
    let objects: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
    // Force would take over what has this name by accident, and make it go with the topology.
    let there = objects.get_metadata_opt(&name).await.map_err(|source| failed(&what, source))?;
    match there.map(|there| Whose::of(&there.metadata, owner.uid)) {
        None | Some(Whose::Ours) => {}
        Some(Whose::Namesake) => return Err(Error::Namesake { what }),
        Some(Whose::Foreign) => return Err(Error::Foreign { what }),
    }
    let patched = objects.patch(&name, &params(), &Patch::Apply(object)).await;
    patched.map(drop).map_err(|source| failed(&what, source))
}

/// Creates a pod, if there is none of that name. What a user lays over pods is checked by the API
/// server, which refuses fields that it does not know.
pub async fn create_pod(client: &Client, owner: &Owner<'_>, object: &Value) -> Result<(), Error> {
    let what = called(object);
    let malformed =
        |why: &dyn std::fmt::Display| Error::Malformed { what: what.clone(), why: why.to_string() };
    let path = Pod::url_path(&(), Some(owner.namespace));
    let bytes = serde_json::to_vec(object).map_err(|error| malformed(&error))?;
    let mut request =
        Request::new(path).create(&post(), bytes).map_err(|error| malformed(&error))?;
    let strict = format!("{}&fieldValidation=Strict", request.uri());
    *request.uri_mut() = strict.parse().map_err(|error| malformed(&error))?;
    match client.request::<Pod>(request).await {
        Ok(_) => Ok(()),
        // The watch may be behind, or the pod of a namesake not gone yet.
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            match whose_pod(client, owner, name).await? {
                Some(Whose::Foreign) => Err(Error::Foreign { what }),
                _ => Ok(()),
            }
        }
        Err(source) => Err(failed(&what, source)),
    }
}

/// Whose the pod of this name is. Asked for by a list: nothing else of pods is read.
async fn whose_pod(client: &Client, owner: &Owner<'_>, name: &str) -> Result<Option<Whose>, Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), owner.namespace);
    let named = ListParams::default().fields(&format!("metadata.name={name}"));
    let found = pods.list_metadata(&named).await;
    let found = found.map_err(|source| failed(&format!("a look at Pod {name}"), source))?;
    Ok(found.items.first().map(|pod| Whose::of(&pod.metadata, owner.uid)))
}

/// Deletes a pod, if it is still that one.
pub async fn delete_pod(
    client: &Client,
    namespace: &str,
    name: &str,
    uid: &str,
) -> Result<(), Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let same = DeleteParams {
        preconditions: Some(kube::api::Preconditions {
            uid: Some(uid.to_owned()),
            ..kube::api::Preconditions::default()
        }),
        ..DeleteParams::default()
    };
    match pods.delete(name, &same).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(source) => Err(failed(&format!("the end of Pod {name}"), source)),
    }
}

/// Which containers of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Containers {
    /// One for each task.
    Tasks,
    /// What runs beside them: the stream manager.
    Sidecars,
}

/// Changes the images of containers of a pod where it is: of tasks, or of what runs beside them.
pub async fn images(
    client: &Client,
    namespace: &str,
    name: &str,
    kind: Containers,
    images: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let containers: Vec<Value> =
        images.iter().map(|(name, image)| json!({"name": name, "image": image})).collect();
    let field = match kind {
        Containers::Tasks => "containers",
        Containers::Sidecars => "initContainers",
    };
    let patch = json!({"spec": {field: containers}});
    match pods.patch(name, &patch_params(), &Patch::Strategic(&patch)).await {
        Ok(_) => Ok(()),
        // It is replaced, with the right images.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(source) => Err(failed(&format!("other images of Pod {name}"), source)),
    }
}

/// Writes a record, if nobody has since it was read. Returns its new version.
pub async fn record(
    client: &Client,
    owner: &Owner<'_>,
    record: &Record,
    version: Option<&str>,
) -> Result<Versioned<Option<Record>>, Error> {
    let version = replace(client, owner, build::record(owner, record), version).await?;
    Ok(Versioned { value: Some(record.clone()), version })
}

/// Writes where input stands, if nobody has since it was read. Returns its new version.
pub async fn positions(
    client: &Client,
    owner: &Owner<'_>,
    kept: &Standing,
    version: Option<&str>,
) -> Result<Option<String>, Error> {
    replace(client, owner, build::positions(owner, kept), version).await
}

/// Writes a ConfigMap, if it is still of that version. Returns its new one.
async fn replace(
    client: &Client,
    owner: &Owner<'_>,
    mut object: Value,
    version: Option<&str>,
) -> Result<Option<String>, Error> {
    let what = called(&object);
    if let Some(version) = version {
        object["metadata"]["resourceVersion"] = version.into();
    }
    let map: ConfigMap = serde_json::from_value(object)
        .map_err(|error| Error::Malformed { what: what.clone(), why: error.to_string() })?;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), owner.namespace);
    let written = match version {
        Some(_) => match maps.replace(&map.name_any(), &post(), &map).await {
            // Deleted by hand. If another operator has made it again meanwhile it is there.
            Err(kube::Error::Api(status)) if status.code == 404 => {
                let mut map = map;
                map.metadata.resource_version = None;
                maps.create(&post(), &map).await
            }
            written => written,
        },
        None => maps.create(&post(), &map).await,
    };
    let written = written.map_err(|source| failed(&what, source))?;
    Ok(written.metadata.resource_version)
}

/// Keeps a CA, unless there is one already: two operators must not have two.
pub async fn create_authority(client: &Client, object: Value) -> Result<bool, Error> {
    let what = called(&object);
    let secret: Secret = serde_json::from_value(object)
        .map_err(|error| Error::Malformed { what: what.clone(), why: error.to_string() })?;
    let namespace = secret.namespace().unwrap_or_default();
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    match secrets.create(&post(), &secret).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => Ok(false),
        Err(source) => Err(failed(&what, source)),
    }
}

/// Forgets the CA of a topology that is gone.
pub async fn forget_authority(client: &Client, namespace: &str, uid: &str) -> Result<(), Error> {
    let name = names::authority(uid);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    match secrets.delete(&name, &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(source) => Err(failed(&format!("the end of Secret {name}"), source)),
    }
}

/// Keeps a spec that was asked for. False: there is another one of that name.
pub async fn create_revision(
    client: &Client,
    namespace: &str,
    object: Value,
) -> Result<bool, Error> {
    let what = called(&object);
    let revision: ControllerRevision = serde_json::from_value(object)
        .map_err(|error| Error::Malformed { what: what.clone(), why: error.to_string() })?;
    let revisions: Api<ControllerRevision> = Api::namespaced(client.clone(), namespace);
    match revisions.create(&post(), &revision).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => Ok(false),
        Err(source) => Err(failed(&what, source)),
    }
}

/// Forgets a spec that was asked for.
pub async fn forget_revision(client: &Client, namespace: &str, name: &str) -> Result<(), Error> {
    let revisions: Api<ControllerRevision> = Api::namespaced(client.clone(), namespace);
    match revisions.delete(name, &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(source) => Err(failed(&format!("the end of ControllerRevision {name}"), source)),
    }
}

/// Writes the status of a topology.
pub async fn status(
    client: &Client,
    owner: &Owner<'_>,
    status: &TopologyStatus,
) -> Result<(), Error> {
    // The answer is the whole resource, which may be one that cannot be read.
    let resource = ApiResource::erase::<Topology>(&());
    let topologies: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), owner.namespace, &resource);
    let object = json!({
        "apiVersion": egret_topology::resource::API_VERSION,
        "kind": egret_topology::resource::KIND,
        // A namesake that came meanwhile is another topology.
        "metadata": {"name": owner.name, "uid": owner.uid},
        "status": status,
    });
    let written = topologies.patch_status(owner.name, &params(), &Patch::Apply(&object)).await;
    written.map(drop).map_err(|source| failed("the status", source))
}

/// Applies the numbers of tasks that the autoscaler gives, by its own name and never by force: what
/// somebody else manages is theirs, which is [`Error::Stale`].
pub async fn parallelism(client: &Client, owner: &Owner<'_>, object: &Value) -> Result<(), Error> {
    let topologies: Api<Topology> = Api::namespaced(client.clone(), owner.namespace);
    let ours = PatchParams::apply(names::AUTOSCALER);
    let patched = topologies.patch_metadata(owner.name, &ours, &Patch::Apply(object)).await;
    patched.map(drop).map_err(|source| failed("another parallelism", source))
}

/// Whether a topology has our finalizer.
pub fn has_finalizer(metadata: &ObjectMeta) -> bool {
    metadata.finalizers.iter().flatten().any(|known| known == names::FINALIZER)
}

/// Adds or removes our finalizer of a topology. Somebody else's stay.
pub async fn finalizer(client: &Client, metadata: &ObjectMeta, wanted: bool) -> Result<(), Error> {
    if has_finalizer(metadata) == wanted {
        return Ok(());
    }
    let mut list = metadata.finalizers.clone().unwrap_or_default();
    if wanted {
        list.push(names::FINALIZER.to_owned());
    } else {
        list.retain(|known| known != names::FINALIZER);
    }
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let topologies: Api<Topology> = Api::namespaced(client.clone(), &text(&metadata.namespace));
    let patch = json!({"metadata": {
        "finalizers": list,
        // If somebody else has changed the list, ours is out of date.
        "resourceVersion": metadata.resource_version,
    }});
    // Not applied: that would take finalizers away which others have set.
    let ours = patch_params();
    let patched =
        topologies.patch_metadata(&text(&metadata.name), &ours, &Patch::Merge(&patch)).await;
    match patched {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(source) => Err(failed("the finalizer", source)),
    }
}

/// Removes our finalizer, also if what is known of the topology is out of date.
pub async fn release(client: &Client, metadata: &ObjectMeta) -> Result<(), Error> {
    // Each round somebody else was faster, which ends.
    const ROUNDS: usize = 5;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let topologies: Api<Topology> = Api::namespaced(client.clone(), &text(&metadata.namespace));
    let mut metadata = metadata.clone();
    let mut released = finalizer(client, &metadata, false).await;
    for _ in 0..ROUNDS {
        if !matches!(released, Err(Error::Stale { .. })) {
            break;
        }
        let found = topologies.get_metadata_opt(&text(&metadata.name)).await;
        match found.map_err(|source| failed("the finalizer", source))? {
            Some(found) => metadata = found.metadata,
            None => return Ok(()),
        }
        released = finalizer(client, &metadata, false).await;
    }
    released
}

/// Of what is not applied.
fn patch_params() -> PatchParams {
    PatchParams { field_manager: params().field_manager, ..PatchParams::default() }
}

fn post() -> PostParams {
    PostParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PostParams::default() }
}
