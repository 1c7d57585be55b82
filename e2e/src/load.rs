//! Lines that somebody writes all the time, and what has become of each of them.

use crate::{Error, Result, error::file, wait::Wait};
use std::{
    fs::File,
    io::{ErrorKind, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// A topology that copies lines from one node to the other, by way of two filters. Its volumes are
/// claimed as `input` and `output`.
pub const COPIES: &str = "
pods: 2
delivery: AtLeastOnce
maxPending: 500
messageTimeout: 30s
volumes:
- {name: input, persistentVolumeClaim: {claimName: input}}
- {name: output, persistentVolumeClaim: {claimName: output}}
spouts:
- name: lines
  config: {path: /data/in.txt, follow: true}
  streams: [{fields: [line]}]
  volumeMounts: [{name: input, mountPath: /data, readOnly: true}]
bolts:
- name: keep
  component: filter
  parallelism: 2
  config: {contains: line}
  streams: [{fields: [line]}]
  inputs: [{from: lines}]
- name: out
  component: file
  config: {path: /data/out.txt, mode: append}
  streams: []
  inputs: [{from: keep}]
  volumeMounts: [{name: output, mountPath: /data}]
";

/// Lines that are written at once, and the time between: 2,000 lines a second.
const BATCH: usize = 20;
const EVERY: Duration = Duration::from_millis(10);
/// What is on its way for less is not late.
const LATE: Duration = Duration::from_millis(500);
/// Everything flows if nothing has been late for so long.
const STEADY: Duration = Duration::from_secs(2);
/// Between two looks at what has arrived.
const LOOK: Duration = Duration::from_millis(20);

/// Somebody who writes lines all the time, `line 0` first, and somebody who sees them arrive.
pub struct Load {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<std::io::Result<()>>>,
}

/// What writer, watcher and caller share.
struct Shared {
    written: AtomicUsize,
    /// When each batch was written.
    times: Mutex<Vec<Instant>>,
    /// Nothing more is to be written.
    enough: AtomicBool,
    /// Nobody waits for anything any more.
    over: AtomicBool,
    watched: Mutex<Watched>,
}

/// What was seen of the output.
struct Watched {
    arrivals: Arrivals,
    /// When a line was late last.
    late: Option<Instant>,
    /// For how long a line was on its way at most.
    longest: Duration,
    /// Why nothing is seen any more.
    failed: Option<String>,
}

/// How often each line has arrived.
#[derive(Debug)]
struct Arrivals {
    path: PathBuf,
    file: Option<File>,
    /// The part of a line that has no end yet.
    rest: Vec<u8>,
    counts: Vec<u32>,
    /// All lines before this one have arrived.
    before: usize,
    /// What nobody has written.
    strange: Option<String>,
}

/// What has become of all lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Lines that were written; each has arrived.
    pub lines: usize,
    /// Arrivals beyond the first of a line.
    pub twice: usize,
}

impl Load {
    /// Begins to write to one file; a topology copies each line to the other.
    pub fn on(input: &Path, output: PathBuf) -> Result<Load> {
        let source = File::create(input).map_err(file("write", input))?;
        let (arrivals, longest) = (Arrivals::at(output), Duration::ZERO);
        let watched = Watched { arrivals, late: None, longest, failed: None };
        let shared = Arc::new(Shared {
            written: AtomicUsize::default(),
            times: Mutex::default(),
            enough: AtomicBool::default(),
            over: AtomicBool::default(),
            watched: Mutex::new(watched),
        });
        let (writer, watcher) = (shared.clone(), shared.clone());
        let writer = thread::spawn(move || writer.write(source));
        thread::spawn(move || watcher.watch());
        Ok(Load { shared, writer: Some(writer) })
    }

    /// Waits until all that was written so far has arrived.
    pub fn flows(&mut self, limit: Duration) -> Result<()> {
        self.arrived(self.shared.written.load(Ordering::Relaxed), limit)
    }

    /// Waits until nothing has been late for a while, and what happened has had its effect. How
    /// long after `since` it was late for the last time: zero if never.
    pub fn back(
        &mut self,
        since: Instant,
        limit: Duration,
        mut over: impl FnMut() -> Result<bool>,
    ) -> Result<Duration> {
        let (mut from, mut is_over) = (Instant::now(), false);
        let began = from;
        loop {
            let (now, watched) = (Instant::now(), self.shared.watched()?);
            let late = watched.late.filter(|late| *late > since);
            let before = watched.arrivals.before;
            drop(watched);
            if !is_over {
                is_over = over()?;
                from = now;
            }
            let steady = late.map_or(from, |late| late.max(from));
            if is_over && now.saturating_duration_since(steady) >= STEADY {
                return Ok(late.map_or(Duration::ZERO, |late| late.duration_since(since)));
            }
            if now.duration_since(began) >= limit {
                return Err(Error::Late {
                    component: "the topology".to_owned(),
                    what: "everything flows".to_owned(),
                    limit,
                    last: format!("line {before} has not arrived"),
                    tail: String::new(),
                });
            }
            thread::park_timeout(LOOK);
        }
    }

    /// For how long a line was on its way at most since this was asked last.
    pub fn longest(&self) -> Result<Duration> {
        Ok(std::mem::take(&mut self.shared.watched()?.longest))
    }

    /// What has become of the lines so far.
    pub fn account(&mut self, limit: Duration) -> Result<Account> {
        let lines = self.shared.written.load(Ordering::Relaxed);
        self.arrived(lines, limit)?;
        Ok(Account { lines, twice: self.shared.watched()?.arrivals.twice() })
    }

    /// Ends it, and waits until the last line has arrived.
    pub fn end(mut self, limit: Duration) -> Result<Account> {
        self.shared.enough.store(true, Ordering::Relaxed);
        match self.writer.take().map(JoinHandle::join) {
            Some(Ok(written)) => written.map_err(file("write", "the input"))?,
            _ => return Err(Error::Fault("the writer of lines has panicked".to_owned())),
        }
        self.account(limit)
    }

    fn arrived(&mut self, lines: usize, limit: Duration) -> Result<()> {
        Wait::new("the output", &format!("{lines} lines"), limit).until(|| {
            let before = match self.shared.watched() {
                Ok(watched) => watched.arrivals.before,
                // What has failed does not come back: there is nothing to wait for.
                Err(error) => return Ok(Err(error)),
            };
            if before >= lines { Ok(Ok(())) } else { Err(format!("line {before} is missing")) }
        })?
    }
}

impl Shared {
    fn write(&self, mut source: File) -> std::io::Result<()> {
        while !self.enough.load(Ordering::Relaxed) {
            let from = self.written.load(Ordering::Relaxed);
            let lines: String = (from..from + BATCH).map(|n| format!("line {n}\n")).collect();
            source.write_all(lines.as_bytes())?;
            self.times().push(Instant::now());
            self.written.store(from + BATCH, Ordering::Relaxed);
            thread::park_timeout(EVERY);
        }
        Ok(())
    }

    /// Sees lines arrive, also while somebody is busy with a fault.
    fn watch(&self) {
        while !self.over.load(Ordering::Relaxed) {
            let Ok(mut watched) = self.watched() else { return };
            let looked = watched.arrivals.look();
            let now = Instant::now();
            let age = self.lateness(watched.arrivals.before, now);
            watched.longest = watched.longest.max(age);
            if age > LATE {
                watched.late = Some(now);
            }
            watched.failed = looked.err().map(|error| error.to_string());
            drop(watched);
            thread::park_timeout(LOOK);
        }
    }

    /// For how long the oldest line that has not arrived is on its way.
    fn lateness(&self, before: usize, now: Instant) -> Duration {
        let oldest = self.times().get(before / BATCH).copied();
        oldest.map_or(Duration::ZERO, |at| now.saturating_duration_since(at))
    }

    fn times(&self) -> MutexGuard<'_, Vec<Instant>> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen, unless somebody cannot see any more.
    fn watched(&self) -> Result<MutexGuard<'_, Watched>> {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        match watched.failed.clone() {
            Some(error) => Err(Error::Fault(error)),
            None => Ok(watched),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.enough.store(true, Ordering::Relaxed);
        self.shared.over.store(true, Ordering::Relaxed);
    }
}

impl Arrivals {
    fn at(path: PathBuf) -> Arrivals {
        let (rest, counts) = (Vec::new(), Vec::new());
        Arrivals { path, file: None, rest, counts, before: 0, strange: None }
    }

    /// Reads what has arrived since the last look.
    fn look(&mut self) -> Result<()> {
        if self.file.is_none() {
            match File::open(&self.path) {
                Ok(opened) => self.file = Some(opened),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(file("open", &self.path)(error)),
            }
        }
        if let Some(opened) = &mut self.file {
            opened.read_to_end(&mut self.rest).map_err(file("read", &self.path))?;
        }
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<u8> = self.rest.drain(..whole).collect();
        for line in String::from_utf8_lossy(&lines).lines() {
            self.count(line);
        }
        while self.counts.get(self.before).is_some_and(|count| *count > 0) {
            self.before += 1;
        }
        match &self.strange {
            Some(line) => {
                Err(Error::Fault(format!("a line has arrived that nobody wrote: {line}")))
            }
            None => Ok(()),
        }
    }

    fn count(&mut self, line: &str) {
        // Whatever a broken topology writes must not fill the memory.
        const MOST: usize = 100_000_000;
        let number = line.strip_prefix("line ").and_then(|number| number.parse::<usize>().ok());
        let Some(number) = number.filter(|number| *number < MOST) else {
            self.strange.get_or_insert_with(|| line.to_owned());
            return;
        };
        if self.counts.len() <= number {
            self.counts.resize(number + 1, 0);
        }
        self.counts[number] += 1;
    }

    fn twice(&self) -> usize {
        self.counts.iter().map(|count| (*count as usize).saturating_sub(1)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_accounted_for_also_if_it_comes_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.txt");
        let mut arrivals = Arrivals::at(path.clone());
        arrivals.look().unwrap();
        let mut out = File::create(&path).unwrap();
        out.write_all(b"line 1\nline 0\nline 1\nlin").unwrap();
        arrivals.look().unwrap();
        assert_eq!((arrivals.before, arrivals.twice()), (2, 1));
        out.write_all(b"e 3\n").unwrap();
        arrivals.look().unwrap();
        assert_eq!(arrivals.before, 2, "line 2 is missing");
        out.write_all(b"line two\n").unwrap();
        assert!(arrivals.look().unwrap_err().to_string().contains("line two"));
    }

    #[test]
    fn a_load_that_flows_is_never_late() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.txt");
        // The output is the input: nothing is on its way.
        let mut load = Load::on(&path, path.clone()).unwrap();
        let back = load.back(Instant::now(), Duration::from_secs(60), || Ok(true)).unwrap();
        assert_eq!(back, Duration::ZERO);
        let account = load.end(Duration::from_secs(60)).unwrap();
        assert!(account.lines > 0 && account.twice == 0);
    }

    #[test]
    fn a_line_that_never_arrives_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut load = Load::on(&path("in.txt"), path("out.txt")).unwrap();
        let error = load.back(Instant::now(), Duration::from_secs(1), || Ok(true)).unwrap_err();
        assert!(error.to_string().contains("line 0 has not arrived"), "{error}");
    }
}
