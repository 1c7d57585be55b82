//! Rollouts in whose midst the operator is killed, under load: all of them come to rest, every line
//! arrives, and nothing is left behind.

use crate::{
    Cluster, Deployed, Error, Namespace, Result, condition, installed,
    layout::Machine,
    load::{Account, COPIES, Load},
    random::Random,
    wait::{self, Wait},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(240);
/// The components of the release, and the same under another name.
const IMAGES: [&str; 2] =
    [concat!("egret.dev/instance:", env!("CARGO_PKG_VERSION")), "egret.dev/instance:other-tag"];
/// A rollout of an image to four tasks takes a little longer.
const LONGEST_MS: u64 = 30_000;
/// What an operator makes in the namespace of a topology.
const KINDS: &str = "pods,secrets,configmaps,controllerrevisions,networkpolicies,\
                     poddisruptionbudgets";

/// What came of one rollout.
#[derive(Clone, Debug)]
pub struct Rollout {
    /// What was changed.
    pub what: String,
    /// How long after that the operator was killed.
    pub killed_after: Duration,
    /// How long the rollout took in all.
    pub took: Duration,
    /// For how long a line was on its way at most.
    pub longest: Duration,
    /// Lines that came twice.
    pub twice: usize,
}

/// Changes images and configs in turn, and kills the operator some time after each change.
pub fn kill_in_rollouts(
    cluster: &Cluster,
    times: usize,
    seed: u64,
    mut told: impl FnMut(&Rollout),
) -> Result<Account> {
    let mut namespace = Namespace::new(cluster, "killed")?;
    cluster.tag(IMAGES[0], IMAGES[1])?;
    let input = namespace.volume("input", Machine::A)?.join("in.txt");
    let output = namespace.volume("output", Machine::B)?.join("out.txt");
    namespace.claim("input")?;
    namespace.claim("output")?;
    let mut load = Load::on(&input, output)?;
    let spec = format!("image: {}\nimagePullPolicy: IfNotPresent\n{}", IMAGES[0], COPIES.trim());
    let topology = namespace.deploy("t", &spec)?;
    topology.condition("Ready", "True", PATIENCE)?;
    load.flows(PATIENCE)?;
    load.longest()?;
    let (mut random, mut twice) = (Random::new(seed), 0);
    for turn in 0..times {
        let killed_after = Duration::from_millis(random.below(LONGEST_MS));
        let (what, change) = change(&topology, turn)?;
        let began = Instant::now();
        topology.change(&change)?;
        wait::lasts(killed_after);
        let kill = ["delete", "pod", "--selector", installed::SELECTOR, "--grace-period=0"];
        cluster.operator_kubectl(&[&kill[..], &["--force"]].concat())?;
        rested(&topology)?;
        let took = began.elapsed();
        topology.condition("Ready", "True", PATIENCE)?;
        let now = load.account(PATIENCE)?;
        owned(&topology)?;
        let (longest, more) = (load.longest()?, now.twice - twice);
        told(&Rollout { what, killed_after, took, longest, twice: more });
        twice = now.twice;
    }
    let account = load.end(PATIENCE)?;
    namespace.kubectl(&["delete", &topology.resource(), "--timeout=120s"])?;
    Wait::new("t", "nothing left of it", PATIENCE).until(|| {
        let left = of(&topology).map_err(|error| error.to_string())?;
        if left.is_empty() { Ok(()) } else { Err(format!("there is {left:?}")) }
    })?;
    Ok(account)
}

/// What a turn changes, in words and as a patch.
fn change(topology: &Deployed<'_>, turn: usize) -> Result<(String, Value)> {
    if turn % 2 == 1 {
        let image = IMAGES[(turn / 2 + 1) % 2];
        return Ok((format!("image {image}"), json!({ "image": image })));
    }
    let mut bolts = topology.object()?["spec"]["bolts"].clone();
    let words = ["ine", "line"][turn / 2 % 2];
    bolts[0]["config"] = json!({ "contains": words });
    Ok((format!("config of keep: {words}"), json!({ "bolts": bolts })))
}

/// Waits until the newest change has come to rest, and has not been taken back.
fn rested(topology: &Deployed<'_>) -> Result<()> {
    let (reason, message) = topology.until("rest", PATIENCE, |object| {
        let progressing = condition(object, "Progressing");
        let newest = progressing["observedGeneration"] == object["metadata"]["generation"];
        let text = |part: &str| progressing[part].as_str().unwrap_or_default().to_owned();
        (newest && progressing["status"] == "False").then(|| (text("reason"), text("message")))
    })?;
    if reason == "Settled" {
        return Ok(());
    }
    Err(Error::Host(format!("a rollout ended with {reason}: {message}")))
}

/// Whether two pods are there, and everything belongs to the topology or to one of them.
fn owned(topology: &Deployed<'_>) -> Result<()> {
    Wait::new("t", "two pods, and nothing that nobody owns", PATIENCE).until(|| {
        let all = of(topology).map_err(|error| error.to_string())?;
        let pods = all.iter().filter(|(name, _)| name.starts_with("Pod/")).count();
        let orphans: Vec<&str> =
            all.iter().filter(|(_, owned)| !owned).map(|(name, _)| name.as_str()).collect();
        if pods == 2 && orphans.is_empty() {
            return Ok(());
        }
        Err(format!("{pods} pods; without an owner: {orphans:?}"))
    })
}

/// What there is of a topology, and whether it names the topology of today as its owner.
fn of(topology: &Deployed<'_>) -> Result<Vec<(String, bool)>> {
    let uid = topology.object().map(|object| object["metadata"]["uid"].clone());
    let uid = uid.unwrap_or_default();
    let args = ["get", KINDS, "--selector", "egret.dev/topology=t", "--output=json"];
    let list: Value =
        serde_json::from_str(&topology.namespace().kubectl(&args)?).unwrap_or_default();
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let one = |item: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let owners = item["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
        let owned = owners.iter().any(|owner| owner["uid"] == uid);
        (format!("{}/{}", text(&item["kind"]), text(&item["metadata"]["name"])), owned)
    };
    Ok(items.iter().map(one).collect())
}
