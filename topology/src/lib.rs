//! The nouns of Egret: what a topology is made of, and the three plans it passes through.
//!
//! Pure data: nothing here waits, does I/O, reads a clock or knows Kubernetes. A topology goes one
//! way: [`resource`] (what the user wrote) → [`validate`](validate::validate) → [`logical`] →
//! [`packing_plan`] (which task in which pod) → [`plan`] (the physical plan that is pushed to
//! stream managers and instances).

pub mod dead_letters;
pub mod declaration;
pub mod duration;
pub mod grouping;
pub mod id;
pub mod limits;
pub mod log_level;
pub mod logical;
pub mod packing_plan;
pub mod physical;
pub mod plan;
pub mod positions;
pub mod quantity;
pub mod resource;
pub mod stream;
pub mod suggest;
pub mod tracing;
pub mod validate;
pub mod version;
