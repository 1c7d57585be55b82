//! Every decoder of Egret under any bytes: all that a peer, a file or a resource can say.
//!
//! A target takes bytes and panics if what they reach panics, or breaks a promise of its own.
//! `engine/` feeds them what libFuzzer thinks of, `tests/corpus.rs` what it has found before.

pub mod corpus;
mod inside;
mod plans;
mod recipe;
mod targets;

// What the modules below `inside` expect at the root of their crate.
#[allow(dead_code, reason = "it belongs to another crate, of which a part is looked at")]
#[path = "../../stream-manager/src/limits.rs"]
mod limits;

#[allow(dead_code, reason = "it belongs to another crate, of which a part is looked at")]
#[path = "../../stream-manager/src/errors.rs"]
mod errors;

#[allow(
    dead_code,
    unreachable_pub,
    reason = "it belongs to another crate, of which a part is looked at"
)]
#[path = "../../operator/control/src/positions.rs"]
mod positions;

pub use targets::{TARGETS, Target, target};
