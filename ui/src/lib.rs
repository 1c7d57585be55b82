//! A picture of a running topology: what `egret ui`, `egret run --ui` and `egret top` show.
//!
//! It only looks: nothing here can change a topology, and nothing in a topology waits for it.
//!
//! ```text
//! stream managers ──look──► Seen ──► Model ──► Snapshot ──► page, egret top
//! (pods: inspect)           source    pure      JSON          (server: page, api)
//! ```
//!
//! * [`snapshot`]: the JSON shape. * [`seen`], [`model`], [`layout()`], [`latency`]: pure.
//! * [`source`]: where looks come from. * [`pods`], [`ask`]: questions to stream managers.
//! * [`live`]: one look for all who ask. * [`remote`]: the same from another process.
//! * [`api`], [`server`]: what is served, and to whom.

pub mod api;
pub mod ask;
pub mod latency;
mod layout;
pub mod live;
pub mod model;
pub mod pods;
pub mod remote;
pub mod seen;
pub mod server;
pub mod snapshot;
pub mod source;

pub use layout::{Direction, layout};
