//! Taking our own cluster down, and looking whether anything is left.

use crate::{
    Error, Progress, Result, cgroup,
    error::file,
    host,
    layout::{Machine, RUN},
    machine, network,
    start::TUNING,
};
use std::{fs, io, path::Path};

/// Ends whatever there is of a cluster, whole or not.
pub(crate) fn down(progress: &Progress) -> Result<()> {
    let there = Path::new(RUN).exists() || !left().is_empty();
    for machine in Machine::ALL {
        machine::kill(machine)?;
    }
    network::remove()?;
    cgroup::remove()?;
    let directory = Path::new(RUN);
    if let Ok(tuning) = fs::read_to_string(directory.join(TUNING)) {
        host::tune(&tuning);
    }
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(file("remove", directory)(error));
        }
        _ => {}
    }
    let left = left();
    if !left.is_empty() {
        return Err(Error::Left(left.join(", ")));
    }
    if there {
        progress.say("the cluster is down, nothing is left of it");
    }
    Ok(())
}

/// Everything of ours that the host still has.
fn left() -> Vec<String> {
    let mut left = Vec::new();
    for machine in Machine::ALL {
        left.extend(machine::pid(machine).map(|_| format!("machine {}", machine.name())));
    }
    left.extend(network::left().into_iter().map(|link| format!("link {link}")));
    left.extend(cgroup::left().into_iter().map(|path| format!("cgroup {}", path.display())));
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    left.extend(mounts.lines().filter(|line| line.contains(RUN)).map(|l| format!("mount {l}")));
    if Path::new(RUN).exists() {
        left.push(format!("directory {RUN}"));
    }
    left
}
