//! The page in a real Chromium: `cargo xtask test --only browser`.
//!
//! Without a Chromium the tests say SKIPPED and pass; with `EGRET_BROWSER_REQUIRED=1` they fail.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod chromium;
mod hostile;
mod live;
#[allow(dead_code, reason = "the experiment of the slow bolt uses the rest")]
mod page;
mod run;
