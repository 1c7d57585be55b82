//! The operator's side of the control channel to stream managers.
//!
//! A [`Manager`] keeps one link up by itself and pushes the newest plan again to a stream manager
//! that came back with less; a [`Fleet`] is all managers of one topology. Positions that one
//! manager tells are given to another before its first plan. This crate never makes a plan.
//!
//! * [`manager`], [`fleet`]: the handles.
//! * `session`: the link of one manager, made again and again.
//! * [`positions`]: where input stands.
//! * `pending`: what a manager still has to hear and to answer; pure.

pub mod fleet;
pub mod manager;
mod pending;
pub mod positions;
mod session;

pub use fleet::{Fleet, Pushed, Statuses};
pub use manager::{Error, Manager};
