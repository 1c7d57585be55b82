//! What components may do through their outputs.

use super::{components::registry, plan::Plan};
use egret_sdk::{
    Acking, Anchor, Bolt, BoltOutput, Declared, EmitError, EmitOptions, Result, Stream, TaskId,
    Tuple, Value,
};
use egret_topology::grouping::Grouping::{All, Direct, Shuffle};
use serde_json::json;
use std::sync::{Arc, Mutex};

const LONG: u64 = 1_000_000_000_000;

/// What a bolt under test saw, for the test to look at.
type Seen = Arc<Mutex<Vec<String>>>;

/// A bolt with ticks whose calls are closures.
struct Scripted<E, T> {
    acking: Acking,
    execute: E,
    tick: T,
}

impl<E, T> Bolt for Scripted<E, T>
where
    E: FnMut(&Tuple<'_>, &mut BoltOutput<'_>) -> Result<()>,
    T: FnMut(&mut BoltOutput<'_>) -> Result<()>,
{
    fn acking(&self) -> Acking {
        self.acking
    }

    fn execute(&mut self, tuple: &Tuple<'_>, out: &mut BoltOutput<'_>) -> Result<()> {
        (self.execute)(tuple, out)
    }

    fn tick(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        (self.tick)(out)
    }
}

/// A bolt with automatic acking and without ticks.
fn execute(
    mut execute: impl FnMut(&Tuple<'_>, &mut BoltOutput<'_>) -> Result<()> + 'static,
) -> Box<Executing> {
    Box::new(Executing(Box::new(move |tuple: &Tuple<'_>, out: &mut BoltOutput<'_>| {
        execute(tuple, out)
    })))
}

type Execute = dyn FnMut(&Tuple<'_>, &mut BoltOutput<'_>) -> Result<()>;

struct Executing(Box<Execute>);

impl Bolt for Executing {
    fn execute(&mut self, tuple: &Tuple<'_>, out: &mut BoltOutput<'_>) -> Result<()> {
        (self.0)(tuple, out)
    }
}

#[test]
fn an_emit_tells_the_tasks_that_it_goes_to() {
    let (mut registry, _) = registry();
    let seen = Seen::default();
    let tell = seen.clone();
    let streams = || Declared::fixed([Stream::default_of(["key", "n"])]);
    registry.bolt("script", streams(), move || {
        let tell = tell.clone();
        execute(move |tuple, out| {
            let tasks = out.emit(tuple)?.to_vec();
            tell.lock().unwrap().push(format!("{tasks:?}"));
            Ok(())
        })
    });
    let mut kit = Plan::new()
        .spout("numbers", 1, json!({"limit": 1}))
        .bolt("script", 1, &[("numbers", Shuffle)])
        .bolt("identity", 3, &[("script", All)])
        .kit(registry);
    kit.run(LONG).unwrap();
    assert_eq!(*seen.lock().unwrap(), ["[TaskId(2), TaskId(3), TaskId(4)]"]);
}

#[test]
fn a_direct_stream_goes_where_the_emitter_says_and_nowhere_else() {
    let (mut registry, _) = registry();
    let seen = Seen::default();
    let tell = seen.clone();
    let streams = || Declared::fixed([Stream::default_of(["key", "n"]).direct()]);
    registry.bolt("script", streams(), move || {
        let tell = tell.clone();
        execute(move |tuple, out| {
            let to = |task| EmitOptions { direct: Some(TaskId(task)), ..EmitOptions::default() };
            out.emit_with(to(3), tuple)?;
            for refused in [out.emit_with(to(0), tuple).err(), out.emit(tuple).err()] {
                tell.lock().unwrap().extend(refused.map(|error| error.to_string()));
            }
            Ok(())
        })
    });
    let mut kit = Plan::new()
        .spout("numbers", 1, json!({"limit": 5}))
        .bolt("script", 1, &[("numbers", Shuffle)])
        .edit(|plan| plan.components[1].streams[0].direct = true)
        .bolt("identity", 3, &[("script", Direct)])
        .kit(registry);
    kit.run(LONG).unwrap();
    let dests = kit.sent().iter().filter(|s| s.component == "script").map(|s| s.dest);
    assert_eq!(dests.collect::<Vec<_>>(), [TaskId(3); 5]);
    let refused = seen.lock().unwrap();
    assert_eq!(refused.len(), 10);
    assert_eq!(refused[0], "task 0 does not receive direct stream `default` of `script`");
    assert_eq!(refused[1], "stream `default` of `script` is direct: name the destination task");
    assert_eq!(kit.all_roots().acked, 5);
}

#[test]
fn a_tuple_above_the_limit_is_an_error_at_the_emit_and_hurts_nothing_else() {
    let (mut registry, _) = registry();
    let seen = Seen::default();
    let tell = seen.clone();
    let streams = || Declared::fixed([Stream::default_of(["key", "n"])]);
    registry.bolt("script", streams(), move || {
        let tell = tell.clone();
        execute(move |tuple, out| {
            let large = "x".repeat(256 << 10);
            if let Err(error @ EmitError::TooLarge { .. }) = out.emit((large, 1i64)) {
                tell.lock().unwrap().push(error.to_string());
            }
            out.emit(tuple)?;
            Ok(())
        })
    });
    let mut kit = Plan::new()
        .spout("numbers", 1, json!({"limit": 2}))
        .bolt("script", 1, &[("numbers", Shuffle)])
        .bolt("identity", 1, &[("script", Shuffle)])
        .kit(registry);
    kit.run(LONG).unwrap();
    assert!(seen.lock().unwrap()[0].contains("on stream `default` of `script` takes 2621"));
    assert_eq!(kit.all_roots().acked, 2);
}

#[test]
fn an_unknown_stream_and_a_wrong_number_of_fields_name_what_there_is() {
    let (mut registry, _) = registry();
    let seen = Seen::default();
    let tell = seen.clone();
    let streams = || Declared::fixed([Stream::default_of(["key", "n"])]);
    registry.bolt("script", streams(), move || {
        let tell = tell.clone();
        execute(move |tuple, out| {
            let refused = [out.emit_to("other", tuple).err(), out.emit(("one",)).err()];
            let errors = refused.into_iter().flatten().map(|error| error.to_string());
            tell.lock().unwrap().extend(errors);
            tell.lock().unwrap().extend(tuple.str("nokey").err().map(|error| error.to_string()));
            tell.lock().unwrap().extend(tuple.str("n").err().map(|error| error.to_string()));
            Ok(())
        })
    });
    let mut kit = Plan::new()
        .spout("numbers", 1, json!({"limit": 1}))
        .bolt("script", 1, &[("numbers", Shuffle)])
        .kit(registry);
    kit.run(LONG).unwrap();
    assert_eq!(
        *seen.lock().unwrap(),
        [
            "component `script` declares no stream `other`; it has: default",
            "stream `default` of `script` declares 2 fields, the tuple has 1",
            "stream `default` of component `numbers` has no field `nokey`; it has: key, n",
            "field `n` of stream `default` of component `numbers` is i64, not string",
        ]
    );
}

#[test]
fn emitting_on_an_anchor_already_acked_is_an_error_and_sends_nothing() {
    let (mut registry, _) = registry();
    let seen = Seen::default();
    let tell = seen.clone();
    let streams = || Declared::fixed([Stream::default_of(["key", "n"])]);
    registry.bolt("script", streams(), move || {
        let tell = tell.clone();
        let execute = move |tuple: &Tuple<'_>, out: &mut BoltOutput<'_>| {
            out.ack(tuple.anchor());
            let anchors: [Anchor; 1] = [tuple.anchor()];
            let options = EmitOptions { anchors: Some(&anchors), ..EmitOptions::default() };
            let refused = out.emit_with(options, tuple);
            tell.lock().unwrap().extend(refused.err().map(|error| error.to_string()));
            Ok(())
        };
        Box::new(Scripted {
            acking: Acking::Manual,
            execute,
            tick: |_: &mut BoltOutput<'_>| Ok(()),
        })
    });
    let mut kit = Plan::new()
        .spout("numbers", 1, json!({"limit": 1}))
        .bolt("script", 1, &[("numbers", Shuffle)])
        .bolt("identity", 1, &[("script", Shuffle)])
        .kit(registry);
    kit.run(LONG).unwrap();
    assert!(seen.lock().unwrap()[0].contains("already acked or failed"));
    assert!(kit.sent().iter().all(|sent| sent.component != "script"));
}

#[test]
fn ticks_come_at_their_interval_and_can_keep_a_tuple_alive() {
    let (mut registry, _) = registry();
    let streams = || Declared::fixed([Stream::default_of(["key", "n"])]);
    registry.bolt("script", streams(), move || {
        let held: Arc<Mutex<Vec<Anchor>>> = Arc::default();
        let (hold, mut ticks) = (held.clone(), 0i64);
        let execute = move |tuple: &Tuple<'_>, _: &mut BoltOutput<'_>| {
            hold.lock().unwrap().push(tuple.anchor());
            Ok(())
        };
        let tick = move |out: &mut BoltOutput<'_>| {
            ticks += 1;
            out.emit(("tick", ticks))?;
            for anchor in held.lock().unwrap().iter() {
                out.reset_timeout(*anchor);
            }
            // Three times the message timeout, and still not timed out.
            if ticks == 9 {
                held.lock().unwrap().drain(..).for_each(|anchor| out.ack(anchor));
            }
            Ok(())
        };
        Box::new(Scripted { acking: Acking::Manual, execute, tick })
    });
    let mut kit = Plan::new()
        .spout("numbers", 1, json!({"limit": 3}))
        .bolt("script", 1, &[("numbers", Shuffle)])
        .edit(|plan| plan.components[1].tick_ms = Some(10_000))
        .bolt("identity", 1, &[("script", Shuffle)])
        .kit(registry);
    let start = kit.now();
    kit.run(LONG).unwrap();
    let roots = kit.all_roots();
    assert_eq!((roots.acked, roots.timed_out, roots.failed), (3, 0, 0));
    let ticks = kit.sent().iter().filter(|sent| sent.values[0] == Value::from("tick")).count();
    assert_eq!((ticks, kit.now() - start), (9, 90_000_000_000));
}
