//! What can be done to our own cluster: daemons held, machines lost, cables pulled.

use egret_e2e::{Cluster, Namespace, images::BUSYBOX, layout::Machine, wait::Wait};
use std::{
    net::TcpStream,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

/// A kubelet whose API server was held looks for it again only after a minute and a half.
const PATIENCE: Duration = Duration::from_secs(240);

/// One fault at a time.
static FAULT: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    FAULT.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

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
fn a_held_daemon_stays_away_until_it_is_released() {
    let Some(cluster) = Cluster::own_for_test() else { return };
    let _alone = alone();
    let address = format!("{}:6443", Machine::Control.address());
    listening(&address, true);
    cluster.hold(Machine::Control, "kube-apiserver").unwrap();
    listening(&address, false);
    cluster.release(Machine::Control, "kube-apiserver").unwrap();
    listening(&address, true);
}

#[test]
fn a_machine_without_its_cable_goes_on_and_comes_back() {
    let Some(cluster) = Cluster::own_for_test() else { return };
    let _alone = alone();
    let kubelet = format!("{}:10250", Machine::A.address());
    listening(&kubelet, true);
    cluster.disconnect(Machine::A).unwrap();
    listening(&kubelet, false);
    cluster.reconnect(Machine::A).unwrap();
    listening(&kubelet, true);
}

#[test]
fn a_lost_machine_takes_its_pods_along_and_brings_them_back() {
    let Some(cluster) = Cluster::own_for_test() else { return };
    let _alone = alone();
    let namespace = Namespace::new(&cluster, "lost").unwrap();
    let pod = format!(
        r"apiVersion: v1
kind: Pod
metadata: {{name: echo}}
spec:
  nodeName: {node}
  automountServiceAccountToken: false
  securityContext: {{runAsNonRoot: true, seccompProfile: {{type: RuntimeDefault}}}}
  containers:
  - name: echo
    image: {BUSYBOX}
    imagePullPolicy: IfNotPresent
    command: [probe, echo, ':7000']
    securityContext:
      allowPrivilegeEscalation: false
      capabilities: {{drop: [ALL]}}
",
        node = Machine::B.name()
    );
    let read = |path: &str| {
        let path = format!("jsonpath={{{path}}}");
        namespace.kubectl(&["get", "pod", "echo", "--output", &path]).unwrap()
    };
    // Until the API server has come back from whatever was done to it before.
    namespace.until("an answer", PATIENCE, &["get", "pods"], |_| true).unwrap();
    namespace.apply(&pod).unwrap();
    namespace.wait("pod/echo", "condition=Ready", PATIENCE).unwrap();
    let (uid, address) = (read(".metadata.uid"), format!("{}:7000", read(".status.podIP")));
    listening(&address, true);
    cluster.lose(Machine::B).unwrap();
    listening(&address, false);
    cluster.restart(Machine::B).unwrap();
    let restarts =
        ["get", "pod", "echo", "--output", "jsonpath={.status.containerStatuses[0].restartCount}"];
    namespace.until("another start", PATIENCE, &restarts, |count| count != "0").unwrap();
    namespace.wait("pod/echo", "condition=Ready", PATIENCE).unwrap();
    listening(&format!("{}:7000", read(".status.podIP")), true);
    assert_eq!(read(".metadata.uid"), uid, "it is the same pod");
}
