//! What the flow promises, claim by claim, over its public interface alone.

// A test binary has no users; its modules share what they have.
#![allow(unreachable_pub, clippy::unwrap_used)]

mod backpressure;
mod drain;
mod edges;
mod losses;
mod plans;
mod rig;
mod routing;
mod violations;
