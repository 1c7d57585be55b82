//! The machine that runs etcd, the API server, the controllers and the scheduler.

use crate::{
    Result,
    binaries::Binaries,
    certificates::{Authority, Subject, api_server_names, write_secret},
    layout::{Machine, SERVICES},
    machine::{self, Daemon, Spec},
};

/// Keys and certificates, as the machines see them.
pub(crate) const PKI: &str = "/var/lib/kubernetes";

/// Writes all that the control plane needs.
pub(crate) fn define(binaries: &Binaries, authority: &Authority) -> Result<()> {
    let write = |name: &str, text: &str| {
        write_secret(&Machine::Control.file(&format!("{PKI}/{name}")), text)
    };
    let pair = |name: &str, subject: Subject| {
        let pem = authority.issue(&subject)?;
        write(&format!("{name}.crt"), &pem.certificate)?;
        write(&format!("{name}.key"), &pem.key)
    };
    let ca = authority.pem();
    write("ca.crt", &ca.certificate)?;
    write("ca.key", &ca.key)?;
    let names = api_server_names();
    pair("api-server", Subject { user: "kube-apiserver", group: None, names: &names })?;
    let group = Some("system:masters");
    pair("kubelet-client", Subject { user: "kube-apiserver", group, names: &[] })?;
    // Signs the tokens of service accounts; only the public key in its certificate is used.
    pair("tokens", Subject { user: "tokens", group: None, names: &[] })?;
    for part in ["kube-controller-manager", "kube-scheduler"] {
        let config = authority.kubeconfig(&format!("system:{part}"), None)?;
        write(&format!("{part}.kubeconfig"), &config)?;
    }
    let daemon = |name: &str, args: Vec<String>| {
        (name.to_owned(), Daemon { program: binaries.program(name), args })
    };
    let spec = Spec {
        path: path(binaries),
        forwards: false,
        disk: None,
        daemons: [
            daemon("etcd", etcd()),
            daemon("kube-apiserver", api_server()),
            daemon("kube-controller-manager", controller_manager()),
            daemon("kube-scheduler", scheduler()),
        ]
        .into(),
    };
    machine::define(Machine::Control, &spec)
}

/// `PATH` of daemons: what we built first.
pub(crate) fn path(binaries: &Binaries) -> String {
    format!(
        "{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        binaries.bin().display()
    )
}

fn etcd() -> Vec<String> {
    flags(&[
        ("name", "egret"),
        ("data-dir", "/var/lib/etcd"),
        ("listen-client-urls", "http://127.0.0.1:2379"),
        ("advertise-client-urls", "http://127.0.0.1:2379"),
        ("listen-peer-urls", "http://127.0.0.1:2380"),
        ("initial-advertise-peer-urls", "http://127.0.0.1:2380"),
        ("initial-cluster", "egret=http://127.0.0.1:2380"),
        // Nobody needs its data after a loss of power, and disks of such machines are slow.
        ("unsafe-no-fsync", "true"),
    ])
}

fn api_server() -> Vec<String> {
    flags(&[
        ("advertise-address", Machine::Control.address()),
        ("secure-port", "6443"),
        ("etcd-servers", "http://127.0.0.1:2379"),
        ("service-cluster-ip-range", SERVICES),
        ("authorization-mode", "Node,RBAC"),
        ("enable-admission-plugins", "NodeRestriction"),
        ("allow-privileged", "true"),
        ("client-ca-file", &pki("ca.crt")),
        ("tls-cert-file", &pki("api-server.crt")),
        ("tls-private-key-file", &pki("api-server.key")),
        ("kubelet-certificate-authority", &pki("ca.crt")),
        ("kubelet-client-certificate", &pki("kubelet-client.crt")),
        ("kubelet-client-key", &pki("kubelet-client.key")),
        // Node names mean nothing to this machine's resolver; logs and exec need an address.
        ("kubelet-preferred-address-types", "InternalIP"),
        ("service-account-issuer", "https://kubernetes.default.svc.cluster.local"),
        ("service-account-key-file", &pki("tokens.crt")),
        ("service-account-signing-key-file", &pki("tokens.key")),
    ])
}

fn controller_manager() -> Vec<String> {
    flags(&[
        ("kubeconfig", &pki("kube-controller-manager.kubeconfig")),
        ("root-ca-file", &pki("ca.crt")),
        ("service-account-private-key-file", &pki("tokens.key")),
        ("cluster-signing-cert-file", &pki("ca.crt")),
        ("cluster-signing-key-file", &pki("ca.key")),
        ("use-service-account-credentials", "true"),
        ("leader-elect", "false"),
        ("bind-address", "127.0.0.1"),
    ])
}

fn scheduler() -> Vec<String> {
    flags(&[
        ("kubeconfig", &pki("kube-scheduler.kubeconfig")),
        ("leader-elect", "false"),
        ("bind-address", "127.0.0.1"),
    ])
}

fn pki(name: &str) -> String {
    format!("{PKI}/{name}")
}

/// `--name=value` of each.
pub(crate) fn flags(pairs: &[(&str, &str)]) -> Vec<String> {
    pairs.iter().map(|(name, value)| format!("--{name}={value}")).collect()
}
