//! What can be done to our own cluster to see how others take it.

use crate::{
    Cluster, Error, Progress, Result,
    delay::Delayed,
    layout::Machine,
    machine,
    network::{self, Trouble, Troubled},
    start,
};
use std::time::Duration;

impl Cluster {
    /// Kills a daemon (`kube-apiserver`, `kubelet`, ...) and keeps it away until it is released.
    pub fn hold(&self, machine: Machine, daemon: &str) -> Result<()> {
        self.must_be_own()?;
        machine::hold(machine, daemon)
    }

    /// Lets a daemon run again.
    pub fn release(&self, machine: Machine, daemon: &str) -> Result<()> {
        self.must_be_own()?;
        machine::release(machine, daemon)
    }

    /// Ends a machine with everything in it, as a loss of power would.
    pub fn lose(&self, machine: Machine) -> Result<()> {
        self.must_be_own()?;
        machine::kill(machine)
    }

    /// Starts a machine again that was lost.
    pub fn restart(&self, machine: Machine) -> Result<()> {
        self.must_be_own()?;
        start::restart(machine, &Progress::to_stderr())
    }

    /// Pulls the cable of a machine, which goes on running.
    pub fn disconnect(&self, machine: Machine) -> Result<()> {
        self.must_be_own()?;
        network::connect(machine, false)
    }

    /// Puts the cable back.
    pub fn reconnect(&self, machine: Machine) -> Result<()> {
        self.must_be_own()?;
        network::connect(machine, true)
    }

    /// Makes trouble between the pods of two nodes, until it is ended.
    pub fn trouble(&self, node: Machine, other: Machine, trouble: Trouble) -> Result<Troubled> {
        self.must_be_own()?;
        Troubled::make(node, other, trouble)
    }

    /// Makes the ways between the pods of two nodes longer, until it is ended.
    pub fn delay(&self, node: Machine, other: Machine, time: Duration) -> Result<Delayed> {
        self.must_be_own()?;
        Delayed::make(node, other, time)
    }

    fn must_be_own(&self) -> Result<()> {
        let why = "KUBECONFIG names a cluster of yours, whose machines are not touched";
        if self.is_own() { Ok(()) } else { Err(Error::Host(why.into())) }
    }
}
