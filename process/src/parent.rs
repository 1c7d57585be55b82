//! Spawns children, hears them, and spawns them again.

mod life;
mod lines;

use life::{Lives, Shared, Wish};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::sync::{mpsc, watch};

/// Events that may wait for the caller: several for every child of a large local run.
const EVENTS: usize = 1024;
/// Lines that may wait for the caller, each up to 64 KiB but mostly 100 bytes.
const LINES: usize = 1024;

/// What to spawn.
#[derive(Clone, Debug)]
pub struct Child {
    /// Name in events and lines, unique within the parent.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables beside those of the parent.
    pub env: Vec<(OsString, OsString)>,
    /// Where it runs; default: where the parent does.
    pub cwd: Option<PathBuf>,
    /// Whether it reads the parent's stdin. Such a child stays in the parent's process group, so
    /// that a terminal lets it read; it must ignore SIGINT by itself. All others have a group of
    /// their own.
    pub inherit_stdin: bool,
}

/// What happened to a child.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It runs.
    Spawned {
        /// The child.
        name: String,
        /// Its process id.
        pid: u32,
        /// Counts its lives from 1.
        life: u64,
    },
    /// It ended.
    Exited(Exited),
    /// It could not be started; this counts as an own exit.
    Unspawnable {
        /// The child.
        name: String,
        /// What the kernel says.
        error: String,
        /// When it is tried again; `None` if it is not wanted any more.
        respawn_in: Option<Duration>,
        /// Own exits without progress in a row.
        consecutive: u32,
    },
}

/// How a child ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Exited {
    /// The child.
    pub name: String,
    /// Which of its lives this was.
    pub life: u64,
    /// Exit code, if it exited.
    pub code: Option<i32>,
    /// Signal, if one killed it.
    pub signal: Option<i32>,
    /// Whether it ended by itself: not by a SIGKILL from outside, and not as planned.
    pub own: bool,
    /// Whether it ended as planned: code 0 after [`Parent::expect_exit`], or [`Parent::stop`].
    pub planned: bool,
    /// The last lines of its stderr.
    pub tail: Vec<String>,
    /// When it is spawned again; `None` if it is not.
    pub respawn_in: Option<Duration>,
    /// Own exits without progress in a row, this one included.
    pub consecutive: u32,
}

/// A line that a child wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The child.
    pub name: String,
    /// Whether it came from stderr.
    pub stderr: bool,
    /// The line without its end. What is not UTF-8 is replaced, what is beyond 64 KiB is cut off.
    pub text: String,
}

/// Spawns children and spawns them again. Cheap to clone; needs a tokio runtime with I/O and time.
/// When the last handle is dropped all children are killed.
///
/// Also meant to be PID 1 of a container with one child, which will forward signals.
#[derive(Clone)]
pub struct Parent {
    events: mpsc::Sender<Event>,
    lines: mpsc::Sender<Line>,
    children: Arc<Mutex<BTreeMap<String, Handle>>>,
}

/// What reaches the task of one child.
struct Handle {
    shared: Arc<Shared>,
    wish: watch::Sender<Wish>,
    /// Closed when the task has ended.
    done: watch::Receiver<()>,
}

/// No child, or two, by a name.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is taken.
    #[error("there is a child `{0}` already")]
    Twice(String),
    /// No such child.
    #[error("there is no child `{0}`")]
    Unknown(String),
}

impl Parent {
    /// A parent without children. Both receivers are bounded and must be read all the time, also
    /// while [`Parent::stop`] waits: children wait for the readers of their lines.
    pub fn new() -> (Parent, mpsc::Receiver<Event>, mpsc::Receiver<Line>) {
        let (events, event_receiver) = mpsc::channel(EVENTS);
        let (lines, line_receiver) = mpsc::channel(LINES);
        (Parent { events, lines, children: Arc::default() }, event_receiver, line_receiver)
    }

    /// Spawns a child and keeps it running.
    pub fn spawn(&self, child: Child) -> Result<(), Error> {
        let name = child.name.clone();
        let mut children = self.children();
        if children.contains_key(&name) {
            return Err(Error::Twice(name));
        }
        let shared = Arc::new(Shared::default());
        let (wish, wished) = watch::channel(Wish::Run);
        let (ends, done) = watch::channel(());
        let lives = Lives {
            child,
            shared: shared.clone(),
            wish: wished,
            events: self.events.clone(),
            lines: self.lines.clone(),
        };
        children.insert(name.clone(), Handle { shared, wish, done });
        // Weak: the last handle of the parent shall end its children, not the other way round.
        let weak = Arc::downgrade(&self.children);
        tokio::spawn(async move {
            lives.run().await;
            if let Some(children) = weak.upgrade() {
                lock(&children).remove(&name);
            }
            drop(ends);
        });
        Ok(())
    }

    /// The child has done something useful in this life: its exit will not count as one of a crash
    /// loop.
    pub fn note_progress(&self, name: &str) {
        if let Some(handle) = self.children().get(name) {
            handle.shared.progress.store(true, Relaxed);
        }
    }

    /// From now on an exit with code 0 is as planned, and the child is not spawned again.
    pub fn expect_exit(&self, name: &str) {
        if let Some(handle) = self.children().get(name) {
            handle.shared.expect_exit.store(true, Relaxed);
        }
    }

    /// SIGTERM now, SIGKILL after `grace`, never spawned again. Returns when it is dead.
    pub async fn stop(&self, name: &str, grace: Duration) -> Result<(), Error> {
        let done = self.children().get(name).map(|handle| handle.wish(Wish::Stop { grace }));
        finished(done.ok_or_else(|| Error::Unknown(name.to_owned()))?).await;
        Ok(())
    }

    /// SIGKILL to all children. Returns when they are dead.
    pub async fn kill_all(&self) {
        let done: Vec<_> = self.children().values().map(|handle| handle.wish(Wish::Kill)).collect();
        for done in done {
            finished(done).await;
        }
    }

    /// Names of the children that run or will run again.
    pub fn alive(&self) -> Vec<String> {
        self.children().keys().cloned().collect()
    }

    fn children(&self) -> MutexGuard<'_, BTreeMap<String, Handle>> {
        lock(&self.children)
    }
}

impl Handle {
    /// Wishes more than before, never less. Returns what closes at the end.
    fn wish(&self, wish: Wish) -> watch::Receiver<()> {
        self.wish.send_if_modified(|was| {
            let more = wish > *was;
            if more {
                *was = wish;
            }
            more
        });
        self.done.clone()
    }
}

/// Nothing panics while it holds the lock, and a half-done change of a map there is not.
fn lock(children: &Mutex<BTreeMap<String, Handle>>) -> MutexGuard<'_, BTreeMap<String, Handle>> {
    children.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn finished(mut done: watch::Receiver<()>) {
    // Nothing is ever sent: this returns when the sender is dropped.
    while done.changed().await.is_ok() {}
}
