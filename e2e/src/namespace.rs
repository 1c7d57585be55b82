//! A namespace of its own for each test, gone when the test is over.

use crate::{
    Cluster, Error, Result, binaries::make_directory, error::file, layout::Machine, node, start,
    wait::Wait,
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Where pods are admitted under the `restricted` level only.
#[derive(Debug)]
pub struct Namespace {
    cluster: Cluster,
    name: String,
    volumes: Vec<(String, PathBuf)>,
}

impl Namespace {
    /// Makes one named after the test and this process: process ids keep runs on one cluster apart,
    /// and numbers tests that chose the same name.
    pub fn new(cluster: &Cluster, test: &str) -> Result<Namespace> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{test}-{}-{number}", process::id());
        cluster.apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels:\n    \
             egret.dev/e2e: test\n    pod-security.kubernetes.io/enforce: restricted\n"
        ))?;
        let namespace = Namespace { cluster: cluster.clone(), name, volumes: Vec::new() };
        // No pod is admitted before the controllers have made it.
        let account = ["get", "serviceaccount", "default"];
        namespace.until("a service account", Duration::from_secs(60), &account, |_| true)?;
        Ok(namespace)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What `kubectl` answers in this namespace.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.kubectl_with("", Duration::from_secs(60), args)
    }

    /// The same with something to read, and for as long as it may take.
    pub fn kubectl_with(&self, input: &str, limit: Duration, args: &[&str]) -> Result<String> {
        let mut all = vec!["--namespace", self.name.as_str()];
        all.extend(args);
        self.cluster.kubectl_with(input, limit, &all)
    }

    /// Creates or changes what these manifests say.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        self.kubectl_with(manifests, Duration::from_secs(60), &["apply", "--filename", "-"])
    }

    /// Waits until a condition holds of something: `pod/x`, `condition=Ready`.
    pub fn wait(&self, what: &str, condition: &str, limit: Duration) -> Result<()> {
        let (condition, seconds) =
            (format!("--for={condition}"), format!("--timeout={}s", limit.as_secs()));
        let args = ["wait", what, &condition, &seconds];
        let waited = self.kubectl_with("", limit + Duration::from_secs(10), &args);
        waited.map(drop).map_err(|error| Error::Late {
            component: what.to_owned(),
            what: condition.clone(),
            limit,
            last: error.to_string(),
            tail: self.kubectl(&["describe", what]).unwrap_or_else(|error| error.to_string()),
        })
    }

    /// A directory of a node of our own cluster, offered as a PersistentVolume of this name and
    /// returned as the host sees it: exact answers are read there.
    pub fn volume(&mut self, name: &str, on: Machine) -> Result<PathBuf> {
        if !self.cluster.is_own() {
            let why = "only a cluster of our own shows the directories of its nodes";
            return Err(Error::Host(why.into()));
        }
        let volume = format!("{}-{name}", self.name);
        let directory = node::volume(on).join(&volume);
        make_directory(&directory)?;
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777))
            .map_err(file("open", &directory))?;
        let seen = format!("{}/{volume}", node::VOLUME);
        self.cluster.apply(&start::volume(&volume, on, &seen))?;
        self.volumes.push((volume, directory.clone()));
        Ok(directory)
    }

    /// Waits until what `kubectl` answers satisfies somebody.
    pub fn until(
        &self,
        what: &str,
        limit: Duration,
        args: &[&str],
        mut good: impl FnMut(&str) -> bool,
    ) -> Result<String> {
        Wait::new(&self.name, what, limit).until(|| {
            let text = self.kubectl(args).map_err(|error| error.to_string())?;
            if good(&text) { Ok(text) } else { Err(text) }
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // A test that failed may be looked into; whatever is left goes with the cluster.
        if std::thread::panicking() {
            eprintln!("namespace {} is left for you to look into", self.name);
            return;
        }
        let args = ["delete", "namespace", self.name.as_str(), "--wait=false"];
        if let Err(error) = self.cluster.kubectl(&args) {
            eprintln!("{error}");
        }
        for (volume, directory) in &self.volumes {
            let args = ["delete", "persistentvolume", volume.as_str(), "--wait=false"];
            if let Err(error) = self.cluster.kubectl(&args) {
                eprintln!("{error}");
            }
            remove(directory);
        }
    }
}

fn remove(directory: &Path) {
    if let Err(error) = fs::remove_dir_all(directory) {
        eprintln!("cannot remove {}: {error}", directory.display());
    }
}
