//! What matters on a cluster only: accepted everywhere, without meaning in a local run.

use crate::duration::Duration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// When nodes pull an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ImagePullPolicy {
    /// Whenever a task starts.
    Always,
    /// If the node does not have it.
    IfNotPresent,
    /// Never.
    Never,
}

/// What happens before the pods of a deleted topology go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DeletionPolicy {
    /// Spouts stop, and what is in flight is worked off, within the drain timeout.
    #[default]
    Drain,
    /// Nothing: pods go at once.
    Immediate,
}

/// How tasks change to another image or config while the topology runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateStrategy {
    /// Tasks that are replaced at the same time.
    #[serde(default = "one")]
    pub max_unavailable: i64,
    /// How long a node may pull an image before the change counts as failed.
    #[serde(default = "default_progress_deadline")]
    pub progress_deadline: Duration,
    /// What happens if the new version does not work.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// Whether no other task begins to change; those in the middle of it go on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}

fn one() -> i64 {
    1
}

fn default_progress_deadline() -> Duration {
    Duration::new("10m")
}

impl Default for UpdateStrategy {
    fn default() -> UpdateStrategy {
        UpdateStrategy {
            max_unavailable: one(),
            progress_deadline: default_progress_deadline(),
            on_failure: OnFailure::default(),
            paused: false,
        }
    }
}

/// What happens if a new version does not work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum OnFailure {
    /// Tasks go back to what ran before.
    #[default]
    Rollback,
    /// The change stops where it is.
    Hold,
}

/// Something of the same namespace, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reference {
    /// Its name.
    pub name: String,
}

/// Something that pods may mount: a name and one volume source, as in a pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    /// Name that mounts refer to.
    pub name: String,
    /// The source, such as `persistentVolumeClaim: {claimName: lines}`.
    #[serde(flatten)]
    pub source: serde_json::Map<String, serde_json::Value>,
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Volume {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Volume".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "description": "Name that mounts refer to."}
            },
            "x-kubernetes-preserve-unknown-fields": true
        })
    }
}

/// Laid over every pod of a topology.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodTemplate {
    /// Labels and annotations beside those of the operator.
    #[serde(default, skip_serializing_if = "PodMetadata::is_empty")]
    pub metadata: PodMetadata,
    /// As the `spec` of a pod. Lists of named things (containers, volumes) are merged by name; the
    /// containers are `stream-manager` and `COMPONENT-INDEX`.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub spec: serde_json::Map<String, serde_json::Value>,
}

/// Labels and annotations of pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodMetadata {
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl PodMetadata {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.annotations.is_empty()
    }
}

/// Where the instances of a component see a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VolumeMount {
    /// Name of one of the topology's volumes.
    pub name: String,
    /// Absolute path in the container.
    pub mount_path: String,
    /// Path within the volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_path: Option<String>,
    /// Whether it cannot be written.
    #[serde(default)]
    pub read_only: bool,
}

/// Where the value of an environment variable comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvSource {
    /// A key of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyReference>,
    /// A key of a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyReference>,
}

/// A key of a Secret or ConfigMap in the topology's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyReference {
    /// Name of the Secret or ConfigMap.
    pub name: String,
    /// The key.
    pub key: String,
    /// Whether the task starts without it if it is missing.
    #[serde(default)]
    pub optional: bool,
}

/// A Secret or ConfigMap, each key of which becomes an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvFrom {
    /// Put in front of each key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// All keys of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<OptionalReference>,
    /// All keys of a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<OptionalReference>,
}

/// Something of the same namespace, by name, that may be missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OptionalReference {
    /// Its name.
    pub name: String,
    /// Whether the task starts without it if it is missing.
    #[serde(default)]
    pub optional: bool,
}
