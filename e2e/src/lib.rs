//! A real Kubernetes on a bare Linux host, and what tests on it need.
//!
//! `egret-cluster up` builds Kubernetes from its sources once, then starts a control plane and two
//! nodes within seconds; `egret-cluster down` leaves nothing behind. With KUBECONFIG set,
//! everything here uses the cluster that it names.
//!
//! * [`Cluster`]: up, down, and how to ask it something. * [`Namespace`]: one for each test.
//! * [`installed`]: the operator on it. * [`Deployed`]: a topology in a namespace.
//! * [`layout`]: machines, addresses, directories. * [`wait`]: waiting with an end.

mod binaries;
mod certificates;
mod cgroup;
mod checks;
mod cluster;
mod command;
mod control_plane;
pub mod crowd;
mod delay;
mod deployed;
mod error;
mod faults;
mod found;
mod host;
pub mod images;
mod init;
pub mod installed;
pub mod layout;
pub mod load;
mod machine;
mod namespace;
pub mod network;
mod node;
pub mod processes;
mod progress;
pub mod random;
mod recipe;
pub mod resilience;
pub mod rollouts;
mod start;
mod status;
mod stop;
pub mod wait;

pub use checks::obtain as checks;
pub use cluster::Cluster;
pub use deployed::{Deployed, Life, condition};
pub use error::{Error, Result};
pub use host::capable;
pub use init::run as run_machine;
pub use machine::ROLE;
pub use namespace::Namespace;
pub use node::volume;
pub use progress::Progress;
pub use recipe::KUBERNETES;
pub use status::status;
