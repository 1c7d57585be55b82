//! Stream managers as real processes on loopback, with an operator and instances made of links
//! alone.

// A test binary has no users; its modules share what they have.
#![allow(unreachable_pub, clippy::unwrap_used)]

mod failures;
mod instance;
mod leave;
mod pods;
mod positions;
mod questions;
mod routing;
mod versions;
