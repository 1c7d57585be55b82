//! Both halves of an instance under decoded but hostile frames, acks, plans and questions.

use super::flow::scope;
use crate::{plans, recipe::Recipe};
use egret_core::{
    batch::{Batch, Completion},
    bolt_task::BoltTask,
    context::context,
    gateway::{Event, Gateway},
    outlet::{Outlet, Stopping},
    spout_task::SpoutTask,
    stats::Stats,
    task::{Step, Task},
};
use egret_sdk::{Metrics, TaskId, Waker};
use egret_topology::id::Incarnation;
use egret_wire::control::{self, FromInstance, Hold, Holding, Root};

const LIFE: Incarnation = Incarnation(1);

struct Rig {
    me: TaskId,
    now: u64,
    task: Task,
    gateway: Gateway,
    closed: bool,
}

/// A recipe for what happens to a task of the plan: to a spout, or to one of two bolts.
pub(crate) fn instance(input: &[u8]) {
    let mut recipe = Recipe::near(input);
    let me = TaskId(u32::from(recipe.byte() % 3) * 2);
    let Some(mut rig) = Rig::new(me) else { return };
    while !recipe.is_over() && !rig.closed {
        rig.happen(&mut recipe);
        if !rig.work() {
            return;
        }
        rig.judge();
    }
    let report = rig.gateway.report(rig.now, None);
    let message = FromInstance::Report(Box::new(report));
    control::encode(&message).expect("a report can be sent");
}

impl Rig {
    fn new(me: TaskId) -> Option<Rig> {
        let (plan, stats, metrics) = (plans::plan(1, 0), Stats::default(), Metrics::default());
        let registry = egret_components::registry();
        let mut task = if plan.is_spout(me) {
            let spout = SpoutTask::new(&plan, me, LIFE, &registry, stats.clone());
            Task::Spout(Box::new(spout.expect("the plan has it")))
        } else {
            let bolt = BoltTask::new(&plan, me, LIFE, &registry, stats.clone());
            Task::Bolt(Box::new(bolt.expect("the plan has it")))
        };
        let waker = Waker::new(|| ());
        let context = context(&plan, me, 0, Default::default(), &metrics, waker);
        let budget = task.budget().clone();
        let mut gateway = Gateway::new(&plan, me, LIFE, budget, stats, metrics);
        let now = 1_000_000_000;
        let mut world = World { now, gateway: &mut gateway };
        task.start(&mut context.expect("the plan has it"), &mut world).ok()?;
        Some(Rig { me, now, task, gateway, closed: false })
    }

    fn happen(&mut self, recipe: &mut Recipe<'_>) {
        let now = self.now;
        match recipe.byte() % 12 {
            0 => self.gateway.handle_loss(now, scope(recipe), "lost"),
            1 => {
                let plan = plans::plan(recipe.byte().into(), recipe.byte());
                self.gateway.handle_plan(now, plan);
            }
            2 => {
                let root = root(recipe);
                self.gateway.handle_who_holds(now, root);
            }
            3 => {
                let (root, task) = (root(recipe), recipe.task());
                let hold = Hold { root, task, how: Holding::Queued, for_ms: recipe.number() };
                self.gateway.handle_hold(now, &hold);
            }
            4 => {
                self.now += recipe.number() >> 24;
                self.gateway.handle_timeout(self.now);
                let _ = self.gateway.next_timeout();
            }
            5 => drop(self.gateway.report(now, Some("here".to_owned()))),
            6 => {
                let mut out = Vec::new();
                for key in self.gateway.waiting_streams() {
                    self.gateway.poll_transmit(key, recipe.number() as usize, &mut out);
                }
            }
            _ => {
                let frame = recipe.frame_for(self.me);
                if self.gateway.may_read() {
                    // An error closes the link, and there may be another one.
                    let _ = self.gateway.handle_frame(now, frame);
                }
            }
        }
    }

    /// Lets the task work for a few steps; `false` if its component has ended it with an error.
    fn work(&mut self) -> bool {
        let events = self.gateway.take_to_task();
        let mut world = World { now: self.now, gateway: &mut self.gateway };
        for event in events {
            if self.task.handle(event, &mut world).is_err() {
                return false;
            }
        }
        for _ in 0..4 {
            match self.task.step(&mut world) {
                Ok(Step::Again) => {}
                Ok(Step::Park(_)) => break,
                Ok(Step::Closed) => {
                    self.closed = true;
                    break;
                }
                Err(_) => return false,
            }
        }
        true
    }

    fn judge(&mut self) {
        let roots = self.gateway.roots();
        let sum = roots.acked + roots.failed + roots.timed_out + roots.pending;
        assert_eq!(roots.emitted, sum, "roots do not add up: {roots:?}");
        let mut events = 0;
        while let Some(event) = self.gateway.poll_event() {
            events += 1;
            assert!(events < 10_000, "there is no end to the events");
            if let Event::Wake(key) = event {
                let mut out = Vec::new();
                // A spout that nobody takes frames from would stand still.
                self.gateway.poll_transmit(key, 16 << 10, &mut out);
            }
        }
    }
}

fn root(recipe: &mut Recipe<'_>) -> Root {
    Root { task: recipe.task(), incarnation: recipe.life(), seq: recipe.byte().into() }
}

/// A world that never waits.
struct World<'a> {
    now: u64,
    gateway: &'a mut Gateway,
}

impl Outlet for World<'_> {
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

    fn warn(&mut self, _: &str) {}
}
