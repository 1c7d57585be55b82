//! The admin endpoint: `/metrics`, `/live`, `/ready`, and nothing else.

use std::{io, net::SocketAddr, sync::Arc};

/// What the admin endpoint tells. Called on its thread, so that it answers when the main loop does not.
pub trait Admin: Send + Sync + 'static {
    /// All metrics in Prometheus' text format.
    fn metrics(&self) -> String;
    /// Whether the process should go on living: false if only a restart helps.
    fn live(&self) -> bool;
    /// Whether the process does its work, else why not.
    fn ready(&self) -> Result<(), String>;
}

/// Serves `admin` on a thread of its own until the process ends. Returns the address that was bound.
pub fn serve(_bind: SocketAddr, _admin: Arc<dyn Admin>) -> io::Result<SocketAddr> {
    todo!()
}
