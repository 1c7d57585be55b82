//! Who somebody is: the one DNS name in a leaf certificate.
//!
//! The name carries the uid of the topology, so that a certificate of one topology says nothing in
//! another, even if both were signed by the same CA.

use crate::Error;
use egret_topology::id::{PodId, TaskId};
use std::fmt;

/// No public name ends like this: `internal` is reserved for private use.
const SUFFIX: &str = ".egret.internal";

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// The operator, or `egret run` in its place.
    Operator {
        /// The topology.
        uid: String,
    },
    /// The stream manager of a pod.
    Pod {
        /// The topology.
        uid: String,
        /// The pod.
        pod: PodId,
    },
    /// The instance that runs a task.
    Task {
        /// The topology.
        uid: String,
        /// The task.
        task: TaskId,
    },
}

impl Identity {
    /// The topology that it belongs to.
    pub fn uid(&self) -> &str {
        match self {
            Identity::Operator { uid } | Identity::Pod { uid, .. } | Identity::Task { uid, .. } => {
                uid
            }
        }
    }

    /// The DNS name, as in the certificate.
    pub fn to_dns(&self) -> String {
        match self {
            Identity::Operator { uid } => format!("operator.{uid}{SUFFIX}"),
            Identity::Pod { uid, pod } => format!("pod-{pod}.{uid}{SUFFIX}"),
            Identity::Task { uid, task } => format!("task-{task}.{uid}{SUFFIX}"),
        }
    }

    /// Reads a DNS name. Only the spelling of [`Identity::to_dns`] is one: nobody has two names.
    pub fn parse(name: &str) -> Result<Identity, Error> {
        let foreign = || Error::Identity(format!("`{name}`"));
        let stem = name.strip_suffix(SUFFIX).ok_or_else(foreign)?;
        let (role, uid) = stem.split_once('.').ok_or_else(foreign)?;
        check_uid(uid)?;
        let uid = uid.to_owned();
        if role == "operator" {
            Ok(Identity::Operator { uid })
        } else if let Some(pod) = role.strip_prefix("pod-").and_then(number) {
            Ok(Identity::Pod { uid, pod: PodId(pod) })
        } else if let Some(task) = role.strip_prefix("task-").and_then(number) {
            Ok(Identity::Task { uid, task: TaskId(task) })
        } else {
            Err(foreign())
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_dns())
    }
}

/// A uid stands in a DNS name as one label: lower-case letters, digits and inner dashes, at most
/// 63.
pub(crate) fn check_uid(uid: &str) -> Result<(), Error> {
    let plain = uid.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let edges = uid.starts_with('-') || uid.ends_with('-');
    if uid.is_empty() || uid.len() > 63 || !plain || edges {
        return Err(Error::Identity(format!(
            "the uid `{uid}` is not one lower-case DNS label of 1 to 63 characters"
        )));
    }
    Ok(())
}

fn number(text: &str) -> Option<u32> {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    canonical.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identity_survives_its_dns_name() {
        let uid = "1f-2e".to_owned();
        for identity in [
            Identity::Operator { uid: uid.clone() },
            Identity::Pod { uid: uid.clone(), pod: PodId(0) },
            Identity::Task { uid, task: TaskId(u32::MAX) },
        ] {
            assert_eq!(Identity::parse(&identity.to_dns()).unwrap(), identity);
        }
    }

    #[test]
    fn nobody_has_two_names() {
        for name in [
            "pod-00.u.egret.internal",
            "pod-+1.u.egret.internal",
            "pod-.u.egret.internal",
            "pod-1.u.v.egret.internal",
            "pod-1..egret.internal",
            "pod-1.U.egret.internal",
            "pod-4294967296.u.egret.internal",
            "operator-1.u.egret.internal",
            "egret.internal",
            "pod-1.u.egret.internal.example",
        ] {
            assert!(Identity::parse(name).is_err(), "{name}");
        }
    }
}
