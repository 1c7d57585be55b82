//! Waiting until the cluster is as it was asked to be, with an end, and with words meanwhile.

use super::trouble::Trouble;
use crate::output::visible;
use clap::Args;
use indicatif::ProgressBar;
use std::{
    io::{self, IsTerminal},
    time::Duration,
};
use tokio::time::{self, Instant};

/// Between two looks. What is waited for takes seconds.
const PAUSE: Duration = Duration::from_millis(500);

/// Whether to wait, and for how long.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Waiting {
    /// Wait until it is done
    #[arg(long, short)]
    pub(super) wait: bool,

    /// How long to wait, such as 30s or 5m
    #[arg(long, value_name = "TIME", value_parser = crate::duration::parse,
          default_value = "5m", requires = "wait")]
    timeout: Duration,
}

/// What one look has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It is done.
    Done,
    /// It will never be.
    Never(Trouble),
    /// Not yet: how far it is.
    NotYet(String),
}

impl Waiting {
    /// Looks until it is done. An API server that is away for a moment is waited for too.
    pub(super) async fn until(
        self,
        what: &str,
        mut look: impl AsyncFnMut() -> Result<Look, Trouble>,
    ) -> Result<(), Trouble> {
        let end = Instant::now() + self.timeout;
        let mut progress = Progress::new();
        let mut state = "the cluster has not answered".to_owned();
        loop {
            // An answer that comes beyond the end is not waited for: what was seen before counts.
            let looked = time::timeout_at(end, look()).await;
            state = match looked.unwrap_or(Ok(Look::NotYet(state))) {
                Ok(Look::Done) => return Ok(()),
                Ok(Look::Never(trouble)) => return Err(trouble),
                Ok(Look::NotYet(state)) => state,
                Err(trouble) if trouble.may_pass() => trouble.what().to_owned(),
                Err(trouble) => return Err(trouble),
            };
            if Instant::now() >= end {
                let seconds = self.timeout.as_secs_f64();
                let words = format!("{what} took longer than {seconds} s; now: {state}");
                return Err(Trouble::refused(words).with(
                    "it goes on by itself as long as the operator is up; wait again, or look at \
                     `egret status`",
                ));
            }
            progress.tell(&state);
            time::sleep_until(end.min(Instant::now() + PAUSE)).await;
        }
    }
}

/// A line that changes in a terminal, and one line per change elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
    last: String,
}

impl Progress {
    fn new() -> Progress {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Progress { bar, last: String::new() }
    }

    fn tell(&mut self, state: &str) {
        if self.last == state {
            return;
        }
        self.last = state.to_owned();
        match &self.bar {
            Some(bar) => bar.set_message(visible(state.trim())),
            None => eprintln!("{}", visible(state.trim())),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(millis: u64, looks: Vec<Result<Look, Trouble>>) -> Result<(), Trouble> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let waiting = Waiting { wait: true, timeout: Duration::from_millis(millis) };
        let mut looks = looks.into_iter();
        runtime.block_on(waiting.until("pausing t", async || {
            looks.next().unwrap_or(Ok(Look::NotYet("still Running".into())))
        }))
    }

    #[test]
    fn an_api_server_that_is_away_for_a_moment_is_waited_for() {
        let away = Err(Trouble::unreachable("away"));
        assert_eq!(wait(60_000, vec![away, Ok(Look::Done)]), Ok(()));
        let no = Trouble::refused("no");
        assert_eq!(wait(60_000, vec![Err(no.clone()), Ok(Look::Done)]), Err(no));
    }

    #[test]
    fn a_vain_wait_tells_how_far_it_came() {
        let text = wait(1, vec![]).unwrap_err().to_string();
        assert!(text.contains("pausing t took longer than 0.001 s; now: still Running"), "{text}");
    }
}
