//! The operator: Topology resources in, pods out.
//!
//! Control goes one way, and each stage knows only the one before it:
//!
//! ```text
//! fetch ─► validate ─► pack ─► build ─► apply ─► status
//! reads    logical     record  objects  writes   conditions
//! ```
//!
//! `validate`, `pack`, `build`, `stages`, `flow` and `status` are pure. What is decided is recorded
//! before it is done ([`record`]); [`reconcile`] puts the stages in their order.

pub mod apply;
pub mod autoscale;
pub mod backoff;
pub mod build;
pub mod channel;
pub mod check;
pub mod context;
pub mod controller;
pub mod digest;
pub mod edit;
pub mod events;
pub mod fetch;
pub mod flow;
pub mod history;
pub mod identities;
pub mod metrics;
pub mod names;
pub mod nodes;
pub mod observe;
pub mod options;
pub mod pack;
pub mod positions;
pub mod reason;
pub mod reconcile;
pub mod record;
pub mod recover;
pub mod retire;
mod run;
pub mod sockets;
pub mod stages;
pub mod status;
pub mod sweep;
pub mod validate;

pub use egret_rolling::{leave, rollout, upgrade};
pub use run::{Error, main};
