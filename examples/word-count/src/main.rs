//! Word count with a spout and bolts of its own, as a user of Egret writes it.
//!
//! Build it and run its topology with it:
//!
//! ```text
//! cargo build --release -p word-count
//! cargo run --release -- run examples/word-count/topology.yaml \
//!   --instance target/release/word-count
//! ```

mod count;
mod sentences;
mod split;

use egret_instance::{Declared, Registry, Stream};
use std::process::ExitCode;

fn main() -> ExitCode {
    egret_instance::main(registry())
}

/// The components of this binary, with the streams that they emit.
fn registry() -> Registry {
    let mut registry = Registry::new();
    registry
        .spout("sentences", Declared::fixed([Stream::default_of(["sentence"])]), || {
            Box::new(sentences::Sentences::default())
        })
        .bolt("split-sentence", Declared::fixed([Stream::default_of(["word"])]), || {
            Box::new(split::Split)
        })
        .bolt("count-words", Declared::fixed([Stream::default_of(["word", "count"])]), || {
            Box::new(count::Count::default())
        });
    registry
}

#[cfg(test)]
mod tests;
