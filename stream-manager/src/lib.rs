//! The stream manager: moves frames between the instances of its pod and its peers.
//!
//! A shell of loops on one thread around [`egret_flow::Flow`], which decides everything. Every link
//! has a task for its control stream, every stream a reader or writer; they share the flow and wake
//! each other.

mod accept;
mod admin;
mod boot;
mod errors;
mod export;
mod files;
mod holders;
pub mod inspect;
mod instance_link;
mod leave;
mod limits;
mod links;
mod manager;
mod operator_link;
mod options;
mod peer_link;
mod plans;
mod profile;
mod quic;
mod rate;
mod reader;
mod run;
mod scrape;
mod status;
mod tap;
mod totals;
mod writer;

pub use boot::Error;
pub use options::Options;
pub use run::{main, play, run, run_until};
