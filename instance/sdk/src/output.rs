//! Where components emit to.

use crate::{
    Anchor, Collector, DEFAULT_STREAM, Emission, EmitError, Encoded, Fields, Nanos, Origin, Root,
    SplitId, TaskId,
};
use std::fmt;

/// Buffers that are used again for every emit.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Scratch {
    bytes: Vec<u8>,
    at: Vec<u32>,
}

/// How to emit, where it differs from the default.
#[derive(Clone, Copy, Debug)]
pub struct EmitOptions<'a> {
    /// The stream.
    pub stream: &'a str,
    /// The destination task, on a direct stream.
    pub direct: Option<TaskId>,
    /// The input tuples that it descends from; `None` leaves it to the acking mode.
    pub anchors: Option<&'a [Anchor]>,
}

impl Default for EmitOptions<'_> {
    fn default() -> Self {
        EmitOptions { stream: DEFAULT_STREAM, direct: None, anchors: None }
    }
}

fn send<'c>(
    collector: &'c mut dyn Collector,
    scratch: &mut Scratch,
    stream: &str,
    direct: Option<TaskId>,
    origin: Origin<'_>,
    fields: impl Fields,
) -> Result<&'c [TaskId], EmitError> {
    scratch.bytes.clear();
    scratch.at.clear();
    let depth = fields.encode(&mut scratch.bytes, &mut scratch.at);
    let encoded = Encoded { bytes: &scratch.bytes, at: &scratch.at };
    collector.emit(Emission { stream, direct, origin, encoded, depth })
}

/// Where a spout emits to. Every emit is a root.
pub struct SpoutOutput<'a> {
    collector: &'a mut dyn Collector,
    scratch: &'a mut Scratch,
}

impl<'a> SpoutOutput<'a> {
    /// For runtimes.
    #[doc(hidden)]
    pub fn new(collector: &'a mut dyn Collector, scratch: &'a mut Scratch) -> SpoutOutput<'a> {
        SpoutOutput { collector, scratch }
    }

    /// Emits a root on the default stream; returns the tasks that it goes to.
    ///
    /// Waits while the destination takes no more: that is backpressure.
    pub fn emit(&mut self, fields: impl Fields, root: Root) -> Result<&[TaskId], EmitError> {
        self.emit_to(DEFAULT_STREAM, fields, root)
    }

    /// Emits a root on a named stream.
    pub fn emit_to(
        &mut self,
        stream: &str,
        fields: impl Fields,
        root: Root,
    ) -> Result<&[TaskId], EmitError> {
        send(self.collector, self.scratch, stream, None, Origin::Root(root), fields)
    }

    /// Emits a root on a direct stream to one task.
    pub fn emit_direct(
        &mut self,
        task: TaskId,
        stream: &str,
        fields: impl Fields,
        root: Root,
    ) -> Result<&[TaskId], EmitError> {
        send(self.collector, self.scratch, stream, Some(task), Origin::Root(root), fields)
    }

    /// Roots that may be emitted before `maxPending` is reached. At least one when `next` is
    /// called; a spout that emits several in one call stops there.
    pub fn room(&self) -> usize {
        self.collector.room()
    }

    /// The number of a split, to be used in [`Root::at`]. Names must be the same in every life of
    /// the task, and the same whichever task reads the split.
    pub fn split(&mut self, name: &str) -> SplitId {
        self.collector.split(name)
    }

    /// The time, of the clock that [`Root::since`] counts in.
    pub fn now(&mut self) -> Nanos {
        self.collector.now()
    }
}

impl fmt::Debug for SpoutOutput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpoutOutput")
    }
}

/// Where a bolt emits to, acks and fails.
pub struct BoltOutput<'a> {
    collector: &'a mut dyn Collector,
    scratch: &'a mut Scratch,
}

impl<'a> BoltOutput<'a> {
    /// For runtimes.
    #[doc(hidden)]
    pub fn new(collector: &'a mut dyn Collector, scratch: &'a mut Scratch) -> BoltOutput<'a> {
        BoltOutput { collector, scratch }
    }

    /// Emits on the default stream; returns the tasks that the tuple goes to.
    ///
    /// Waits while the destination takes no more: that is backpressure.
    pub fn emit(&mut self, fields: impl Fields) -> Result<&[TaskId], EmitError> {
        self.emit_to(DEFAULT_STREAM, fields)
    }

    /// Emits on a named stream.
    pub fn emit_to(&mut self, stream: &str, fields: impl Fields) -> Result<&[TaskId], EmitError> {
        send(self.collector, self.scratch, stream, None, Origin::Input, fields)
    }

    /// Emits with a destination task or with anchors of your choice.
    pub fn emit_with(
        &mut self,
        options: EmitOptions<'_>,
        fields: impl Fields,
    ) -> Result<&[TaskId], EmitError> {
        let origin = options.anchors.map_or(Origin::Input, Origin::Anchors);
        send(self.collector, self.scratch, options.stream, options.direct, origin, fields)
    }

    /// Acks an input tuple. Only with manual acking.
    pub fn ack(&mut self, anchor: Anchor) {
        self.collector.ack(anchor);
    }

    /// Fails an input tuple: its roots fail with this cause. Only with manual acking.
    pub fn fail(&mut self, anchor: Anchor, cause: impl fmt::Display) {
        self.collector.fail(anchor, &cause.to_string());
    }

    /// Starts the message timeout of an input tuple's roots anew: someone still works on it.
    pub fn reset_timeout(&mut self, anchor: Anchor) {
        self.collector.reset_timeout(anchor);
    }

    /// The time, in nanoseconds of a monotonic clock.
    pub fn now(&mut self) -> Nanos {
        self.collector.now()
    }
}

impl fmt::Debug for BoltOutput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoltOutput")
    }
}
