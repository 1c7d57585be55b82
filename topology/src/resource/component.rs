//! Spouts and bolts as they are written in the resource.

use super::{Autoscale, EnvFrom, EnvSource, VolumeMount, one};
use crate::{duration::Duration, limits, quantity::Quantity, stream::DEFAULT_STREAM};
use serde::{Deserialize, Serialize};

/// A spout as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spout {
    /// Name, unique among spouts and bolts.
    pub name: String,
    /// Number of tasks.
    #[serde(default = "one")]
    pub parallelism: i64,
    /// Name registered in the image; by default the component's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Image, if another than the topology's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Given to the component as it is.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub config: serde_json::Map<String, serde_json::Value>,
    /// Output streams; by default what the binary declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<Vec<StreamSpec>>,
    /// What each instance needs.
    #[serde(default, skip_serializing_if = "Resources::is_empty")]
    pub resources: Resources,
    /// Environment of each instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Secrets and ConfigMaps whose keys become variables of each instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<EnvFrom>,
    /// Where each instance sees volumes of the topology.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<VolumeMount>,
    /// Roots that it emits per second at most, all its tasks together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rate: Option<i64>,
    /// After so many failed tries a root becomes a dead letter, which is emitted on the stream
    /// `dead-letters` instead; left out, it is tried for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tries: Option<i64>,
}

/// A bolt as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bolt {
    /// Name, unique among spouts and bolts.
    pub name: String,
    /// Number of tasks; left out, 1, or with `autoscale` what that finds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<i64>,
    /// Name registered in the image; by default the component's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Image, if another than the topology's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Given to the component as it is.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub config: serde_json::Map<String, serde_json::Value>,
    /// Output streams; by default what the binary declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<Vec<StreamSpec>>,
    /// What each instance needs.
    #[serde(default, skip_serializing_if = "Resources::is_empty")]
    pub resources: Resources,
    /// Environment of each instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Secrets and ConfigMaps whose keys become variables of each instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<EnvFrom>,
    /// Where each instance sees volumes of the topology.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<VolumeMount>,
    /// Where its tuples come from.
    #[serde(default)]
    pub inputs: Vec<Input>,
    /// Interval of tick tuples; without it there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tick: Option<Duration>,
    /// On a cluster, how many tasks it may be given by what is measured; a local run has `min`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscale: Option<Autoscale>,
}

impl Spout {
    fn tasks(&self) -> i64 {
        self.parallelism
    }
}

impl Bolt {
    /// As many as are asked for, else as few as it may have.
    fn tasks(&self) -> i64 {
        let least = self.autoscale.as_ref().map_or_else(one, |autoscale| autoscale.min);
        // What is wrong with that is said of that.
        self.parallelism.unwrap_or(least.clamp(1, limits::MAX_PARALLELISM.into()))
    }
}

/// What spouts and bolts have in common.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "each field is documented at the spout and the bolt")]
pub struct Common<'a> {
    pub name: &'a str,
    pub parallelism: i64,
    pub component: Option<&'a str>,
    pub image: Option<&'a str>,
    pub config: &'a serde_json::Map<String, serde_json::Value>,
    pub streams: Option<&'a [StreamSpec]>,
    pub resources: &'a Resources,
    pub env: &'a [EnvVar],
    pub env_from: &'a [EnvFrom],
    pub volume_mounts: &'a [VolumeMount],
}

macro_rules! common {
    ($kind:ty) => {
        impl $kind {
            /// What spouts and bolts have in common.
            pub fn common(&self) -> Common<'_> {
                Common {
                    name: &self.name,
                    parallelism: self.tasks(),
                    component: self.component.as_deref(),
                    image: self.image.as_deref(),
                    config: &self.config,
                    streams: self.streams.as_deref(),
                    resources: &self.resources,
                    env: &self.env,
                    env_from: &self.env_from,
                    volume_mounts: &self.volume_mounts,
                }
            }
        }
    };
}
common!(Spout);
common!(Bolt);

/// An output stream as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamSpec {
    /// Name, unique within the component.
    #[serde(default = "default_stream")]
    pub name: String,
    /// Names of the fields of each tuple, in order.
    pub fields: Vec<String>,
    /// Tuples go to the task that the emitter names.
    #[serde(default)]
    pub direct: bool,
}

/// One input of a bolt as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// Name of the component that emits.
    pub from: String,
    /// Which of its streams.
    #[serde(default = "default_stream")]
    pub stream: String,
    /// How tuples are shared among the bolt's tasks.
    #[serde(default)]
    pub grouping: GroupingName,
    /// Key fields of `Fields` and `PartialKey`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Registered name of a `Custom` grouping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<String>,
}

fn default_stream() -> String {
    DEFAULT_STREAM.to_owned()
}

/// A grouping by its name; its arguments are fields of the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "documented at the grouping itself")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum GroupingName {
    All,
    Custom,
    Direct,
    Fields,
    Global,
    LocalOrShuffle,
    PartialKey,
    #[default]
    Shuffle,
}

/// What an instance needs and may use, as Kubernetes has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// What it needs; packing goes by it.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub requests: Amounts,
    /// What it may use.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub limits: Amounts,
}

/// Amounts of CPU and memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Amounts {
    /// CPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Quantity>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,
}

impl Resources {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.limits.is_empty()
    }
}

impl Amounts {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.cpu.is_none() && self.memory.is_none()
    }
}

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// On a cluster, where its value comes from instead; a local run leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvSource>,
}
