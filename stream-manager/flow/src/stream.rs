//! Names of links and streams, and the small handles that the data path uses instead.

use egret_topology::id::{PodId, TaskId};
use egret_wire::preamble::StreamKey;

/// The other end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Link {
    /// The instance that runs a task of this pod.
    Instance(TaskId),
    /// The stream manager of another pod.
    Peer(PodId),
}

/// A stream that frames arrive on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InStream {
    /// The link that it belongs to.
    pub link: Link,
    /// What it is for.
    pub key: StreamKey,
}

/// A stream that frames leave on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutStream {
    /// The link that it belongs to.
    pub link: Link,
    /// What it is for.
    pub key: StreamKey,
}

/// One life of a link. A handle of an earlier life has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId {
    pub(crate) index: u32,
    pub(crate) life: u32,
}

/// One life of an incoming stream. A handle of an earlier life has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InId {
    pub(crate) index: u32,
    pub(crate) life: u32,
}

/// An outgoing stream in one life of its link. A handle of an earlier life has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutId {
    pub(crate) index: u32,
    pub(crate) life: u32,
}
