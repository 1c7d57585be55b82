//! The cgroups that hold the pods of our nodes.

use crate::{Result, error::file, layout::CGROUP, wait::Wait};
use rustix::process::Pid;
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

const ROOT: &str = "/sys/fs/cgroup";

/// Whether there are cgroups, of either version.
pub(crate) fn present() -> std::result::Result<(), String> {
    if unified() || Path::new(ROOT).join("cpuset").is_dir() {
        return Ok(());
    }
    Err(format!("neither version is mounted at {ROOT}"))
}

/// Makes a cgroup below ours in every controller, such that a kubelet can use it as its root.
pub(crate) fn make(name: &str) -> Result<()> {
    // Version 2 beside version 1 controls nothing, and runc makes there what it needs.
    for hierarchy in hierarchies().into_iter().filter(|root| !root.ends_with("unified")) {
        let mut path = hierarchy.clone();
        for part in [CGROUP, name] {
            if unified() {
                hand_down(&path)?;
            }
            path.push(part);
            fs::create_dir_all(&path).map_err(file("make", &path))?;
            inherit(&path)?;
        }
        if unified() {
            hand_down(&path)?;
        }
    }
    Ok(())
}

/// Removes all of ours, once the processes in them have ended.
pub(crate) fn remove() -> Result<()> {
    let wait = Wait::new("cgroups", "being empty", Duration::from_secs(20));
    wait.until(|| {
        for hierarchy in hierarchies() {
            remove_all(&hierarchy.join(CGROUP))
                .map_err(|(path, error)| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    })
}

/// Those of ours that exist.
pub(crate) fn left() -> Vec<PathBuf> {
    hierarchies().into_iter().map(|root| root.join(CGROUP)).filter(|path| path.exists()).collect()
}

/// The memory of a container.
#[derive(Debug)]
pub(crate) struct Memory {
    path: PathBuf,
}

/// The memory of the container that a process is in.
pub(crate) fn memory_of(pid: Pid) -> Result<Memory> {
    let list = format!("/proc/{}/cgroup", pid.as_raw_nonzero());
    let text = fs::read_to_string(&list).map_err(file("read", &list))?;
    let (controller, root) =
        if unified() { ("", ROOT.into()) } else { ("memory", Path::new(ROOT).join("memory")) };
    let own = text.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|one| one == controller).then_some(path)
    });
    Ok(Memory { path: root.join(own.unwrap_or_default().trim_start_matches('/')) })
}

impl Memory {
    /// Bytes that it may still have.
    pub(crate) fn free(&self) -> Result<u64> {
        let (most, has) = match unified() {
            true => ("memory.max", "memory.current"),
            false => ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        };
        let bytes =
            |name: &str| self.read(name).map(|text| text.trim().parse::<u64>().unwrap_or_default());
        Ok(bytes(most)?.saturating_sub(bytes(has)?))
    }

    /// How many processes the kernel has killed because there was no more.
    pub(crate) fn kills(&self) -> Result<u64> {
        let text = self.read(self.events())?;
        let kills = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        Ok(kills.and_then(|kills| kills.parse().ok()).unwrap_or_default())
    }

    /// What a process writes its id to that wants to be in it, and where kills are counted.
    pub(crate) fn files(&self) -> [PathBuf; 2] {
        ["cgroup.procs", self.events()].map(|name| self.path.join(name))
    }

    fn events(&self) -> &'static str {
        if unified() { "memory.events" } else { "memory.oom_control" }
    }

    fn read(&self, name: &str) -> Result<String> {
        let path = self.path.join(name);
        fs::read_to_string(&path).map_err(file("read", path))
    }
}

fn unified() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}

/// Version 2 has one tree, version 1 one per controller.
fn hierarchies() -> Vec<PathBuf> {
    if unified() {
        return vec![ROOT.into()];
    }
    let entries = fs::read_dir(ROOT).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        // `cpu` may be a link to `cpu,cpuacct`.
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .filter(|path| path.join("cgroup.procs").exists())
        .collect();
    found.sort();
    found
}

/// Version 1: a new cpuset is empty, and nothing runs in it until it is told where.
fn inherit(path: &Path) -> Result<()> {
    for name in ["cpuset.cpus", "cpuset.mems"] {
        let own = path.join(name);
        let Some(parent) = path.parent().map(|parent| parent.join(name)) else { continue };
        let (Ok(mine), Ok(theirs)) = (fs::read_to_string(&own), fs::read_to_string(parent)) else {
            continue;
        };
        if mine.trim().is_empty() && !theirs.trim().is_empty() {
            fs::write(&own, theirs).map_err(file("fill", own))?;
        }
    }
    Ok(())
}

/// Version 2: children have the controllers that their parent hands down.
fn hand_down(path: &Path) -> Result<()> {
    let controllers = path.join("cgroup.controllers");
    let have = fs::read_to_string(&controllers).map_err(file("read", controllers))?;
    for wanted in ["cpu", "cpuset", "io", "memory", "pids"] {
        if have.split_whitespace().any(|controller| controller == wanted) {
            let control = path.join("cgroup.subtree_control");
            fs::write(&control, format!("+{wanted}")).map_err(file("write", control))?;
        }
    }
    Ok(())
}

fn remove_all(path: &Path) -> std::result::Result<(), (PathBuf, io::Error)> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err((path.into(), error)),
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_all(&entry.path())?;
        }
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err((path.into(), error)),
        _ => Ok(()),
    }
}
