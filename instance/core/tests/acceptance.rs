//! Acceptance of an instance's halves: groupings, ack trees, timeouts, replay, end of input.
//!
//! Among them the facts of Heron's and Storm's integration tests (fields_grouping, all and global
//! grouping, AckBranching, Timeout, submit inactive).

#![allow(clippy::unwrap_used, reason = "tests")]

mod acceptance {
    mod ack;
    mod components;
    mod dead_letters;
    mod drain;
    mod durations;
    mod end;
    mod epoch;
    mod flush;
    mod grouping;
    mod plan;
    mod probe;
    mod rate;
    mod sdk;
    mod strangers;
    mod trace;
    mod wake;
    mod world;
}
