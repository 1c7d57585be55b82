//! User code of the simulator: it tells the witness of all that it does.

mod bolts;
mod sink;
mod source;

use crate::witness::{Handle, Kind, Observed, Uid};
use bolts::{Count, Hold, Join, Pass};
use egret_sdk::{
    Anchor, BoltOutput, Context, CustomGrouping, Declared, EmitOptions, Registry, Stream, TaskId,
    Tuple, ValueRef,
};
use egret_wire::edge_id::mix;
use sink::Sink;
use source::Source;
use std::sync::Arc;

/// All components, under the names that scenarios use.
pub(crate) fn registry(observed: &Arc<Observed>) -> Registry {
    let mut registry = Registry::new();
    let any = || Declared::FromConfig;
    let o = observed.clone();
    registry.spout("source", any(), move || Box::new(Source::new(o.clone())));
    let o = observed.clone();
    registry.bolt("pass", any(), move || Box::new(Pass::new(o.clone(), false)));
    let o = observed.clone();
    registry.bolt("split", any(), move || Box::new(Pass::new(o.clone(), true)));
    let o = observed.clone();
    registry.bolt("join", any(), move || Box::new(Join::new(o.clone())));
    let o = observed.clone();
    registry.bolt("hold", any(), move || Box::new(Hold::new(o.clone())));
    let o = observed.clone();
    registry.bolt("count", any(), move || Box::new(Count::new(o.clone())));
    let o = observed.clone();
    registry.bolt("sink", any(), move || Box::new(Sink::new(o.clone())));
    registry.grouping("oneOrTwo", || Box::new(OneOrTwo));
    registry
}

/// What a component is told by its scenario.
#[derive(Clone, Debug, Default)]
struct Orders {
    streams: Vec<Stream>,
    /// Receivers of the direct stream.
    to: Vec<TaskId>,
    cost: u64,
    /// Tuples that fail at the first try, per mille.
    fail: u64,
    fails_until: u64,
    /// Calls of `tick` and `flush` that emit something of their own, per mille.
    loose: u64,
    /// Tuples to hold, at most.
    hold: usize,
    pad: Vec<u8>,
}

impl Orders {
    fn read(context: &Context) -> Orders {
        let config = &context.config;
        let number = |name: &str| config[name].as_u64().unwrap_or_default();
        let to = config["to"].as_array().into_iter().flatten();
        Orders {
            streams: context.streams.clone(),
            to: to.filter_map(|task| Some(TaskId(task.as_u64()? as u32))).collect(),
            cost: number("cost"),
            fail: number("fail"),
            fails_until: number("failsUntil"),
            loose: number("loose"),
            hold: number("hold") as usize,
            pad: vec![7; number("pad") as usize],
        }
    }

    /// Whether this tuple is one that fails: always the same ones, whoever executes them.
    fn fails(&self, now: u64, uid: Uid) -> bool {
        now < self.fails_until && mix(u64::from(uid)) % 1000 < self.fail
    }
}

/// A tuple that was received.
#[derive(Clone, Debug)]
struct Received {
    uid: Uid,
    handle: Handle,
    anchor: Anchor,
    key: i64,
    pieces: Vec<u32>,
}

/// Reads a tuple and tells the witness.
fn receive(observed: &Observed, orders: &Orders, tuple: &Tuple<'_>) -> anyhow::Result<Received> {
    observed.work(orders.cost);
    let uid = tuple.int("uid")? as Uid;
    let key = tuple.int("key")?;
    let pieces = match tuple.get("pieces")? {
        ValueRef::Bytes(bytes) => unpack(bytes),
        _ => Vec::new(),
    };
    let handle = observed.witness().executes(uid, tuple.task());
    Ok(Received { uid, handle, anchor: tuple.anchor(), key, pieces })
}

/// A tuple to emit.
struct Draft<'a> {
    kind: Kind,
    /// What it descends from.
    from: &'a [Received],
    /// Whether its anchors are named, or left to the runtime.
    named: bool,
    key: i64,
    pieces: &'a [u32],
}

/// Emits a tuple on each stream.
fn emit(
    observed: &Observed,
    orders: &Orders,
    out: &mut BoltOutput<'_>,
    draft: &Draft<'_>,
) -> anyhow::Result<()> {
    let Draft { kind, from, named, key, pieces } = *draft;
    let handles: Vec<Handle> = from.iter().map(|received| received.handle).collect();
    let anchors: Vec<Anchor> = from.iter().map(|received| received.anchor).collect();
    for stream in &orders.streams {
        let uid = observed.witness().emits(kind, &handles);
        let direct = direct(stream, &orders.to, key);
        let options = EmitOptions {
            stream: &stream.name,
            direct,
            anchors: named.then_some(anchors.as_slice()),
        };
        let fields = (i64::from(uid), key, pack(pieces), orders.pad.as_slice());
        let tasks = out.emit_with(options, fields)?.to_vec();
        observed.witness().emitted(uid, (&stream.name, key, direct), &tasks);
    }
    Ok(())
}

fn direct(stream: &Stream, to: &[TaskId], key: i64) -> Option<TaskId> {
    stream.direct.then(|| to[mix(key as u64) as usize % to.len().max(1)])
}

fn pack(pieces: &[u32]) -> Vec<u8> {
    pieces.iter().flat_map(|piece| piece.to_le_bytes()).collect()
}

fn unpack(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// A custom grouping: to one task, or to two.
struct OneOrTwo;

impl CustomGrouping for OneOrTwo {
    fn choose(&mut self, tuple: &Tuple<'_>, tasks: &[TaskId], chosen: &mut Vec<usize>) {
        let hash = mix(tuple.int("key").unwrap_or_default() as u64) as usize;
        chosen.push(hash % tasks.len());
        if hash.is_multiple_of(2) && tasks.len() > 1 {
            chosen.push((hash + 1) % tasks.len());
        }
    }
}
