//! The deterministic heart of the stream manager: which frame goes where, who waits, what is lost.
//!
//! [`Flow`] owns all of it. It does no I/O, reads no clock and draws no random numbers: events go
//! in, frames and [`Effect`]s come out. The stream manager's process, the simulator and the fuzz
//! targets drive the very same type.

mod counts;
mod edges;
mod effect;
mod flow;
mod incoming;
pub mod limits;
mod outgoing;
mod refusal;
mod stream;

pub use counts::{Counts, Discards, EdgeEnd, LinkCounts, TaskCounts};
pub use effect::{Discard, Effect};
pub use flow::{Flow, LinkUp, Stall};
pub use limits::Limits;
pub use refusal::{PlanRefused, Refused, Violation};
pub use stream::{InId, InStream, Link, LinkId, OutId, OutStream};
