//! Physical plans: from a file, a peer or the operator to the index that everybody asks.

use egret_flow::{Flow, Limits};
use egret_topology::{
    id::{Incarnation, PodId},
    plan::{PhysicalPlan, PlanIndex},
};

/// A plan as JSON: refused, or fit to be worked under.
pub(crate) fn plan(input: &[u8]) {
    let Ok(plan) = serde_json::from_slice::<PhysicalPlan>(input) else { return };
    let json = serde_json::to_vec(&plan).expect("a plan that was read is written");
    assert_eq!(serde_json::from_slice::<PhysicalPlan>(&json).ok().as_ref(), Some(&plan));
    let Ok(index) = PlanIndex::new(plan) else { return };
    ask(&index);
    for pod in index.plan().pods.iter().map(|pod| pod.id).chain([PodId(u32::MAX)]) {
        let mut flow = Flow::new(pod, Incarnation(1), false, Limits::default());
        let known = index.plan().pods.iter().any(|planned| planned.id == pod);
        let taken = flow.set_plan(0, index.clone());
        assert_eq!(taken.is_ok(), known, "pod {pod}");
        if known {
            assert_eq!(flow.set_plan(0, index.clone()), Ok(false), "the same plan twice");
        }
        while flow.poll_effect().is_some() {}
    }
}

fn ask(index: &PlanIndex) {
    let plan = index.plan();
    for component in 0..plan.components.len() {
        for edge in index.downstream(component) {
            assert!(edge.component < plan.components.len());
        }
        for source in index.sources_of(component) {
            assert!(index.task(source).is_some());
        }
    }
    for task in plan.tasks.iter().take(50) {
        assert!(index.component_of(task.id).is_some() && index.pod_of(task.id).is_some());
        assert!(index.reaches(task.id, task.id) && !index.describe(task.id).is_empty());
        let _ = index.touches(task.id, task.pod);
    }
}
