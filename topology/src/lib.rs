//! The nouns of Egret: what a topology is made of, and the three plans it passes through.
//!
//! Pure data: nothing here waits, does I/O, reads a clock or knows Kubernetes. A topology goes one way:
//! resource (what the user wrote) → [`logical`] (validated) → packing plan (which task in which pod) →
//! [`plan`] (the physical plan that is pushed to stream managers and instances).

pub mod declaration;
pub mod grouping;
pub mod id;
pub mod plan;
pub mod stream;
