//! What flows over each edge, counted and sampled while somebody looks.
//!
//! A tap sits where frames of the pod's own instances come in. It is off unless somebody has asked
//! within the last seconds; off, it costs one look at a flag per frame. On, it counts per frame; a
//! tuple is read only when one is due: few per second of each edge that is asked for.

use egret_topology::{id::TaskId, plan::PlanIndex};
use egret_wire::{
    cut::Frame,
    data::{DataReader, Roots},
    header::Kind,
    inspect::{EdgeCount, EdgeKey, Sample, SampledValue},
    value::{self, Value, ValueRef},
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap, VecDeque},
};

/// How long it stays on after somebody asked: pages ask every second or two.
const LEASE: u64 = 10_000_000_000;
/// Pairs of tasks and streams that are counted: more than a pod of any sensible plan has.
const COUNTS: usize = 65_536;
/// Edges that are sampled at once: people look at one.
const EDGES: usize = 8;
/// Time between two tuples of an edge that are kept.
const PAUSE: u64 = 100_000_000;
/// Tuples of an edge that are kept.
const SAMPLES: usize = 50;
/// Values of a tuple that are kept, and bytes of each as text.
const VALUES: usize = 32;
const TEXT: usize = 256;

/// Counts and samples.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    on: Cell<bool>,
    /// When the lease ends.
    until: Cell<u64>,
    counts: RefCell<HashMap<Pair, Count>>,
    asked: RefCell<BTreeMap<EdgeKey, Asked>>,
}

/// A source task, its stream, and a destination task.
type Pair = (TaskId, u16, TaskId);

/// What went from one to the other.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    tuples: u64,
    bytes: u64,
}

/// An edge that somebody wants to see tuples of.
#[derive(Debug, Default)]
struct Asked {
    until: u64,
    next: u64,
    samples: VecDeque<Sample>,
}

impl Tap {
    /// Whether frames are to be shown to it.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.get()
    }

    /// Somebody looks: what has been sent since they began to.
    pub(crate) fn counts(&self, now: u64) -> Vec<EdgeCount> {
        self.keep_on(now);
        let counts = self.counts.borrow();
        let count = |(key, count): (&Pair, &Count)| EdgeCount {
            source: key.0,
            stream: key.1,
            dest: key.2,
            tuples: count.tuples,
            bytes: count.bytes,
        };
        counts.iter().map(count).collect()
    }

    /// Somebody wants tuples of an edge: those kept since they began to.
    pub(crate) fn samples(&self, now: u64, edge: EdgeKey) -> Vec<Sample> {
        self.keep_on(now);
        let mut asked = self.asked.borrow_mut();
        asked.retain(|_, asked| asked.until > now);
        if asked.len() >= EDGES && !asked.contains_key(&edge) {
            return Vec::new();
        }
        let asked = asked.entry(edge).or_default();
        asked.until = now + LEASE;
        asked.samples.iter().cloned().collect()
    }

    /// To be called now and then while time goes on.
    pub(crate) fn tick(&self, now: u64) {
        if self.on.get() && self.until.get() <= now {
            self.on.set(false);
            self.counts.take();
            self.asked.take();
        }
    }

    /// A frame of an instance of this pod goes by. `wall_ms` is the time of day.
    pub(crate) fn see(&self, now: u64, wall_ms: u64, plan: Option<&PlanIndex>, frame: &Frame) {
        let header = &frame.header;
        if header.kind != Kind::Data {
            return;
        }
        let mut counts = self.counts.borrow_mut();
        let key = (header.source, header.stream, header.dest);
        if counts.len() < COUNTS || counts.contains_key(&key) {
            let count = counts.entry(key).or_default();
            count.tuples += u64::from(header.count);
            count.bytes += frame.len() as u64;
        }
        let mut asked = self.asked.borrow_mut();
        let (false, Some(plan)) = (asked.is_empty(), plan) else { return };
        let component = |task| plan.task(task).map(|task| task.component);
        let ends = (component(header.source), component(header.dest));
        let (Some(from), Some(to)) = ends else { return };
        let edge = EdgeKey { from, stream: header.stream, to };
        let Some(asked) = asked.get_mut(&edge).filter(|asked| asked.next <= now) else { return };
        asked.next = now + PAUSE;
        // What cannot be read, its receiver complains about.
        if let Some(values) = first(frame) {
            if asked.samples.len() == SAMPLES {
                asked.samples.pop_front();
            }
            let (source, dest) = (header.source, header.dest);
            asked.samples.push_back(Sample { at_ms: wall_ms, source, dest, values });
        }
    }

    fn keep_on(&self, now: u64) {
        self.until.set(now + LEASE);
        self.on.set(true);
    }
}

/// The first tuple of a frame.
fn first(frame: &Frame) -> Option<Vec<SampledValue>> {
    let payload = frame.payload();
    let mut reader = DataReader::new(&frame.header, &payload).ok()?;
    let (mut roots, mut at) = (Roots::new(), Vec::new());
    let values = reader.next(&mut roots, &mut at).ok()??;
    let value = |at: &u32| {
        let value = value::take(&mut values.get(*at as usize..)?).ok()?;
        Some(shown(value))
    };
    at.iter().take(VALUES).map(value).collect()
}

fn shown(value: ValueRef<'_>) -> SampledValue {
    let kind = value.type_name().to_owned();
    let mut text = match value {
        // A little more than is kept, to know whether there was more.
        ValueRef::String(text) => text[..text.floor_char_boundary(TEXT + 4)].to_owned(),
        ValueRef::Bytes(bytes) => {
            String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT + 4)]).into_owned()
        }
        value => value.to_value().map_or_else(|_| String::new(), |value| plain(&value)),
    };
    let cut = text.len() > TEXT;
    text.truncate(text.floor_char_boundary(TEXT));
    SampledValue { kind, text, cut }
}

/// As JSON would have it, with bytes as text and timestamps as microseconds.
fn plain(value: &Value) -> String {
    fn json(value: &Value) -> serde_json::Value {
        match value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(truth) => (*truth).into(),
            Value::Int(int) | Value::Timestamp(int) => (*int).into(),
            Value::Float(float) if float.is_finite() => (*float).into(),
            Value::Float(float) => float.to_string().into(),
            Value::String(text) => text.as_str().into(),
            Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into(),
            Value::List(list) => list.iter().map(json).collect(),
            Value::Map(map) => map.iter().map(|(key, value)| (key.clone(), json(value))).collect(),
        }
    }
    json(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_topology::id::{Epoch, Incarnation};
    use egret_wire::{data::DataWriter, header::Header};

    const SECOND: u64 = 1_000_000_000;

    fn frame(texts: &[&str]) -> Frame {
        let mut writer = DataWriter::with_capacity(64);
        for text in texts {
            let mut values = Vec::new();
            value::put_str(&mut values, text);
            value::put_int(&mut values, 7);
            writer.push(&[], &values);
        }
        let header = Header::new(Kind::Data, Epoch(1), TaskId(0), Incarnation(1), TaskId(1));
        Frame::whole(writer.finish(header, 2)).unwrap()
    }

    fn plan() -> PlanIndex {
        let plan = serde_json::json!({
            "topology": "t", "uid": "u", "revision": 1, "epoch": 1, "state": "Running",
            "delivery": "AtLeastOnce", "maxPending": 1, "messageTimeoutMs": 1, "edgeKey": 1,
            "components": [
                {"name": "s", "kind": "spout", "component": "s", "config": {},
                 "streams": [{"name": "default", "fields": ["text", "number"]}]},
                {"name": "b", "kind": "bolt", "component": "b", "config": {}, "streams": [],
                 "inputs": [{"from": 0, "stream": 0, "grouping": "Shuffle"}]},
            ],
            "pods": [{"id": 0, "address": "127.0.0.1:1"}],
            "tasks": [{"id": 0, "component": 0, "index": 0, "pod": 0},
                      {"id": 1, "component": 1, "index": 0, "pod": 0}],
        });
        PlanIndex::new(serde_json::from_value(plan).unwrap()).unwrap()
    }

    const EDGE: EdgeKey = EdgeKey { from: 0, stream: 0, to: 1 };

    #[test]
    fn it_counts_while_somebody_looks_and_goes_off_by_itself() {
        let tap = Tap::default();
        assert!(!tap.is_on());
        assert_eq!(tap.counts(0), []);
        assert!(tap.is_on());
        let sent = frame(&["a", "b"]);
        tap.see(1, 1, None, &sent);
        tap.see(2, 2, None, &sent);
        let [count] = &tap.counts(3)[..] else { panic!() };
        assert_eq!((count.tuples, count.bytes), (4, 2 * sent.len() as u64));
        tap.tick(LEASE);
        assert!(tap.is_on());
        tap.tick(LEASE + 3);
        assert!(!tap.is_on());
        assert_eq!(tap.counts(20 * SECOND), []);
    }

    #[test]
    fn tuples_are_kept_of_an_edge_that_is_asked_for_and_not_too_many() {
        let (tap, plan) = (Tap::default(), plan());
        tap.counts(0);
        tap.see(1, 1, Some(&plan), &frame(&["before"]));
        assert_eq!(tap.samples(2, EDGE), []);
        for at in 0..200 {
            let now = 3 + at * PAUSE / 2;
            tap.samples(now, EDGE);
            tap.see(now, at, Some(&plan), &frame(&["first", "second"]));
        }
        let samples = tap.samples(11 * SECOND, EDGE);
        // Every other one came too soon, and the oldest had to make room.
        assert_eq!(samples.len(), SAMPLES);
        assert_eq!(samples[SAMPLES - 1].at_ms, 198);
        let texts: Vec<&str> = samples[0].values.iter().map(|v| v.text.as_str()).collect();
        assert_eq!(texts, ["first", "7"]);
        assert_eq!(samples[0].values[1].kind, "i64");
    }

    #[test]
    fn a_long_value_is_cut_where_a_character_ends() {
        let long = "ä".repeat(TEXT);
        let shown = shown(ValueRef::String(&long));
        assert!(shown.cut && shown.text.len() <= TEXT && shown.text.ends_with('ä'));
        let list = shown_of(&Value::List(vec![Value::Null, Value::Float(f64::NAN)]));
        assert_eq!(list, r#"[null,"NaN"]"#);
    }

    fn shown_of(value: &Value) -> String {
        let mut bytes = Vec::new();
        value::put(&mut bytes, value);
        shown(value::take(&mut &bytes[..]).unwrap()).text
    }

    #[test]
    fn nobody_can_make_it_sample_everything() {
        let tap = Tap::default();
        for stream in 0..100 {
            tap.samples(1, EdgeKey { stream, ..EDGE });
        }
        assert_eq!(tap.asked.borrow().len(), EDGES);
        // Those that nobody asks for any more make room.
        tap.samples(2 + LEASE, EDGE);
        assert_eq!(tap.asked.borrow().len(), 1);
    }
}
