//! Steps of traced tuples on their way to an OpenTelemetry endpoint, on a thread of their own.
//!
//! Whatever becomes of them, tuples must not notice: the way to the thread is bounded, and what
//! finds no room, or no taker after a few tries, is dropped and counted.

mod endpoint;
mod otlp;
mod post;

use crate::{limits, manager::Manager};
use egret_topology::{
    id::{PodId, TaskId},
    plan::PlanIndex,
};
use egret_wire::{limits::MAX_CAUSE, trace::Span};
use endpoint::Environment;
use post::{Failed, post};
use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout, timeout_at},
};

/// Spans of one task under one plan.
#[derive(Debug)]
struct Batch {
    plan: PlanIndex,
    task: TaskId,
    spans: Vec<Span>,
}

/// Why a span was not exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// The instance had no room for it.
    Instance,
    /// The thread had none.
    Queue,
    /// The endpoint cannot be reached, or does not take anything now.
    Unreachable,
    /// The endpoint does not want it.
    Refused,
}

/// What became of spans.
#[derive(Debug, Default)]
struct Tally {
    waiting: AtomicU64,
    exported: AtomicU64,
    dropped: [AtomicU64; 4],
}

/// The way to the thread, which there is once there is anything to export.
#[derive(Debug, Default)]
pub(crate) struct Exporter {
    lane: RefCell<Option<Lane>>,
    tally: Arc<Tally>,
}

#[derive(Debug)]
struct Lane {
    batches: mpsc::Sender<Batch>,
    over: oneshot::Receiver<()>,
}

impl Dropped {
    pub(crate) const ALL: [Dropped; 4] =
        [Dropped::Instance, Dropped::Queue, Dropped::Unreachable, Dropped::Refused];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Dropped::Instance => "instance",
            Dropped::Queue => "queue",
            Dropped::Unreachable => "unreachable",
            Dropped::Refused => "refused",
        }
    }
}

impl Tally {
    fn lose(&self, spans: u64, why: Dropped) {
        self.dropped[why as usize].fetch_add(spans, Relaxed);
    }
}

impl Manager {
    /// A task has told what was traced there.
    pub(crate) fn traced(&self, task: TaskId, mut spans: Vec<Span>, dropped: u64) {
        let Some(plan) = self.plan() else { return };
        let tally = &self.exporter.tally;
        tally.lose(dropped, Dropped::Instance);
        // A peer may write at any length.
        for error in spans.iter_mut().filter_map(|span| span.error.as_mut()) {
            error.truncate(error.floor_char_boundary(MAX_CAUSE));
        }
        self.exporter.export(self.options.pod, Batch { plan, task, spans });
    }
}

impl Exporter {
    /// Spans that an endpoint has taken.
    pub(crate) fn exported(&self) -> u64 {
        self.tally.exported.load(Relaxed)
    }

    /// Spans that were dropped for this reason.
    pub(crate) fn dropped(&self, why: Dropped) -> u64 {
        self.tally.dropped[why as usize].load(Relaxed)
    }

    fn export(&self, pod: PodId, batch: Batch) {
        let count = batch.spans.len() as u64;
        let mut lane = self.lane.borrow_mut();
        if lane.is_none() {
            *lane = start(pod, self.tally.clone())
                .inspect_err(|error| tracing::error!("no thread to export spans: {error}"))
                .ok();
        }
        let room = self.tally.waiting.load(Relaxed) + count <= limits::SPANS_WAITING;
        let sent = lane.as_ref().filter(|_| room).is_some_and(|lane| {
            self.tally.waiting.fetch_add(count, Relaxed);
            let sent = lane.batches.try_send(batch).is_ok();
            if !sent {
                self.tally.waiting.fetch_sub(count, Relaxed);
            }
            sent
        });
        if !sent {
            self.tally.lose(count, Dropped::Queue);
        }
    }

    /// Waits a moment until all that was told is exported: this process is about to end.
    pub(crate) async fn finish(&self) {
        let lane = self.lane.borrow_mut().take();
        if let Some(Lane { batches, over }) = lane {
            drop(batches);
            // What is not gone by then never will be.
            let _ = timeout(limits::LAST_SPANS, over).await;
        }
    }
}

fn start(pod: PodId, tally: Arc<Tally>) -> std::io::Result<Lane> {
    let (batches, mut waiting) = mpsc::channel(limits::SPAN_BATCHES);
    let (ended, over) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let environment = Environment::read(|name| std::env::var(name).ok());
    let mut sink = Sink { pod, tally, environment, planned: None, warned: None };
    thread::Builder::new().name("spans".to_owned()).spawn(move || {
        runtime.block_on(async {
            while let Some(first) = waiting.recv().await {
                let gathered = gather(first, &mut waiting).await;
                sink.deliver(&gathered).await;
            }
        });
        // Nobody waits for it unless the process ends.
        let _ = ended.send(());
    })?;
    Ok(Lane { batches, over })
}

/// What comes within a moment goes in one request.
async fn gather(first: Batch, waiting: &mut mpsc::Receiver<Batch>) -> Vec<Batch> {
    let until = tokio::time::Instant::now() + limits::GATHER_SPANS;
    let mut count = first.spans.len();
    let mut gathered = vec![first];
    while count < limits::SPANS_AT_ONCE {
        let Ok(Some(batch)) = timeout_at(until, waiting.recv()).await else { break };
        count += batch.spans.len();
        gathered.push(batch);
    }
    gathered
}

/// The thread's own.
struct Sink {
    pod: PodId,
    tally: Arc<Tally>,
    environment: Environment,
    /// What the last plan said that asked for tracing: roots are traced to their end.
    planned: Option<String>,
    warned: Option<Instant>,
}

impl Sink {
    async fn deliver(&mut self, batches: &[Batch]) {
        let count = batches.iter().map(|batch| batch.spans.len() as u64).sum();
        if let Some(tracing) = batches.iter().rev().find_map(|b| b.plan.plan().tracing.as_ref()) {
            self.planned.clone_from(&tracing.endpoint);
        }
        match self.try_to_deliver(batches).await {
            Ok(rejected) => {
                let rejected = rejected.min(count);
                self.tally.exported.fetch_add(count - rejected, Relaxed);
                self.tally.lose(rejected, Dropped::Refused);
            }
            Err((why, words)) => {
                self.tally.lose(count, why);
                self.warn(count, &words);
            }
        }
        self.tally.waiting.fetch_sub(count, Relaxed);
    }

    /// How many of the spans the endpoint has taken but does not want.
    async fn try_to_deliver(&self, batches: &[Batch]) -> Result<u64, (Dropped, String)> {
        let refused = |words: String| (Dropped::Refused, words);
        let uri = self.environment.endpoint(self.planned.as_deref()).map_err(refused)?;
        let body = otlp::encode(batches, self.pod, &self.environment.resource);
        let mut left = limits::SPAN_TRIES;
        let mut pause = limits::FIRST_SPAN_PAUSE;
        loop {
            let posting = post(&uri, &self.environment.headers, body.clone());
            let failed = match timeout(limits::POST_SPANS, posting).await {
                Ok(Ok(answer)) => return Ok(otlp::rejected(&answer)),
                Ok(Err(failed)) => failed,
                Err(_) => Failed::Later { why: "it does not answer".to_owned(), after: None },
            };
            left -= 1;
            match failed {
                Failed::Refused(why) => return Err((Dropped::Refused, format!("{uri}: {why}"))),
                Failed::Later { why, .. } if left == 0 => {
                    return Err((Dropped::Unreachable, format!("{uri}: {why}")));
                }
                Failed::Later { after, .. } => {
                    sleep(after.unwrap_or(pause).min(limits::MOST_SPAN_PAUSE)).await;
                    pause *= 2;
                }
            }
        }
    }

    fn warn(&mut self, count: u64, why: &str) {
        if self.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            self.warned = Some(Instant::now());
            tracing::warn!(spans = count, "spans were dropped: {why}");
        }
    }
}

/// An endpoint that is gone is told about this often at most; the metric counts.
const WARN_EVERY: Duration = Duration::from_secs(60);
