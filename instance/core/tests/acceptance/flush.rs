//! When a spout's open frames go out: at once, unless there soon is more for them.

use super::{components::registry, plan::Plan, world::World};
use bytes::Bytes;
use egret_core::{
    batch::{Completion, ToTask},
    context::context,
    spout_task::SpoutTask,
    stats::Stats,
    task::Step,
};
use egret_sdk::{Declared, Metrics, Next, Result, Root, Spout, SpoutOutput, Stream, TaskId, Waker};
use egret_topology::{grouping::Grouping::All, id::Incarnation};
use egret_wire::{cut::Frame, header::Kind};
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};

const SPOUT: TaskId = TaskId(0);
const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;

/// Emits one tuple per call, and has the next one after this pause; without one it always has.
struct Steady(Option<Duration>);

impl Spout for Steady {
    fn next(&mut self, out: &mut SpoutOutput<'_>) -> Result<Next> {
        out.emit(("a", 1), Root::default())?;
        Ok(self.0.map_or(Next::Emitted, Next::IdleFor))
    }
}

struct Bench {
    spout: SpoutTask,
    world: World,
    /// Roots acked so far.
    acked: u64,
}

impl Bench {
    /// A spout that has started, above four bolt tasks; at most 100 of its roots are pending.
    fn new(pause: Option<Duration>) -> Bench {
        let (mut registry, _) = registry();
        let stream = Declared::fixed([Stream::default_of(["key", "n"])]);
        registry.spout("steady", stream, move || Box::new(Steady(pause)));
        let plan = Plan::new()
            .spout("steady", 1, json!({}))
            .bolt("identity", 4, &[("steady", All)])
            .index();
        let life = Incarnation(1);
        let mut spout = SpoutTask::new(&plan, SPOUT, life, &registry, Stats::default()).unwrap();
        let waker = Waker::new(|| {});
        let metrics = Metrics::default();
        let mut context = context(&plan, SPOUT, 0, BTreeMap::new(), &metrics, waker).unwrap();
        let mut world = World::default();
        spout.start(&mut context, &mut world).unwrap();
        let mut bench = Bench { spout, world, acked: 0 };
        // The first call is told at once.
        assert_eq!(bench.spout.step(&mut bench.world).unwrap(), Step::Again);
        assert_eq!(bench.sent(), 4, "one for each task");
        bench
    }

    /// Steps until it parks; for how long.
    fn rest(&mut self) -> Option<u64> {
        loop {
            match self.spout.step(&mut self.world).unwrap() {
                Step::Again => {}
                Step::Park(until) => return until.map(|until| until - self.world.now),
                Step::Closed => panic!("nobody has stopped it"),
            }
        }
    }

    /// Acks this many of the roots that are pending longest.
    fn ack(&mut self, count: u64) {
        let roots = self.acked..self.acked + count;
        self.acked = roots.end;
        let event = ToTask::Completed(vec![Completion { roots, failure: None, by: None }]);
        self.spout.handle(event, &mut self.world).unwrap();
    }

    /// Frames with tuples since the last look.
    fn sent(&mut self) -> usize {
        // A probe goes over each edge first.
        let tuples = |bytes: &Bytes| Frame::whole(bytes.clone()).unwrap().header.kind == Kind::Data;
        let frames = self.world.batches.iter_mut().flat_map(|batch| batch.frames.drain(..));
        frames.filter(|frame| tuples(&frame.bytes)).count()
    }
}

#[test]
fn a_tuple_after_which_there_is_a_pause_goes_out_at_once() {
    let mut bench = Bench::new(Some(Duration::from_millis(1)));
    assert_eq!(bench.rest(), Some(MILLISECOND));
    bench.world.now += MILLISECOND;
    assert_eq!(bench.rest(), Some(MILLISECOND));
    assert_eq!(bench.sent(), 4);
}

#[test]
fn a_spout_that_goes_on_soon_fills_its_frames_for_as_long_as_a_thread_sleeps() {
    let mut bench = Bench::new(Some(Duration::from_nanos(10 * MICROSECOND)));
    for _ in 0..5 {
        bench.world.now += 10 * MICROSECOND;
        assert_eq!(bench.rest(), Some(10 * MICROSECOND));
        assert_eq!(bench.sent(), 0);
    }
    bench.world.now += 10 * MICROSECOND;
    bench.rest();
    assert_eq!(bench.sent(), 4);
}

#[test]
fn a_window_that_opens_a_little_at_a_time_is_no_reason_for_small_frames() {
    let mut bench = Bench::new(None);
    assert_eq!(bench.rest(), None);
    assert_eq!(bench.sent(), 4, "nothing else is on its way, so nothing will make room");
    bench.ack(20);
    assert_eq!(bench.rest(), Some(5 * MILLISECOND));
    bench.ack(20);
    assert_eq!(bench.rest(), Some(5 * MILLISECOND));
    assert_eq!(bench.sent(), 0, "60 are on their way");
    bench.ack(20);
    assert_eq!(bench.rest(), None);
    assert_eq!(bench.sent(), 4, "40 are");
}

#[test]
fn no_frame_waits_for_long_although_nothing_is_acked() {
    let mut bench = Bench::new(None);
    bench.rest();
    bench.sent();
    bench.ack(20);
    let wait = bench.rest();
    assert_eq!(bench.sent(), 0);
    bench.world.now += wait.unwrap();
    bench.rest();
    assert_eq!(bench.sent(), 4);
}
