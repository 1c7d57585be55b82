//! Certificates: made when first needed, renewed long before they end, their keys kept.

use crate::build::Identities;
use egret_link::{Authority, Error, Identity, Pem};
use egret_topology::{id::TaskId, packing_plan::PackedPod};
use std::time::Duration;

/// Validity of a leaf certificate.
const VALID_FOR: Duration = Duration::from_secs(90 * 24 * 3600);
/// A certificate is renewed this long after it was made: a month remains to find out that it was
/// not.
const RENEW_AFTER: Duration = Duration::from_secs(60 * 24 * 3600);

const _: () = assert!(RENEW_AFTER.as_secs() * 4 <= VALID_FOR.as_secs() * 3);

/// When certificates end that are to be renewed then, both in seconds since 1970.
#[must_use]
pub fn ends(renew_at: u64) -> u64 {
    renew_at.saturating_add(VALID_FOR.as_secs() - RENEW_AFTER.as_secs())
}

/// Whether the identities of a pod will do for now, with that CA; `now` in seconds since 1970.
pub fn suffice(identities: &Identities, authority: &Authority, pod: &PackedPod, now: u64) -> bool {
    let trusted = identities.manager.ca == authority.keep().ca;
    trusted && identities.are_of(pod) && now < identities.renew_at
}

/// Identities for a pod and its tasks, with the keys that they had before.
pub fn issue(
    authority: &Authority,
    uid: &str,
    pod: &PackedPod,
    before: Option<&Identities>,
    now: u64,
) -> Result<Identities, Error> {
    let certify = |identity: Identity, before: Option<&Pem>| match before {
        Some(before) => authority.renew(&identity, &before.key, VALID_FOR),
        None => authority.issue(&identity, VALID_FOR),
    };
    let uid = || uid.to_owned();
    let task = |task: TaskId| {
        let before = before.and_then(|before| before.tasks.get(&task));
        Ok((task, certify(Identity::Task { uid: uid(), task }, before)?))
    };
    let manager = Identity::Pod { uid: uid(), pod: pod.id };
    Ok(Identities {
        pod: pod.id,
        manager: certify(manager, before.map(|before| &before.manager))?,
        tasks: pod.tasks.iter().map(|packed| task(packed.task)).collect::<Result<_, Error>>()?,
        renew_at: now + RENEW_AFTER.as_secs(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_topology::{
        id::PodId,
        packing_plan::{PackedTask, PodResources},
    };

    fn pod(tasks: &[u32]) -> PackedPod {
        let task = |id: &u32| PackedTask { task: TaskId(*id), component: "a".into(), index: *id };
        let tasks = tasks.iter().map(task).collect();
        PackedPod { id: PodId(1), tasks, resources: PodResources::default() }
    }

    #[test]
    fn keys_are_kept_and_certificates_renewed_in_time() {
        let authority = Authority::new("u").unwrap();
        let first = issue(&authority, "u", &pod(&[1, 2]), None, 1000).unwrap();
        let suffice =
            |identities, tasks: &[u32], now| suffice(identities, &authority, &pod(tasks), now);
        assert!(suffice(&first, &[1, 2], 1000));
        assert!(!suffice(&first, &[1, 2], 1000 + RENEW_AFTER.as_secs()));
        assert!(!suffice(&first, &[1, 3], 1000));
        let second = issue(&authority, "u", &pod(&[1, 3]), Some(&first), 2000).unwrap();
        assert_eq!(second.manager.key, first.manager.key);
        assert_eq!(second.tasks[&TaskId(1)].key, first.tasks[&TaskId(1)].key);
        assert_ne!(second.tasks[&TaskId(3)].key, first.tasks[&TaskId(2)].key);
        assert!(suffice(&second, &[1, 3], 2000));
    }

    #[test]
    fn identities_of_another_ca_do_not_do() {
        let (ours, lost) = (Authority::new("u").unwrap(), Authority::new("u").unwrap());
        let issued = issue(&lost, "u", &pod(&[1]), None, 1000).unwrap();
        assert!(!suffice(&issued, &ours, &pod(&[1]), 1000));
        let again = issue(&ours, "u", &pod(&[1]), Some(&issued), 1000).unwrap();
        assert!(suffice(&again, &ours, &pod(&[1]), 1000));
    }
}
