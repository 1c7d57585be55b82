//! QUIC links with identities: how every Egret process finds out who is at the other end, and talks
//! to it.
//!
//! This crate opens and accepts connections, says who the peer is, and refuses roles that may not
//! speak a protocol at all. Whether that peer belongs to the plan is for others to say, and frames
//! are never looked into. `quinn` is re-exported and its types are used as they are.
//!
//! * [`identity`]: who somebody is, as a DNS name. * [`authority`]: the CA that says so.
//! * [`credentials`]: the files of one process. * [`endpoint`]: one UDP socket, both directions.
//! * [`transport`]: QUIC's settings with their reasons.
//! * [`control`]: typed messages on one stream.
//! * [`backoff`]: how long to wait before the next attempt.

pub mod authority;
pub mod backoff;
pub mod control;
pub mod credentials;
pub mod endpoint;
mod error;
pub mod identity;
pub mod transport;
mod version;

pub use authority::{Authority, Kept, Pem};
pub use backoff::Backoff;
pub use control::{ControlReceiver, ControlSender};
pub use credentials::Credentials;
pub use endpoint::{Admitted, Arriving, Endpoint, admit, alpn_of, identity_of, version_of};
pub use error::Error;
pub use identity::Identity;
pub use quinn;
pub use transport::Windows;
