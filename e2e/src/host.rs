//! Whether this machine can run a cluster, and what it lacks.

use crate::{Error, Progress, Result, cgroup, command};
use std::{fs, path::Path, time::Duration};

/// Where Debian puts CNI plugins.
pub(crate) const CNI: &str = "/usr/lib/cni";

/// Programs or files, and the Debian package that brings each.
const NEEDED: [(&str, &str); 13] = [
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("runc", "runc"),
    ("/usr/lib/cni/ptp", "containernetworking-plugins"),
    ("conntrack", "conntrack"),
    ("iptables", "iptables"),
    ("ipset", "ipset"),
    ("ethtool", "ethtool"),
    ("socat", "socat"),
    ("/bin/busybox", "busybox-static"),
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
];

/// Whether a cluster could run here at all; the text says why not.
pub fn capable() -> std::result::Result<(), String> {
    if std::env::consts::OS != "linux" {
        return Err(format!("a cluster of our own needs Linux, this is {}", std::env::consts::OS));
    }
    if !rustix::process::geteuid().is_root() {
        return Err("a cluster of our own needs root: namespaces, cgroups, mounts".into());
    }
    cgroup::present().map_err(|why| format!("pods need cgroups: {why}"))
}

/// Installs what is missing, or says what that is.
pub(crate) fn prepare(progress: &Progress) -> Result<()> {
    capable().map_err(Error::Host)?;
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !command::exists("apt-get") {
        return Err(Error::Host(format!("install what Debian calls: {list}")));
    }
    progress.say(&format!("installing {list}"));
    let limit = Duration::from_secs(180);
    let apt = |args: &[&str]| {
        let mut command = command::program("apt-get", args);
        command.args(&missing).env("DEBIAN_FRONTEND", "noninteractive");
        command::output(&mut command, limit)
    };
    let install = ["install", "--yes", "--quiet", "--no-install-recommends"];
    if apt(&install).is_err() {
        // Lists may be absent or old; if they are not the reason, the second error says what is.
        command::output(&mut command::program("apt-get", &["update", "--quiet"]), limit)?;
        apt(&install)?;
    }
    let still = self::missing();
    if still.is_empty() { Ok(()) } else { Err(Error::Host(format!("still missing: {still:?}"))) }
}

fn missing() -> Vec<&'static str> {
    let mut packages: Vec<&str> = NEEDED
        .iter()
        .filter(|(what, _)| !command::exists(what) && !Path::new(what).exists())
        .map(|(_, package)| *package)
        .collect();
    packages.dedup();
    packages
}

/// Settings of the kernel that a kubelet changes for the whole machine.
const TUNED: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

/// What they are now, a line each.
pub(crate) fn tuning() -> String {
    let value = |name: &str| fs::read_to_string(sysctl(name)).ok();
    TUNED.iter().filter_map(|name| Some(format!("{name}={}\n", value(name)?.trim()))).collect()
}

/// Makes them again what they were. What cannot be written was not changed, either.
pub(crate) fn tune(text: &str) {
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        if TUNED.contains(&name) {
            let _ = fs::write(sysctl(name), value);
        }
    }
}

fn sysctl(name: &str) -> String {
    format!("/proc/sys/{name}")
}
