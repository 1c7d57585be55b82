//! The alerts that only a cluster can show fire for what they are there for, with the rules'
//! minutes made seconds. The operator is restarted, so this test is alone in its program.

// Also in the fixtures, which clippy does not take for tests.
#![allow(clippy::unwrap_used)]

#[path = "host/prometheus.rs"]
mod prometheus;

use egret_e2e::{Cluster, Namespace, installed::DEPLOYMENT};
use prometheus::{Prometheus, is_installed, operator};
use serde_json::{Value, json};
use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(120);
const WORDS: &str = "spouts: [{name: words, config: {rate: 10}}]\n\
                     bolts: [{name: end, component: discard, inputs: [{from: words}]}]\n";

/// Of an image that nobody has: what is asked for is never reached.
const IMAGELESS: &str = "imagePullPolicy: Never\n\
    spouts: [{name: words, image: \"localhost/nobody:has\", streams: [{fields: [word]}]}]\n\
    bolts: [{name: end, component: discard, inputs: [{from: words}]}]\n";

/// The rules as they are shipped, for those who cannot wait.
fn hurried() -> (TempDir, PathBuf) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../dashboards/rules.yaml");
    // Failures are repeated ever more slowly: of half a minute, seven fall into this.
    let text = fs::read_to_string(path).unwrap().replace("[15m]", "[40s]");
    let hurried = |line: &str| match line.trim_start().starts_with("for: ") {
        true => "    for: 2s\n".to_owned(),
        false => format!("{line}\n"),
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rules.yaml");
    fs::write(&file, text.lines().map(hurried).collect::<String>()).unwrap();
    (dir, file)
}

/// Waits until an alert fires that has these labels.
#[track_caller]
fn fires(prometheus: &Prometheus, alert: &str, labels: &str) {
    let query = format!(r#"ALERTS{{alertname="{alert}", alertstate="firing"{labels}}}"#);
    prometheus.until(&query, |found| !found.is_empty());
}

/// Restarts the operator, and reads the new one.
fn restarted(cluster: &Cluster) {
    let name = operator(cluster).instance;
    cluster.operator_kubectl(&["delete", "pod", &name, "--wait=true"]).unwrap();
    cluster.operator_ready().unwrap();
}

/// Nobody leads while this lives.
struct Leaderless<'a>(&'a Cluster);

impl<'a> Leaderless<'a> {
    fn make(cluster: &'a Cluster) -> Leaderless<'a> {
        scale(cluster, "0").unwrap();
        Leaderless(cluster)
    }
}

impl Drop for Leaderless<'_> {
    fn drop(&mut self) {
        // The next test waits for it, and says so if it does not come back.
        let _ = scale(self.0, "1");
    }
}

fn scale(cluster: &Cluster, replicas: &str) -> Result<String, egret_e2e::Error> {
    let replicas = format!("--replicas={replicas}");
    cluster.operator_kubectl(&["scale", DEPLOYMENT, &replicas])
}

/// Somebody is to be asked before identities are written, and is not there.
struct Webhook<'a>(&'a Cluster, String);

impl<'a> Webhook<'a> {
    fn over(cluster: &'a Cluster, namespace: &Namespace) -> Webhook<'a> {
        let name = format!("nobody-{}", namespace.name());
        let labels = json!({"kubernetes.io/metadata.name": namespace.name()});
        let webhook = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [{
                "name": "nobody.egret.dev",
                "clientConfig": {"url": "https://127.0.0.1:1/"},
                "namespaceSelector": {"matchLabels": labels},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["secrets"],
                           "operations": ["CREATE", "UPDATE"]}],
                "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": 1,
                "admissionReviewVersions": ["v1"],
            }],
        });
        cluster.apply(&webhook.to_string()).unwrap();
        Webhook(cluster, name)
    }
}

impl Drop for Webhook<'_> {
    fn drop(&mut self) {
        let args = ["delete", "validatingwebhookconfiguration", &self.1];
        // Whoever it is about goes with its namespace.
        let _ = self.0.kubectl(&args);
    }
}

/// Certificates of a pod are past their renewal, and cannot be replaced: their Secret is immutable.
fn outdate(namespace: &Namespace) {
    let args = ["get", "secrets", "--output", "json"];
    let secrets: Value = serde_json::from_str(&namespace.kubectl(&args).unwrap()).unwrap();
    let renewed = |secret: &&Value| {
        let annotations = &secret["metadata"]["annotations"];
        annotations["egret.dev/renew-at"].is_string()
    };
    let secret = secrets["items"].as_array().unwrap().iter().find(renewed).unwrap();
    let name = secret["metadata"]["name"].as_str().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // They end 30 days after they should have been renewed: ten days are left.
    let due = (now - 20 * 24 * 3600).to_string();
    let patch = json!({"immutable": true,
                       "metadata": {"annotations": {"egret.dev/renew-at": due}}});
    let args = ["patch", "secret", name, "--type=merge", "--patch", &patch.to_string()];
    namespace.kubectl(&args).unwrap();
}

#[test]
fn certificates_rollouts_and_operators_that_fail_fire_their_alerts() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    if !is_installed() {
        return;
    }
    let namespace = Namespace::new(&cluster, "alerts").unwrap();
    let (_dir, rules) = hurried();
    let old = namespace.deploy("old", WORDS).unwrap();
    old.condition("Ready", "True", PATIENCE).unwrap();
    outdate(&namespace);
    restarted(&cluster);

    namespace.deploy("stuck", IMAGELESS).unwrap();
    let prometheus = Prometheus::start(&[operator(&cluster)], Some(&rules));
    let of = |name: &str| format!(r#", topology="{name}", namespace="{}""#, namespace.name());
    fires(&prometheus, "EgretCertificateEnds", &of("old"));
    fires(&prometheus, "EgretRolloutStuck", &of("stuck"));

    let webhook = Webhook::over(&cluster, &namespace);
    let unmade = namespace.deploy("unmade", WORDS).unwrap();
    fires(&prometheus, "EgretOperatorErrors", r#", reason="apply""#);
    drop(webhook);
    unmade.condition("Ready", "True", PATIENCE).unwrap();

    let leaderless = Leaderless::make(&cluster);
    fires(&prometheus, "EgretOperatorErrors", r#", reason="""#);
    drop(leaderless);
    cluster.operator_ready().unwrap();
}
