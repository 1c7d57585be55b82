//! A topology that shows everything there is to be seen: backpressure, two streams, metrics of user
//! code; and that then stands still, all acked.

use crate::{http, page::Page};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// `slow` holds up `before`, which holds up `lines`; what waits is more than all queues hold.
const TOPOLOGY: &str = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: watched}
spec:
  pods: 2
  maxPending: 20000
  messageTimeout: 120s
  spouts:
  - {name: lines, config: {path: DIR/input, follow: true}}
  bolts:
  - name: before
    component: filter
    parallelism: 2
    config: {contains: line}
    inputs: [{from: lines}]
  - name: slow
    component: trouble
    config: {does: slow, pauseMs: 4}
    inputs: [{from: before}]
  - {name: end, component: discard, parallelism: 2, inputs: [{from: slow}, {from: before}]}
";

/// Its bolt does not come back from its first line.
pub(crate) const HANGS: &str = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: hangs}
spec:
  pods: 2
  spouts:
  - {name: lines, config: {path: DIR/input, follow: true}}
  bolts:
  - {name: hangs, component: trouble, config: {does: hang}, inputs: [{from: lines}]}
";

/// Its bolt neither acks nor fails any line; each is emitted again when its time is up.
pub(crate) const HOLDS: &str = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: holds}
spec:
  pods: 2
  maxPending: 10
  messageTimeout: 1s
  spouts:
  - {name: lines, config: {path: DIR/input, follow: true}}
  bolts:
  - {name: holds, component: keep-for-good, config: {contains: line}, inputs: [{from: lines}]}
";

/// Its bolt fails every word, each once.
pub(crate) const FAILS: &str = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: fails}
spec:
  pods: 2
  spouts:
  - {name: words, config: {rate: 20}, maxTries: 1}
  bolts:
  - {name: fails, component: trouble, config: {does: fail}, inputs: [{from: words}]}
";

/// Its bolt does not start.
pub(crate) const REFUSES: &str = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: refuses}
spec:
  pods: 2
  spouts:
  - {name: lines, config: {path: DIR/input, follow: true}}
  bolts:
  - {name: refuses, component: trouble, config: {does: refuse}, inputs: [{from: lines}]}
";

/// Lines of input.
pub(crate) const LINES: u64 = 2000;
/// Bytes of each: together far more than queues and windows hold.
const LINE: usize = 6 << 10;

/// Pods of the topology.
const PODS: usize = 2;

/// Longer than the run takes to get there, also on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running `egret run`.
pub(crate) struct Run {
    process: Child,
    dir: TempDir,
    /// Processes that cannot notice that it has ended.
    stopped: Vec<Pid>,
}

impl Run {
    pub(crate) fn start() -> Run {
        Run::of(TOPOLOGY)
    }

    /// The same, ten times slower.
    pub(crate) fn start_slow() -> Run {
        Run::of(&TOPOLOGY.replace("pauseMs: 4", "pauseMs: 40"))
    }

    /// Starts the topology of this text, in which `DIR` stands for its directory.
    pub(crate) fn of(topology: &str) -> Run {
        Run::with(topology, &[])
    }

    /// The same, with the page that shows it.
    pub(crate) fn shown(topology: &str) -> Run {
        Run::with(topology, &["--ui=127.0.0.1:0"])
    }

    fn with(topology: &str, args: &[&str]) -> Run {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().to_str().unwrap();
        let file = dir.path().join("topology.yaml");
        fs::write(&file, topology.replace("DIR", here)).unwrap();
        let padding = "x".repeat(LINE);
        let line = |number| format!("line {number} {padding}\n");
        fs::write(dir.path().join("input"), (0..LINES).map(line).collect::<String>()).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_egret"))
            .args(["run", "--quiet", "--instance", &trouble()])
            .args(args)
            .arg(&file)
            .env("TMPDIR", here)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        Run { process, dir, stopped: Vec::new() }
    }

    /// The addresses of the pods' metrics, as soon as all are there.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.until("every pod serves metrics", || {
            let mut files = Vec::new();
            find(self.dir.path(), "admin-address", &mut files);
            files.sort();
            let read = |file: &PathBuf| fs::read_to_string(file).ok()?.trim().parse().ok();
            let addresses: Vec<SocketAddr> = files.iter().filter_map(read).collect();
            (addresses.len() == PODS).then_some(addresses)
        })
    }

    /// Where the page is, as soon as it says so.
    pub(crate) fn origin(&self) -> String {
        self.until("the page is served", || {
            let said = fs::read_to_string(self.path("stderr")).ok()?;
            let (_, url) = said.split_once("the page is at ")?;
            let (url, _) = url.split_once('\n')?;
            Some(url.trim_end_matches('/').to_owned())
        })
    }

    /// A file in the directory that `DIR` stands for.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What another `egret` on this machine prints.
    pub(crate) fn egret(&self, args: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
        let output = command.args(args).env("TMPDIR", self.dir.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The pages of all pods, as one.
    pub(crate) fn page(&self) -> Page {
        let pages = self.addresses().into_iter().map(|address| {
            let (status, page) = http::get(address, "/metrics").unwrap();
            assert_eq!(status, 200);
            page
        });
        Page::new(&pages.collect::<String>())
    }

    /// Stops the stream manager of a pod, which stays as it is and answers nobody.
    pub(crate) fn stop_stream_manager(&mut self, pod: usize) {
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(words) = fs::read(process.path().join("cmdline")) else { continue };
            let words: Vec<&[u8]> = words.split(|byte| *byte == 0).collect();
            let has = |word: &str| words.contains(&word.as_bytes());
            let here = self.dir.path().to_str().unwrap().as_bytes();
            let ours = words.iter().any(|word| word.starts_with(here));
            let name = process.file_name();
            let pid = name.to_str().and_then(|name| name.parse().ok());
            if let (true, Some(pid)) = (ours && has("__stream-manager"), pid)
                && words.windows(2).any(|two| two == [b"--pod", pod.to_string().as_bytes()])
            {
                let pid = Pid::from_raw(pid).unwrap();
                kill_process(pid, Signal::STOP).unwrap();
                self.stopped.push(pid);
            }
        }
        assert!(!self.stopped.is_empty(), "pod {pod} has no stream manager");
    }

    /// Waits until this is there.
    pub(crate) fn until<T>(&self, what: &str, there: impl FnMut() -> Option<T>) -> T {
        until(what, there).unwrap_or_else(|| {
            let said = fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_default();
            panic!("not within {PATIENCE:?}: {what}\n{said}")
        })
    }

    /// Waits until every line was acked, and told.
    pub(crate) fn until_settled(&self) -> Page {
        self.until("every line is acked, and all of it told", || {
            let page = self.page();
            let acked = page.sum("egret_roots_acked_total", &[]) == LINES as f64;
            let told = page.sum("egret_complete_latency_seconds_count", &[]) == LINES as f64;
            (acked && told && page.is_balanced()).then_some(page)
        })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Whether it has ended already or not; its children end with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
        for pid in &self.stopped {
            let _ = kill_process(*pid, Signal::KILL);
        }
    }
}

/// Looks again and again, and gives up after a while.
pub(crate) fn until<T>(what: &str, mut there: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(found) = there() {
            return Some(found);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("given up: {what}");
    None
}

fn find(directory: &Path, name: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            find(&path, name, found);
        } else if path.ends_with(name) {
            found.push(path);
        }
    }
}

/// The binary of `cli/examples/trouble.rs`.
fn trouble() -> String {
    let built = Path::new(env!("CARGO_BIN_EXE_egret")).with_file_name("examples").join("trouble");
    assert!(built.exists(), "first: cargo build -p egret-cli --example trouble");
    built.to_str().unwrap().to_owned()
}
