//! What a binary declares of its components: the output of `BIN describe`.

use crate::{plan::ComponentKind, stream::Stream};
use serde::{Deserialize, Serialize};

/// Everything that a binary can run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Its components.
    pub components: Vec<Declaration>,
}

/// One component of a binary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declaration {
    /// Name that a topology's `component` refers to.
    pub name: String,
    /// Spout or bolt.
    pub kind: ComponentKind,
    /// What it emits.
    pub streams: Declared,
}

/// The output streams of a component, as far as they do not depend on the topology.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Declared {
    /// These; none for a sink.
    Fixed(Vec<Stream>),
    /// The default stream, with the fields of the component's only input.
    SameAsInput,
}

impl Declared {
    /// These streams.
    pub fn fixed(streams: impl IntoIterator<Item = Stream>) -> Declared {
        Declared::Fixed(streams.into_iter().collect())
    }

    /// No streams: a sink.
    pub fn none() -> Declared {
        Declared::Fixed(Vec::new())
    }
}
