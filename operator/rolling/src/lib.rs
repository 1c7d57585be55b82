//! Tasks, pods and stream managers that are replaced while the others go on: pure functions of what
//! was recorded and what is seen.
//!
//! The operator looks at a cluster and does what these say; the simulator lets them decide in the
//! middle of all faults.

pub mod leave;
pub mod rollout;
pub mod upgrade;
