//! The user's thread: steps the task half, parks when there is nothing to do.

use crate::bridge::Bridge;
use egret_core::{
    batch::{Batch, Completion},
    budget::Budget,
    outlet::{Outlet, Stopping},
    task::{Step, Task, UserError},
};
use egret_sdk::{Context, TaskId};
use egret_wire::control::Poisoned;
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

/// How the user's thread ended.
#[derive(Debug)]
pub(crate) enum TaskEnded {
    /// It was stopped as planned.
    Closed,
    /// User code returned an error, or could not be set up.
    Error(String),
    /// User code panicked; the panic's text is on stderr. With the tuple that it was given, if it
    /// panicked in `execute`.
    Panicked(Option<Poisoned>),
}

/// Runs a task until it is closed or fails. `make` builds it here, so that user code need not be
/// `Send`.
pub(crate) fn run(
    make: impl FnOnce() -> Result<Task, String>,
    context: Context,
    bridge: Arc<Bridge>,
    budget: Budget,
    clock: Clock,
) -> TaskEnded {
    let mut outlet = ThreadOutlet { bridge, budget, clock, warned: None, unwarned: 0 };
    let component = context.component.clone();
    let mut made = None;
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let task = made.insert(make()?);
        drive(task, context, &mut outlet).map_err(|error| error.to_string())
    }));
    let ended = match ran {
        Ok(Ok(())) => TaskEnded::Closed,
        Ok(Err(error)) => TaskEnded::Error(error),
        Err(panic) => {
            let roots = made.as_ref().map(Task::executing).unwrap_or_default();
            let cause = || format!("`{component}` panicked: {}", said(&*panic));
            let poisoned = (!roots.is_empty()).then(|| Poisoned { roots, cause: cause() });
            if let (Some(task), Some(_)) = (&mut made, &poisoned) {
                task.hand_over(&mut outlet);
            }
            TaskEnded::Panicked(poisoned)
        }
    };
    // User code has its say here too. What it fails at now, after the end, is on stderr.
    match (catch_unwind(AssertUnwindSafe(|| drop(made))), ended) {
        (Err(_), TaskEnded::Closed) => TaskEnded::Panicked(None),
        (_, ended) => ended,
    }
}

/// The text of a panic.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}

fn drive(
    task: &mut Task,
    mut context: Context,
    outlet: &mut ThreadOutlet,
) -> Result<(), UserError> {
    task.start(&mut context, outlet)?;
    loop {
        if outlet.bridge.has_events() {
            for event in outlet.bridge.take_events() {
                task.handle(event, outlet)?;
            }
            if outlet.bridge.take_woken() {
                task.woken();
            }
        }
        match task.step(outlet)? {
            Step::Again => {}
            Step::Park(until) => {
                let timeout =
                    until.map(|until| Duration::from_nanos(until.saturating_sub(outlet.now())));
                if outlet.bridge.wait(timeout) {
                    task.woken();
                }
            }
            Step::Closed => return Ok(()),
        }
    }
}

/// The clock that both threads count in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Starts at a second, so that zero stays free to mean "never".
    pub(crate) fn start() -> Clock {
        let now = Instant::now();
        Clock(now.checked_sub(Duration::from_secs(1)).unwrap_or(now))
    }

    /// Nanoseconds since then.
    pub(crate) fn now(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }

    /// The instant of a time.
    pub(crate) fn instant(self, at: u64) -> Instant {
        self.0 + Duration::from_nanos(at)
    }
}

struct ThreadOutlet {
    bridge: Arc<Bridge>,
    budget: Budget,
    clock: Clock,
    warned: Option<Instant>,
    unwarned: u64,
}

/// Target of what concerns the user's code rather than ours; `egret run` shows it.
const COMPONENT: &str = "egret::component";

/// A failing bolt warns this often at most.
const WARN_EVERY: Duration = Duration::from_secs(1);

impl Outlet for ThreadOutlet {
    fn now(&mut self) -> u64 {
        self.clock.now()
    }

    fn hand_over(&mut self, batch: &mut Batch) {
        self.bridge.hand_over(batch);
    }

    fn wait_writable(&mut self, lane: usize, _: TaskId) -> Result<(), Stopping> {
        let budget = self.budget.clone();
        if self.bridge.wait_until(|| budget.is_writable(lane)) { Ok(()) } else { Err(Stopping) }
    }

    fn wait_completion(&mut self) -> Result<Option<Vec<Completion>>, Stopping> {
        self.bridge.wait_completions().map(Some).ok_or(Stopping)
    }

    fn inbox_freed(&mut self) {
        self.bridge.inbox_freed();
    }

    fn position(&mut self, text: Option<String>) {
        self.bridge.set_position(text);
    }

    fn warn(&mut self, text: &str) {
        if self.warned.is_some_and(|at| at.elapsed() < WARN_EVERY) {
            self.unwarned += 1;
            return;
        }
        let more = Some(std::mem::take(&mut self.unwarned)).filter(|more| *more > 0);
        self.warned = Some(Instant::now());
        tracing::warn!(target: COMPONENT, more_since_last = more, "{text}");
    }
}
