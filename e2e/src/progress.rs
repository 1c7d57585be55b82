//! Lines that say what is going on, with the time since the start.

use std::time::Instant;

/// Tells a waiting person how far it is. Clones share the start.
#[derive(Clone, Debug)]
pub struct Progress {
    started: Instant,
}

impl Progress {
    /// To standard error: standard output is for what others read.
    pub fn to_stderr() -> Progress {
        Progress { started: Instant::now() }
    }

    /// One line.
    pub fn say(&self, line: &str) {
        eprintln!("[{:6.1} s] {line}", self.started.elapsed().as_secs_f64());
    }
}
