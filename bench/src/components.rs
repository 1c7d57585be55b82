//! Components that only measuring needs, written on the SDK as a user writes them.

mod dictionary;
mod keys;
mod paced;
mod sleeper;

use egret_instance::{Declared, Registry, Stream};

/// The components, with the streams that they emit.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry
        .spout("paced", Declared::fixed([Stream::default_of(["word"])]), || {
            Box::new(paced::Paced::default())
        })
        .spout("keys", Declared::fixed([Stream::default_of(["key", "payload"])]), || {
            Box::new(keys::Keys::default())
        })
        .bolt("sleeper", Declared::fixed([]), || Box::new(sleeper::Sleeper::default()));
    registry
}
