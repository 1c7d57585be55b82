//! The cluster that tests run on, if there is one.

use crate::{Cluster, Error, Result, host, layout::Machine, machine, wait::Wait};
use std::time::Duration;

/// With this variable set, tests without a cluster fail instead of being skipped.
const REQUIRED: &str = "EGRET_E2E_REQUIRED";

/// For an API server that starts on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

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

    /// Itself once its API server is ready, which another test may have stopped. What is left of a
    /// cluster that was killed is not one.
    fn answering(self) -> Result<Cluster> {
        if self.is_own() && Machine::ALL.into_iter().any(|at| machine::pid(at).is_none()) {
            return Err(Error::NoCluster);
        }
        let ready = ["get", "--raw", "/readyz", "--request-timeout", "5s"];
        Wait::new("kube-apiserver", "readiness", PATIENCE)
            .until(|| self.kubectl(&ready).map_err(|error| error.to_string()))?;
        Ok(self)
    }
}

fn skip(why: &str) -> Option<Cluster> {
    assert!(std::env::var_os(REQUIRED).is_none(), "{REQUIRED} is set, but {why}");
    eprintln!("SKIPPED: {why}");
    None
}
