//! What users lay over pods, and what they may not.

use egret_e2e::{Cluster, Life, Namespace, condition};
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(90);

const SPEC: &str = "
pods: 2
volumes: [{name: scratch, emptyDir: {sizeLimit: 1Mi}}]
podTemplate:
  metadata: {labels: {team: data}, annotations: {example.org/note: hello}}
  spec:
    terminationGracePeriodSeconds: 7
    tolerations: [{key: dedicated, operator: Exists}]
spouts:
- name: words
  image: egret.dev/instance:0.1.0
  config: {rate: 10}
  env:
  - {name: PLAIN, value: $(NOT_EXPANDED)}
  - name: TOKEN
    valueFrom: {secretKeyRef: {name: token, key: token}}
  envFrom: [{prefix: SITE_, configMapRef: {name: site}}]
  resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {cpu: 500m, memory: 64Mi}}
bolts:
- name: count
  inputs: [{from: words, grouping: Fields, fields: [word]}]
  volumeMounts: [{name: scratch, mountPath: /scratch}]
";

#[test]
fn pods_have_what_is_laid_over_them() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "overlay").unwrap();
    namespace.kubectl(&["create", "secret", "generic", "token", "--from-literal=token=x"]).unwrap();
    namespace.kubectl(&["create", "configmap", "site", "--from-literal=REGION=north"]).unwrap();
    let topology = namespace.deploy("t", SPEC).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    let pod = namespace.kubectl(&["get", "pod", "t-0-1", "--output=json"]).unwrap();
    let pod: Value = serde_json::from_str(&pod).unwrap();
    assert_eq!(pod["metadata"]["labels"]["team"], "data");
    assert_eq!(pod["metadata"]["annotations"]["example.org/note"], "hello");
    assert_eq!(pod["spec"]["terminationGracePeriodSeconds"], 7);
    assert_eq!(pod["spec"]["tolerations"][0]["key"], "dedicated");
    let words = &pod["spec"]["containers"][0];
    assert_eq!(words["resources"]["limits"]["cpu"], "500m");
    assert_eq!(words["env"][0]["value"], "$$(NOT_EXPANDED)");
    assert_eq!(words["envFrom"][0]["configMapRef"]["name"], "site");
}

#[test]
fn what_gives_more_rights_is_refused_with_words() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "guard").unwrap();
    let spec = "
podTemplate: {spec: {hostNetwork: true}}
spouts: [{name: words}]
";
    let topology = namespace.deploy("t", spec).unwrap();
    assert_eq!(topology.condition("Accepted", "False", PATIENCE).unwrap(), "Forbidden");
    let object = topology.object().unwrap();
    let message = condition(&object, "Accepted")["message"].as_str().unwrap();
    let expected = "spec.podTemplate.spec.hostNetwork: `hostNetwork` is not allowed";
    assert!(message.starts_with(expected), "{message}");
    assert_eq!(topology.pods().unwrap(), []);
}

#[test]
fn a_field_that_pods_do_not_have_is_refused_by_its_name() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "misspelt").unwrap();
    let spec = "
podTemplate: {spec: {nodeSelectr: {disk: fast}}}
spouts: [{name: words, config: {rate: 10}}]
";
    let topology = namespace.deploy("t", spec).unwrap();
    assert_eq!(topology.condition("Accepted", "False", PATIENCE).unwrap(), "ApiRefused");
    let object = topology.object().unwrap();
    let message = condition(&object, "Accepted")["message"].as_str().unwrap();
    assert!(message.contains("unknown field \"spec.nodeSelectr\""), "{message}");
    topology.change(&json!({"podTemplate": null})).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
}

#[test]
fn what_runs_goes_on_when_a_change_of_it_is_refused() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "refused-change").unwrap();
    let topology = namespace.deploy("t", "spouts: [{name: words, config: {rate: 10}}]").unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    topology.change(&json!({"podTemplate": {"spec": {"hostPID": true}}})).unwrap();
    assert_eq!(topology.condition("Accepted", "False", PATIENCE).unwrap(), "Forbidden");
    assert_eq!(topology.condition("Ready", "True", PATIENCE).unwrap(), "Running");
    namespace.kubectl(&["delete", "pod", "t-0-1", "--wait=false"]).unwrap();
    let next = |pods: &[Life]| pods.iter().any(|pod| pod.name == "t-0-2" && !pod.terminating);
    topology.until_pods("another pod", PATIENCE, next).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
}

#[test]
fn a_pod_that_is_refused_says_why_and_starts_once_it_is_not() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "quota").unwrap();
    namespace.kubectl(&["create", "quota", "none", "--hard=pods=0"]).unwrap();
    // The quota is in force when its usage is known.
    let used = ["get", "quota", "none", "--output=jsonpath={.status.used.pods}"];
    namespace.until("a quota in force", PATIENCE, &used, |used| used == "0").unwrap();
    let topology = namespace.deploy("t", "spouts: [{name: words, config: {rate: 10}}]").unwrap();
    assert_eq!(topology.condition("Accepted", "False", PATIENCE).unwrap(), "ApiRefused");
    let object = topology.object().unwrap();
    let message = condition(&object, "Accepted")["message"].as_str().unwrap();
    assert!(message.contains("exceeded quota"), "{message}");
    namespace.kubectl(&["delete", "quota", "none"]).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
}

#[test]
fn the_operator_keeps_its_hands_off_while_it_is_told_to() {
    let Some(cluster) = Cluster::with_operator_for_test() else { return };
    let namespace = Namespace::new(&cluster, "hands-off").unwrap();
    let topology = namespace.deploy("t", "spouts: [{name: words, config: {rate: 10}}]").unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
    let annotate = |value: &str| {
        let resource = topology.resource();
        namespace.kubectl(&["annotate", &resource, "--overwrite", value]).unwrap();
    };
    annotate("egret.dev/hands-off=true");
    topology.tells(&["HandsOff"], PATIENCE).unwrap();
    namespace.kubectl(&["delete", "pod", "t-0-1", "--wait=true"]).unwrap();
    assert_eq!(topology.pods().unwrap(), [], "nobody makes another");
    annotate("egret.dev/hands-off=false");
    topology.until_pods("another pod", PATIENCE, |pods| pods.len() == 1).unwrap();
    topology.condition("Ready", "True", PATIENCE).unwrap();
}
