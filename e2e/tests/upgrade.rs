//! A newer operator brings another stream manager: each pod gets it where it is, under load. All
//! topologies of the cluster are concerned, so this test is alone in its program.

// Also in the fixtures, which clippy does not take for tests.
#![allow(clippy::unwrap_used)]

use egret_e2e::{
    Cluster, Deployed, Error, Life, Namespace,
    installed::DEPLOYMENT,
    layout::Machine,
    load::{COPIES, Load},
};
use serde_json::json;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(150);
/// The stream manager of the release, and the same under another name.
const IMAGE: &str = concat!("egret.dev/stream-manager:", env!("CARGO_PKG_VERSION"));
const OTHER: &str = "egret.dev/stream-manager:other-tag";
const NOBODYS: &str = "localhost/nobody:has";
/// The same for instances of built-in components.
const INSTANCE: &str = concat!("egret.dev/instance:", env!("CARGO_PKG_VERSION"));
const OTHER_INSTANCE: &str = "egret.dev/instance:other-tag";

/// Operators that bring other images, until this is dropped.
struct Newer<'a>(&'a Cluster);

impl Newer<'_> {
    /// An operator that brings these, of stream managers and of built-in components; its own
    /// where there is none.
    fn bring(&self, images: [Option<&str>; 2]) -> Result<(), Error> {
        const FLAGS: [&str; 2] = ["--stream-manager-image=", "--instance-image="];
        let path = "jsonpath={.spec.template.spec.containers[0].args}";
        let text = self.0.operator_kubectl(&["get", DEPLOYMENT, "--output", path])?;
        let mut args: Vec<String> = serde_json::from_str(&text).unwrap_or_default();
        args.retain(|arg| !FLAGS.iter().any(|flag| arg.starts_with(flag)));
        let flags = FLAGS.iter().zip(images);
        args.extend(flags.filter_map(|(flag, image)| Some(format!("{flag}{}", image?))));
        let path = "/spec/template/spec/containers/0/args";
        let patch = json!([{"op": "replace", "path": path, "value": args}]).to_string();
        self.0.operator_kubectl(&["patch", DEPLOYMENT, "--type=json", "--patch", &patch])?;
        self.0.operator_ready()
    }
}

impl Drop for Newer<'_> {
    fn drop(&mut self) {
        // The next test waits for it, and says so if it does not come back.
        let _ = self.bring([None; 2]);
    }
}

/// The images that its pods have at this place of their specs, by pod.
fn images_at(topology: &Deployed<'_>, place: &str) -> Vec<String> {
    let path = format!("jsonpath={{range .items[*]}}{{.spec.{place}.image}}{{\"\\n\"}}{{end}}");
    let selector = "egret.dev/topology=up";
    let args = ["get", "pods", "--selector", selector, "--output", &path];
    topology.namespace().kubectl(&args).unwrap().lines().map(str::to_owned).collect()
}

/// Those of stream managers.
fn images(topology: &Deployed<'_>) -> Vec<String> {
    images_at(topology, "initContainers[0]")
}

/// Those of tasks.
fn instances(topology: &Deployed<'_>) -> Vec<String> {
    let all = images_at(topology, "containers[*]");
    all.iter().flat_map(|of_pod| of_pod.split(' ')).map(str::to_owned).collect()
}

fn uids(pods: &[Life]) -> Vec<String> {
    pods.iter().map(|pod| pod.uid.clone()).collect()
}

#[test]
fn stream_managers_are_upgraded_pod_by_pod_where_they_are_and_every_line_arrives_once() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    cluster.tag(IMAGE, OTHER).unwrap();
    cluster.tag(INSTANCE, OTHER_INSTANCE).unwrap();
    let mut namespace = Namespace::new(&cluster, "upgrade").unwrap();
    let input = namespace.volume("input", Machine::A).unwrap().join("in.txt");
    let output = namespace.volume("output", Machine::B).unwrap().join("out.txt");
    namespace.claim("input").unwrap();
    namespace.claim("output").unwrap();
    let mut load = Load::on(&input, output).unwrap();
    // What is not there is known at once not to be there.
    let spec = format!("imagePullPolicy: Never\n{}", COPIES.trim_start());
    let topology = namespace.deploy("up", &spec).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    load.flows(PATIENCE).unwrap();
    let before = topology.pods().unwrap();
    assert_eq!(images(&topology), [IMAGE; 2]);

    let newer = Newer(&cluster);
    newer.bring([Some(OTHER), Some(OTHER_INSTANCE)]).unwrap();
    topology.tells(&["Upgrading", "Upgraded"], PATIENCE).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    load.flows(PATIENCE).unwrap();
    assert_eq!(images(&topology), [OTHER; 2]);
    let after = topology.pods().unwrap();
    assert_eq!(uids(&after), uids(&before), "pods stay where they are");
    let restarts: u64 = after.iter().map(|pod| pod.restarts).sum();
    assert_eq!(restarts, 2, "only stream managers have another container");

    // One that nobody has costs nothing.
    newer.bring([Some(NOBODYS), Some(OTHER_INSTANCE)]).unwrap();
    topology.tells(&["UpgradeFailed"], PATIENCE).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    load.flows(PATIENCE).unwrap();
    assert_eq!(images(&topology), [OTHER; 2]);
    assert_eq!(uids(&topology.pods().unwrap()), uids(&before));

    // Built-in components change their image when somebody asks for new processes.
    assert_eq!(instances(&topology), [INSTANCE; 4]);
    topology.change(&json!({"restartedAt": "now"})).unwrap();
    topology.tells(&["RollingOut", "RolledOut"], PATIENCE).unwrap();
    load.flows(PATIENCE).unwrap();
    assert_eq!(instances(&topology), [OTHER_INSTANCE; 4]);
    assert_eq!(uids(&topology.pods().unwrap()), uids(&before));

    let account = load.end(PATIENCE).unwrap();
    eprintln!("{account:?}");
    assert_eq!(account.twice, 0, "nothing was in flight through who was replaced");
}
