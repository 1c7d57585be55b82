//! The run directory: identities, addresses and state of one run, for its owner only.

use egret_link::{Authority, Identity, authority};
use egret_topology::{
    id::{PodId, TaskId},
    packing_plan::PackingPlan,
};
use std::{
    fs::{self, Permissions},
    io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
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
    path: PathBuf,
}

impl Directory {
    /// Makes the directory, with mode 0700, and an identity for everyone in it.
    pub(crate) fn make(
        topology: &str,
        uid: &str,
        packing: &PackingPlan,
        keep: bool,
    ) -> Result<Directory, Error> {
        let made = tempfile::Builder::new()
            .prefix(&format!("egret-{topology}-"))
            .permissions(Permissions::from_mode(0o700))
            .tempdir();
        let temporary =
            made.map_err(|source| Error::Make { parent: std::env::temp_dir(), source })?;
        let (removed, path) = if keep {
            (None, temporary.keep())
        } else {
            let path = temporary.path().to_owned();
            (Some(temporary), path)
        };
        let directory = Directory { _removed: removed, path };
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

    /// Identity of one task.
    pub(crate) fn task(&self, task: TaskId) -> PathBuf {
        self.path.join(format!("task-{task}"))
    }

    /// Where a stream manager listens, once it says so.
    pub(crate) fn address(&self, pod: PodId) -> Option<SocketAddr> {
        fs::read_to_string(self.pod(pod).join("address")).ok()?.trim().parse().ok()
    }
}

/// Random text that is one DNS label, and a random number.
pub(crate) fn random() -> Result<(String, u64), getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    let number = u128::from_le_bytes(bytes);
    Ok((format!("{:016x}", (number >> 64) as u64), number as u64))
}
