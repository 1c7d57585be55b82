//! The CustomResourceDefinition as a whole.

use crate::{
    resource::{GROUP, VERSION},
    schema, status,
};
use egret_topology::resource::KIND;
use serde_json::{Value, json};

/// Plural of the kind, as in URLs.
pub const PLURAL: &str = "topologies";

/// Name of the CustomResourceDefinition.
pub const NAME: &str = "topologies.egret.dev";

/// A bound or rule stands at a path that the types do not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSchema {
    /// The path.
    pub path: String,
}

impl std::fmt::Display for BadSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the schema of {KIND} has no field `{}` to put a bound or rule at", self.path)
    }
}

impl std::error::Error for BadSchema {}

/// The CustomResourceDefinition, as it is applied.
pub fn definition() -> Result<Value, BadSchema> {
    Ok(json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": NAME,
            "annotations": {"egret.dev/bundle-version": concat!("v", env!("CARGO_PKG_VERSION"))},
            "labels": {"app.kubernetes.io/part-of": "egret"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": format!("{KIND}List"),
                "plural": PLURAL,
                "singular": "topology",
                "shortNames": ["topo"],
                "categories": ["streaming"],
            },
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "subresources": {
                    "status": {},
                    // Pods and not tasks: keys stay with their tasks.
                    "scale": {
                        "specReplicasPath": ".spec.pods",
                        "statusReplicasPath": ".status.replicas",
                        "labelSelectorPath": ".status.selector",
                    },
                },
                "selectableFields": [
                    {"jsonPath": ".spec.state"},
                    {"jsonPath": ".spec.delivery"},
                    {"jsonPath": ".status.state"},
                ],
                "additionalPrinterColumns": columns(),
                "schema": {"openAPIV3Schema": schema::schema()?},
            }],
        },
    }))
}

fn columns() -> Value {
    let ready =
        |field: &str| format!(".status.conditions[?(@.type==\"{}\")].{field}", status::READY);
    json!([
        {"name": "Ready", "type": "string", "jsonPath": ready("status")},
        {"name": "State", "type": "string", "jsonPath": ".status.state"},
        {"name": "Pods", "type": "string", "jsonPath": ".status.pods"},
        {"name": "Reason", "type": "string", "jsonPath": ready("reason")},
        {"name": "Revision", "type": "integer", "jsonPath": ".status.revision", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_far_below_what_client_side_apply_stores() {
        let json = serde_json::to_string(&definition().unwrap()).unwrap();
        assert!(json.len() < 64 << 10, "{} bytes", json.len());
    }

    #[test]
    fn the_definition_is_one() {
        use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as api;
        let typed: api::CustomResourceDefinition =
            serde_json::from_value(definition().unwrap()).unwrap();
        assert_eq!(typed.spec.names.plural, PLURAL);
        assert_eq!(typed.metadata.name.unwrap(), format!("{PLURAL}.{GROUP}"));
    }
}
