//! The `Topology` resource as Kubernetes knows it: its schema with bounds and rules, its columns
//! and its status.
//!
//! The types that users write are those of [`egret_topology::resource`]; this crate derives the
//! schema from them, so that there is one source of truth. [`definition`] is the whole
//! CustomResourceDefinition.
//!
//! * [`resource`]: the object as it is read from the API server. * [`status`]: what is told back.
//! * `schema`: from types to a structural schema. * `bounds`: limits of each field.
//! * `rules`: CEL rules.

mod bounds;
mod definition;
pub mod resource;
mod rules;
mod schema;
pub mod status;

pub use definition::{BadSchema, NAME, PLURAL, definition};
pub use resource::Topology;
pub use status::{AutoscaleStatus, Condition, TopologyStatus};
