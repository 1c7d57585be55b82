//! The runtime's side of components under test: remembers what they emit, ack and fail.

use egret_sdk::{
    Anchor, Bolt, BoltOutput, Collector, Context, Emission, EmitError, Encoded, Failure, Fields,
    Input, Metrics, Nanos, Next, Origin, Result, Root, Scratch, SplitId, Spout, SpoutOutput,
    Stream, TaskId, Tuple, Value, Waker,
};
use std::collections::BTreeMap;

/// One tuple, as it would be on the wire; tests rely on nothing above it.
pub(crate) const MAX_TUPLE: usize = 256 << 10;

/// What was emitted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Emitted {
    pub(crate) stream: String,
    pub(crate) values: Vec<Value>,
    pub(crate) root: Option<Root>,
}

/// Remembers what a component emits, acks and fails.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    pub(crate) emitted: Vec<Emitted>,
    pub(crate) acked: Vec<u64>,
    pub(crate) failed: Vec<(u64, String)>,
    pub(crate) splits: Vec<String>,
    pub(crate) now: Nanos,
}

impl Collector for Fake {
    fn emit(&mut self, emission: Emission<'_>) -> Result<&[TaskId], EmitError> {
        let Emission { stream, origin, encoded, .. } = emission;
        assert!(encoded.bytes.len() < MAX_TUPLE, "tuple of {} bytes", encoded.bytes.len());
        let names: Vec<String> = (0..encoded.at.len()).map(|i| format!("f{i}")).collect();
        let tuple = Tuple::new("fake", stream, TaskId(0), &names, encoded, Anchor(0));
        let root = match origin {
            Origin::Root(root) => Some(root),
            _ => None,
        };
        let values = tuple.to_owned().expect("what was encoded decodes").values;
        self.emitted.push(Emitted { stream: stream.to_owned(), values, root });
        Ok(&[TaskId(7)])
    }

    fn ack(&mut self, anchor: Anchor) {
        self.acked.push(anchor.0);
    }

    fn fail(&mut self, anchor: Anchor, cause: &str) {
        self.failed.push((anchor.0, cause.to_owned()));
    }

    fn reset_timeout(&mut self, _: Anchor) {}

    fn split(&mut self, name: &str) -> SplitId {
        let at = self.splits.iter().position(|known| known == name).unwrap_or_else(|| {
            self.splits.push(name.to_owned());
            self.splits.len() - 1
        });
        SplitId(at as u32)
    }

    fn now(&mut self) -> Nanos {
        self.now
    }
}

impl Fake {
    /// Calls `next` once.
    pub(crate) fn next(&mut self, spout: &mut dyn Spout) -> Result<Next> {
        spout.next(&mut SpoutOutput::new(self, &mut Scratch::default()))
    }

    /// Calls `execute` with a tuple of these fields.
    pub(crate) fn execute(
        &mut self,
        bolt: &mut dyn Bolt,
        names: &[&str],
        values: impl Fields,
        anchor: u64,
    ) -> Result<()> {
        let (mut bytes, mut at) = (Vec::new(), Vec::new());
        values.encode(&mut bytes, &mut at);
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let encoded = Encoded { bytes: &bytes, at: &at };
        let tuple = Tuple::new("source", "default", TaskId(0), &names, encoded, Anchor(anchor));
        bolt.execute(&tuple, &mut BoltOutput::new(self, &mut Scratch::default()))
    }

    /// Calls `tick`.
    pub(crate) fn tick(&mut self, bolt: &mut dyn Bolt) -> Result<()> {
        bolt.tick(&mut BoltOutput::new(self, &mut Scratch::default()))
    }

    /// Calls `flush`.
    pub(crate) fn flush(&mut self, bolt: &mut dyn Bolt) -> Result<()> {
        bolt.flush(&mut BoltOutput::new(self, &mut Scratch::default()))
    }

    /// Calls `finish`.
    pub(crate) fn finish(&mut self, bolt: &mut dyn Bolt) -> Result<()> {
        bolt.finish(&mut BoltOutput::new(self, &mut Scratch::default()))
    }

    /// The first field of each tuple on a stream, as bytes.
    pub(crate) fn first_fields(&self, stream: &str) -> Vec<Vec<u8>> {
        let of = |emitted: &Emitted| match &emitted.values[0] {
            Value::String(text) => text.as_bytes().to_vec(),
            Value::Bytes(bytes) => bytes.clone(),
            other => panic!("{other:?} is neither text nor bytes"),
        };
        self.emitted.iter().filter(|emitted| emitted.stream == stream).map(of).collect()
    }
}

/// A failure, whatever its cause.
pub(crate) fn failure() -> Failure {
    Failure::Failed { cause: "seeded".to_owned() }
}

/// The context of the only task of a spout.
pub(crate) fn context(config: serde_json::Value) -> Context {
    Context {
        topology: "test".to_owned(),
        component: "it".to_owned(),
        task: TaskId(3),
        index: 0,
        parallelism: 1,
        pod: 0,
        restarts: 0,
        streams: Vec::new(),
        inputs: Vec::new(),
        positions: BTreeMap::new(),
        config,
        metrics: Metrics::default(),
        waker: Waker::new(|| {}),
    }
}

/// The context of the only task of a bolt with one input of these fields.
pub(crate) fn bolt_context(config: serde_json::Value, fields: &[&str]) -> Context {
    let stream = Stream::default_of(fields.iter().copied());
    Context { inputs: vec![Input { component: "source".to_owned(), stream }], ..context(config) }
}
