//! End of input, finishing and draining.

use super::{
    components::registry,
    plan::{Plan, fields},
    world::World,
};
use egret_core::{
    context::context,
    gateway::{Event, Gateway},
    kit::Kit,
    spout_task::SpoutTask,
    stats::Stats,
    task::Task,
};
use egret_sdk::{
    Acking, Bolt, BoltOutput, Declared, Metrics, Registry, Result, Stream, TaskId, Tuple, Value,
    Waker,
};
use egret_topology::{grouping::Grouping::Shuffle, id::Incarnation, plan::RunState};
use egret_wire::control::Phase;
use serde_json::json;
use std::collections::BTreeMap;

const LONG: u64 = 1_000_000_000_000;

fn counting(limit: u64) -> Kit {
    let (registry, _) = registry();
    Plan::new()
        .spout("numbers", 2, json!({"limit": limit, "keys": 5}))
        .bolt("identity1", 3, &[("numbers", Shuffle)])
        .bolt("count", 2, &[("identity1", fields(&["key"]))])
        .bolt("identity2", 1, &[("count", Shuffle)])
        .kit(registry)
}

fn counts(kit: &Kit) -> Vec<(Value, i64)> {
    let mut counts: Vec<(Value, i64)> = kit
        .sent()
        .iter()
        .filter(|sent| sent.component == "count")
        .map(|sent| match &sent.values[..] {
            [key, Value::Int(n)] => (key.clone(), *n),
            other => panic!("{other:?}"),
        })
        .collect();
    counts.sort_by_key(|(_, n)| *n);
    counts
}

#[test]
fn a_bolt_finishes_when_all_its_sources_have_ended() {
    let mut kit = counting(100);
    kit.run(LONG).unwrap();
    let counts = counts(&kit);
    assert_eq!(counts.len(), 5);
    assert!(counts.iter().all(|(_, n)| *n == 40), "{counts:?}");
    assert!(kit.phases().values().all(|phase| *phase == Phase::Ended));
}

/// Emits with every tick.
struct Ticker;

impl Bolt for Ticker {
    fn execute(&mut self, _: &Tuple<'_>, _: &mut BoltOutput<'_>) -> Result<()> {
        Ok(())
    }

    fn tick(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        out.emit(("tick", 1))?;
        Ok(())
    }
}

/// Emits whenever it is asked to write what it holds back.
struct Flusher;

impl Bolt for Flusher {
    fn execute(&mut self, _: &Tuple<'_>, _: &mut BoltOutput<'_>) -> Result<()> {
        Ok(())
    }

    fn flush(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        out.emit(("flush", 1))?;
        Ok(())
    }
}

/// Acks nothing, ever.
struct Forgetful;

impl Bolt for Forgetful {
    fn acking(&self) -> Acking {
        Acking::Manual
    }

    fn execute(&mut self, _: &Tuple<'_>, _: &mut BoltOutput<'_>) -> Result<()> {
        Ok(())
    }
}

fn with<B: Bolt + 'static>(bolt: impl Fn() -> B + Send + Sync + 'static) -> Registry {
    let (mut registry, _) = registry();
    let streams = Declared::fixed([Stream::default_of(["key", "n"])]);
    registry.bolt("special", streams, move || Box::new(bolt()));
    registry
}

#[test]
fn nothing_follows_the_end_marks_of_a_bolt_that_ticks() {
    // The second spout's task ends much later than the first.
    let mut kit = Plan::new()
        .spout("numbers1", 1, json!({"limit": 10}))
        .spout("numbers2", 1, json!({"limit": 100_000}))
        .bolt("special1", 1, &[("numbers1", Shuffle)])
        .bolt("special2", 1, &[("numbers2", Shuffle)])
        .bolt("identity", 1, &[("special1", Shuffle), ("special2", Shuffle)])
        .edit(|plan| plan.components[2].tick_ms = Some(1))
        .kit(with(|| Ticker));
    kit.run(LONG).unwrap();
    let ticks = |kit: &Kit| kit.sent().iter().filter(|s| s.component == "special1").count();
    let before = ticks(&kit);
    kit.advance_to(kit.now() + 1_000_000_000);
    kit.settle().unwrap();
    assert_eq!(ticks(&kit), before);
    assert!(kit.phases().values().all(|phase| *phase == Phase::Ended));
}

#[test]
fn nothing_follows_the_end_marks_of_a_bolt_that_is_asked_to_flush() {
    let mut kit = Plan::new()
        .spout("numbers", 1, json!({"limit": 10}))
        .bolt("special", 1, &[("numbers", Shuffle)])
        .bolt("identity", 1, &[("special", Shuffle)])
        .kit(with(|| Flusher));
    kit.run(LONG).unwrap();
    let before = kit.sent().len();
    // The spout is told of the loss, and asks anew.
    kit.kill(TaskId(2));
    kit.restart(TaskId(2)).unwrap();
    kit.run(LONG).unwrap();
    assert_eq!(kit.sent().len(), before);
    assert!(kit.phases().values().all(|phase| *phase == Phase::Ended));
}

#[test]
fn a_bolt_that_never_acks_keeps_nobody_from_ending_once_its_trees_are_over() {
    let mut kit = Plan::new()
        .spout("numbers", 1, json!({"limit": 10, "replay": false}))
        .bolt("special", 1, &[("numbers", Shuffle)])
        .edit(|plan| plan.message_timeout_ms = 10)
        .kit(with(|| Forgetful));
    kit.run(LONG).unwrap();
    assert_eq!(kit.all_roots().timed_out, 10);
    assert!(kit.phases().values().all(|phase| *phase == Phase::Ended));
}

#[test]
fn an_end_is_told_after_the_last_position_and_the_last_count() {
    let (plan, stats) =
        (Plan::new().spout("numbers", 1, json!({"limit": 3})).index(), Stats::default());
    let life = Incarnation(1);
    let spout = SpoutTask::new(&plan, TaskId(0), life, &registry().0, stats.clone()).unwrap();
    let mut task = Task::Spout(Box::new(spout));
    let budget = task.budget().clone();
    let mut gateway =
        Gateway::new(&plan, TaskId(0), life, budget, stats.clone(), Metrics::default());
    let mut outlet = World::default();
    let (metrics, waker) = (Metrics::default(), Waker::new(|| {}));
    let mut context = context(&plan, TaskId(0), 0, BTreeMap::new(), &metrics, waker).unwrap();
    task.start(&mut context, &mut outlet).unwrap();
    for _ in 0..20 {
        task.step(&mut outlet).unwrap();
        for mut batch in outlet.batches.drain(..) {
            assert_ne!(gateway.phase(), Phase::Ended, "told before its last batch");
            gateway.handle_batch(1, &mut batch);
        }
        gateway.take_to_task().into_iter().for_each(|e| task.handle(e, &mut outlet).unwrap());
    }
    assert_eq!((gateway.phase(), stats.totals().emitted), (Phase::Ended, 3));
    let mut positions = BTreeMap::new();
    while let Some(event) = gateway.poll_event() {
        if let Event::Positions(moved) = event {
            positions.extend(moved);
        }
    }
    assert_eq!(positions["numbers"], 3);
}

#[test]
fn an_empty_input_ends_too() {
    let mut kit = counting(0);
    kit.run(LONG).unwrap();
    assert!(counts(&kit).is_empty());
    assert!(kit.phases().values().all(|phase| *phase == Phase::Ended));
}

#[test]
fn what_finish_emitted_is_sent_again_when_it_is_lost() {
    let (registry, _) = registry();
    let mut kit = Plan::new()
        .spout("numbers", 1, json!({"limit": 10, "keys": 5}))
        .bolt("count", 1, &[("numbers", Shuffle)])
        .bolt("hoarder", 1, &[("count", Shuffle)])
        .kit(registry);
    kit.settle().unwrap();
    assert_eq!(counts(&kit).len(), 5);
    kit.kill(TaskId(2));
    kit.restart(TaskId(2)).unwrap();
    kit.settle().unwrap();
    assert_eq!(counts(&kit).len(), 10);
}

#[test]
fn finishing_ends_an_endless_spout() {
    let mut kit = counting(u64::MAX);
    let mut steps = 0;
    while kit.all_roots().acked < 1000 {
        kit.step_once().unwrap();
        steps += 1;
        assert!(steps < 100_000);
    }
    kit.set_state(RunState::Finishing);
    kit.run(LONG).unwrap();
    assert!(kit.phases().values().all(|phase| *phase == Phase::Ended));
    let roots = kit.all_roots();
    assert_eq!((roots.pending, roots.emitted), (0, roots.acked));
    let counted: i64 = counts(&kit).iter().map(|(_, n)| n).sum();
    assert_eq!(counted as u64, roots.acked);
}

#[test]
fn draining_flushes_and_does_not_finish() {
    let (registry, _) = registry();
    let mut kit = Plan::new()
        .spout("numbers", 1, json!({"limit": u64::MAX}))
        .bolt("join", 1, &[("numbers", Shuffle)])
        .bolt("count", 1, &[("join", Shuffle)])
        .kit(registry);
    for _ in 0..100 {
        kit.step_once().unwrap();
    }
    kit.set_state(RunState::Draining);
    kit.run(10_000_000_000).unwrap();
    assert_eq!(kit.all_roots().pending, 0);
    assert!(counts(&kit).is_empty());
}

#[test]
fn a_replaced_bolt_hears_of_the_ends_again() {
    let mut kit = counting(100);
    kit.run(LONG).unwrap();
    for task in 2..8 {
        kit.kill(TaskId(task));
        kit.restart(TaskId(task)).unwrap();
    }
    kit.run(LONG).unwrap();
    assert!(kit.phases().values().all(|phase| *phase == Phase::Ended), "{:?}", kit.phases());
}

#[test]
fn stopping_closes_every_task() {
    let mut kit = counting(10);
    kit.run(LONG).unwrap();
    kit.set_state(RunState::Stopped);
    kit.settle().unwrap();
    assert!(kit.phases().values().all(|phase| *phase == Phase::Closed));
}
