//! A topology as it is read from and written to the API server.

use crate::{PLURAL, TopologyStatus};
use egret_topology::resource::{self, API_VERSION, KIND, Spec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::NamespaceResourceScope;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The group of the resource.
pub const GROUP: &str = "egret.dev";

/// The version of the resource.
pub const VERSION: &str = "v1alpha1";

/// A topology as it is read from the API server.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Topology {
    /// Lists leave it out of their items, so it is not looked at.
    #[serde(skip_deserializing, rename = "apiVersion")]
    api_version: ApiVersion,
    #[serde(skip_deserializing)]
    kind: Kind,
    /// Everything that Kubernetes keeps of any object.
    pub metadata: ObjectMeta,
    /// What should run.
    pub spec: Spec,
    /// What does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<TopologyStatus>,
}

/// Always [`API_VERSION`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ApiVersion;

/// Always [`KIND`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Kind;

impl Serialize for ApiVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(API_VERSION)
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(KIND)
    }
}

impl Topology {
    /// A topology of this name.
    pub fn new(name: &str, spec: Spec) -> Topology {
        Topology {
            api_version: ApiVersion,
            kind: Kind,
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            spec,
            status: None,
        }
    }

    /// The same as a file would have it, for validation.
    pub fn to_resource(&self) -> resource::Resource {
        resource::Resource {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            metadata: resource::Metadata {
                name: self.metadata.name.clone().unwrap_or_default(),
                namespace: self.metadata.namespace.clone(),
                labels: self.metadata.labels.clone().unwrap_or_default(),
                annotations: self.metadata.annotations.clone().unwrap_or_default(),
            },
            spec: self.spec.clone(),
        }
    }
}

impl kube::Resource for Topology {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        VERSION.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_of_the_api_server_is_read_and_written_with_its_kind() {
        let object = json!({
            "metadata": {"name": "t", "namespace": "n", "uid": "u", "resourceVersion": "7"},
            "spec": {"spouts": [{"name": "s"}]},
        });
        let topology: Topology = serde_json::from_value(object).unwrap();
        assert_eq!(topology.to_resource().metadata.namespace.as_deref(), Some("n"));
        let written = serde_json::to_value(&topology).unwrap();
        assert_eq!(written["apiVersion"], "egret.dev/v1alpha1");
        assert_eq!(written["kind"], "Topology");
        assert_eq!(kube::Resource::meta(&topology).uid.as_deref(), Some("u"));
        assert_eq!(format!("{GROUP}/{VERSION}"), API_VERSION);
    }
}
