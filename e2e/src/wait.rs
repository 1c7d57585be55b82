//! Waiting for the world outside, always with an end.

use crate::{Error, Result};
use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Lines of a log that an error shows.
const TAIL: usize = 30;

/// A wait that names who is to blame if it is in vain.
pub struct Wait {
    component: String,
    what: String,
    limit: Duration,
    log: Option<PathBuf>,
}

impl Wait {
    /// Waits until `what` is true of `component`.
    pub fn new(component: &str, what: &str, limit: Duration) -> Wait {
        Wait { component: component.into(), what: what.into(), limit, log: None }
    }

    /// The log that tells why it is not.
    pub fn log(mut self, log: impl Into<PathBuf>) -> Wait {
        self.log = Some(log.into());
        self
    }

    /// Looks until the look finds something; what it sees instead is shown if that never happens.
    pub fn until<T>(self, mut look: impl FnMut() -> std::result::Result<T, String>) -> Result<T> {
        let started = Instant::now();
        loop {
            let last = match look() {
                Ok(found) => return Ok(found),
                Err(last) => last,
            };
            if started.elapsed() >= self.limit {
                let tail = self.log.as_deref().map(tail).unwrap_or_default();
                let Wait { component, what, limit, .. } = self;
                return Err(Error::Late { component, what, limit, last, tail });
            }
            pause();
        }
    }
}

/// Lets a moment pass between two looks at what cannot tell us when it changes.
pub(crate) fn pause() {
    thread::park_timeout(PAUSE);
}

/// Lets a fault last so long.
pub(crate) fn lasts(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        thread::park_timeout(left);
    }
}

/// The end of a log, with its name.
pub fn tail(path: &Path) -> String {
    match fs::read(path) {
        Ok(bytes) => {
            format!("{}:\n{}", path.display(), last_lines(&String::from_utf8_lossy(&bytes)))
        }
        Err(error) => format!("{}: {error}", path.display()),
    }
}

/// The last lines of a text.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vain_wait_names_component_and_last_look() {
        let wait = Wait::new("etcd", "answering", Duration::ZERO).log("no/such/log");
        let error = wait.until(|| Err::<(), _>("connection refused".into())).unwrap_err();
        let text = error.to_string();
        for part in ["etcd: answering", "connection refused", "no/such/log"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn the_tail_of_a_log_is_its_last_lines() {
        let text: String = (0..100).map(|line| format!("{line}\n")).collect();
        assert!(last_lines(&text).starts_with("70\n") && last_lines(&text).ends_with("\n99"));
    }
}
