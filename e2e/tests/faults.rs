//! What can be done to our own cluster and no other test does: a cable is pulled.

use egret_e2e::{Cluster, layout::Machine, wait::Wait};
use std::{net::TcpStream, time::Duration};

const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until this address takes connections from the host, or no longer does.
fn listening(address: &str, wanted: bool) {
    let what = if wanted { "listening" } else { "silence" };
    let waited = Wait::new(address, what, PATIENCE).until(|| {
        let address = address.parse().map_err(|error| format!("{error}"))?;
        let answer = TcpStream::connect_timeout(&address, Duration::from_millis(500));
        (answer.is_ok() == wanted).then_some(()).ok_or_else(|| format!("{answer:?}"))
    });
    waited.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_machine_without_its_cable_goes_on_and_comes_back() {
    let Some(cluster) = Cluster::own_for_test() else { return };
    let kubelet = format!("{}:10250", Machine::A.address());
    listening(&kubelet, true);
    cluster.disconnect(Machine::A).unwrap();
    listening(&kubelet, false);
    cluster.reconnect(Machine::A).unwrap();
    listening(&kubelet, true);
}
