//! What holds of every packing, and the cases that Heron's packing tests state.

use super::*;
use egret_topology::{
    declaration::Catalog, id::TaskId, packing_plan::PodResources, validate::validate,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A topology of these components with so many tasks each; the first is the spout.
fn topology(components: &[(&str, u32)], settings: Value) -> Logical {
    with_requests(components, settings, &json!({}))
}

fn with_requests(components: &[(&str, u32)], mut spec: Value, requests: &Value) -> Logical {
    let component = |(i, (name, parallelism)): (usize, &(&str, u32))| {
        let mut component = json!({
            "name": name, "parallelism": parallelism, "streams": [{"fields": ["x"]}],
            "resources": {"requests": requests.get(*name).unwrap_or(&json!({}))},
        });
        if i > 0 {
            component["inputs"] = json!([{"from": components[0].0}]);
        }
        component
    };
    let mut all: Vec<Value> = components.iter().enumerate().map(component).collect();
    spec["spouts"] = json!([all.remove(0)]);
    spec["bolts"] = json!(all);
    let resource = json!({
        "apiVersion": "egret.dev/v1alpha1", "kind": "Topology", "metadata": {"name": "t"},
        "spec": spec,
    });
    validate(&serde_json::from_value(resource).unwrap(), &Catalog::default()).unwrap()
}

/// Per pod, the tasks as `component[index]`.
fn shape(plan: &PackingPlan) -> Vec<Vec<String>> {
    let name = |task: &PackedTask| format!("{}[{}]", task.component, task.index);
    plan.pods.iter().map(|pod| pod.tasks.iter().map(name).collect()).collect()
}

fn count(pod: &PackedPod, component: &str) -> usize {
    pod.tasks.iter().filter(|task| task.component == component).count()
}

fn sizes(plan: &PackingPlan) -> Vec<usize> {
    plan.pods.iter().map(|pod| pod.tasks.len()).collect()
}

/// Tasks that are in both plans, in different pods.
fn moves(before: &PackingPlan, after: &PackingPlan) -> usize {
    let old: BTreeMap<TaskId, PodId> = before.tasks().map(|(t, pod)| (t.task, pod)).collect();
    after.tasks().filter(|(t, pod)| old.get(&t.task).is_some_and(|old| old != pod)).count()
}

fn assert_whole(logical: &Logical, plan: &PackingPlan) {
    let all: BTreeSet<(&str, u32)> =
        plan.tasks().map(|(task, _)| (task.component.as_str(), task.index)).collect();
    let ids: BTreeSet<TaskId> = plan.tasks().map(|(task, _)| task.task).collect();
    assert_eq!(plan.tasks().count(), logical.tasks() as usize);
    assert_eq!((all.len(), ids.len()), (logical.tasks() as usize, logical.tasks() as usize));
    assert!(plan.pods.iter().enumerate().all(|(i, pod)| pod.id == PodId(i as u32)));
    assert!(plan.pods.iter().all(|pod| !pod.tasks.is_empty()), "{:?}", shape(plan));
    assert!(ids.iter().all(|id| *id < plan.next_task));
}

// === round robin ===

#[test]
fn round_robin_spreads_each_component_evenly() {
    let logical = topology(&[("spout", 4), ("bolt", 4)], json!({"pods": 2}));
    let plan = pack(&logical, None).unwrap();
    assert_eq!(sizes(&plan), [4, 4]);
    for pod in &plan.pods {
        assert_eq!((count(pod, "spout"), count(pod, "bolt")), (2, 2));
    }
}

#[test]
fn round_robin_repacks_into_even_pods() {
    let before = pack(&topology(&[("spout", 4), ("bolt", 4)], json!({"pods": 2})), None).unwrap();
    let after = topology(&[("spout", 3), ("bolt", 5)], json!({"pods": 2}));
    let plan = pack(&after, Some(&before)).unwrap();
    assert_whole(&after, &plan);
    assert_eq!(sizes(&plan), [4, 4]);
    assert_eq!(moves(&before, &plan), 0);
}

#[test]
fn tasks_go_round_the_pods() {
    let logical = topology(&[("lines", 2), ("split", 3), ("count", 2)], json!({"pods": 3}));
    assert_eq!(
        shape(&pack(&logical, None).unwrap()),
        [
            vec!["lines[0]", "split[1]", "count[1]"],
            vec!["lines[1]", "split[2]"],
            vec!["split[0]", "count[0]"],
        ]
    );
}

#[test]
fn a_second_pod_takes_over_single_tasks() {
    let components = [("a", 1), ("b", 1), ("c", 1), ("d", 1)];
    let before = pack(&topology(&components, json!({"pods": 1})), None).unwrap();
    let after = pack(&topology(&components, json!({"pods": 2})), Some(&before)).unwrap();
    assert_eq!(sizes(&after), [2, 2]);
    assert_eq!(moves(&before, &after), 2);
}

#[test]
fn round_robin_adds_the_stream_managers_share() {
    let requests = json!({"a": {"cpu": "1", "memory": "100Mi"}});
    let logical = with_requests(&[("a", 2)], json!({"pods": 1}), &requests);
    let plan = pack(&logical, None).unwrap();
    let expected = PodResources { cpu_millis: 2200, memory_bytes: 220 << 20 };
    assert_eq!(plan.pods[0].resources, expected);
}

/// The fewest moves of any packing that is even per component and in total, by trying all.
fn fewest_moves(logical: &Logical, before: &PackingPlan) -> usize {
    fn search(
        c: usize,
        parts: &[(usize, Vec<usize>)],
        load: &mut Vec<usize>,
        kept: usize,
        best: &mut Option<usize>,
    ) {
        let pods = load.len();
        let Some((tasks, have)) = parts.get(c) else {
            let (most, least) = (load.iter().max(), load.iter().min());
            if most.unwrap() - least.unwrap() <= 1 {
                *best = (*best).max(Some(kept));
            }
            return;
        };
        for extras in 0_u32..1 << pods {
            if extras.count_ones() as usize != tasks % pods {
                continue;
            }
            let quota = |pod: usize| tasks / pods + (extras >> pod & 1) as usize;
            let keeps: usize = (0..pods).map(|pod| quota(pod).min(have[pod])).sum();
            (0..pods).for_each(|pod| load[pod] += quota(pod));
            search(c + 1, parts, load, kept + keeps, best);
            (0..pods).for_each(|pod| load[pod] -= quota(pod));
        }
    }
    let pods = logical.pods as usize;
    let mut stay = 0;
    let mut parts = Vec::new();
    for component in &logical.components {
        let mut have = vec![0; pods];
        for (task, pod) in before.tasks() {
            if task.component == component.name && task.index < component.parallelism {
                stay += 1;
                if let Some(have) = have.get_mut(pod.0 as usize) {
                    *have += 1;
                }
            }
        }
        parts.push((component.parallelism as usize, have));
    }
    let mut best = None;
    search(0, &parts, &mut vec![0; pods], 0, &mut best);
    stay - best.expect("an even packing exists")
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn named(tasks: &[u32]) -> Vec<(&'static str, u32)> {
    NAMES.into_iter().zip(tasks.iter().copied()).collect()
}

proptest! {
    #[test]
    fn round_robin_is_even_and_moves_the_fewest_tasks(
        steps in prop::collection::vec((prop::collection::vec(1_u32..7, 4), 1_u32..5), 2..5),
    ) {
        let mut previous: Option<PackingPlan> = None;
        for (tasks, pods) in steps {
            let logical = topology(&named(&tasks), json!({"pods": pods}));
            let plan = pack(&logical, previous.as_ref()).unwrap();
            assert_whole(&logical, &plan);
            prop_assert_eq!(plan.pods.len(), pods as usize);
            for name in NAMES {
                let counts = plan.pods.iter().map(|pod| count(pod, name));
                prop_assert!(counts.clone().max().unwrap() - counts.min().unwrap() <= 1);
            }
            let sizes = sizes(&plan);
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
            if let Some(previous) = &previous {
                prop_assert_eq!(moves(previous, &plan), fewest_moves(&logical, previous));
            }
            prop_assert_eq!(&pack(&logical, Some(&plan)).unwrap(), &plan, "nothing to do");
            previous = Some(plan);
        }
    }

    #[test]
    fn first_fit_keeps_every_pod_within_its_capacity(
        steps in prop::collection::vec(prop::collection::vec((1_u32..6, 1_u32..9), 4), 1..4),
    ) {
        let mut previous: Option<PackingPlan> = None;
        for step in steps {
            let tasks: Vec<u32> = step.iter().map(|(tasks, _)| *tasks).collect();
            let requests: Value = NAMES.iter().zip(&step)
                .map(|(name, (_, memory))| (*name, json!({"memory": format!("{memory}Gi")})))
                .map(|(name, requests)| (name.to_owned(), requests))
                .collect::<serde_json::Map<_, _>>().into();
            let capacity = json!({"cpu": "100", "memory": "10Gi"});
            let packing = "FirstFitDecreasing";
            let settings = json!({"packing": packing, "pods": 20, "podCapacity": capacity});
            let logical = with_requests(&named(&tasks), settings, &requests);
            let plan = pack(&logical, previous.as_ref()).unwrap();
            assert_whole(&logical, &plan);
            for pod in &plan.pods {
                prop_assert!(pod.resources.memory_bytes <= 10 << 30);
            }
            prop_assert_eq!(&pack(&logical, Some(&plan)).unwrap(), &plan, "nothing to do");
            previous = Some(plan);
        }
    }
}

// === first fit decreasing: one CPU and 1 GiB per task, pods of four of them, unless said otherwise
// ===

fn heron(spouts: u32, bolts: u32, pods: u32, memory: [&str; 3]) -> Logical {
    let [spout, bolt, pod] = memory;
    let requests = json!({
        "spout": {"cpu": "1", "memory": spout}, "bolt": {"cpu": "1", "memory": bolt}
    });
    let settings = json!({
        "packing": "FirstFitDecreasing", "pods": pods, "podCapacity": {"cpu": "4", "memory": pod}
    });
    with_requests(&[("spout", spouts), ("bolt", bolts)], settings, &requests)
}

const EVEN: [&str; 3] = ["1Gi", "1Gi", "4Gi"];
const LARGE_BOLTS: [&str; 3] = ["1Gi", "4Gi", "10Gi"];

#[test]
fn seven_default_tasks_need_three_pods() {
    let plan = pack(&heron(4, 3, 9, EVEN), None).unwrap();
    assert_eq!(sizes(&plan), [3, 3, 1]);
}

#[test]
fn five_more_tasks_need_a_fourth_pod_and_move_nothing() {
    let before = pack(&heron(4, 3, 9, EVEN), None).unwrap();
    let after = pack(&heron(4, 8, 9, EVEN), Some(&before)).unwrap();
    assert_eq!(after.pods.len(), 4);
    assert_eq!(moves(&before, &after), 0);
}

#[test]
fn large_bolts_go_first() {
    let plan = pack(&heron(4, 3, 9, LARGE_BOLTS), None).unwrap();
    assert_eq!(
        shape(&plan),
        [
            vec!["spout[0]", "bolt[0]", "bolt[1]"],
            vec!["spout[1]", "spout[2]", "bolt[2]"],
            vec!["spout[3]"],
        ]
    );
}

#[test]
fn three_more_large_bolts_need_a_fourth_pod_and_move_nothing() {
    let before = pack(&heron(4, 3, 9, LARGE_BOLTS), None).unwrap();
    let after = pack(&heron(4, 6, 9, LARGE_BOLTS), Some(&before)).unwrap();
    assert_eq!(after.pods.len(), 4);
    assert_eq!(moves(&before, &after), 0);
}

#[test]
fn an_emptied_pod_is_filled_by_the_last_one() {
    let before = pack(&heron(4, 3, 9, LARGE_BOLTS), None).unwrap();
    // Only spout[0] and bolt[0] stay, both in pod 0; pods 1 and 2 are gone.
    let after = pack(&heron(1, 1, 9, LARGE_BOLTS), Some(&before)).unwrap();
    assert_eq!(shape(&after), [["spout[0]", "bolt[0]"]]);
    assert_eq!(moves(&before, &after), 0);
}

#[test]
fn a_full_packing_is_done_anew_before_it_is_refused() {
    // Spouts of 3 GiB in a pod each leave no room for a bolt of 8; together they do.
    let before = pack(&topology(&[("spout", 2)], json!({"pods": 2})), None).unwrap();
    let logical = heron(2, 1, 2, ["3Gi", "8Gi", "10Gi"]);
    let after = pack(&logical, Some(&before)).unwrap();
    assert_whole(&logical, &after);
    assert_eq!(shape(&after), [vec!["bolt[0]"], vec!["spout[0]", "spout[1]"]]);
}

#[test]
fn a_task_larger_than_a_pod_is_named_with_its_numbers() {
    let error = pack(&heron(1, 1, 9, ["1Gi", "4Gi", "4Gi"]), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a task of `bolt` requests 1000m CPU and 4096Mi memory, with 10 % for the stream manager \
         more than a pod's 4000m CPU and 4096Mi memory; raise `podCapacity` or lower the requests \
         of `bolt`"
    );
}

#[test]
fn too_few_pods_are_refused_with_what_does_not_fit() {
    let error = pack(&heron(4, 3, 2, EVEN), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1 of 7 tasks do not fit into 2 pods of 4000m CPU and 4096Mi memory each, the first of \
         them \
         a task of `bolt` that requests 1000m CPU and 1024Mi memory; raise `pods` or \
         `podCapacity`, \
         or lower requests or parallelism"
    );
}

#[test]
fn tasks_without_requests_have_defaults() {
    let logical = topology(&[("a", 18)], json!({"packing": "FirstFitDecreasing", "pods": 2}));
    assert_eq!(sizes(&pack(&logical, None).unwrap()), [18]);
}
