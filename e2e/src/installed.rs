//! The operator on a cluster, as users install it: images, then `manifests/egret.yaml`.

use crate::{Cluster, Error, Result, binaries::make_directory, error::file, layout};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

/// Where the manifests put the operator.
pub const NAMESPACE: &str = "egret-system";
/// Its Deployment.
pub const DEPLOYMENT: &str = "deployment/egret-operator";
/// Selects its pods.
pub const SELECTOR: &str = "app.kubernetes.io/name=egret-operator";

/// What `cargo xtask images` writes.
const ARCHIVES: [&str; 3] = ["operator.tar", "stream-manager.tar", "instance.tar"];
/// A new operator on a busy machine.
const ROLLOUT: Duration = Duration::from_secs(120);

impl Cluster {
    /// The cluster to test topologies on, with this checkout's operator on it. None means that the
    /// test is skipped, which it then says and why.
    ///
    /// Somebody else's cluster must have an operator already.
    ///
    /// # Panics
    ///
    /// If there is no cluster and EGRET_E2E_REQUIRED is set, or the operator does not come up.
    pub fn with_operator_for_test() -> Option<Cluster> {
        let cluster = Cluster::for_test()?;
        let installed = cluster.with_this_operator();
        Some(installed.unwrap_or_else(|error| panic!("the operator cannot be tested: {error}")))
    }

    /// The cluster that runs, with this checkout's operator on it, or that of somebody else with
    /// the operator that it has.
    pub fn with_operator() -> Result<Cluster> {
        Cluster::connect()?.with_this_operator()
    }

    fn with_this_operator(self) -> Result<Cluster> {
        if self.is_own() {
            install(&self)?
        } else {
            found(&self)?
        }
        Ok(self)
    }

    /// The same for a test that stops machines or reads their directories.
    ///
    /// # Panics
    ///
    /// As [`Cluster::with_operator_for_test`].
    pub fn own_with_operator_for_test() -> Option<Cluster> {
        Cluster::own_for_test()?;
        Cluster::with_operator_for_test()
    }

    /// What `kubectl` answers in the operator's namespace.
    pub fn operator_kubectl(&self, args: &[&str]) -> Result<String> {
        let mut all = vec!["--namespace", NAMESPACE];
        all.extend(args);
        self.kubectl_with("", ROLLOUT + Duration::from_secs(10), &all)
    }

    /// Waits until the operator of the newest Deployment works.
    pub fn operator_ready(&self) -> Result<()> {
        let limit = format!("--timeout={}s", ROLLOUT.as_secs());
        self.operator_kubectl(&["rollout", "status", DEPLOYMENT, &limit]).map(drop)
    }
}

fn found(cluster: &Cluster) -> Result<()> {
    cluster.operator_kubectl(&["get", DEPLOYMENT]).map(drop)
}

/// Installs what was built last, unless it is there already. One test at a time.
fn install(cluster: &Cluster) -> Result<()> {
    let run = PathBuf::from(layout::RUN);
    let lock = run.join("operator.lock");
    make_directory(&run)?;
    let held = File::create(&lock).map_err(file("write", &lock))?;
    held.lock().map_err(file("lock", &lock))?;
    let (archives, manifests, digest) = built()?;
    let stamp = run.join("operator.digest");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == digest) {
        return cluster.operator_ready();
    }
    for archive in &archives {
        cluster.import(archive)?;
    }
    let apply = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
    cluster.kubectl_with(&manifests, ROLLOUT, &apply)?;
    // The tag is the same after every build: another annotation starts another pod.
    let annotations = json!({"metadata": {"annotations": {"egret.dev/e2e": digest}}});
    let patch = json!({"spec": {"template": annotations}}).to_string();
    cluster.operator_kubectl(&["patch", DEPLOYMENT, "--patch", &patch])?;
    cluster.operator_ready()?;
    fs::write(&stamp, digest).map_err(file("write", &stamp))
}

/// Archives, manifests, and a digest of them all.
fn built() -> Result<(Vec<PathBuf>, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let archives: Vec<PathBuf> =
        ARCHIVES.iter().map(|name| root.join("target/images").join(name)).collect();
    if let Some(missing) = archives.iter().find(|path| !path.is_file()) {
        let why = format!("{} is missing: run `cargo xtask images`", missing.display());
        return Err(Error::Host(why));
    }
    let path = root.join("manifests/egret.yaml");
    let manifests = fs::read_to_string(&path).map_err(file("read", &path))?;
    let mut digest = Sha256::new();
    for archive in &archives {
        digest.update(fs::read(archive).map_err(file("read", archive))?);
    }
    digest.update(&manifests);
    let digest = digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Ok((archives, manifests, digest))
}

/// Resident bytes of the operator on our own cluster, whose processes are those of this host.
pub fn operator_memory() -> f64 {
    let of = |pid: &str| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        let ours = line.split('\0').next()?.ends_with("egret-operator");
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: f64 = kib.trim().trim_end_matches("kB").trim().parse().ok()?;
        ours.then_some(kib * 1024.0)
    };
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    pids.filter_map(|entry| of(&entry.file_name().to_string_lossy())).fold(0.0, f64::max)
}
