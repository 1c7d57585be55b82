//! What users do with topologies. Each test has a namespace of its own, so all run side by side;
//! those that take a node, the operator or the API server away are programs of their own.

// Also in the fixtures, which clippy does not take for tests.
#![allow(clippy::unwrap_used)]

mod autoscale;
mod broken;
mod cli;
#[path = "../../../cli/tests/local/collector.rs"]
mod collector;
mod edit;
#[path = "../host/egret.rs"]
mod egret;
mod lifecycle;
mod metrics;
mod names;
mod overlay;
#[path = "../host/prometheus.rs"]
mod prometheus;
mod rollout;
mod samples;
mod security;
mod smoke;
mod tracing;
mod word_count;
