//! What a component learns about itself when it starts.

use crate::{Counter, Error, Gauge, Metrics, Result, Stream, TaskId};
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// One input of a bolt.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Name of the source component.
    pub component: String,
    /// The source's stream.
    pub stream: Stream,
}

/// Makes the task's thread call the spout's `next` (or the bolt's `flush`) soon. For clients that
/// receive on threads of their own.
#[derive(Clone)]
pub struct Waker(Arc<dyn Fn() + Send + Sync>);

impl Waker {
    /// A waker that calls this.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Waker {
        Waker(Arc::new(wake))
    }

    /// Wakes the task.
    pub fn wake(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}

/// What a component learns about itself when it starts.
#[derive(Clone, Debug)]
pub struct Context {
    /// Name of the topology.
    pub topology: String,
    /// Name of the component within it.
    pub component: String,
    /// Id of the task.
    pub task: TaskId,
    /// Place of the task among its component's tasks, from 0.
    pub index: u32,
    /// Number of the component's tasks.
    pub parallelism: u32,
    /// Index of the pod.
    pub pod: u32,
    /// Lives of the task in this run before this one.
    pub restarts: u32,
    /// Output streams.
    pub streams: Vec<Stream>,
    /// Inputs; empty for a spout.
    pub inputs: Vec<Input>,
    /// The settled prefix of each split of this component, whichever task read it.
    pub positions: BTreeMap<String, u64>,
    /// The component's `config` as it was written.
    pub config: serde_json::Value,
    /// Metrics of user code.
    pub metrics: Metrics,
    /// Wakes this task.
    pub waker: Waker,
}

impl Context {
    /// The component's `config` as a type of yours; the error names component and field.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T> {
        let config = match &self.config {
            serde_json::Value::Null => serde_json::Value::Object(Default::default()),
            config => config.clone(),
        };
        serde_path_to_error::deserialize(config).map_err(|error| {
            // The path is `.` where the config as a whole is wrong, as with a field left out.
            let field = match error.path().to_string().as_str() {
                "." => String::new(),
                path => format!(" at `{path}`"),
            };
            let why = error.into_inner();
            Error::msg(format!("config of component `{}` is wrong{field}: {why}", self.component))
        })
    }

    /// A counter that appears in the pod's metrics.
    pub fn counter(&mut self, name: &str) -> Result<Counter> {
        self.metrics.counter(name)
    }

    /// A gauge that appears in the pod's metrics.
    pub fn gauge(&mut self, name: &str) -> Result<Gauge> {
        self.metrics.gauge(name)
    }
}
