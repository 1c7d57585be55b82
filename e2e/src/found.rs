//! The cluster that tests run on, if there is one.

use crate::{Cluster, Result, host};

/// With this variable set, tests without a cluster fail instead of being skipped.
const REQUIRED: &str = "EGRET_E2E_REQUIRED";

impl Cluster {
    /// The cluster to test on. None means that the test is skipped, which it then says and why.
    ///
    /// # Panics
    ///
    /// If there is none and EGRET_E2E_REQUIRED is set.
    pub fn for_test() -> Option<Cluster> {
        match Cluster::connect().and_then(Cluster::answering) {
            Ok(cluster) => Some(cluster),
            Err(error) => skip(&host::capable().err().unwrap_or_else(|| error.to_string())),
        }
    }

    /// The same for a test that stops machines or reads their directories.
    ///
    /// # Panics
    ///
    /// As [`Cluster::for_test`].
    pub fn own_for_test() -> Option<Cluster> {
        let cluster = Cluster::for_test()?;
        if !cluster.is_own() {
            eprintln!("SKIPPED: only a cluster of our own is treated like that");
        }
        cluster.is_own().then_some(cluster)
    }

    /// Itself if its API server is ready: what is left of a cluster that was killed is not one.
    fn answering(self) -> Result<Cluster> {
        self.kubectl(&["get", "--raw", "/readyz", "--request-timeout", "10s"])?;
        Ok(self)
    }
}

fn skip(why: &str) -> Option<Cluster> {
    assert!(std::env::var_os(REQUIRED).is_none(), "{REQUIRED} is set, but {why}");
    eprintln!("SKIPPED: {why}");
    None
}
