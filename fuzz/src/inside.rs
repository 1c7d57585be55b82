//! Decoders that are private to a crate or belong to a program, as they are.

#![allow(dead_code, reason = "a part of each is looked at")]

/// How `egret` reads topology files.
pub(crate) mod load;

/// What the operator still has to say to a stream manager.
#[path = "../../operator/control/src/pending.rs"]
pub(crate) mod pending;

/// What a stream manager shows of frames that go by.
#[path = "../../stream-manager/src/tap.rs"]
pub(crate) mod tap;

/// What a stream manager keeps of its tasks.
#[path = "../../stream-manager/src/totals.rs"]
pub(crate) mod totals;
