//! What passes between user code and the runtime on an emit, an ack or a fail.

use crate::{Nanos, TaskId};

/// The handle of an input tuple, by which a bolt with manual acking acks, fails and anchors to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Anchor(#[doc(hidden)] pub u64);

/// A split of a spout's input, as [`crate::SpoutOutput::split`] numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SplitId(#[doc(hidden)] pub u32);

/// What a spout says of a root that it emits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Root {
    /// Comes back in `ack` and `fail`.
    pub id: u64,
    /// The split it was read from, and the position just behind it: where reading would go on if
    /// everything up to and including this root were settled.
    pub position: Option<(SplitId, u64)>,
    /// It repeats one that failed.
    pub replay: bool,
    /// When it should have been emitted, if the spout keeps a rate; complete latency counts from
    /// then.
    pub since: Option<Nanos>,
}

impl Root {
    /// A root with this id.
    pub fn id(id: u64) -> Root {
        Root { id, ..Root::default() }
    }

    /// At this position of this split.
    #[must_use]
    pub fn at(mut self, split: SplitId, position: u64) -> Root {
        self.position = Some((split, position));
        self
    }

    /// A repetition of one that failed.
    #[must_use]
    pub fn replay(mut self) -> Root {
        self.replay = true;
        self
    }

    /// Should have been emitted then.
    #[must_use]
    pub fn since(mut self, since: Nanos) -> Root {
        self.since = Some(since);
        self
    }
}

/// Encoded fields of one tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded<'a> {
    /// The fields' canonical bytes, one after the other.
    pub bytes: &'a [u8],
    /// Where each field starts.
    pub at: &'a [u32],
}

impl<'a> Encoded<'a> {
    /// The bytes of one field.
    #[inline]
    pub fn field(&self, index: usize) -> Option<&'a [u8]> {
        let start = *self.at.get(index)? as usize;
        let end = self.at.get(index + 1).map_or(self.bytes.len(), |end| *end as usize);
        self.bytes.get(start..end)
    }
}

/// What a tuple descends from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// These input tuples.
    Anchors(&'a [Anchor]),
    /// The input tuple that is being executed, if acking is automatic; else nothing.
    Input,
    /// It is a root.
    Root(Root),
}

/// One emit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Emission<'a> {
    /// The stream.
    pub stream: &'a str,
    /// The destination task, on a direct stream.
    pub direct: Option<TaskId>,
    /// What the tuple descends from.
    pub origin: Origin<'a>,
    /// Its fields.
    pub encoded: Encoded<'a>,
    /// How deep lists and maps nest in them.
    pub depth: usize,
}

/// An emit that was refused; nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// The stream's declaration has another number of fields.
    #[error("stream `{stream}` of `{component}` declares {expected} fields, the tuple has {got}")]
    Arity {
        /// The emitting component.
        component: String,
        /// The stream.
        stream: String,
        /// Fields declared.
        expected: usize,
        /// Fields emitted.
        got: usize,
    },
    /// Direct streams need a destination, others must have none.
    #[error("{0}")]
    Direct(String),
    /// Lists and maps nest too deep.
    #[error("lists and maps of a tuple nest {got} deep; the limit is {limit}")]
    Depth {
        /// Depth of the tuple.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// A custom grouping chose a destination that does not exist.
    #[error(
        "a custom grouping of stream `{stream}` of `{component}` chose place {place}; there are \
         {tasks} tasks, numbered from 0"
    )]
    NoSuchPlace {
        /// The emitting component.
        component: String,
        /// The stream.
        stream: String,
        /// The place that was chosen.
        place: usize,
        /// Destination tasks.
        tasks: usize,
    },
    /// An anchor that was acked or failed already, or that is not of this task.
    #[error(
        "a tuple on stream `{stream}` of `{component}` is anchored to one already acked or failed"
    )]
    StaleAnchor {
        /// The emitting component.
        component: String,
        /// The stream.
        stream: String,
    },
    /// The task is being stopped.
    #[error("the task is being stopped")]
    Stopping,
    /// The tuple is too large.
    #[error(
        "a tuple on stream `{stream}` of `{component}` takes {got} bytes; the limit is {limit}: \
         send a reference to large data, or split it"
    )]
    TooLarge {
        /// The emitting component.
        component: String,
        /// The stream.
        stream: String,
        /// Bytes of the tuple.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// More anchors than a tuple can carry.
    #[error("a tuple has {got} roots; the limit is {limit}")]
    TooManyRoots {
        /// Distinct roots.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// The component declares no such stream.
    #[error("component `{component}` declares no stream `{stream}`; it has: {streams}")]
    UnknownStream {
        /// The emitting component.
        component: String,
        /// The stream.
        stream: String,
        /// Its streams.
        streams: String,
    },
}

/// The runtime's side of an output. Not for users.
#[doc(hidden)]
pub trait Collector {
    /// Sends a tuple and tells which tasks it goes to.
    fn emit(&mut self, emission: Emission<'_>) -> Result<&[TaskId], EmitError>;
    /// Acks an input tuple. Acking one already acked or failed does nothing.
    fn ack(&mut self, anchor: Anchor);
    /// Fails an input tuple.
    fn fail(&mut self, anchor: Anchor, cause: &str);
    /// Starts the timeout of an input tuple's roots anew.
    fn reset_timeout(&mut self, anchor: Anchor);
    /// The number of a split.
    fn split(&mut self, name: &str) -> SplitId;
    /// The time.
    fn now(&mut self) -> Nanos;
    /// Roots that may be emitted before `maxPending` is reached.
    fn room(&self) -> usize {
        usize::MAX
    }
}
