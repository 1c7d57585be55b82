//! From the logical plan to the record: tasks to pods, pods to lives, tasks and groupings to
//! epochs.

use crate::{
    digest,
    record::{Images, Record},
};
use egret_packing::PackingError;
use egret_topology::{
    id::PodId,
    logical::{Logical, LogicalComponent},
    packing_plan::PackingPlan,
    plan::ComponentKind,
};
use std::collections::BTreeSet;

/// Whether a topology can be packed at all, given what was packed before.
pub fn check(record: Option<&Record>, logical: &Logical) -> Result<(), PackingError> {
    let previous = record.map(|record| &record.packing).filter(|packing| !packing.pods.is_empty());
    egret_packing::pack(logical, previous).map(drop)
}

/// What a topology would be packed into, given what was packed before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// Which task runs in which pod.
    pub packing: PackingPlan,
    /// Digests of what the pods are made of.
    pub definitions: Vec<String>,
    /// Digest of tasks and groupings.
    pub shape: String,
    /// Pods with tasks that begin anew although their pods would not: how many spouts share an
    /// input is known to each of them when it opens that.
    pub renewed: BTreeSet<PodId>,
}

impl Next {
    /// Of a topology that comes after what was recorded.
    pub fn of(record: &Record, logical: &Logical) -> Result<Next, PackingError> {
        let previous = Some(&record.packing).filter(|packing| !packing.pods.is_empty());
        let packing = egret_packing::pack(logical, previous)?;
        let definitions: Vec<String> =
            packing.pods.iter().map(|pod| digest::pod(logical, pod)).collect();
        let shape = digest::shape(logical);
        let was = |name: &str| {
            let tasks = record.packing.tasks().filter(|(task, _)| task.component == name);
            u32::try_from(tasks.count()).unwrap_or(u32::MAX)
        };
        let shared = |component: &&LogicalComponent| {
            let was = was(&component.name);
            component.kind == ComponentKind::Spout && was > 0 && was != component.parallelism
        };
        let spouts: BTreeSet<&str> =
            logical.components.iter().filter(shared).map(|it| it.name.as_str()).collect();
        let same = |pod: PodId| {
            let definition = definitions.get(pod.0 as usize);
            record.pod(pod).is_some_and(|is| Some(&is.definition) == definition)
        };
        let renewed = packing.tasks().filter(|(task, _)| spouts.contains(task.component.as_str()));
        let renewed = renewed.map(|(_, pod)| pod).filter(|pod| same(*pod)).collect();
        Ok(Next { packing, definitions, shape, renewed })
    }

    /// Takes in what a process learns only when it starts: what it is, and whether acks count.
    pub fn renew_others(&mut self, record: &Record, before: &Logical, after: &Logical) {
        let other = |name: &str| {
            let of = |logical: &Logical| logical.component(name).map(|it| it.kind);
            before.delivery != after.delivery || of(before) != of(after)
        };
        let tasks = self.packing.tasks().filter(|(task, _)| other(&task.component));
        let stays = |pod: &PodId| {
            let is = record.pod(*pod).map(|is| &is.definition);
            is.is_some() && is == self.definitions.get(pod.0 as usize)
        };
        let renewed: Vec<PodId> = tasks.map(|(_, pod)| pod).filter(stays).collect();
        self.renewed.extend(renewed);
    }

    /// Whether it is something else than what was recorded.
    pub fn changes(&self, record: &Record) -> bool {
        let same = record.pods().map(|(_, pod)| &pod.definition).eq(&self.definitions);
        !same || record.packing != self.packing || record.shape != self.shape
    }
}

/// Takes a topology over into its record. Nothing changes if it is the same as before.
///
/// The images of the data plane are taken over here only if pods begin `anew`: while there are
/// some, stream managers are upgraded one after the other.
pub fn take_over(
    record: &mut Record,
    logical: &Logical,
    images: &Images,
    anew: bool,
) -> Result<(), PackingError> {
    let Next { packing, definitions, shape, renewed } = Next::of(record, logical)?;
    if anew || record.images.stream_manager.is_empty() {
        record.images = images.clone();
    }
    record.take_packing(packing, definitions);
    record.renew_pods(|pod| renewed.contains(&pod));
    record.take_shape(shape);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        record::Stage,
        validate::{Allowed, builtin, validate},
    };
    use egret_crd::Topology;
    use egret_topology::id::Epoch;
    use serde_json::{Value, json};

    fn images(tag: &str) -> Images {
        Images { stream_manager: format!("manager:{tag}"), instance: format!("instance:{tag}") }
    }

    fn spec() -> Value {
        json!({
            "pods": 2,
            "spouts": [{"name": "lines", "parallelism": 2, "config": {"path": "x"}}],
            "bolts": [
                {"name": "split", "parallelism": 2, "inputs": [{"from": "lines"}]},
                {"name": "print", "inputs": [{"from": "split", "grouping": "Global"}]},
            ],
        })
    }

    fn take(record: &mut Record, spec: &Value, tag: &str) {
        let topology = Topology::new("t", serde_json::from_value(spec.clone()).unwrap());
        let logical = validate(&topology, &builtin().unwrap(), &Allowed::default()).unwrap();
        let anew = !record.replaces_pods();
        take_over(record, &logical, &images(tag), anew).unwrap();
    }

    fn taken(spec: &Value) -> Record {
        let mut record = Record::new("u", 0);
        take(&mut record, spec, "1");
        record.enter(Stage::Live, 1);
        record
    }

    fn lives(record: &Record) -> Vec<u32> {
        record.pods().map(|(_, pod)| pod.life).collect()
    }

    #[test]
    fn the_same_topology_changes_nothing() {
        let record = taken(&spec());
        let mut again = record.clone();
        take(&mut again, &spec(), "1");
        assert_eq!(again, record);
    }

    #[test]
    fn a_newer_operator_restarts_nothing() {
        let record = taken(&spec());
        let mut again = record.clone();
        take(&mut again, &spec(), "2");
        assert_eq!(again, record);
        again.enter(Stage::Down, 2);
        take(&mut again, &spec(), "2");
        assert_eq!(again.images, images("2"));
    }

    #[test]
    fn what_travels_in_the_plan_replaces_no_pod() {
        let mut record = taken(&spec());
        let mut changed = spec();
        changed["maxPending"] = json!(7);
        changed["messageTimeout"] = json!("5s");
        changed["state"] = json!("Paused");
        take(&mut record, &changed, "1");
        assert_eq!(lives(&record), [1, 1]);
        assert_eq!(record.epoch, Epoch(1));
    }

    #[test]
    fn a_pod_is_replaced_only_if_its_own_tasks_changed() {
        let mut record = taken(&spec());
        // `print` has one task, in one pod.
        let pod = record.packing.tasks().find(|(task, _)| task.component == "print").unwrap().1;
        let mut changed = spec();
        changed["bolts"][1]["env"] = json!([{"name": "A", "value": "b"}]);
        take(&mut record, &changed, "1");
        let replaced: Vec<_> =
            record.pods().filter(|(_, pod)| pod.life > 1).map(|(pod, _)| pod).collect();
        assert_eq!(replaced, [pod]);
        assert_eq!(record.epoch, Epoch(1));
    }

    #[test]
    fn what_a_task_can_change_where_it_is_replaces_no_pod() {
        let mut record = taken(&spec());
        let mut changed = spec();
        changed["spouts"][0]["config"] = json!({"path": "y"});
        changed["bolts"][0]["tick"] = json!("1s");
        take(&mut record, &changed, "1");
        assert_eq!(lives(&record), [1, 1]);
        record.renew(|task| task == egret_topology::id::TaskId(0));
        assert_eq!(lives(&record).iter().sum::<u32>(), 3, "only the pod of that task");
    }

    #[test]
    fn other_tasks_or_groupings_are_a_new_epoch() {
        for change in [
            |spec: &mut Value| spec["bolts"][0]["parallelism"] = json!(3),
            |spec: &mut Value| spec["bolts"][0]["inputs"][0]["grouping"] = json!("All"),
        ] {
            let mut record = taken(&spec());
            let mut changed = spec();
            change(&mut changed);
            take(&mut record, &changed, "1");
            assert_eq!(record.epoch, Epoch(2));
        }
    }

    #[test]
    fn scaling_pods_keeps_tasks_and_epoch() {
        let mut record = taken(&spec());
        let ids = |record: &Record| {
            let mut ids: Vec<_> = record.packing.tasks().map(|(task, _)| task.clone()).collect();
            ids.sort();
            ids
        };
        let before = ids(&record);
        let mut changed = spec();
        changed["pods"] = json!(3);
        take(&mut record, &changed, "1");
        assert_eq!(record.packing.pods.len(), 3);
        assert_eq!(ids(&record), before);
        assert_eq!(record.epoch, Epoch(1));
    }
}
