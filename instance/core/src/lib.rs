//! The deterministic heart of an instance: grouping, framing, ack tracking, positions, end of
//! input.
//!
//! No I/O, no threads, no clock: time is an argument in nanoseconds. The same code runs in an
//! instance's process, in the simulator and in the test kit. An instance has two halves, because
//! user code never shares a thread with QUIC I/O:
//!
//! ```text
//! task half (the user's thread)                       gateway half (the I/O thread)
//! SpoutTask / BoltTask                                Gateway
//!   user code -> Emitter: groups, frames    --Batch-->  Tracker learns the roots, frames wait per
//!   AckBatcher: acks merged per spout                   stream for the transport
//!   callbacks, frames to execute            <--ToTask-- Tracker's outcomes; data within the budget
//! ```

pub mod acks;
pub mod anchors;
pub mod batch;
pub mod bolt_task;
pub mod budget;
pub mod context;
mod deadlines;
pub mod dense;
mod durations;
pub mod emitter;
pub mod gateway;
pub mod grouping;
pub mod guard;
pub mod kit;
pub mod limits;
pub mod outlet;
mod pace;
pub mod positions;
pub mod spout_task;
pub mod stats;
pub mod task;
pub mod trace;
pub mod tracker;
