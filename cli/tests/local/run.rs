//! A running `egret`, with its children and its end.

use crate::processes::{Process, children_of, is_alive};
use serde_json::Value;
use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio},
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The program.
pub(crate) const EGRET: &str = env!("CARGO_BIN_EXE_egret");

/// Longer than any run here takes, also on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs that measure times have the machine for themselves.
static MACHINE: RwLock<()> = RwLock::new(());

/// In the group of the tests, which Ctrl-C ends as a whole.
const TOGETHER: fn(&mut Command) -> &mut Command = |command| command;

#[allow(dead_code, reason = "held until the run has ended")]
enum Share {
    Alone(RwLockWriteGuard<'static, ()>),
    Together(RwLockReadGuard<'static, ()>),
}

/// A running `egret run` with a temporary directory of its own.
pub(crate) struct Run {
    process: Child,
    dir: TempDir,
    share: Share,
}

/// How a run ended, and what it left.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) summary: Value,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    dir: TempDir,
}

/// An example of the repository.
pub(crate) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

/// The binary of `cli/examples/trouble.rs`.
pub(crate) fn trouble() -> String {
    built("trouble").to_str().unwrap().to_owned()
}

/// The binary of one of `cli/examples`.
pub(crate) fn built(example: &str) -> PathBuf {
    let built = Path::new(EGRET).with_file_name("examples").join(example);
    assert!(built.exists(), "first: cargo build -p egret-cli --example {example}");
    built
}

pub(crate) fn egret(args: &[&str]) -> Output {
    Command::new(EGRET).args(args).output().unwrap()
}

/// A directory with these files in it.
pub(crate) fn dir_with(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

impl Run {
    /// Starts a topology. `DIR` in arguments stands for the run's temporary directory.
    pub(crate) fn start(topology: &Path, args: &[&str]) -> Run {
        Run::start_in(tempfile::tempdir().unwrap(), topology, args)
    }

    /// Starts it in a directory that has its input.
    pub(crate) fn start_in(dir: TempDir, topology: &Path, args: &[&str]) -> Run {
        let share = Share::Together(MACHINE.read().unwrap_or_else(PoisonError::into_inner));
        Run::spawn(Path::new(EGRET), dir, topology, args, share, TOGETHER)
    }

    /// Starts it while no other run of these tests goes on.
    pub(crate) fn start_alone(dir: TempDir, topology: &Path, args: &[&str]) -> Run {
        let share = Share::Alone(MACHINE.write().unwrap_or_else(PoisonError::into_inner));
        Run::spawn(Path::new(EGRET), dir, topology, args, share, TOGETHER)
    }

    /// Starts the topology of this text, in which `DIR` stands for the directory too.
    pub(crate) fn start_text(dir: TempDir, topology: &str, args: &[&str]) -> Run {
        let file = write_topology(&dir, topology);
        Run::start_in(dir, &file, args)
    }

    /// As [`Run::start_text`], by this program.
    pub(crate) fn start_by(program: &Path, dir: TempDir, topology: &str, args: &[&str]) -> Run {
        let share = Share::Together(MACHINE.read().unwrap_or_else(PoisonError::into_inner));
        let file = write_topology(&dir, topology);
        Run::spawn(program, dir, &file, args, share, TOGETHER)
    }

    /// As [`Run::start_text`], in a group of its own, so that the group can be interrupted.
    pub(crate) fn start_group(dir: TempDir, topology: &str, args: &[&str]) -> Run {
        let share = Share::Together(MACHINE.read().unwrap_or_else(PoisonError::into_inner));
        let file = write_topology(&dir, topology);
        Run::spawn(Path::new(EGRET), dir, &file, args, share, |command| command.process_group(0))
    }

    fn spawn(
        program: &Path,
        dir: TempDir,
        topology: &Path,
        args: &[&str],
        share: Share,
        adjust: fn(&mut Command) -> &mut Command,
    ) -> Run {
        let here = dir.path().to_str().unwrap();
        let mut command = Command::new(program);
        let process = adjust(&mut command)
            .arg("run")
            .arg(topology)
            .args(args.iter().map(|arg| arg.replace("DIR", here)))
            .arg("--summary-file")
            .arg(dir.path().join("summary.json"))
            .env("TMPDIR", here)
            .stdin(Stdio::piped())
            .stdout(fs::File::create(dir.path().join("stdout")).unwrap())
            .stderr(fs::File::create(dir.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        Run { process, dir, share }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    pub(crate) fn read(&self, file: &str) -> String {
        read(&self.dir, file)
    }

    /// Bytes of a file, 0 if it is not there.
    pub(crate) fn size(&self, file: &str) -> u64 {
        fs::metadata(self.path(file)).map_or(0, |file| file.len())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What its standard input is fed with.
    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.process.stdin.take().unwrap()
    }

    /// Its children that are not dead.
    pub(crate) fn children(&self) -> Vec<Process> {
        children_of(self.process.id())
    }

    /// Its child of this name, if it lives.
    pub(crate) fn child(&self, name: &str) -> Option<Process> {
        self.children().into_iter().find(|child| child.name == name)
    }

    /// The metrics of all stream managers that answer.
    pub(crate) fn metrics(&self) -> Vec<String> {
        let pods = self.run_directories().into_iter().filter_map(|dir| fs::read_dir(dir).ok());
        let files = pods.flatten().filter_map(|pod| Some(pod.ok()?.path().join("admin-address")));
        files.filter_map(|file| page(fs::read_to_string(file).ok()?.trim()).ok()).collect()
    }

    /// Its own directories: one while it runs, none afterwards.
    pub(crate) fn run_directories(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect()
    }

    /// Waits until it holds and returns how long that took, or panics with what is said.
    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&Run) -> bool) -> Duration {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < PATIENCE, "never: {what}\n{}", self.read("stderr"));
            assert!(!self.has_ended(), "ended before: {what}\n{}", self.read("stderr"));
            std::thread::sleep(Duration::from_millis(5));
        }
        start.elapsed()
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    pub(crate) fn wait(mut self) -> Ended {
        let start = Instant::now();
        while !self.has_ended() {
            assert!(start.elapsed() < PATIENCE, "it does not end\n{}", self.read("stderr"));
            std::thread::sleep(Duration::from_millis(20));
        }
        let status = self.process.wait().unwrap();
        assert_eq!(self.children(), [], "nothing is left");
        // The process is dead, so that the other parts can go their own ways.
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        let summary = serde_json::from_str(&read(&dir, "summary.json")).unwrap_or(Value::Null);
        let (stdout, stderr) = (read(&dir, "stdout"), read(&dir, "stderr"));
        Ended { status, summary, stdout, stderr, dir }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind; one that did not has waited.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = &self.share;
    }
}

/// Writes the topology of this text into the directory.
pub(crate) fn write_topology(dir: &TempDir, topology: &str) -> PathBuf {
    let file = dir.path().join("topology.yaml");
    fs::write(&file, topology.replace("DIR", dir.path().to_str().unwrap())).unwrap();
    file
}

fn read(dir: &TempDir, file: &str) -> String {
    let bytes = fs::read(dir.path().join(file)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Ended {
    pub(crate) fn read(&self, file: &str) -> String {
        read(&self.dir, file)
    }

    pub(crate) fn bytes(&self, file: &str) -> Vec<u8> {
        fs::read(self.dir.path().join(file)).unwrap_or_else(|_| panic!("{}", self.stderr))
    }

    pub(crate) fn root(&self, what: &str) -> u64 {
        self.summary["roots"][what].as_u64().unwrap_or_else(|| panic!("{}", self.stderr))
    }

    /// What the summary says of a component.
    pub(crate) fn component(&self, name: &str) -> &Value {
        let components = self.summary["components"].as_array().unwrap();
        components.iter().find(|component| component["name"] == name).unwrap()
    }

    /// It ended well: exit code 0, nothing pending, every root in exactly one way.
    pub(crate) fn assert_well(&self) {
        assert_eq!(self.status.code(), Some(0), "{}", self.stderr);
        self.assert_accounts();
    }

    /// Nothing is pending, and every root has ended in exactly one way.
    pub(crate) fn assert_accounts(&self) {
        let [emitted, acked, failed, timed_out, pending] =
            ["emitted", "acked", "failed", "timed_out", "pending"].map(|what| self.root(what));
        assert_eq!(emitted, acked + failed + timed_out + pending, "{}", self.summary);
        assert_eq!(pending, 0, "{}\n{}", self.summary, self.stderr);
    }
}

/// Waits until all of these processes are dead.
pub(crate) fn until_dead(pids: &[u32], within: Duration) {
    let start = Instant::now();
    while pids.iter().any(|pid| is_alive(*pid)) {
        assert!(start.elapsed() < within, "still there: {pids:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The metrics of a pod, whose stream manager may be away.
fn page(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET /metrics HTTP/1.0\r\nhost: {address}\r\n\r\n")?;
    let mut text = String::new();
    match stream.read_to_string(&mut text) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error),
        _ => Ok(text),
    }
}
