//! Container images without a daemon: an OCI archive of one layer, the same bytes for the same
//! content.
//!
//! Times are zero, entries are sorted, owners are root, and nothing of the machine that writes gets
//! in. `ctr images import`, `docker load`, `podman load` and `skopeo` read what [`archive::write`]
//! makes; [`verify::verify`] reads it back and checks every digest in it.

pub mod archive;
mod error;
pub mod image;
mod layer;
pub mod verify;

pub use archive::{Written, write};
pub use error::Error;
pub use image::{Entry, Image};
pub use verify::{Verified, verify};
