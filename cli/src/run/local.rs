//! One local run from the first process to the last: a loop over what children, stream managers,
//! the user and the clock say.
//!
//! ```text
//! Starting ──► Pushing ──► Linking ──► Running ──► Draining ──► Closing ──► Stopping ──► Down
//!  managers    first plan   tasks       spouts on   spouts off   tasks exit  managers exit
//!                           register
//! ```

mod stages;

use super::{
    children::{Family, pod_name, task_name},
    crashes::{Crashes, Report},
    directory::{self, Directory},
    display::Display,
    logs::{Entry, Level},
    progress::Progress,
    signals::Signals,
    summary::Summary,
    tally::Tally,
    watched::{self, Watched},
};
use crate::load::Loaded;
use egret_control::{Fleet, Pushed, Statuses};
use egret_link::{Credentials, Endpoint, Windows};
use egret_process::{Event, Exit, Line, Parent};
use egret_topology::{
    id::{PodId, TaskId},
    logical::State,
    packing_plan::PackingPlan,
    plan::PhysicalPlan,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, time};

/// What the command line says of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) duration: Option<Duration>,
    pub(crate) keep: bool,
    pub(crate) verbose: bool,
    /// Whether the page is served, and where.
    pub(crate) page: Option<Option<SocketAddr>>,
}

/// How a run ended.
pub(crate) struct Outcome {
    pub(crate) exit: Exit,
    /// Why it did not end well.
    pub(crate) error: Option<String>,
    pub(crate) summary: Summary,
}

/// Lines of children that are shown at once.
const LINES_AT_ONCE: usize = 512;
/// Answers that may wait; at most one of each kind is asked for at a time.
const ANSWERS: usize = 16;

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Stream managers start and tell their addresses.
    Starting,
    /// They take the first plan over.
    Pushing,
    /// Tasks register, stream managers link up; spouts wait.
    Linking,
    /// Tasks work.
    Running,
    /// Spouts are off; what is in flight goes on.
    Draining,
    /// Every task has ended; tasks close and exit.
    Closing,
    /// No task is left; stream managers exit.
    Stopping,
    /// No process is left.
    Down,
}

impl Stage {
    /// As those who look are told.
    fn word(self) -> &'static str {
        match self {
            Stage::Starting | Stage::Pushing | Stage::Linking => "Starting",
            Stage::Running => "Running",
            Stage::Draining => "Draining",
            Stage::Closing | Stage::Stopping | Stage::Down => "Ending",
        }
    }
}

/// Why a run ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    /// All input has ended.
    Completed,
    /// The time is over.
    Duration,
    /// The user wants it to.
    Interrupted,
    /// Something is wrong that does not mend.
    Failed(String),
}

/// What was asked for and has come.
enum Answer {
    Pushed(Pushed),
    Statuses(Statuses),
    /// The last statuses, after all tasks had exited, and the stream managers are down.
    Down(Statuses),
}

struct Local<'a> {
    loaded: &'a Loaded,
    packing: &'a PackingPlan,
    settings: Settings,
    display: &'a mut Display,
    watched: Watched,
    directory: Directory,
    egret: PathBuf,
    uid: String,
    edge_key: u64,
    fleet: Fleet,
    parent: Parent,
    answers: mpsc::Sender<Answer>,
    plan: Option<PhysicalPlan>,
    stage: Stage,
    since: Instant,
    tick_at: Instant,
    /// When tasks began to work, and when the last of them had ended.
    began: Option<Instant>,
    ended: Option<Instant>,
    cause: Option<Cause>,
    asking: bool,
    tally: Tally,
    progress: Progress,
    progressed: (u64, Instant),
    crashes: Crashes,
    restarts: u64,
    /// Tasks whose processes run or will run again.
    open: BTreeSet<TaskId>,
    names: BTreeMap<String, (TaskId, PodId)>,
}

/// Runs a topology until it has ended, one way or another.
pub(crate) async fn run(
    loaded: &Loaded,
    packing: &PackingPlan,
    settings: &Settings,
    display: &mut Display,
) -> Result<Outcome, String> {
    let words = |error: &dyn std::error::Error| error.to_string();
    // Before the first child: an early Ctrl-C must not leave one behind.
    let mut signals = Signals::listen().map_err(|error| words(&error))?;
    let (uid, edge_key) = directory::random().map_err(|error| error.to_string())?;
    let directory = Directory::make(&loaded.logical.name, &uid, packing, settings.keep)
        .map_err(|error| words(&error))?;
    if settings.keep {
        display.note(&format!("the run directory is {}", directory.path().display()));
    }
    let watched = Watched::default();
    watched.state(Stage::Starting.word());
    let page = watched::serve(&watched, &loaded.logical.name, packing, &directory, settings.page)?;
    if let Some(address) = page {
        display.page(address);
    }
    let credentials = Credentials::load(&directory.operator()).map_err(|error| words(&error))?;
    let bind = (Ipv4Addr::LOCALHOST, 0).into();
    let endpoint =
        Endpoint::dialing(bind, &credentials, Windows::default()).map_err(|error| words(&error))?;
    let egret = std::env::current_exe().map_err(|error| words(&error))?;
    let (parent, mut events, mut lines) = Parent::new();
    let (answers, mut answered) = mpsc::channel(ANSWERS);
    let now = Instant::now();
    let mut local = Local {
        loaded,
        packing,
        settings: *settings,
        display,
        watched,
        directory,
        egret,
        fleet: Fleet::new(endpoint, &uid),
        uid,
        edge_key,
        parent,
        answers,
        plan: None,
        stage: Stage::Starting,
        since: now,
        tick_at: now,
        began: None,
        ended: None,
        cause: None,
        asking: false,
        tally: Tally::default(),
        progress: Progress::new(now),
        progressed: (0, now),
        crashes: Crashes::default(),
        restarts: 0,
        open: BTreeSet::new(),
        names: packing.tasks().map(|(task, pod)| (task_name(task), (task.task, pod))).collect(),
    };
    local.spawn_managers()?;
    while !local.is_over() {
        tokio::select! {
            Some(event) = events.recv() => local.hear(&event),
            Some(line) = lines.recv() => local.show(line, &mut lines),
            Some(answer) = answered.recv() => local.answer(answer)?,
            () = time::sleep_until(local.tick_at.into()) => local.tick()?,
            () = signals.next() => local.interrupt(),
        }
    }
    local.end(&mut events, &mut lines).await
}

impl Local<'_> {
    fn family(&self) -> Family<'_> {
        Family {
            logical: &self.loaded.logical,
            binaries: &self.loaded.binaries,
            directory: &self.directory,
            uid: &self.uid,
            egret: &self.egret,
        }
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.since = Instant::now();
        let paused = stage == Stage::Running && self.loaded.logical.state == State::Paused;
        self.watched.state(if paused { "Paused" } else { stage.word() });
    }

    fn is_over(&self) -> bool {
        self.stage == Stage::Down || matches!(self.cause, Some(Cause::Failed(_)))
    }

    /// A child was spawned or ended.
    fn hear(&mut self, event: &Event) {
        if let Event::Exited(exited) = event
            && exited.respawn_in.is_none()
            && let Some((task, _)) = self.names.get(&exited.name)
        {
            self.open.remove(task);
        }
        if let Event::Spawned { life: 2.., .. } = event {
            self.restarts += 1;
        }
        match self.crashes.note(event) {
            Some(Report::Killed(words)) => self.display.warn(&words),
            Some(Report::Crash { error, words }) => {
                self.display.warn(&words);
                let name = match event {
                    Event::Exited(exited) => &exited.name,
                    Event::Spawned { name, .. } | Event::Unspawnable { name, .. } => name,
                };
                if let Some((task, pod)) = self.names.get(name) {
                    // What a stream manager does not hear of, the user has just been told.
                    let _ = self.fleet.crashed(*pod, *task, error);
                }
            }
            None => {}
        }
        if self.stage == Stage::Closing && self.open.is_empty() {
            self.go_down();
        }
    }

    /// A child wrote a line, and maybe more are waiting.
    fn show(&mut self, first: Line, lines: &mut mpsc::Receiver<Line>) {
        let mut printed = Vec::new();
        let mut next = Some(first);
        while let Some(line) = next {
            self.watched.line(&line);
            if line.stderr {
                self.log(&line);
            } else {
                printed.push(line.text);
            }
            next = if printed.len() < LINES_AT_ONCE { lines.try_recv().ok() } else { None };
        }
        if !printed.is_empty() {
            self.display.components(&printed);
        }
    }

    fn log(&self, Line { name, text, .. }: &Line) {
        let entry = Entry::parse(text);
        match entry.level {
            Level::Info if !self.settings.verbose => {}
            Level::Warn if !self.settings.verbose => {}
            Level::Info | Level::User => self.display.note(&format!("{name}: {}", entry.text)),
            // A crash is told with its error as a whole.
            Level::Error if self.names.contains_key(name) && !self.settings.verbose => {}
            Level::Warn | Level::Error => self.display.warn(&format!("{name}: {}", entry.text)),
        }
    }

    /// Ctrl-C: drain; again: stop.
    fn interrupt(&mut self) {
        match self.stage {
            Stage::Linking | Stage::Running if self.cause.is_none() => {
                self.display.note("draining; interrupt again to stop at once");
                self.drain(Cause::Interrupted);
            }
            // A drain that was asked for otherwise becomes the user's, and can be cut short.
            _ => {
                self.cause = Some(Cause::Interrupted);
                self.enter(Stage::Down);
            }
        }
    }

    /// Ends what is left, and tells how it went.
    async fn end(
        mut self,
        events: &mut mpsc::Receiver<Event>,
        lines: &mut mpsc::Receiver<Line>,
    ) -> Result<Outcome, String> {
        let parent = self.parent.clone();
        let killing = parent.kill_all();
        tokio::pin!(killing);
        loop {
            // Both channels are read while children end, because children wait for them.
            tokio::select! {
                () = &mut killing => break,
                Some(_) = events.recv() => {}
                Some(line) = lines.recv() => self.show(line, lines),
            }
        }
        while let Ok(line) = lines.try_recv() {
            self.show(line, lines);
        }
        let ended = self.ended.unwrap_or_else(Instant::now);
        let took = self.began.map_or(Duration::ZERO, |began| ended.duration_since(began));
        let logical = &self.loaded.logical;
        let summary = Summary::new(logical, self.packing, &self.tally, took, self.restarts);
        let drained = self.ended.is_some();
        let (exit, error) = match (summary.pending(), self.cause) {
            (_, Some(Cause::Failed(why))) => (Exit::Failed, Some(why)),
            (_, Some(Cause::Interrupted)) => (Exit::Interrupted, None),
            (0, _) if drained => (Exit::Ok, None),
            (pending, _) => {
                let why = format!("{pending} tuple trees are pending at the end");
                (Exit::Failed, Some(why))
            }
        };
        Ok(Outcome { exit, error, summary })
    }
}

/// The pods of a packing plan.
fn pods(packing: &PackingPlan) -> impl Iterator<Item = PodId> {
    packing.pods.iter().map(|pod| pod.id)
}

/// The names of all stream managers.
fn manager_names(packing: &PackingPlan) -> Vec<String> {
    pods(packing).map(pod_name).collect()
}
