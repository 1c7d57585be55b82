//! Components that pause, and clients on threads of their own that wake them.

use super::{components::registry, plan::Plan};
use egret_core::kit::Kit;
use egret_sdk::{
    Acking, Anchor, Bolt, BoltOutput, Context, Declared, Next, Result, Root, Spout, SpoutOutput,
    Stream, TaskId, Tuple, Waker,
};
use egret_topology::{
    grouping::Grouping::Shuffle,
    plan::{Delivery, RunState},
};
use egret_wire::control::Phase;
use serde_json::json;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

type Wake = Arc<Mutex<Option<Waker>>>;

fn wake(waker: &Wake) {
    waker.lock().unwrap().as_ref().unwrap().wake();
}

/// Emits a tuple whenever it is called, and then pauses for this long.
struct Sleeper {
    pause: Duration,
    wake: Wake,
}

impl Spout for Sleeper {
    fn open(&mut self, context: &mut Context) -> Result<()> {
        *self.wake.lock().unwrap() = Some(context.waker.clone());
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOutput<'_>) -> Result<Next> {
        out.emit(("a", 1), Root::default())?;
        Ok(Next::IdleFor(self.pause))
    }
}

fn sleeper(pause: Duration) -> (Kit, Wake) {
    let (mut registry, _) = registry();
    let waker = Wake::default();
    let theirs = waker.clone();
    registry.spout("sleeper", Declared::fixed([Stream::default_of(["key", "n"])]), move || {
        Box::new(Sleeper { pause, wake: theirs.clone() })
    });
    let kit = Plan::new()
        .spout("sleeper", 1, json!({}))
        .bolt("identity", 1, &[("sleeper", Shuffle)])
        .kit(registry);
    (kit, waker)
}

#[test]
fn a_woken_spout_is_asked_before_its_pause_is_over() {
    let (mut kit, waker) = sleeper(Duration::from_secs(3600));
    kit.settle().unwrap();
    assert_eq!(kit.all_roots().emitted, 1);
    wake(&waker);
    kit.settle().unwrap();
    assert_eq!(kit.all_roots().emitted, 2);
}

#[test]
fn a_spout_may_pause_for_ever() {
    let (mut kit, waker) = sleeper(Duration::MAX);
    kit.run(3_600_000_000_000).unwrap();
    assert_eq!(kit.all_roots().emitted, 1);
    wake(&waker);
    kit.settle().unwrap();
    assert_eq!(kit.all_roots().emitted, 2);
}

/// Acks what it holds once its client has answered.
struct Client {
    held: Vec<Anchor>,
    answered: Arc<AtomicU64>,
    wake: Wake,
}

impl Bolt for Client {
    fn acking(&self) -> Acking {
        Acking::Manual
    }

    fn prepare(&mut self, context: &mut Context) -> Result<()> {
        *self.wake.lock().unwrap() = Some(context.waker.clone());
        Ok(())
    }

    fn execute(&mut self, tuple: &Tuple<'_>, _: &mut BoltOutput<'_>) -> Result<()> {
        self.held.push(tuple.anchor());
        Ok(())
    }

    fn flush(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        let answered = self.answered.swap(0, Ordering::Relaxed) as usize;
        self.held.drain(..answered.min(self.held.len())).for_each(|anchor| out.ack(anchor));
        Ok(())
    }
}

#[test]
fn a_woken_bolt_is_flushed_though_its_input_pauses() {
    let (mut registry, _) = registry();
    let (waker, answered) = (Wake::default(), Arc::<AtomicU64>::default());
    let (theirs, counted) = (waker.clone(), answered.clone());
    registry.bolt("client", Declared::none(), move || {
        Box::new(Client { held: Vec::new(), answered: counted.clone(), wake: theirs.clone() })
    });
    let mut kit = Plan::new()
        .spout("numbers", 1, json!({"limit": 3}))
        .bolt("client", 1, &[("numbers", Shuffle)])
        .edit(|plan| plan.components[1].streams.clear())
        .kit(registry);
    kit.settle().unwrap();
    assert_eq!(kit.all_roots().acked, 0);
    answered.store(2, Ordering::Relaxed);
    wake(&waker);
    kit.settle().unwrap();
    assert_eq!(kit.all_roots().acked, 2);
}

#[test]
fn a_spout_that_never_rests_is_active_and_tells_what_it_did() {
    let (registry, _) = registry();
    let mut kit = Plan::new()
        .spout("numbers", 1, json!({"limit": u64::MAX}))
        .bolt("identity", 1, &[("numbers", Shuffle)])
        .edit(|plan| plan.delivery = Delivery::AtMostOnce)
        .kit(registry);
    for _ in 0..10 {
        kit.step_once().unwrap();
    }
    assert_eq!(kit.phases()[&TaskId(0)], Phase::Active);
    assert!(kit.positions(0)["numbers"] > 0);
    kit.set_state(RunState::Paused);
    kit.settle().unwrap();
    assert_eq!(kit.phases()[&TaskId(0)], Phase::Inactive);
}
