//! Metrics of a running topology, read by a real Prometheus: `cargo xtask test --only metrics`.
//!
//! Without a Prometheus the tests that need one say SKIPPED and pass; with
//! `EGRET_PROMETHEUS_REQUIRED=1` they fail.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod alerts;
mod dashboards;
mod http;
mod operator;
mod page;
mod prometheus;
mod run;
mod scraped;
