//! Runs a whole plan in one thread under a virtual clock: the base of the test kit and of this
//! crate's tests.
//!
//! Real task halves and gateway halves, no stream manager: frames go from gateway to gateway at
//! once. Everything is deterministic: tasks step in order of their ids, time moves when nobody has
//! work.

use crate::{
    batch::{Batch, Completion},
    bolt_task::BoltTask,
    context::context,
    gateway::{Event, Gateway},
    outlet::{Outlet, Stopping},
    spout_task::SpoutTask,
    stats::Stats,
    task::{SetupError, Step, Task, UserError},
};
use egret_sdk::{Metrics, Registry, TaskId, Value, Waker};
use egret_topology::{
    id::Incarnation,
    plan::{PhysicalPlan, PlanIndex, RunState},
};
use egret_wire::{
    control::{Phase, Poisoned, RootCounts, TaskReport},
    cut::Frame,
    data::{DataReader, Roots},
    header::Kind,
    trace::Span,
    value,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// A tuple on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// The emitting component.
    pub component: String,
    /// The emitting task.
    pub source: TaskId,
    /// The stream.
    pub stream: String,
    /// The receiving task.
    pub dest: TaskId,
    /// Its values.
    pub values: Vec<Value>,
}

/// Why a run in the kit went wrong.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// A task cannot be made.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// User code failed where that ends a task.
    #[error(transparent)]
    User(#[from] UserError),
    /// It does not come to rest.
    #[error("not at rest after {steps} steps at {now} ns: {what}")]
    Restless {
        /// Steps done.
        steps: u64,
        /// The virtual time.
        now: u64,
        /// Who is not done.
        what: String,
    },
    /// Bytes that the kit itself made do not decode.
    #[error(transparent)]
    Malformed(#[from] egret_wire::Malformed),
}

/// A plan at work.
pub struct Kit {
    plan: PlanIndex,
    registry: Registry,
    now: u64,
    life: u64,
    cells: BTreeMap<TaskId, Cell>,
    sent: Vec<Sent>,
    positions: BTreeMap<usize, BTreeMap<String, u64>>,
    lost: Vec<TaskId>,
}

struct Cell {
    task: Task,
    gateway: Gateway,
    parked: Option<Option<u64>>,
    /// The component's waker was used.
    woken: Arc<AtomicBool>,
    closed: bool,
    warnings: Vec<String>,
}

/// Steps after which a run counts as restless.
const MAX_STEPS: u64 = 10_000_000;

impl Kit {
    /// Makes and starts every task of a plan.
    pub fn new(plan: PlanIndex, registry: Registry) -> Result<Kit, KitError> {
        let mut kit = Kit {
            plan: plan.clone(),
            registry,
            now: 1_000_000_000,
            life: 0,
            cells: BTreeMap::new(),
            sent: Vec::new(),
            positions: BTreeMap::new(),
            lost: Vec::new(),
        };
        for task in &plan.plan().tasks {
            kit.start(task.id, 0)?;
        }
        Ok(kit)
    }

    /// Steps everything until nobody has work now.
    pub fn settle(&mut self) -> Result<(), KitError> {
        let mut steps = 0;
        while self.step_once()? {
            steps += 1;
            if steps > MAX_STEPS {
                let what = format!("{:?}", self.phases());
                return Err(KitError::Restless { steps, now: self.now, what });
            }
        }
        Ok(())
    }

    /// Steps each task once; `false` if none had work.
    pub fn step_once(&mut self) -> Result<bool, KitError> {
        let mut worked = false;
        for task in self.cells.keys().copied().collect::<Vec<_>>() {
            worked |= self.step(task)?;
            self.deliver()?;
        }
        Ok(worked)
    }

    /// Runs until every task has ended, or this much virtual time has passed.
    pub fn run(&mut self, for_ns: u64) -> Result<(), KitError> {
        let until = self.now + for_ns;
        loop {
            self.settle()?;
            let ended = |cell: &Cell| matches!(cell.gateway.phase(), Phase::Ended | Phase::Closed);
            if self.cells.values().all(ended) {
                return Ok(());
            }
            match self.next_time() {
                Some(next) if next <= until => self.advance_to(next),
                _ => {
                    self.advance_to(until);
                    return self.settle();
                }
            }
        }
    }

    /// Moves the clock.
    pub fn advance_to(&mut self, now: u64) {
        self.now = self.now.max(now);
        for cell in self.cells.values_mut() {
            cell.gateway.handle_timeout(self.now);
            if cell.parked.is_some_and(|until| until.is_some_and(|until| until <= self.now)) {
                cell.parked = None;
            }
        }
    }

    /// The virtual time.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Pushes a plan with another state.
    pub fn set_state(&mut self, state: RunState) {
        self.edit_plan(|plan| plan.state = state);
    }

    /// Pushes a plan that differs from the last in this.
    pub fn edit_plan(&mut self, edit: impl FnOnce(&mut PhysicalPlan)) {
        let mut plan = self.plan.plan().clone();
        edit(&mut plan);
        plan.revision += 1;
        if let Ok(plan) = PlanIndex::new(plan) {
            self.plan = plan;
        }
        let now = self.now;
        for cell in self.cells.values_mut() {
            cell.gateway.handle_plan(now, self.plan.clone());
            cell.parked = None;
        }
    }

    /// Starts the tasks that the plan has got, and ends those that it has not any more.
    pub fn follow_tasks(&mut self) -> Result<(), KitError> {
        let plan = self.plan.clone();
        self.cells.retain(|task, _| plan.task(*task).is_some());
        for task in &plan.plan().tasks {
            if !self.cells.contains_key(&task.id) && !self.lost.contains(&task.id) {
                self.start(task.id, 0)?;
            }
        }
        Ok(())
    }

    /// Kills a task: all that it held is lost. It stays dead until [`Kit::restart`].
    pub fn kill(&mut self, task: TaskId) {
        self.cells.remove(&task);
        self.lost.push(task);
    }

    /// Starts a killed task anew and announces the loss to all that can reach it.
    pub fn restart(&mut self, task: TaskId) -> Result<(), KitError> {
        self.lost.retain(|lost| *lost != task);
        self.start(task, 1)?;
        let scope = egret_wire::control::LossScope::Task { task };
        for (other, cell) in &mut self.cells {
            if *other != task && self.plan.reaches(*other, task) {
                cell.gateway.handle_loss(self.now, scope, "a task was lost");
                cell.parked = None;
            }
        }
        Ok(())
    }

    /// As [`Kit::restart`], of a task that user code has ended at this tuple.
    pub fn restart_poisoned(&mut self, task: TaskId, poisoned: &Poisoned) -> Result<(), KitError> {
        for (other, cell) in &mut self.cells {
            if *other != task && self.plan.reaches(*other, task) {
                cell.gateway.handle_poisoned(self.now, task, "a task was lost", poisoned);
            }
        }
        self.restart(task)
    }

    /// Every tuple sent so far, in order; once per receiving task.
    pub fn sent(&self) -> &[Sent] {
        &self.sent
    }

    /// Counts of a task's roots.
    pub fn roots(&self, task: TaskId) -> RootCounts {
        self.cells.get(&task).map(|cell| cell.gateway.roots()).unwrap_or_default()
    }

    /// What a task tells its stream manager now.
    pub fn report(&mut self, task: TaskId) -> Option<TaskReport> {
        let now = self.now;
        self.cells.get_mut(&task).map(|cell| cell.gateway.report(now, None))
    }

    /// Takes out the steps of traced tuples, each with the task that made it.
    pub fn take_spans(&mut self) -> Vec<(TaskId, Span)> {
        let of = |(task, cell): (&TaskId, &mut Cell)| {
            let (spans, _) = cell.gateway.take_spans().take(usize::MAX);
            spans.into_iter().map(|span| (*task, span)).collect::<Vec<_>>()
        };
        self.cells.iter_mut().flat_map(of).collect()
    }

    /// Counts of the roots of all spouts.
    pub fn all_roots(&self) -> RootCounts {
        let mut all = RootCounts::default();
        for (task, cell) in &self.cells {
            if self.plan.is_spout(*task) {
                all.add(&cell.gateway.roots());
            }
        }
        all
    }

    /// Where the tasks are in their lives.
    pub fn phases(&self) -> BTreeMap<TaskId, Phase> {
        self.cells.iter().map(|(task, cell)| (*task, cell.gateway.phase())).collect()
    }

    /// Source tasks that each task has heard from.
    pub fn heard(&self) -> BTreeMap<TaskId, u32> {
        self.cells.iter().map(|(task, cell)| (*task, cell.gateway.heard())).collect()
    }

    /// Settled prefixes of a component's splits.
    pub fn positions(&self, component: usize) -> BTreeMap<String, u64> {
        self.positions.get(&component).cloned().unwrap_or_default()
    }

    /// A task's half, to look at user code.
    pub fn task(&self, task: TaskId) -> Option<&Task> {
        self.cells.get(&task).map(|cell| &cell.task)
    }

    /// What tasks complained of.
    pub fn warnings(&self) -> Vec<&str> {
        let warnings = self.cells.values().flat_map(|cell| &cell.warnings);
        warnings.map(String::as_str).collect()
    }

    /// The plan in force.
    pub fn plan(&self) -> &PlanIndex {
        &self.plan
    }

    fn start(&mut self, task: TaskId, restarts: u32) -> Result<(), KitError> {
        self.life += 1;
        let (incarnation, stats) = (Incarnation(self.life), Stats::default());
        let (plan, registry) = (&self.plan, &self.registry);
        let mut half = if plan.is_spout(task) {
            let spout = SpoutTask::new(plan, task, incarnation, registry, stats.clone())?;
            Task::Spout(Box::new(spout))
        } else {
            let bolt = BoltTask::new(plan, task, incarnation, registry, stats.clone())?;
            Task::Bolt(Box::new(bolt))
        };
        let metrics = Metrics::default();
        let component = plan.task(task).map_or(0, |task| task.component);
        let positions = self.positions(component);
        let woken = Arc::new(AtomicBool::new(false));
        let wake = woken.clone();
        let waker = Waker::new(move || wake.store(true, Ordering::Release));
        let mut context = context(plan, task, restarts, positions, &metrics, waker)?;
        let budget = half.budget().clone();
        let mut gateway = Gateway::new(plan, task, incarnation, budget, stats, metrics);
        let mut warnings = Vec::new();
        let mut outlet =
            KitOutlet { now: self.now, gateway: &mut gateway, warnings: &mut warnings };
        half.start(&mut context, &mut outlet)?;
        let cell = Cell { task: half, gateway, parked: None, woken, closed: false, warnings };
        self.cells.insert(task, cell);
        Ok(())
    }

    fn step(&mut self, task: TaskId) -> Result<bool, KitError> {
        let Some(cell) = self.cells.get_mut(&task) else { return Ok(false) };
        let events = cell.gateway.take_to_task();
        let woken = cell.woken.swap(false, Ordering::Acquire);
        if cell.closed || (events.is_empty() && !woken && cell.parked.is_some()) {
            return Ok(false);
        }
        let mut outlet =
            KitOutlet { now: self.now, gateway: &mut cell.gateway, warnings: &mut cell.warnings };
        for event in events {
            cell.task.handle(event, &mut outlet)?;
        }
        if woken {
            cell.task.woken();
        }
        cell.parked = None;
        match cell.task.step(&mut outlet)? {
            Step::Again => {}
            Step::Park(until) => cell.parked = Some(until),
            Step::Closed => cell.closed = true,
        }
        Ok(true)
    }

    /// Carries what gateways want: frames to their destinations, positions, questions.
    fn deliver(&mut self) -> Result<(), KitError> {
        for task in self.cells.keys().copied().collect::<Vec<_>>() {
            let poll = |cells: &mut BTreeMap<TaskId, Cell>| {
                cells.get_mut(&task).and_then(|cell| cell.gateway.poll_event())
            };
            while let Some(event) = poll(&mut self.cells) {
                match event {
                    Event::Wake(key) => {
                        let Some(cell) = self.cells.get_mut(&task) else { break };
                        let mut chunks = Vec::new();
                        while cell.gateway.poll_transmit(key, usize::MAX, &mut chunks) > 0 {}
                        cell.parked = None;
                        for chunk in chunks {
                            self.route(Frame::whole(chunk)?)?;
                        }
                    }
                    Event::Positions(moved) => {
                        let component = self.plan.task(task).map_or(0, |task| task.component);
                        self.positions.entry(component).or_default().extend(moved);
                    }
                    // Nothing is replaced here.
                    Event::Drained { .. } => {}
                    Event::AskHolders(root) => {
                        for cell in self.cells.values_mut() {
                            cell.gateway.handle_who_holds(self.now, root);
                            cell.parked = None;
                        }
                    }
                    Event::Holds(hold) => {
                        if let Some(cell) = self.cells.get_mut(&hold.root.task) {
                            cell.gateway.handle_hold(self.now, &hold);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn route(&mut self, frame: Frame) -> Result<(), KitError> {
        if frame.header.kind == Kind::Data {
            self.record(&frame)?;
        }
        let now = self.now;
        if let Some(cell) = self.cells.get_mut(&frame.header.dest) {
            cell.gateway.handle_frame(now, frame)?;
        }
        Ok(())
    }

    fn record(&mut self, frame: &Frame) -> Result<(), KitError> {
        let header = &frame.header;
        let Some(component) = self.plan.component_of(header.source) else { return Ok(()) };
        let payload = frame.payload();
        let mut reader = DataReader::new(header, &payload)?;
        let (mut roots, mut at) = (Roots::new(), Vec::new());
        while let Some(mut values) = reader.next(&mut roots, &mut at)? {
            let mut decoded = Vec::with_capacity(at.len());
            for _ in &at {
                decoded.push(value::decode(&mut values)?);
            }
            self.sent.push(Sent {
                component: component.name.clone(),
                source: header.source,
                stream: component.streams[usize::from(header.stream)].name.clone(),
                dest: header.dest,
                values: decoded,
            });
        }
        Ok(())
    }

    fn next_time(&mut self) -> Option<u64> {
        let now = self.now;
        let times = self.cells.values_mut().filter(|cell| !cell.closed).flat_map(|cell| {
            [cell.parked.flatten(), cell.gateway.next_timeout()].into_iter().flatten()
        });
        times.min().map(|time| time.max(now + 1))
    }
}

/// A world that never waits.
struct KitOutlet<'a> {
    now: u64,
    gateway: &'a mut Gateway,
    warnings: &'a mut Vec<String>,
}

impl Outlet for KitOutlet<'_> {
    fn now(&mut self) -> u64 {
        self.now
    }

    fn hand_over(&mut self, batch: &mut Batch) {
        self.gateway.handle_batch(self.now, batch);
    }

    fn wait_writable(&mut self, _: usize, _: TaskId) -> Result<(), Stopping> {
        Ok(())
    }

    fn wait_completion(&mut self) -> Result<Option<Vec<Completion>>, Stopping> {
        Ok(None)
    }

    fn inbox_freed(&mut self) {}

    fn position(&mut self, _: Option<String>) {}

    fn warn(&mut self, text: &str) {
        self.warnings.push(text.to_owned());
    }
}
