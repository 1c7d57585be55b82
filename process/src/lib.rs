//! What all Egret processes do alike: a closed list. What only one house needs lives in that house.
//!
//! * [`logging`]: structured lines on stderr. * [`admin`]: `/metrics`, `/live`, `/ready`.
//! * [`parent`]: spawns and respawns children; [`respawn`] says when.
//! * [`orphan`]: children that do not outlive it. * [`init`]: PID 1 of a container.
//! * [`metrics`]: what there are, and a page of them. * [`usage`]: CPU time, memory, dropped
//!   packets.
//! * [`profile`]: where CPU time goes, on demand.
//! * [`exit`]: what exit codes mean. * [`mod@file`]: files that are whole or not there.

pub mod admin;
pub mod exit;
pub mod file;
pub mod init;
pub mod logging;
mod memory;
pub mod metrics;
pub mod orphan;
pub mod parent;
pub mod profile;
pub mod respawn;
pub mod usage;

pub use admin::Admin;
pub use exit::Exit;
pub use file::write_atomically;
pub use logging::Logging;
pub use orphan::die_with_parent;
pub use parent::{Child, Event, Exited, Line, Parent};
