//! What tasks request and pods may hold, with the defaults of both.

use egret_topology::{
    logical::{Amounts, Logical},
    packing_plan::{PackedTask, PodResources},
};
use std::fmt;

/// Percentage that a pod needs beyond its tasks: the stream manager's share.
pub(crate) const PADDING: u64 = 10;

/// A task that requests nothing is counted as this: an idle instance needs less, a busy one more.
const DEFAULT_TASK: Request = Request { cpu_millis: 100, memory_bytes: 128 << 20 };

/// A pod that fits the smallest machines that clusters are made of, and some twenty default tasks.
const DEFAULT_CAPACITY: Request = Request { cpu_millis: 2000, memory_bytes: 4 << 30 };

// A default task fits a default pod many times over.
const _: () = assert!(DEFAULT_TASK.cpu_millis * 16 <= DEFAULT_CAPACITY.cpu_millis);
const _: () = assert!(DEFAULT_TASK.memory_bytes * 16 <= DEFAULT_CAPACITY.memory_bytes);

/// An amount of CPU and memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) cpu_millis: u64,
    pub(crate) memory_bytes: u64,
}

impl Request {
    /// What a task of the topology requests.
    pub(crate) fn of(logical: &Logical, task: &PackedTask) -> Request {
        let requests = logical.component(&task.component).map(|component| component.requests);
        Request::filled(requests.unwrap_or_default(), DEFAULT_TASK)
    }

    /// What a pod of the topology may hold.
    pub(crate) fn capacity(logical: &Logical) -> Request {
        Request::filled(logical.pod_capacity, DEFAULT_CAPACITY)
    }

    fn filled(amounts: Amounts, default: Request) -> Request {
        Request {
            cpu_millis: amounts.cpu_millis.unwrap_or(default.cpu_millis),
            memory_bytes: amounts.memory_bytes.unwrap_or(default.memory_bytes),
        }
    }

    /// Both together. Saturates: what is beyond all measure fits nowhere.
    pub(crate) fn plus(self, other: Request) -> Request {
        Request {
            cpu_millis: self.cpu_millis.saturating_add(other.cpu_millis),
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
        }
    }

    /// With the stream manager's share.
    pub(crate) fn padded(self) -> Request {
        let pad = |amount: u64| amount.saturating_add(amount.div_ceil(100 / PADDING));
        Request { cpu_millis: pad(self.cpu_millis), memory_bytes: pad(self.memory_bytes) }
    }

    /// Whether a pod of this capacity can hold it.
    pub(crate) fn fits(self, capacity: Request) -> bool {
        let padded = self.padded();
        padded.cpu_millis <= capacity.cpu_millis && padded.memory_bytes <= capacity.memory_bytes
    }
}

const _: () = assert!(100 % PADDING == 0);

impl From<Request> for PodResources {
    fn from(Request { cpu_millis, memory_bytes }: Request) -> PodResources {
        PodResources { cpu_millis, memory_bytes }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = self.memory_bytes.div_ceil(1 << 20);
        write!(f, "{}m CPU and {mebibytes}Mi memory", self.cpu_millis)
    }
}
