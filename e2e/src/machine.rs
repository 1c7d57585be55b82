//! A machine seen from the host: started, asked, held, killed.

use crate::{
    Progress, Result,
    binaries::make_directory,
    command,
    error::file,
    layout::Machine,
    wait::{self, Wait},
};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

/// What a machine runs, as a file in its directory.
pub(crate) const SPEC: &str = "machine.json";

/// Daemons that have a file of their name here do not run. As the machine sees it.
pub(crate) const HOLDS: &str = "/var/lib/egret/hold";

/// The subcommand of `egret-cluster` that is a machine's first process.
pub const ROLE: &str = "machine";

/// The program that has that role.
const PROGRAM: &str = "egret-cluster";

/// What a machine runs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// `PATH` of all daemons.
    pub(crate) path: String,
    /// Whether it passes packets on, as a node does for its pods.
    pub(crate) forwards: bool,
    /// A directory that is a disk of its own, in memory.
    pub(crate) disk: Option<String>,
    /// By name.
    pub(crate) daemons: BTreeMap<String, Daemon>,
}

/// One program that always runs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Daemon {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
}

/// Writes down what a machine runs. All daemons are held at first.
pub(crate) fn define(machine: Machine, spec: &Spec) -> Result<()> {
    let directory = machine.directory();
    for part in ["var/log", "var/lib", "var/tmp"] {
        make_directory(&directory.join(part))?;
    }
    for daemon in spec.daemons.keys() {
        hold(machine, daemon)?;
    }
    let path = directory.join(SPEC);
    let json =
        serde_json::to_vec_pretty(spec).map_err(|error| file("write", &path)(error.into()))?;
    fs::write(&path, json).map_err(file("write", &path))
}

/// Starts a machine that was defined; it comes up without a cable.
pub(crate) fn start(machine: Machine) -> Result<Pid> {
    let directory = machine.directory();
    // What is in /run does not outlive a machine.
    let run = directory.join("run");
    match fs::remove_dir_all(&run) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(file("remove", run)(error));
        }
        _ => make_directory(&run)?,
    }
    let log = log(machine);
    let out =
        OpenOptions::new().create(true).append(true).open(&log).map_err(file("open", &log))?;
    let copy = out.try_clone().map_err(file("open", &log))?;
    let own = own_program()?;
    // A session of its own: no terminal ends it.
    let mut setsid = command::program(
        "setsid",
        &["unshare", "--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"],
    );
    setsid.arg(own).arg(ROLE).arg(&directory);
    setsid.stdin(Stdio::null()).stdout(out).stderr(copy).current_dir("/");
    let mut parent = setsid.spawn().map_err(file("start", "setsid unshare"))?;
    let wait = Wait::new(machine.name(), "its first process", command::QUICK).log(log);
    wait.until(|| {
        if let Ok(Some(status)) = parent.try_wait() {
            return Err(format!("unshare ended: {status}"));
        }
        pid(machine).ok_or_else(|| "not there yet".to_owned())
    })
}

/// The machine's first process, as the host counts; none if the machine does not run.
pub(crate) fn pid(machine: Machine) -> Option<Pid> {
    processes(machine).into_iter().find_map(|(pid, first)| first.then_some(pid))
}

/// Ends a machine and everything in it, as a loss of power would.
pub(crate) fn kill(machine: Machine) -> Result<()> {
    let wait = Wait::new(machine.name(), "having ended", command::QUICK).log(log(machine));
    wait.until(|| {
        let left = processes(machine);
        if left.is_empty() {
            return Ok(());
        }
        // Its parent waits until the kernel has ended all others in the namespace: it goes last.
        let first = left.iter().find(|(_, first)| *first).or(left.first());
        if let Some((pid, _)) = first {
            let _ = kill_process(*pid, Signal::KILL);
        }
        Err(format!("{} processes are left", left.len()))
    })
}

/// Keeps a daemon from running: it is killed and stays away until it is released.
pub(crate) fn hold(machine: Machine, daemon: &str) -> Result<()> {
    let path = machine.file(HOLDS).join(daemon);
    make_directory(&machine.file(HOLDS))?;
    fs::write(&path, "").map_err(file("write", path))
}

/// Lets a daemon run.
pub(crate) fn release(machine: Machine, daemon: &str) -> Result<()> {
    let path = machine.file(HOLDS).join(daemon);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Lets all daemons of a machine run.
pub(crate) fn release_all(machine: Machine, progress: &Progress) -> Result<()> {
    let directory = machine.file(HOLDS);
    let entries = fs::read_dir(&directory).map_err(file("read", &directory))?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    for name in &names {
        release(machine, name)?;
    }
    progress.say(&format!("{}: starting {}", machine.name(), names.join(", ")));
    Ok(())
}

/// What the first process of a machine has to say.
pub(crate) fn log(machine: Machine) -> PathBuf {
    machine.directory().join("machine.log")
}

/// The processes that stand for a machine, found by what they were called with: its first process,
/// which is marked, and the parent of that.
fn processes(machine: Machine) -> Vec<(Pid, bool)> {
    let directory = machine.directory();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(pid) = number.and_then(Pid::from_raw) else { continue };
        let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        let role = [ROLE.as_bytes(), directory.as_os_str().as_bytes(), b""];
        if words.ends_with(&role) && !ended(&entry.path()) {
            found.push((pid, words.len() == role.len() + 1));
        }
    }
    found
}

/// Whether only the entry in the table of processes is left.
fn ended(process: &Path) -> bool {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.starts_with(['Z', 'X']));
    state.unwrap_or(true)
}

/// `egret-cluster`, also when a test that cargo put beside it starts a machine.
fn own_program() -> Result<PathBuf> {
    let own = std::env::current_exe().map_err(file("find", PROGRAM))?;
    let mut beside = own.ancestors().skip(1).take(2).map(|folder| folder.join(PROGRAM));
    beside.find(|path| path.is_file()).ok_or_else(|| {
        let missing = io::Error::from(io::ErrorKind::NotFound);
        file("find", own.with_file_name(PROGRAM))(missing)
    })
}

/// The end of a machine's own log, for errors that no daemon can explain.
pub(crate) fn tail(machine: Machine) -> String {
    wait::tail(&log(machine))
}

/// How long a machine may take for what is done within a second when nobody else works.
pub(crate) const START: Duration = Duration::from_secs(90);
