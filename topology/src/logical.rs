//! The logical plan: a topology that passed validation, before anything is placed.
//!
//! Whoever holds a [`Logical`] need not ask again whether names exist, edges are acyclic or numbers
//! are in range; nobody but [`crate::validate`] makes one. The raw resource is not seen any more.

pub use crate::resource::{
    DeletionPolicy, EnvFrom, EnvSource, ImagePullPolicy, KeyReference, OnFailure, Packing,
    PodTemplate, State, Volume, VolumeMount,
};
use crate::{
    log_level::LogLevels,
    plan::{ComponentKind, Delivery, PlannedInput},
    stream::Stream,
    tracing::Tracing,
};

/// A validated topology.
#[derive(Clone, Debug, PartialEq)]
pub struct Logical {
    /// Its name.
    pub name: String,
    /// Its namespace, if the resource names one.
    pub namespace: Option<String>,
    /// Delivery class.
    pub delivery: Delivery,
    /// Tuple trees in flight per spout task.
    pub max_pending: u32,
    /// How long a tuple tree may take.
    pub message_timeout_ms: u64,
    /// Exact for `RoundRobin`, a maximum for `FirstFitDecreasing`.
    pub pods: u32,
    /// How tasks are shared among pods.
    pub packing: Packing,
    /// What one pod may hold.
    pub pod_capacity: Amounts,
    /// Whether it should run.
    pub state: State,
    /// Which lines its processes log.
    pub log_levels: LogLevels,
    /// Which roots are traced.
    pub tracing: Option<Tracing>,
    /// Spouts, then bolts, in the order of the resource; indexes into this list are used below.
    pub components: Vec<LogicalComponent>,
    /// What matters on a cluster only.
    pub on_cluster: OnCluster,
}

/// What matters on a cluster only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OnCluster {
    /// When nodes pull images; none: as Kubernetes does by default.
    pub image_pull_policy: Option<ImagePullPolicy>,
    /// Names of Secrets with which nodes pull images.
    pub image_pull_secrets: Vec<String>,
    /// What components may mount.
    pub volumes: Vec<Volume>,
    /// Laid over every pod.
    pub pod_template: PodTemplate,
    /// What happens before the pods of a deleted topology go.
    pub deletion_policy: DeletionPolicy,
    /// How long stopping and deleting wait for what is in flight.
    pub drain_timeout_ms: u64,
    /// How tasks change while they run.
    pub update: Update,
}

/// How tasks change while they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// Tasks that are replaced at the same time.
    pub max_unavailable: u32,
    /// How long a node may pull an image.
    pub progress_deadline_ms: u64,
    /// What happens if the new version does not work.
    pub on_failure: OnFailure,
    /// No other task begins to change.
    pub paused: bool,
}

impl Default for Update {
    fn default() -> Update {
        let progress_deadline_ms = 600_000;
        Update {
            max_unavailable: 1,
            progress_deadline_ms,
            on_failure: OnFailure::default(),
            paused: false,
        }
    }
}

/// A validated spout or bolt.
#[derive(Clone, Debug, PartialEq)]
pub struct LogicalComponent {
    /// Name within the topology.
    pub name: String,
    /// Spout or bolt.
    pub kind: ComponentKind,
    /// Name under which it is registered in its binary.
    pub component: String,
    /// Its image; none: the built-in components.
    pub image: Option<String>,
    /// Number of tasks.
    pub parallelism: u32,
    /// The user's configuration, an object.
    pub config: serde_json::Value,
    /// Interval of tick tuples.
    pub tick_ms: Option<u64>,
    /// Roots per second at most, of spouts.
    pub max_rate: Option<u32>,
    /// Failed tries after which a root is a dead letter, of spouts; none: it is tried for ever.
    pub max_tries: Option<u32>,
    /// Its processes start anew when this is another text.
    pub restarted_at: Option<String>,
    /// Output streams; a stream's number on the wire is its place in this list.
    pub streams: Vec<Stream>,
    /// Where a bolt's tuples come from.
    pub inputs: Vec<PlannedInput>,
    /// What each instance needs; packing goes by it.
    pub requests: Amounts,
    /// What each instance may use.
    pub limits: Amounts,
    /// Environment of each instance, by name.
    pub env: Vec<(String, String)>,
    /// What matters on a cluster only.
    pub on_cluster: ComponentOnCluster,
}

/// What of a component matters on a cluster only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ComponentOnCluster {
    /// Variables whose values are in Secrets and ConfigMaps.
    pub env: Vec<(String, EnvSource)>,
    /// Secrets and ConfigMaps whose keys become variables.
    pub env_from: Vec<EnvFrom>,
    /// Where each instance sees volumes.
    pub volume_mounts: Vec<VolumeMount>,
    /// How many tasks it may be given by what is measured.
    pub autoscale: Option<Autoscale>,
}

/// How many tasks a bolt may be given by what is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Autoscale {
    /// At least.
    pub min: u32,
    /// At most.
    pub max: u32,
    /// Share of the time that its tasks shall work.
    pub target_utilization: f64,
    /// Complete latency that 99 of 100 tuple trees shall keep within.
    pub latency_ms: Option<u64>,
    /// Time after a change before tasks are added.
    pub cooldown_ms: u64,
    /// Nothing is changed.
    pub dry_run: bool,
}

/// Amounts of CPU and memory, where they are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Thousandths of a CPU.
    pub cpu_millis: Option<u64>,
    /// Bytes.
    pub memory_bytes: Option<u64>,
}

impl Logical {
    /// A component by its name.
    pub fn component(&self, name: &str) -> Option<&LogicalComponent> {
        self.components.iter().find(|component| component.name == name)
    }

    /// The number of tasks of all components.
    pub fn tasks(&self) -> u32 {
        self.components.iter().map(|component| component.parallelism).sum()
    }
}
