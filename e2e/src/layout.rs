//! Where everything is: machines, addresses, directories.
//!
//! A *machine* here is a network namespace, a PID namespace and a mount namespace with a `/run` and
//! a `/var` of its own. Three of them hang on one bridge: the control plane and two Kubernetes
//! nodes. Nothing of theirs touches the host but the bridge, two routes and the run directory.

use std::path::PathBuf;

/// All state of the cluster; gone when it is down.
pub const RUN: &str = "/var/lib/egret-e2e";

/// The host's end of the bridge.
pub const BRIDGE: &str = "egret0";
/// The host on the bridge.
pub const HOST: &str = "10.213.0.1";
/// Everything on the bridge.
pub const BRIDGE_NET: &str = "10.213.0.0/24";
/// All pods of all nodes.
pub const PODS: &str = "10.214.0.0/16";
/// All Services.
pub const SERVICES: &str = "10.215.0.0/16";
/// The Service of the API server: the first address of the range.
pub const API_SERVICE: &str = "10.215.0.1";
/// The Service of the DNS server.
pub const DNS_SERVICE: &str = "10.215.0.10";

/// The parent cgroup of both nodes' pods, in every controller.
pub const CGROUP: &str = "egret-e2e";

/// One of the three machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// etcd, API server, controllers, scheduler.
    Control,
    /// A Kubernetes node.
    A,
    /// The other one.
    B,
}

impl Machine {
    /// All, in the order in which they start.
    pub const ALL: [Machine; 3] = [Machine::Control, Machine::A, Machine::B];
    /// Those that run pods.
    pub const NODES: [Machine; 2] = [Machine::A, Machine::B];

    /// Its name: of the network namespace and of the Kubernetes node.
    pub fn name(self) -> &'static str {
        match self {
            Machine::Control => "egret-control",
            Machine::A => "egret-a",
            Machine::B => "egret-b",
        }
    }

    /// The host's end of its cable; the other end is `eth0`.
    pub fn cable(self) -> &'static str {
        match self {
            Machine::Control => "egret-veth-c",
            Machine::A => "egret-veth-a",
            Machine::B => "egret-veth-b",
        }
    }

    /// Its address on the bridge.
    pub fn address(self) -> &'static str {
        match self {
            Machine::Control => "10.213.0.10",
            Machine::A => "10.213.0.11",
            Machine::B => "10.213.0.12",
        }
    }

    /// The addresses of its pods.
    pub fn pods(self) -> Option<&'static str> {
        match self {
            Machine::Control => None,
            Machine::A => Some("10.214.1.0/24"),
            Machine::B => Some("10.214.2.0/24"),
        }
    }

    /// Its files, as the host sees them.
    pub fn directory(self) -> PathBuf {
        PathBuf::from(RUN).join(self.name())
    }

    /// A file of this machine below `/var` or `/run`, as the host sees it.
    pub fn file(self, path: &str) -> PathBuf {
        self.directory().join(path.trim_start_matches('/'))
    }

    /// The log of one of its daemons.
    pub fn log(self, daemon: &str) -> PathBuf {
        self.file(&format!("/var/log/{daemon}.log"))
    }
}

/// The administrator's way in.
pub fn kubeconfig() -> PathBuf {
    PathBuf::from(RUN).join("kubeconfig")
}

/// The process that stands for a machine, as the host counts; `machine.pid` holds it.
pub fn pid_file(machine: Machine) -> PathBuf {
    machine.directory().join("pid")
}

/// Where the API server listens.
pub fn api_server() -> String {
    format!("https://{}:6443", Machine::Control.address())
}
