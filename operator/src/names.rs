//! Names, labels and annotations of everything that the operator makes.

use egret_topology::{id::PodId, limits, packing_plan::PackedTask};

/// Field manager of all that is applied.
pub const FIELD_MANAGER: &str = "egret-operator";
/// Field manager of the numbers of tasks that bolts are given by what is measured: what somebody
/// else sets is theirs, and what this one has set stays when they apply their manifest again.
pub const AUTOSCALER: &str = "egret-autoscaler";

/// Label with the topology's name.
pub const TOPOLOGY: &str = "egret.dev/topology";
/// Label with the index of a pod.
pub const POD: &str = "egret.dev/pod";
/// Label of pods that pull an image, with the topology's name.
pub const PULLS_FOR: &str = "egret.dev/pulls-for";
/// Label of Secrets that hold a CA, with the topology's uid.
pub const CA_OF: &str = "egret.dev/ca-of";
/// Variable that tells processes which of all pods of the topology theirs is.
pub const BIRTH: &str = "EGRET_BIRTH";
/// Variable that tells instances how long they have to end once they are asked to, in seconds.
pub const GRACE: &str = "EGRET_GRACE_SECONDS";
/// Annotation with the life of a pod.
pub const LIFE: &str = "egret.dev/life";
/// Annotation with the definition that a pod was made of.
pub const DEFINITION: &str = "egret.dev/definition";
/// Annotation with the namespace of a topology, on what lives elsewhere.
pub const NAMESPACE: &str = "egret.dev/namespace";
/// Annotation with when certificates are to be renewed, in seconds since 1970.
pub const RENEW_AT: &str = "egret.dev/renew-at";
/// Annotation of a topology that the operator keeps its hands off while it is `true`.
pub const HANDS_OFF: &str = "egret.dev/hands-off";
/// Finalizer that lets a deleted topology drain.
pub const FINALIZER: &str = "egret.dev/drain";

/// Label that everything of Egret has.
pub const PART_OF: (&str, &str) = ("app.kubernetes.io/part-of", "egret");
/// Label that everything of the operator has.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "egret-operator");

/// UDP port of a stream manager: links of peers, instances and the operator.
pub const LINK_PORT: u16 = 4738;
/// TCP port of a stream manager: metrics and probes.
pub const ADMIN_PORT: u16 = 4739;

/// Directory of Egret in every container.
pub const DIR: &str = "/var/lib/egret";
/// Directory of certificates and key in every container.
pub const IDENTITY_DIR: &str = "/var/lib/egret/identity";

/// Container of the stream manager.
pub const STREAM_MANAGER: &str = "stream-manager";

/// Name of a pod in one of its lives.
pub fn pod(topology: &str, pod: PodId, life: u32) -> String {
    format!("{topology}-{pod}-{life}")
}

/// Pod that makes the node of another one pull an image.
pub fn pull(topology: &str, pod: PodId, node: &str, image: &str) -> String {
    let place = format!("{node} {image}");
    let digest = xxhash_rust::xxh3::xxh3_64(place.as_bytes()) as u32;
    format!("{topology}-pull-{pod}-{digest:08x}")
}

/// Secret with the identities of a pod and its tasks, through all lives of the pod.
pub fn identity(topology: &str, pod: PodId) -> String {
    format!("{topology}-{pod}-identity")
}

/// ConfigMap with the record of a topology.
pub fn record(topology: &str) -> String {
    format!("{topology}-plan")
}

/// ConfigMap with where the input of a topology stands.
pub fn positions(topology: &str) -> String {
    format!("{topology}-positions")
}

/// ControllerRevision with a spec that was asked for.
pub fn revision(topology: &str, number: i64) -> String {
    format!("{topology}-r{number}")
}

/// Secret with the CA of a topology, in the operator's namespace.
pub fn authority(uid: &str) -> String {
    format!("egret-ca-{uid}")
}

/// Container of a task.
pub fn container(task: &PackedTask) -> String {
    format!("{}-{}", task.component, task.index)
}

// The longest: a component with its index, a topology with pod and ten digits of lives.
const _: () = assert!(limits::MAX_NAME + 1 + 4 <= 63);
const _: () = assert!(limits::MAX_NAME + 1 + 3 + 1 + 10 <= 63);
const _: () = assert!(limits::MAX_NAME + 6 + 3 + 1 + 8 <= 63);
const _: () = assert!(limits::MAX_PARALLELISM < 10_000 && limits::MAX_PODS <= 1000);
