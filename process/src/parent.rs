//! Spawns children, hears them, and spawns them again.

use std::{ffi::OsString, path::PathBuf, time::Duration};
use tokio::sync::mpsc;

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
    /// Whether it reads the parent's stdin. Such a child stays in the parent's process group, so that a
    /// terminal lets it read; it must ignore SIGINT by itself. All others have a group of their own.
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
#[derive(Clone)]
pub struct Parent {}

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
    /// A parent without children. The receivers are bounded and must be read: children wait for readers of
    /// their lines.
    pub fn new() -> (Parent, mpsc::Receiver<Event>, mpsc::Receiver<Line>) {
        todo!()
    }

    /// Spawns a child and keeps it running.
    pub fn spawn(&self, _child: Child) -> Result<(), Error> {
        todo!()
    }

    /// The child has done something useful in this life: its exit will not count as one of a crash loop.
    pub fn note_progress(&self, _name: &str) {
        todo!()
    }

    /// From now on an exit with code 0 is as planned, and the child is not spawned again.
    pub fn expect_exit(&self, _name: &str) {
        todo!()
    }

    /// SIGTERM now, SIGKILL after `grace`, never again spawned. Returns when it is dead.
    pub async fn stop(&self, _name: &str, _grace: Duration) -> Result<(), Error> {
        todo!()
    }

    /// SIGKILL to all children. Returns when they are dead.
    pub async fn kill_all(&self) {
        todo!()
    }

    /// Kills one child as if from outside: it is spawned again.
    pub fn kill(&self, _name: &str) -> Result<(), Error> {
        todo!()
    }

    /// Names of the children that run or will run again.
    pub fn alive(&self) -> Vec<String> {
        todo!()
    }
}
