//! Who may speak to the pods of a topology: each other, the operator, and who reads metrics.

use super::Owner;
use crate::names;
use serde_json::{Value, json};

/// Label that every namespace has, with its name.
const NAMESPACE: &str = "kubernetes.io/metadata.name";

/// Ingress only: components may dial whom they like.
pub fn network_policy(
    owner: &Owner<'_>,
    operator_namespace: &str,
    metrics_namespace: Option<&str>,
) -> Value {
    let within = |name: &str| json!({"matchLabels": {NAMESPACE: name}});
    // UDP is not the default, and QUIC is nothing else.
    let mut ingress = vec![json!({
        "ports": [{"protocol": "UDP", "port": names::LINK_PORT}],
        "from": [
            {"podSelector": owner.selector()},
            {
                "namespaceSelector": within(operator_namespace),
                "podSelector": {"matchLabels": {"app.kubernetes.io/name": "egret-operator"}},
            },
        ],
    })];
    if let Some(namespace) = metrics_namespace {
        ingress.push(json!({
            "ports": [{"protocol": "TCP", "port": names::ADMIN_PORT}],
            "from": [{"namespaceSelector": within(namespace)}],
        }));
    }
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": owner.metadata(owner.name),
        "spec": {
            "podSelector": owner.selector(),
            "policyTypes": ["Ingress"],
            "ingress": ingress,
        },
    })
}
