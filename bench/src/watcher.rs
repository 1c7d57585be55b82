//! Everybody who may look at a topology at once, each second: Prometheus, probes, the page of
//! `egret ui`, and somebody who wants to see the tuples of an edge.
//!
//! All of it runs in the bench's own process. What it costs the topology to answer is what counts.

use crate::ask;
use anyhow::{Context, anyhow, ensure};
use std::{
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

const EVERY: Duration = Duration::from_secs(1);
/// At full load answers take milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Looks until it is told to end.
pub(crate) struct Watcher {
    end: Sender<()>,
    thread: JoinHandle<anyhow::Result<Looks>>,
}

/// What was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Looks {
    pub(crate) rounds: u64,
    /// Tuples of the edge.
    pub(crate) tuples: u64,
}

/// What is looked at.
pub(crate) struct Watched {
    /// Where stream managers serve metrics and probes.
    pub(crate) pods: Vec<SocketAddr>,
    /// The run directory, with the socket that the page reads.
    pub(crate) run: PathBuf,
    /// Both ends of the edge.
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
}

impl Watcher {
    pub(crate) fn start(watched: Watched) -> anyhow::Result<Watcher> {
        let (end, ended) = mpsc::channel();
        let thread = thread::Builder::new().name("watcher".into()).spawn(move || {
            let mut looks = Looks::default();
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                watched.look(&mut looks)?;
            }
            Ok(looks)
        });
        Ok(Watcher { end, thread: thread.context("cannot start a thread")? })
    }

    /// What it has seen. Whoever could not look has measured nothing.
    pub(crate) fn end(self) -> anyhow::Result<Looks> {
        // A watcher that failed has ended already.
        let _ = self.end.send(());
        let looks = self.thread.join().map_err(|_| anyhow!("the watcher has panicked"))??;
        ensure!(looks.rounds > 0, "nobody has looked");
        ensure!(looks.tuples > 0, "no tuple of the edge was seen");
        Ok(looks)
    }
}

impl Watched {
    fn look(&self, looks: &mut Looks) -> anyhow::Result<()> {
        for pod in &self.pods {
            for target in ["/metrics", "/live", "/ready"] {
                let stream = TcpStream::connect_timeout(pod, ANSWER_WITHIN)?;
                stream.set_read_timeout(Some(ANSWER_WITHIN))?;
                ask::get(stream, target).with_context(|| pod.to_string())?;
            }
        }
        self.ask("/api/snapshot")?;
        let Watched { from, to, .. } = self;
        let samples = self.ask(&format!("/api/samples?from={from}&stream=default&to={to}"))?;
        let samples: serde_json::Value = serde_json::from_str(&samples)?;
        looks.tuples += samples["samples"].as_array().map_or(0, Vec::len) as u64;
        looks.rounds += 1;
        Ok(())
    }

    fn ask(&self, target: &str) -> anyhow::Result<String> {
        let socket = self.run.join("watch.sock");
        let stream = UnixStream::connect(&socket).with_context(|| socket.display().to_string())?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        ask::get(stream, target)
    }
}
