//! What every other test takes for granted of the cluster it runs on.

use egret_e2e::{Cluster, Namespace, images::BUSYBOX, layout::Machine};
use std::{fs, time::Duration};

const PATIENCE: Duration = Duration::from_secs(90);

/// A pod as Egret makes them, on this node: a native sidecar that echoes, and a task beside it.
fn pod(name: &str, node: &str, image: &str) -> String {
    format!(
        r"apiVersion: v1
kind: Pod
metadata:
  name: {name}
  labels: {{app: {name}}}
spec:
  nodeName: {node}
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 1
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    fsGroup: 65532
    seccompProfile: {{type: RuntimeDefault}}
  initContainers:
  - name: echo
    image: {image}
    imagePullPolicy: IfNotPresent
    restartPolicy: Always
    command: [probe, echo, ':7000']
    ports: [{{containerPort: 7000, protocol: UDP}}]
    startupProbe: {{tcpSocket: {{port: 7000}}, periodSeconds: 1, failureThreshold: 60}}
    securityContext: &restricted
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {{drop: [ALL]}}
  containers:
  - name: task
    image: {image}
    imagePullPolicy: IfNotPresent
    command: [sh, -c, 'echo here is {name}; exec sleep 3600']
    securityContext: *restricted
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  selector: {{app: {name}}}
  ports:
  - {{name: udp, port: 7000, protocol: UDP}}
  - {{name: tcp, port: 7000, protocol: TCP}}
---
"
    )
}

fn ask(namespace: &Namespace, from: &str, network: &str, address: &str) -> String {
    let text = format!("{from} to {address} over {network}");
    let args = ["exec", from, "--container=task", "--", "probe", "ask", network, address, &text];
    // A Service takes a moment to be known on each node; a pod that is ready does not.
    let answered = namespace.until(&text, PATIENCE, &args, |answer| answer.trim() == text);
    answered.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn pods_of_two_nodes_reach_each_other_and_their_services() {
    let Some(cluster) = Cluster::for_test() else { return };
    let nodes = cluster.ready_nodes().unwrap();
    let [a, b, ..] = &nodes[..] else { panic!("two nodes are needed, ready are {nodes:?}") };
    let namespace = Namespace::new(&cluster, "smoke").unwrap();
    namespace.apply(&(pod("a", a, BUSYBOX) + &pod("b", b, BUSYBOX))).unwrap();
    for name in ["a", "b"] {
        namespace.wait(&format!("pod/{name}"), "condition=Ready", PATIENCE).unwrap();
        let logs = namespace.kubectl(&["logs", name, "--container=task"]).unwrap();
        assert_eq!(logs, format!("here is {name}\n"));
    }
    let path = "jsonpath={.status.podIP}";
    for (from, to) in [("a", "b"), ("b", "a")] {
        let address = namespace.kubectl(&["get", "pod", to, "--output", path]).unwrap();
        for network in ["udp", "tcp"] {
            ask(&namespace, from, network, &format!("{address}:7000"));
            ask(&namespace, from, network, &format!("{to}:7000"));
            // Through a Service back to oneself: what bridges get wrong.
            let own = format!("{from}.{}.svc.cluster.local:7000", namespace.name());
            ask(&namespace, from, network, &own);
        }
    }
}

#[test]
fn a_pod_that_is_not_restricted_is_refused() {
    let Some(cluster) = Cluster::for_test() else { return };
    let namespace = Namespace::new(&cluster, "restricted").unwrap();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec:\n  hostNetwork: true\n  \
               containers: [{name: x, image: x, securityContext: {privileged: true}}]\n";
    let error = namespace.apply(pod).unwrap_err().to_string();
    assert!(error.contains("violates PodSecurity \"restricted"), "{error}");
}

#[test]
fn what_a_pod_writes_to_its_volume_is_read_on_the_host() {
    let Some(cluster) = Cluster::own_for_test() else { return };
    let mut namespace = Namespace::new(&cluster, "volume").unwrap();
    let directory = namespace.volume("data", Machine::B).unwrap();
    let claim = format!(
        r"apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data}}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: egret-local
  volumeName: {name}-data
  resources: {{requests: {{storage: 1Gi}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: writer}}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    fsGroup: 65532
    seccompProfile: {{type: RuntimeDefault}}
  containers:
  - name: writer
    image: {BUSYBOX}
    imagePullPolicy: IfNotPresent
    command: [sh, -c, 'seq 1 1000 > /data/answer']
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {{drop: [ALL]}}
    volumeMounts: [{{name: data, mountPath: /data}}]
  volumes:
  - name: data
    persistentVolumeClaim: {{claimName: data}}
",
        name = namespace.name()
    );
    namespace.apply(&claim).unwrap();
    namespace.wait("pod/writer", "jsonpath={.status.phase}=Succeeded", PATIENCE).unwrap();
    let phase = ["get", "pvc", "data", "--output", "jsonpath={.status.phase}"];
    assert_eq!(namespace.kubectl(&phase).unwrap(), "Bound");
    let on = ["get", "pod", "writer", "--output", "jsonpath={.spec.nodeName}"];
    assert_eq!(namespace.kubectl(&on).unwrap(), Machine::B.name());
    let answer = fs::read_to_string(directory.join("answer")).unwrap();
    assert_eq!(answer.lines().count(), 1000);
}
