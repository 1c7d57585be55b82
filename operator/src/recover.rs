//! What is left of a record that somebody has deleted: what was told, and what the pods say.
//!
//! Nothing that was decided before may be decided again with a lesser number: stream managers would
//! refuse it. Pods that are what they should be live on.

use crate::{
    observe::ObservedPod,
    record::{PodRecord, Record, Stage},
};
use egret_crd::TopologyStatus;
use egret_topology::{
    id::{Epoch, PodId},
    limits::MAX_PODS,
};

/// What may have been decided after the status was told: a status that cannot be written is tried
/// again and again.
const UNTOLD: u64 = 100;

/// The record of a topology that had one; none if there never was one. `components` is the digest
/// of what its tasks run, if the status speaks of the newest spec.
pub fn recover(
    uid: &str,
    now: u64,
    status: Option<&TopologyStatus>,
    pods: &[ObservedPod],
    components: Option<String>,
) -> Option<Record> {
    let told = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
    let revision = told(status.and_then(|status| status.revision)).unwrap_or(0);
    if revision == 0 && pods.is_empty() {
        return None;
    }
    // Tasks may be numbered otherwise than before: that is another epoch.
    let epoch = told(status.and_then(|status| status.epoch)).unwrap_or(0).saturating_add(UNTOLD);
    let mut record = Record {
        revision: revision.saturating_add(UNTOLD),
        epoch: Epoch(u32::try_from(epoch).unwrap_or(u32::MAX)),
        pods: lives(pods),
        births: births(now),
        ..Record::new(uid, now)
    };
    let state = status.and_then(|status| status.state.as_deref());
    record.enter(stage(state, components.is_some(), !pods.is_empty()), now);
    record.completed = components.filter(|_| record.stage == Stage::Completed);
    Some(record)
}

/// Where a topology was whose state was told.
fn stage(state: Option<&str>, newest: bool, has_pods: bool) -> Stage {
    match state {
        // Input that has ended is not read again.
        Some("Completed") if newest => Stage::Completed,
        Some("Running" | "Paused") => Stage::Live,
        Some("Draining") => Stage::Draining,
        _ if has_pods => Stage::Starting,
        _ => Stage::Down,
    }
}

/// More than there can have been: as if a pod had begun each minute since 2020.
fn births(now: u64) -> u32 {
    const NEW_YEAR_2020: u64 = 1_577_836_800_000;
    u32::try_from(now.saturating_sub(NEW_YEAR_2020) / 60_000).unwrap_or(u32::MAX)
}

/// The newest life of each pod.
fn lives(pods: &[ObservedPod]) -> Vec<PodRecord> {
    let mut lives = Vec::new();
    // Labels can be written by others.
    for pod in pods.iter().filter(|pod| pod.id < PodId(MAX_PODS)) {
        let at = pod.id.0 as usize;
        if lives.len() <= at {
            lives.resize(at + 1, PodRecord::default());
        }
        if lives[at].life <= pod.life {
            lives[at] = PodRecord {
                life: pod.life,
                definition: pod.definition.clone(),
                ..PodRecord::default()
            };
        }
    }
    lives
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(id: u32, life: u32) -> ObservedPod {
        ObservedPod { id: PodId(id), life, definition: format!("d{life}"), ..Default::default() }
    }

    fn told(state: &str) -> TopologyStatus {
        TopologyStatus {
            state: Some(state.into()),
            revision: Some(7),
            epoch: Some(2),
            ..TopologyStatus::default()
        }
    }

    fn recovered(state: &str, pods: &[ObservedPod], components: Option<&str>) -> Record {
        recover("u", 5, Some(&told(state)), pods, components.map(str::to_owned)).unwrap()
    }

    #[test]
    fn a_topology_that_never_had_a_record_has_none() {
        assert_eq!(recover("u", 5, None, &[], None), None);
        assert_eq!(recover("u", 5, Some(&TopologyStatus::default()), &[], None), None);
    }

    #[test]
    fn numbers_go_on_above_all_that_were_told() {
        let record = recovered("Running", &[pod(0, 3)], Some("c"));
        assert!(record.revision > 7 && record.epoch > Epoch(2));
        let most = TopologyStatus {
            revision: Some(i64::MAX),
            epoch: Some(i64::MAX),
            ..TopologyStatus::default()
        };
        assert_eq!(recover("u", 5, Some(&most), &[], None).unwrap().epoch, Epoch(u32::MAX));
    }

    #[test]
    fn pods_are_born_after_all_that_nobody_remembers() {
        let now = 1_800_000_000_000;
        let record = recover("u", now, Some(&told("Running")), &[pod(0, 3)], None).unwrap();
        assert!(record.births > 1_000_000 && record.births < 1 << 24, "{}", record.births);
    }

    #[test]
    fn pods_live_on_in_their_newest_life() {
        let pods = [pod(2, 1), pod(0, 4), pod(0, 3), pod(u32::MAX, 1)];
        let record = recovered("Running", &pods, Some("c"));
        let lives: Vec<(u32, &str)> =
            record.pods.iter().map(|pod| (pod.life, pod.definition.as_str())).collect();
        assert_eq!(lives, [(4, "d4"), (0, ""), (1, "d1")]);
        assert_eq!(record.stage, Stage::Live);
    }

    #[test]
    fn input_that_has_ended_is_not_read_again() {
        let record = recovered("Completed", &[], Some("c"));
        assert_eq!((record.stage, record.completed.as_deref()), (Stage::Completed, Some("c")));
        let record = recovered("Completed", &[], None);
        assert_eq!(record.stage, Stage::Down, "of another spec");
        assert_eq!(recovered("Stopped", &[], Some("c")).stage, Stage::Down);
        assert_eq!(recovered("Pending", &[pod(0, 1)], Some("c")).stage, Stage::Starting);
    }
}
