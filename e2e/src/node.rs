//! A Kubernetes node: containerd, kubelet and kube-proxy on a machine of their own.

use crate::{
    Error, Result,
    binaries::{Binaries, make_directory},
    certificates::{Authority, Subject, write_secret},
    control_plane::{PKI, flags, path},
    error::file,
    host::CNI,
    images::PAUSE,
    layout::{CGROUP, DNS_SERVICE, Machine, PODS},
    machine::{self, Daemon, Spec},
};
use serde_json::json;
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

/// The directory behind the node's PersistentVolume, as the node sees it.
pub(crate) const VOLUME: &str = "/var/lib/egret/volume";

/// Where the kubelet keeps the files of pods, as the node sees it: a small disk of their own, so
/// that it can be full.
const KUBELET_PODS: &str = "/var/lib/kubelet/pods";

const CONFIGURATION: &str = "/var/lib/egret/configuration";
const SOCKET: &str = "/run/containerd/containerd.sock";

/// The directory behind the PersistentVolume of a node, as the host sees it.
pub fn volume(node: Machine) -> PathBuf {
    node.file(VOLUME)
}

/// The disk of a node's pods, as the host sees it.
pub(crate) fn pods(node: Machine) -> Result<PathBuf> {
    let pid = machine::pid(node).map(rustix::process::Pid::as_raw_nonzero);
    let pid = pid.ok_or_else(|| Error::Host(format!("{} does not run", node.name())))?;
    Ok(PathBuf::from(format!("/proc/{pid}/root{KUBELET_PODS}")))
}

/// Writes all that a node needs.
pub(crate) fn define(node: Machine, binaries: &Binaries, authority: &Authority) -> Result<()> {
    let write = |path: String, text: &str| write_secret(&node.file(&path), text);
    let name = node.name();
    let user = format!("system:node:{name}");
    write(format!("{PKI}/ca.crt"), &authority.pem().certificate)?;
    let group = Some("system:nodes");
    let names = [name, node.address()];
    let pem = authority.issue(&Subject { user: &user, group, names: &names })?;
    write(format!("{PKI}/kubelet.crt"), &pem.certificate)?;
    write(format!("{PKI}/kubelet.key"), &pem.key)?;
    write(format!("{PKI}/kubelet.kubeconfig"), &authority.kubeconfig(&user, group)?)?;
    let proxy = authority.kubeconfig("system:kube-proxy", None)?;
    write(format!("{PKI}/kube-proxy.kubeconfig"), &proxy)?;
    write(format!("{CONFIGURATION}/containerd.toml"), &containerd())?;
    write(format!("{CONFIGURATION}/cni/10-egret.conflist"), &cni(node))?;
    write(format!("{CONFIGURATION}/kubelet.json"), &kubelet(node))?;
    write(format!("{CONFIGURATION}/kube-proxy.json"), &kube_proxy(node))?;
    // Names outside the cluster are nobody's business in tests.
    write(format!("{CONFIGURATION}/resolv.conf"), "")?;
    // Pods of any user may write here.
    let volume = volume(node);
    make_directory(&volume)?;
    fs::set_permissions(&volume, fs::Permissions::from_mode(0o777))
        .map_err(file("open", volume))?;
    machine::define(node, &spec(node, binaries))
}

/// Where the node's containerd listens, as the host sees it.
pub(crate) fn socket(node: Machine) -> PathBuf {
    node.file(SOCKET)
}

fn spec(node: Machine, binaries: &Binaries) -> Spec {
    let configuration = |name: &str| format!("{CONFIGURATION}/{name}");
    let containerd = Daemon {
        program: "containerd".into(),
        args: flags(&[("config", &configuration("containerd.toml"))]),
    };
    let kubelet = Daemon {
        program: binaries.program("kubelet"),
        args: flags(&[
            ("config", &configuration("kubelet.json")),
            ("kubeconfig", &format!("{PKI}/kubelet.kubeconfig")),
            ("hostname-override", node.name()),
            ("node-ip", node.address()),
        ]),
    };
    let proxy = Daemon {
        program: binaries.program("kube-proxy"),
        args: flags(&[("config", &configuration("kube-proxy.json"))]),
    };
    Spec {
        path: path(binaries),
        forwards: true,
        disk: Some(KUBELET_PODS.to_owned()),
        daemons: [
            ("containerd".to_owned(), containerd),
            ("kubelet".to_owned(), kubelet),
            ("kube-proxy".to_owned(), proxy),
        ]
        .into(),
    }
}

fn containerd() -> String {
    // Without CAP_SYS_RESOURCE nobody may lower an OOM score, and no sandbox would start.
    format!(
        r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI}"
    conf_dir = "{CONFIGURATION}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"#
    )
}

/// A cable of its own for each pod: what goes through Services is routed, on the same node too.
fn cni(node: Machine) -> String {
    let ipam = json!({
        "type": "host-local",
        "ranges": [[{"subnet": node.pods()}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    });
    let network = json!({
        "cniVersion": "0.4.0",
        "name": "egret",
        "plugins": [
            {"type": "ptp", "mtu": 1500, "ipMasq": false, "ipam": ipam},
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    });
    format!("{network:#}\n")
}

fn kubelet(node: Machine) -> String {
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": format!("{PKI}/ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": format!("{PKI}/kubelet.crt"),
        "tlsPrivateKeyFile": format!("{PKI}/kubelet.key"),
        "containerRuntimeEndpoint": format!("unix://{SOCKET}"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{CGROUP}/{}", node.name()),
        "failCgroupV1": false,
        "failSwapOn": false,
        "oomScoreAdj": 0,
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "resolvConf": format!("{CONFIGURATION}/resolv.conf"),
        // The disk of whoever develops is often nearly full, and images cannot be pulled again.
        "evictionHard": {
            "memory.available": "50Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "maxPods": 250,
    });
    format!("{config:#}\n")
}

fn kube_proxy(node: Machine) -> String {
    let config = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": format!("{PKI}/kube-proxy.kubeconfig")},
        "hostnameOverride": node.name(),
        "clusterCIDR": PODS,
        "oomScoreAdj": 0,
        // These settings belong to the whole machine: leave them alone.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    });
    format!("{config:#}\n")
}
