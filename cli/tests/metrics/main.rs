//! Metrics of a running topology, read by a real Prometheus: `cargo xtask test --only metrics`.
//!
//! Without a Prometheus the tests that need one say SKIPPED and pass; with
//! `EGRET_PROMETHEUS_REQUIRED=1` they fail.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod alerts;
#[path = "../browser/chromium.rs"]
#[allow(dead_code, reason = "the tests of the page use the rest")]
mod chromium;
mod dashboards;
mod http;
mod operator;
mod page;
mod prometheus;
mod run;
mod scraped;
#[path = "../browser/page.rs"]
#[allow(dead_code, reason = "the tests of the page use the rest")]
mod seen;
mod slow_bolt;
