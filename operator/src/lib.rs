//! The operator: Topology resources in, pods out.
//!
//! Control goes one way, and each stage knows only the one before it:
//!
//! ```text
//! fetch ─► validate ─► pack ─► build ─► apply ─► status
//! reads    logical     record  objects  writes   conditions
//! ```

pub mod build;
pub mod digest;
pub mod names;
pub mod pack;
pub mod record;
pub mod validate;
