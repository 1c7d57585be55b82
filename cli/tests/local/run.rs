//! A running `egret`, with its children and its end.

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Longer than any run here takes, also on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running `egret run` with a temporary directory of its own.
pub(crate) struct Run {
    process: Child,
    pub(crate) dir: TempDir,
}

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) summary: Value,
    pub(crate) stderr: String,
}

/// An example of the repository.
pub(crate) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

pub(crate) fn egret(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_egret")).args(args).output().unwrap()
}

impl Run {
    /// Starts an example. `DIR` in arguments stands for the run's temporary directory.
    pub(crate) fn start(topology: &Path, args: &[&str]) -> Run {
        let dir = tempfile::tempdir().unwrap();
        Run::start_in(dir, topology, args)
    }

    pub(crate) fn start_in(dir: TempDir, topology: &Path, args: &[&str]) -> Run {
        let here = dir.path().to_str().unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_egret"))
            .arg("run")
            .arg(topology)
            .args(args.iter().map(|arg| arg.replace("DIR", here)))
            .arg("--summary-file")
            .arg(dir.path().join("summary.json"))
            .env("TMPDIR", here)
            .stdin(Stdio::null())
            .stdout(fs::File::create(dir.path().join("stdout")).unwrap())
            .stderr(fs::File::create(dir.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        Run { process, dir }
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.dir.path().join(file)).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Process ids of its children that are not dead.
    pub(crate) fn children(&self) -> Vec<u32> {
        children_of(self.process.id())
    }

    /// Waits until it holds, or panics with what is said.
    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&Run) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < PATIENCE, "never: {what}\n{}", self.read("stderr"));
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "ended before {what}\n{}", self.read("stderr"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    pub(crate) fn wait(mut self) -> Ended {
        let start = Instant::now();
        while self.process.try_wait().unwrap().is_none() {
            if start.elapsed() > PATIENCE {
                self.process.kill().unwrap();
                panic!("it does not end\n{}", self.read("stderr"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let status = self.process.wait().unwrap();
        let summary = serde_json::from_str(&self.read("summary.json")).unwrap_or(Value::Null);
        Ended { status, summary, stderr: self.read("stderr") }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind; one that did not has waited.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Ended {
    pub(crate) fn root(&self, what: &str) -> u64 {
        self.summary["roots"][what].as_u64().unwrap_or_else(|| panic!("{}", self.stderr))
    }

    /// Every root has ended in exactly one way.
    pub(crate) fn assert_accounts(&self) {
        let [emitted, acked, failed, timed_out, pending] =
            ["emitted", "acked", "failed", "timed_out", "pending"].map(|what| self.root(what));
        assert_eq!(emitted, acked + failed + timed_out + pending, "{}", self.summary);
    }
}

/// Sends a signal by its name.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    // A process that is gone needs no signal.
    let _ = status.unwrap();
}

pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process may end while the list is read.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // `pid (name) state parent ...`; the name may hold anything.
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let (state, its_parent) = (fields.next(), fields.next());
        if state != Some("Z") && its_parent == Some(&parent.to_string()) {
            children.push(pid);
        }
    }
    children
}

/// Whether a process is there and not dead.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().split_whitespace().next();
    state.is_some_and(|state| state != "Z" && state != "X")
}
