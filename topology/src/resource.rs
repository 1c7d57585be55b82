//! The `Topology` resource as a user writes it, before validation.
//!
//! Only the shape is checked here: unknown fields are refused, numbers are numbers. Everything that
//! has a meaning is left to [`crate::validate`], which sees the whole and can name every problem at
//! once. Defaults of a field stand where the field does, so that a CRD can be generated from these
//! types.

mod autoscale;
mod cluster;
mod component;

pub use autoscale::Autoscale;
pub use cluster::{
    DeletionPolicy, EnvFrom, EnvSource, ImagePullPolicy, KeyReference, OnFailure,
    OptionalReference, PodMetadata, PodTemplate, Reference, UpdateStrategy, Volume, VolumeMount,
};
pub use component::{
    Amounts, Bolt, Common, EnvVar, GroupingName, Input, Resources, Spout, StreamSpec,
};

use crate::duration::Duration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The group and version of the resource.
pub const API_VERSION: &str = "egret.dev/v1alpha1";

/// The kind of the resource.
pub const KIND: &str = "Topology";

/// A topology as applied with kubectl or run from a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resource {
    /// `egret.dev/v1alpha1`.
    pub api_version: String,
    /// `Topology`.
    pub kind: String,
    /// Name and labels.
    pub metadata: Metadata,
    /// What should run.
    pub spec: Spec,
}

/// The part of Kubernetes' object metadata that a user writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Name, unique within the namespace.
    pub name: String,
    /// Namespace; without meaning in a local run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What should run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// Image of every component that names none; left out, the built-in components.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// When nodes pull images; by default if they do not have them, and always for `:latest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<ImagePullPolicy>,
    /// Secrets with which nodes pull images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<Reference>,
    /// What is delivered when something fails.
    #[serde(default)]
    pub delivery: Delivery,
    /// Tuple trees in flight per spout task.
    #[serde(default = "default_max_pending")]
    pub max_pending: i64,
    /// How long a tuple tree may take.
    #[serde(default = "default_message_timeout")]
    pub message_timeout: Duration,
    /// Exact for `RoundRobin`, a maximum for `FirstFitDecreasing`.
    #[serde(default = "one")]
    pub pods: i64,
    /// How tasks are shared among pods.
    #[serde(default)]
    pub packing: Packing,
    /// What one pod may hold, for `FirstFitDecreasing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_capacity: Option<Amounts>,
    /// Whether it runs.
    #[serde(default)]
    pub state: State,
    /// What happens before the pods of a deleted topology go.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// How long stopping and deleting wait for what is in flight.
    #[serde(default = "default_drain_timeout")]
    pub drain_timeout: Duration,
    /// Which tuples are traced by OpenTelemetry; left out, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Tracing>,
    /// How tasks change to another image or config while the topology runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub update_strategy: UpdateStrategy,
    /// Any text; another one starts all processes anew, task by task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarted_at: Option<String>,
    /// What components may mount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// Laid over every pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// Where tuples come from.
    pub spouts: Vec<Spout>,
    /// What is done with them.
    #[serde(default)]
    pub bolts: Vec<Bolt>,
}

fn is_default(strategy: &UpdateStrategy) -> bool {
    *strategy == UpdateStrategy::default()
}

fn default_max_pending() -> i64 {
    10_000
}

fn default_message_timeout() -> Duration {
    Duration::new("30s")
}

fn default_drain_timeout() -> Duration {
    Duration::new("60s")
}

pub(crate) fn one() -> i64 {
    1
}

/// What is delivered when something fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Delivery {
    /// Every tuple tree is tracked; what fails can be replayed.
    #[default]
    AtLeastOnce,
    /// Nothing is tracked or replayed.
    AtMostOnce,
    /// Reserved; refused with words until it exists.
    EffectivelyOnce,
}

/// How tasks are shared among pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Packing {
    /// As few pods as the requested resources allow.
    FirstFitDecreasing,
    /// Exactly the asked pods, the tasks of each component spread evenly.
    #[default]
    RoundRobin,
}

/// Whether the topology runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum State {
    /// Spouts are off, pods stay.
    Paused,
    /// It runs.
    #[default]
    Running,
    /// Drained, no pods.
    Stopped,
}

/// Which tuples are traced, and where their spans are sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tracing {
    /// Share of the roots whose trees are traced: 0 for none, 0.001 for one in a thousand, 1 for
    /// all.
    #[serde(default)]
    pub sample_rate: f64,
    /// Base address of an OTLP/HTTP endpoint, to which `/v1/traces` is added; left out, what
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` of the stream managers says, else port 4318 of loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_left_out_has_its_default() {
        let spec: Spec = serde_json::from_value(json!({"spouts": [{"name": "words"}]})).unwrap();
        assert_eq!(spec.delivery, Delivery::AtLeastOnce);
        assert_eq!(spec.max_pending, 10_000);
        assert_eq!(spec.message_timeout.millis(), Ok(30_000));
        assert_eq!(spec.pods, 1);
        assert_eq!(spec.packing, Packing::RoundRobin);
        assert_eq!(spec.state, State::Running);
        assert_eq!(spec.spouts[0].parallelism, 1);
        assert_eq!(spec.bolts, []);
    }

    #[test]
    fn unknown_fields_are_refused() {
        for wrong in [
            json!({"spouts": [], "maxpending": 1}),
            json!({"spouts": [{"name": "a", "inputs": []}]}),
            json!({"spouts": [], "bolts": [{"name": "b", "inputs": [{"from": "a", "key": "x"}]}]}),
        ] {
            let error = serde_json::from_value::<Spec>(wrong).unwrap_err().to_string();
            assert!(error.contains("unknown field"), "{error}");
        }
    }
}
