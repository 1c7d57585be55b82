//! From the raw resource to the logical plan, with the rules that only a cluster has.

mod guard;

pub use guard::{Allowed, Feature};

use egret_crd::Topology;
use egret_topology::{
    declaration::{Catalog, Description},
    logical::Logical,
    validate::{Problem, validate as check},
};

/// Problems that a condition lists; the rest is counted.
const MAX_PROBLEMS: usize = 5;

/// Why a resource is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// It breaks rules of topologies.
    Invalid(String),
    /// It asks for what the administrator does not allow.
    Forbidden(String),
}

/// The components that the instance image of this release has.
pub fn builtin() -> Result<Catalog, serde_json::Error> {
    let description: Description = serde_json::from_str(include_str!("builtin.json"))?;
    Ok(Catalog::new(description.components))
}

/// The logical plan of a resource.
pub fn validate(
    topology: &Topology,
    catalog: &Catalog,
    allowed: &Allowed,
) -> Result<Logical, Rejected> {
    let logical = check(&topology.to_resource(), catalog)
        .map_err(|problems| Rejected::Invalid(in_words(&problems)))?;
    let forbidden = guard::check(&logical.on_cluster, allowed);
    if forbidden.is_empty() { Ok(logical) } else { Err(Rejected::Forbidden(in_words(&forbidden))) }
}

fn in_words(problems: &[Problem]) -> String {
    let mut words: Vec<String> =
        problems.iter().take(MAX_PROBLEMS).map(ToString::to_string).collect();
    if problems.len() > MAX_PROBLEMS {
        words.push(format!("and {} more", problems.len() - MAX_PROBLEMS));
    }
    // On a cluster nobody passes a binary.
    let words = words.join("; ").replace("pass --instance BIN with its binary, or list", "list");
    words.replace("for one of your own pass --instance BIN", "for one of your own name its `image`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_topology::resource::Spec;
    use serde_json::{Value, json};

    fn validated(spec: Value) -> Result<Logical, Rejected> {
        let spec: Spec = serde_json::from_value(spec).unwrap();
        let topology = Topology::new("t", spec);
        validate(&topology, &builtin().unwrap(), &Allowed::default())
    }

    #[test]
    fn a_topology_of_built_in_components_is_accepted() {
        let logical = validated(json!({"spouts": [{"name": "words"}]})).unwrap();
        assert_eq!(logical.tasks(), 1);
    }

    #[test]
    fn a_wrong_topology_is_rejected_with_the_first_problems() {
        let spouts: Vec<Value> =
            (0..8).map(|i| json!({"name": format!("s{i}"), "parallelism": 0})).collect();
        let Err(Rejected::Invalid(words)) = validated(json!({"spouts": spouts})) else {
            panic!("accepted");
        };
        assert!(words.starts_with("spec.spouts[0].parallelism: 0 is not in the range"), "{words}");
        assert!(words.ends_with("and 11 more"), "{words}");
    }

    #[test]
    fn what_is_unknown_is_answered_with_what_can_be_done_on_a_cluster() {
        let Err(Rejected::Invalid(words)) = validated(json!({"spouts": [{"name": "mine"}]})) else {
            panic!("accepted");
        };
        assert!(words.contains("for one of your own name its `image`"), "{words}");
        assert!(!words.contains("--instance"), "{words}");
    }

    #[test]
    fn what_only_an_administrator_may_allow_is_forbidden() {
        let rejected = validated(json!({
            "spouts": [{"name": "words"}],
            "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
        }));
        let Err(Rejected::Forbidden(words)) = rejected else { panic!("{rejected:?}") };
        assert!(words.starts_with("spec.volumes[0]: `hostPath` is not allowed"), "{words}");
    }
}
