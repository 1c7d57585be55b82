//! The run directory: identities, addresses and state of one run, for its owner only.

use egret_link::{Authority, Identity, authority};
use egret_topology::{
    id::{PodId, TaskId},
    packing_plan::PackingPlan,
};
use std::{
    fs::{self, File, Permissions},
    io,
    net::SocketAddr,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

/// Certificates outlive any local run.
const VALID_FOR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Why there is no run directory.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It cannot be made.
    #[error("cannot make a directory for the run in {}: {source}", parent.display())]
    Make { parent: PathBuf, source: io::Error },
    /// No certificates.
    #[error(transparent)]
    Link(#[from] egret_link::Error),
}

/// The run directory; it is removed at the end unless it is kept.
pub(crate) struct Directory {
    /// `None` if it is kept.
    _removed: Option<TempDir>,
    /// Locked as long as this process lives, so that a later run can tell what was left behind.
    _lock: Option<File>,
    path: PathBuf,
}

/// What the names of all run directories begin with.
const PREFIX: &str = "egret-";

/// The socket of a run that lets itself be looked at.
const WATCH: &str = "watch.sock";

/// The locked file in a directory that is not kept.
const LOCK: &str = "lock";

impl Directory {
    /// Makes the directory, with mode 0700, and an identity for everyone in it.
    pub(crate) fn make(
        topology: &str,
        uid: &str,
        packing: &PackingPlan,
        keep: bool,
    ) -> Result<Directory, Error> {
        remove_left_behind(&std::env::temp_dir());
        let made = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{topology}-"))
            .permissions(Permissions::from_mode(0o700))
            .tempdir();
        let temporary =
            made.map_err(|source| Error::Make { parent: std::env::temp_dir(), source })?;
        let (removed, lock, path) = if keep {
            (None, None, temporary.keep())
        } else {
            let path = temporary.path().to_owned();
            let lock = locked(&path.join(LOCK))
                .map_err(|source| Error::Make { parent: path.clone(), source })?;
            (Some(temporary), Some(lock), path)
        };
        let directory = Directory { _removed: removed, _lock: lock, path };
        let authority = Authority::new(uid)?;
        let uid = || uid.to_owned();
        let issue =
            |identity, dir: &Path| authority::write(&authority.issue(&identity, VALID_FOR)?, dir);
        issue(Identity::Operator { uid: uid() }, &directory.operator())?;
        for pod in &packing.pods {
            let identity = Identity::Pod { uid: uid(), pod: pod.id };
            issue(identity, &directory.pod(pod.id).join("identity"))?;
        }
        for (task, _) in packing.tasks() {
            let identity = Identity::Task { uid: uid(), task: task.task };
            issue(identity, &directory.task(task.task))?;
        }
        Ok(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Identity of whoever plays the operator.
    pub(crate) fn operator(&self) -> PathBuf {
        self.path.join("operator")
    }

    /// Everything of one stream manager.
    pub(crate) fn pod(&self, pod: PodId) -> PathBuf {
        self.path.join(format!("pod-{pod}"))
    }

    /// Where its stream manager lets itself be looked into.
    pub(crate) fn inspect(&self, pod: PodId) -> PathBuf {
        self.pod(pod).join("inspect.sock")
    }

    /// Where the run lets itself be looked at.
    pub(crate) fn watch_socket(&self) -> PathBuf {
        self.path.join(WATCH)
    }

    /// Identity of one task.
    pub(crate) fn task(&self, task: TaskId) -> PathBuf {
        self.path.join(format!("task-{task}"))
    }

    /// Where a stream manager listens, once it says so.
    pub(crate) fn address(&self, pod: PodId) -> Option<SocketAddr> {
        fs::read_to_string(self.pod(pod).join("address")).ok()?.trim().parse().ok()
    }
}

fn locked(path: &Path) -> io::Result<File> {
    let lock = File::create_new(path)?;
    lock.lock()?;
    Ok(lock)
}

/// Topologies that run on this machine for this user, each with the socket to look at it.
pub(crate) fn watched() -> Vec<(String, PathBuf)> {
    watched_in(&std::env::temp_dir())
}

fn watched_in(parent: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let running = |entry: fs::DirEntry| {
        let name = entry.file_name();
        // The name of the topology, and what makes the directory's name unique.
        let (topology, _) = name.to_str()?.strip_prefix(PREFIX)?.rsplit_once('-')?;
        let socket = entry.path().join(WATCH);
        let listens = is_ours(&entry) && UnixStream::connect(&socket).is_ok();
        listens.then(|| (topology.to_owned(), socket))
    };
    let mut runs: Vec<_> = entries.flatten().filter_map(running).collect();
    runs.sort();
    runs
}

/// A directory of this user that nobody else can look into.
fn is_ours(entry: &fs::DirEntry) -> bool {
    let Ok(dir) = fs::symlink_metadata(entry.path()) else { return false };
    let private = dir.is_dir() && dir.permissions().mode() & 0o777 == 0o700;
    private && dir.uid() == rustix::process::geteuid().as_raw()
}

/// Removes the directories of runs that were killed: ours, and nobody holds their lock any more.
fn remove_left_behind(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let named_so = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if named_so
            && is_ours(&entry)
            && let Ok(lock) = File::open(entry.path().join(LOCK))
            && lock.try_lock().is_ok()
        {
            // What cannot be removed now, the next run tries again.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Random text that is one DNS label, and a random number.
pub(crate) fn random() -> Result<(String, u64), getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    let number = u128::from_le_bytes(bytes);
    Ok((format!("{:016x}", (number >> 64) as u64), number as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_directory(parent: &Path, name: &str) -> PathBuf {
        let path = parent.join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        path
    }

    #[test]
    fn what_a_killed_run_left_behind_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let left = run_directory(parent.path(), "egret-left-1");
        drop(locked(&left.join(LOCK)).unwrap());
        let running = run_directory(parent.path(), "egret-running-1");
        let _held = locked(&running.join(LOCK)).unwrap();
        let kept = run_directory(parent.path(), "egret-kept-1");
        let foreign = run_directory(parent.path(), "other-1");
        drop(locked(&foreign.join(LOCK)).unwrap());
        remove_left_behind(parent.path());
        assert!(!left.exists());
        assert!(running.exists() && kept.exists() && foreign.exists());
    }
    #[test]
    fn runs_that_listen_are_found_by_their_topology() {
        let parent = tempfile::tempdir().unwrap();
        let running = run_directory(parent.path(), "egret-word-count-Ab1");
        let _listener = std::os::unix::net::UnixListener::bind(running.join(WATCH)).unwrap();
        let ended = run_directory(parent.path(), "egret-ended-Ab1");
        drop(std::os::unix::net::UnixListener::bind(ended.join(WATCH)).unwrap());
        let found = watched_in(parent.path());
        assert_eq!(found, [("word-count".to_owned(), running.join(WATCH))]);
    }
}
