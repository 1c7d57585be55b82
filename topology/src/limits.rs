//! Limits of a topology, each with its reason.
//!
//! They keep the resource far below what the API server stores (1.5 MiB) and the cost limit of its
//! validation rules, and a physical plan of the largest topology within one control message.

/// A topology's or component's name: it prefixes pod and object names, which end at 63 characters.
pub const MAX_NAME: usize = 40;

/// A stream's, field's or custom grouping's name.
pub const MAX_IDENTIFIER: usize = 63;

/// Spouts, and bolts. Every rule over components is evaluated for each, some for each pair.
pub const MAX_COMPONENTS: usize = 64;

/// Tasks of one component.
pub const MAX_PARALLELISM: u32 = 4096;

/// Tasks in all: each is a process and a few hundred bytes of the plan that every task receives.
pub const MAX_TASKS: u32 = 8192;

/// Pods: every pair of them keeps a connection.
pub const MAX_PODS: u32 = 1000;

/// Inputs of a bolt.
pub const MAX_INPUTS: usize = 16;

/// Output streams of a component.
pub const MAX_STREAMS: usize = 16;

/// Fields of a stream: far below the limit of a tuple on the wire.
pub const MAX_FIELDS: usize = 64;

/// Environment variables of a component.
pub const MAX_ENV: usize = 64;

/// Bytes of a component's config as JSON. The plan carries it to every task.
pub const MAX_CONFIG: usize = 32 << 10;

/// Lists and maps of a config may nest this deep, as values on the wire may.
pub const MAX_CONFIG_DEPTH: usize = 16;

/// Bytes of an image reference, an environment variable's value, a registered component's name.
pub const MAX_TEXT: usize = 512;

/// A name of a Kubernetes object that a topology refers to, and a key in it: Kubernetes' own limit.
pub const MAX_OBJECT_NAME: usize = 253;

/// Volumes of a topology, mounts of a component, sources of its environment.
pub const MAX_VOLUMES: usize = 16;

/// Secrets with which nodes pull images.
pub const MAX_PULL_SECRETS: usize = 8;

/// Labels, and annotations, that a topology gives its pods.
pub const MAX_LABELS: usize = 32;

/// Bytes of what is laid over pods, and of a volume's source, as JSON. Every pod is stored with it.
pub const MAX_POD_TEMPLATE: usize = 32 << 10;

/// Roots per second that a spout may be limited to: more than a task can emit.
pub const MAX_RATE: u32 = 1_000_000_000;

/// Failed tries after which a root may become a dead letter. Each may cost a life of a task; who
/// wants more wants them for ever.
pub const MAX_TRIES: u32 = 1000;

/// Share of the time that tasks shall work, of which their number is made: below there would be ten
/// times as many as are needed, above no room for more.
pub const MIN_UTILIZATION: f64 = 0.1;
/// The same at most.
pub const MAX_UTILIZATION: f64 = 0.95;

/// Time between two changes of a bolt's number of tasks at least: each costs an epoch, and before
/// that time nothing is known of what it has done.
pub const MIN_COOLDOWN_MS: u64 = 30_000;

/// Tuple trees in flight per spout task; each costs the tracker some hundred bytes.
pub const MAX_PENDING: u32 = 1_000_000;

/// The longest message timeout and tick: a day. A longer one hides a stuck tuple for good.
pub const MAX_DURATION_MS: u64 = 24 * 3_600_000;

/// Bytes of all positions of a topology as JSON: 65,536 files with names of 40 bytes. A file list
/// that is longer is a configuration error sooner than an input.
pub const MAX_POSITIONS: usize = 4 << 20;

const _: () = assert!(MAX_PARALLELISM <= MAX_TASKS);
const _: () = assert!(MAX_PODS <= MAX_TASKS);
const _: () = assert!(MIN_UTILIZATION < MAX_UTILIZATION);
const _: () = assert!(MIN_COOLDOWN_MS <= MAX_DURATION_MS);
