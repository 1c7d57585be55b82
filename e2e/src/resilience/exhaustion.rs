//! Faults in which something runs out: room for datagrams, room on a disk, memory.

use super::{PATIENCE, Patient};
use crate::{
    Error, Result, cgroup, command,
    error::file,
    layout::Machine,
    node,
    processes::signal,
    wait::{self, Wait},
};
use rustix::process::Signal;
use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::Path,
    time::{Duration, Instant},
};

/// What a node grants that raises no limit.
const SMALL: &str = "212992";
/// What a process may ask for at most. Both belong to the whole host.
const BUFFERS: [&str; 2] = ["/proc/sys/net/core/rmem_max", "/proc/sys/net/core/wmem_max"];
/// What fills a disk, and a memory.
const FILL: &str = "egret-full";
/// Pages that are written at once.
const CHUNK: usize = 64 * 1024;
/// Of these so many are left for the last, which are written one by one: 4 MiB.
const SPARE: u64 = 64;
/// Joins a cgroup ($0), takes nearly all memory in it with a file ($2) of so many chunks ($3), then
/// chunk after chunk until the kernel has killed somebody for want of memory ($1): an instance has
/// a few MB only. What was taken is free again at once.
const HOG: &str = "
kills() { grep '^oom_kill ' \"$1\"; }
before=$(kills \"$1\")
echo $$ > \"$0\"
dd if=/dev/zero of=\"$2\" bs=65536 count=\"$3\" 2>/dev/null
while [ \"$(kills \"$1\")\" = \"$before\" ]; do
  dd if=/dev/zero bs=65536 count=1 2>/dev/null >> \"$2\"
done
rm \"$2\"
";

/// Takes back what was done when it is dropped, whatever comes of a fault.
struct Undo<F: FnMut()>(F);

impl<F: FnMut()> Drop for Undo<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl Patient<'_> {
    /// Stream managers get small buffers, which they have until they begin anew.
    pub(super) fn small_buffers(&self, seconds: u64) -> Result<Instant> {
        let mut before = Vec::new();
        for path in BUFFERS {
            before.push((path, fs::read_to_string(path).map_err(file("read", path))?));
        }
        let _undo = Undo(move || {
            for (path, value) in &before {
                // What could not be written was not changed.
                let _ = fs::write(path, value);
            }
        });
        for path in BUFFERS {
            fs::write(path, SMALL).map_err(file("write", path))?;
        }
        for pod in ["0", "1"] {
            signal(self.worker(&["--listen", "--pod", pod])?, Signal::KILL)?;
        }
        let since = Instant::now();
        wait::lasts(Duration::from_secs(seconds));
        Ok(since)
    }

    /// There is no room on the disk that pods of the first node keep their state on.
    pub(super) fn full_disk(&self, seconds: u64) -> Result<Instant> {
        let since = Instant::now();
        let path = node::pods(Machine::A)?.join(FILL);
        let undo = {
            let path = path.clone();
            Undo(move || drop(fs::remove_file(&path)))
        };
        fill(&path)?;
        wait::lasts(Duration::from_secs(seconds));
        let pods = self.topology.pods()?;
        let there = pods.iter().find(|pod| pod.node == Machine::A.name());
        let name = there.map(|pod| pod.name.clone()).unwrap_or_default();
        let args = ["logs", &name, "--container=stream-manager", "--tail=20"];
        let told = self.topology.namespace().kubectl(&args)?;
        if !told.contains("No space left on device") {
            return Err(Error::Fault(format!("{name} says of a full disk only:\n{told}")));
        }
        // A plan cannot be kept either, and is taken once there is room.
        self.other_limit()?;
        drop(undo);
        self.topology.condition("Ready", "True", PATIENCE)?;
        self.topology.condition("Progressing", "False", PATIENCE)?;
        Ok(since)
    }

    fn other_limit(&self) -> Result<()> {
        let now = self.topology.object()?["spec"]["maxPending"].as_u64().unwrap_or_default();
        let other = if now == 500 { 501 } else { 500 };
        self.topology.change(&serde_json::json!({ "maxPending": other }))
    }

    /// Somebody takes memory in the container of an instance until the kernel kills that.
    pub(super) fn out_of_memory(&self) -> Result<Instant> {
        let pid = self.worker(&["--component", "keep"])?;
        let memory = cgroup::memory_of(pid)?;
        let kills = memory.kills()?;
        let path = Path::new("/dev/shm").join(FILL);
        let _undo = {
            let path = path.clone();
            Undo(move || drop(fs::remove_file(&path)))
        };
        let count = (memory.free()? / CHUNK as u64).saturating_sub(SPARE);
        let [group, events] = memory.files().map(|path| path.display().to_string());
        let path = path.display().to_string();
        let args = ["-c", HOG, &group, &events, &path, &count.to_string()];
        let mut hog = command::program("sh", &args).spawn().map_err(file("start", "sh"))?;
        let killed = Wait::new("the kernel", "killing an instance", PATIENCE).until(|| {
            let now = memory.kills().map_err(|error| error.to_string())?;
            if now > kills { Ok(Instant::now()) } else { Err(format!("it has killed {now}")) }
        });
        let _ = hog.kill();
        hog.wait().map_err(file("wait for", "sh"))?;
        let killed = killed?;
        self.tells_of_memory()?;
        Ok(killed)
    }

    /// The life that follows says what the one before has died of.
    fn tells_of_memory(&self) -> Result<()> {
        Wait::new("stream managers", "telling of the memory", PATIENCE).until(|| {
            let args = ["logs", "--selector", "egret.dev/topology=t", "--tail=200"];
            let args = [&args[..], &["--container=stream-manager"]].concat();
            let told = self.topology.namespace().kubectl(&args).map_err(|it| it.to_string())?;
            let words = "its container is out of memory";
            if told.contains(words) { Ok(()) } else { Err(told) }
        })
    }
}

/// Writes zeros until there is no room.
fn fill(path: &Path) -> Result<()> {
    let mut full = File::create(path).map_err(file("write", path))?;
    let zeros = vec![0; CHUNK];
    loop {
        match full.write_all(&zeros) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(file("write", path)(error)),
        }
    }
}
