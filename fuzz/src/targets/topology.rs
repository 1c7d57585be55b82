//! Topology files: from text to a physical plan, or to words about what is wrong.

use crate::inside::load::{environment, overrides::Override, positions::Positions, shape, yaml};
use egret_packing::pack;
use egret_topology::{
    declaration::{Catalog, Description},
    id::Epoch,
    logical::Logical,
    physical::Deployment,
    plan::{ComponentKind, PhysicalPlan, PlanIndex, RunState},
    resource::Resource,
    validate::validate,
};
use serde_json::json;
use serde_yaml::Value;
use std::sync::LazyLock;

static BUILT_IN: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::new(egret_components::registry().describe().components));

/// A topology file; behind a zero byte the file of `--env-file`, behind another what `--set` says.
pub(crate) fn topology(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut parts = text.split('\0');
    let Ok((mut value, positions)) = yaml::parse("file", parts.next().unwrap_or_default()) else {
        return;
    };
    if let Some(text) = parts.next() {
        let Ok(known) = environment::parse("environment", text) else { return };
        let mut unknown = Vec::new();
        environment::substitute(&mut value, "", &positions, &known, &mut unknown);
    }
    if let Some(set) = parts.next()
        && let Ok(set) = Override::parse(set)
    {
        let _ = set.apply(&mut value);
    }
    load(&value, &positions);
}

fn load(value: &Value, positions: &Positions) {
    let resource = match shape::resource(value) {
        Ok(resource) => resource,
        Err(found) => {
            for misshapen in found {
                let _ = (positions.of(&misshapen.path), positions.of_key(&misshapen.path));
                assert!(!misshapen.what.is_empty(), "no word of what is wrong");
            }
            return;
        }
    };
    match validate(&resource, &BUILT_IN) {
        Ok(logical) => deploy(&logical),
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            for problem in problems {
                let _ = positions.of(&problem.path);
                assert!(!problem.to_string().is_empty());
            }
        }
    }
}

/// What is valid can be run: its plan is one that every stream manager takes.
fn deploy(logical: &Logical) {
    let Ok(packing) = pack(logical, None) else { return };
    assert_eq!(pack(logical, Some(&packing)).ok().as_ref(), Some(&packing), "packing is unstable");
    let deployment = Deployment {
        uid: "u".to_owned(),
        revision: 1,
        epoch: Epoch(1),
        state: RunState::Running,
        edge_key: 7,
        rolling: Default::default(),
        addresses: packing.pods.iter().map(|_| ([127, 0, 0, 1], 1).into()).collect(),
    };
    let plan = PhysicalPlan::of(logical, &packing, deployment).expect("it was packed");
    PlanIndex::new(plan).expect("a valid topology makes a plan that holds");
}

/// What a binary says of its components, and a topology of all of them.
pub(crate) fn describe(input: &[u8]) {
    let Ok(description) = serde_json::from_slice::<Description>(input) else { return };
    let names = |kind| {
        let of = description.components.iter().filter(move |declared| declared.kind == kind);
        of.map(|declared| declared.name.clone()).take(4).collect::<Vec<_>>()
    };
    let (spouts, bolts) = (names(ComponentKind::Spout), names(ComponentKind::Bolt));
    let json = serde_json::to_vec(&description).expect("a description that was read is written");
    serde_json::from_slice::<Description>(&json).expect("a description that was written is read");
    let first = spouts.first().cloned().unwrap_or_default();
    let resource = json!({
        "apiVersion": "egret.dev/v1alpha1", "kind": "Topology", "metadata": {"name": "t"},
        "spec": {
            "spouts": spouts.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
            "bolts": bolts.iter().map(|name| json!({"name": name, "inputs": [{"from": first}]}))
                .collect::<Vec<_>>(),
        },
    });
    let Ok(resource) = serde_json::from_value::<Resource>(resource) else { return };
    if let Ok(logical) = validate(&resource, &Catalog::new(description.components)) {
        deploy(&logical);
    }
}
