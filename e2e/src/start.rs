//! Bringing our own cluster up, step by step.

use crate::{
    Cluster, Error, Progress, Result,
    binaries::{Binaries, make_directory},
    certificates::{Authority, write_secret},
    cgroup,
    command::QUICK,
    control_plane,
    error::file,
    host, images,
    layout::{self, DNS_SERVICE, Machine, RUN},
    machine::{self, START},
    network, node,
    wait::Wait,
};
use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

/// What the kernel was told before a kubelet told it something else.
pub(crate) const TUNING: &str = "sysctl";

/// Starts a cluster where there is none.
pub(crate) fn start(
    cluster: &Cluster,
    binaries: &Binaries,
    archives: &[PathBuf],
    progress: &Progress,
) -> Result<()> {
    define(binaries)?;
    progress.say("certificates and configuration are written");
    network::make_bridge()?;
    for machine in Machine::ALL {
        let pid = machine::start(machine)?;
        network::plug(machine, pid)?;
    }
    for node in Machine::NODES {
        cgroup::make(node.name())?;
        machine::release(node, "containerd")?;
    }
    machine::release_all(Machine::Control, progress)?;
    thread::scope(|scope| {
        let imports = scope.spawn(|| import(archives, progress));
        api_server(cluster, progress)?;
        imports.join().unwrap_or_else(|_| Err(Error::Host("an import broke off".into())))
    })?;
    cluster.apply(&manifests())?;
    for node in Machine::NODES {
        machine::release_all(node, progress)?;
    }
    nodes(cluster, progress)?;
    dns(cluster, progress)
}

/// Starts a machine again that was lost.
pub(crate) fn restart(machine: Machine, progress: &Progress) -> Result<()> {
    // The kernel takes the old cable back a moment after the last process.
    Wait::new(machine.name(), "the end of its cable", QUICK).until(|| {
        let there = network::left().iter().any(|link| link == machine.cable());
        if there { Err(format!("{} is still there", machine.cable())) } else { Ok(()) }
    })?;
    let pid = machine::start(machine)?;
    network::plug(machine, pid)?;
    machine::release_all(machine, progress)
}

fn define(binaries: &Binaries) -> Result<()> {
    make_directory(Path::new(RUN))?;
    let tuning = Path::new(RUN).join(TUNING);
    fs::write(&tuning, host::tuning()).map_err(file("write", &tuning))?;
    let authority = Authority::new()?;
    control_plane::define(binaries, &authority)?;
    for node in Machine::NODES {
        node::define(node, binaries, &authority)?;
    }
    let admin = authority.kubeconfig("egret-admin", Some("system:masters"))?;
    write_secret(&layout::kubeconfig(), &admin)
}

fn api_server(cluster: &Cluster, progress: &Progress) -> Result<()> {
    let wait = Wait::new("kube-apiserver", "being ready", START);
    wait.log(Machine::Control.log("kube-apiserver")).until(|| {
        let answer = cluster.kubectl(&["get", "--raw", "/readyz", "--request-timeout=2s"]);
        answer.map_err(|error| error.to_string())
    })?;
    progress.say("kube-apiserver is ready");
    Ok(())
}

fn import(archives: &[PathBuf], progress: &Progress) -> Result<()> {
    for node in Machine::NODES {
        let wait = Wait::new(&format!("containerd of {}", node.name()), "listening", START);
        wait.log(node.log("containerd")).until(|| {
            node::socket(node).exists().then_some(()).ok_or_else(|| machine::tail(node))
        })?;
        archives.iter().try_for_each(|archive| images::import(node, archive))?;
        progress.say(&format!("{}: containerd has its images", node.name()));
    }
    Ok(())
}

fn manifests() -> String {
    let mut all = include_str!("../cluster/manifests/dns.yaml")
        .replace("COREDNS_IMAGE", &images::coredns())
        .replace("DNS_SERVICE", DNS_SERVICE);
    for node in Machine::NODES {
        all.push_str("---\n");
        all.push_str(&volume(node.name(), node, node::VOLUME));
    }
    all
}

/// A PersistentVolume that is a directory of one node.
pub(crate) fn volume(name: &str, node: Machine, path: &str) -> String {
    include_str!("../cluster/manifests/volume.yaml")
        .replace("VOLUME_NAME", name)
        .replace("VOLUME_PATH", path)
        .replace("NODE_NAME", node.name())
}

fn nodes(cluster: &Cluster, progress: &Progress) -> Result<()> {
    for node in Machine::NODES {
        let wait = Wait::new(&format!("kubelet of {}", node.name()), "being ready", START);
        wait.log(node.log("kubelet")).until(|| {
            let ready = cluster.ready_nodes().map_err(|error| error.to_string())?;
            let found = ready.iter().any(|name| name == node.name());
            found.then_some(()).ok_or_else(|| format!("ready are {ready:?}"))
        })?;
        progress.say(&format!("{} is ready", node.name()));
    }
    Ok(())
}

fn dns(cluster: &Cluster, progress: &Progress) -> Result<()> {
    let limit = format!("--timeout={}s", START.as_secs());
    let args = ["--namespace", "kube-system", "rollout", "status", "deployment/coredns", &limit];
    cluster.kubectl_with("", START * 2, &args).map_err(|error| {
        let pods = ["--namespace", "kube-system", "describe", "pods"];
        let pods = cluster.kubectl(&pods).unwrap_or_else(|error| error.to_string());
        Error::Late {
            component: "coredns".into(),
            what: "being ready".into(),
            limit: START,
            last: error.to_string(),
            tail: pods,
        }
    })?;
    progress.say("coredns is ready");
    Ok(())
}
