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

/// Operators that bring another stream manager, until this is dropped.
struct Newer<'a>(&'a Cluster);

impl Newer<'_> {
    /// An operator that brings this one; without an image its own.
    fn bring(&self, image: Option<&str>) -> Result<(), Error> {
        const FLAG: &str = "--stream-manager-image=";
        let path = "jsonpath={.spec.template.spec.containers[0].args}";
        let text = self.0.operator_kubectl(&["get", DEPLOYMENT, "--output", path])?;
        let mut args: Vec<String> = serde_json::from_str(&text).unwrap_or_default();
        args.retain(|arg| !arg.starts_with(FLAG));
        args.extend(image.map(|image| format!("{FLAG}{image}")));
        let path = "/spec/template/spec/containers/0/args";
        let patch = json!([{"op": "replace", "path": path, "value": args}]).to_string();
        self.0.operator_kubectl(&["patch", DEPLOYMENT, "--type=json", "--patch", &patch])?;
        self.0.operator_ready()
    }
}

impl Drop for Newer<'_> {
    fn drop(&mut self) {
        // The next test waits for it, and says so if it does not come back.
        let _ = self.bring(None);
    }
}

/// The images that the stream managers of its pods run.
fn images(topology: &Deployed<'_>) -> Vec<String> {
    let path = "jsonpath={range .items[*]}{.spec.initContainers[0].image}{\"\\n\"}{end}";
    let selector = "egret.dev/topology=up";
    let args = ["get", "pods", "--selector", selector, "--output", path];
    topology.namespace().kubectl(&args).unwrap().lines().map(str::to_owned).collect()
}

fn uids(pods: &[Life]) -> Vec<String> {
    pods.iter().map(|pod| pod.uid.clone()).collect()
}

#[test]
fn stream_managers_are_upgraded_pod_by_pod_where_they_are_and_every_line_arrives_once() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    cluster.tag(IMAGE, OTHER).unwrap();
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
    newer.bring(Some(OTHER)).unwrap();
    topology.tells(&["Upgrading", "Upgraded"], PATIENCE).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    load.flows(PATIENCE).unwrap();
    assert_eq!(images(&topology), [OTHER; 2]);
    let after = topology.pods().unwrap();
    assert_eq!(uids(&after), uids(&before), "pods stay where they are");
    let restarts: u64 = after.iter().map(|pod| pod.restarts).sum();
    assert_eq!(restarts, 2, "only stream managers have another container");

    // One that nobody has costs nothing.
    newer.bring(Some(NOBODYS)).unwrap();
    topology.tells(&["UpgradeFailed"], PATIENCE).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    load.flows(PATIENCE).unwrap();
    assert_eq!(images(&topology), [OTHER; 2]);
    assert_eq!(uids(&topology.pods().unwrap()), uids(&before));

    let account = load.end(PATIENCE).unwrap();
    eprintln!("{account:?}");
    assert_eq!(account.twice, 0, "nothing was in flight through who was replaced");
}
