//! What users of Egret write against: [`Spout`], [`Bolt`], [`Tuple`], [`Value`] and the
//! [`Registry`].
//!
//! User code is synchronous and runs on a thread of its own, one task per process. It does no I/O
//! of Egret's: what it emits, acks and fails goes through the output that each call is given.
//!
//! ```
//! use egret_sdk::{Bolt, BoltOutput, Declared, Registry, Result, Stream, Tuple};
//!
//! /// Appends an exclamation mark to each word.
//! struct Exclaim;
//!
//! impl Bolt for Exclaim {
//!     fn execute(&mut self, tuple: &Tuple<'_>, out: &mut BoltOutput<'_>) -> Result<()> {
//!         // Anchored to `tuple`, which is acked when this returns `Ok` and failed on an error.
//!         out.emit((format!("{}!", tuple.str("word")?),))?;
//!         Ok(())
//!     }
//! }
//!
//! let mut registry = Registry::new();
//! registry.bolt("exclaim", Declared::fixed([Stream::default_of(["word"])]), || Box::new(Exclaim));
//! ```

mod bolt;
mod clock;
mod context;
mod emit;
mod fields;
mod grouping;
mod metrics;
mod output;
mod registry;
mod spout;
mod tuple;

pub use bolt::{Acking, Bolt};
pub use clock::Nanos;
pub use context::{Context, Input, Waker};
pub use emit::{Anchor, Collector, Emission, EmitError, Encoded, Origin, Root, SplitId};
pub use fields::{Field, Fields};
pub use grouping::CustomGrouping;
pub use metrics::{Counter, Gauge, Metrics};
pub use output::{BoltOutput, EmitOptions, Scratch, SpoutOutput};
pub use registry::{Groupings, Registry};
pub use spout::{Failure, Next, Spout};
pub use tuple::{FieldError, OwnedTuple, Tuple};

pub use egret_topology::{
    declaration::Declared,
    id::TaskId,
    plan::ComponentKind,
    stream::{DEFAULT_STREAM, Stream},
};
pub use egret_wire::value::{Value, ValueRef};

/// An error of user code; anything that is an error converts into it.
pub type Error = anyhow::Error;

/// The result of user code.
pub type Result<T, E = Error> = std::result::Result<T, E>;
