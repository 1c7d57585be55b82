//! Which nodes are lost: those of which nobody who could hear anything has heard for a while.
//!
//! Kubernetes waits five minutes before it gives up the pods of a node that says nothing. Streams
//! need not wait that long, since more is known of them: their stream manager is silent, no other
//! one has a link to it, and the lease of its node is not renewed. No clock is compared with that
//! of another machine.

use egret_topology::id::PodId;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// How long all must have been silent.
pub const LOST: Duration = Duration::from_secs(25);
/// Who is silent for that long is suspected: the lease of its node is looked at from then on.
const SUSPECTED: Duration = Duration::from_secs(5);

/// When somebody heard of pods and nodes for the last time.
#[derive(Debug, Default)]
pub struct Nodes {
    pods: BTreeMap<PodId, Instant>,
    leases: BTreeMap<String, Renewed>,
}

/// A lease as it was found, and since when.
#[derive(Debug)]
struct Renewed {
    at: String,
    since: Instant,
}

impl Nodes {
    /// Of these pods those answer, to the operator or to another pod.
    pub fn heard(&mut self, now: Instant, pods: &BTreeSet<PodId>, answering: &BTreeSet<PodId>) {
        self.pods.retain(|pod, _| pods.contains(pod));
        for pod in pods {
            let heard = self.pods.entry(*pod).or_insert(now);
            if answering.contains(pod) {
                *heard = now;
            }
        }
    }

    /// Whether a pod is silent for so long that the lease of its node matters.
    pub fn is_suspected(&self, now: Instant, pod: PodId) -> bool {
        self.silent(now, pod) >= SUSPECTED
    }

    /// Forgets leases of nodes that nobody suspects.
    pub fn keep(&mut self, suspected: &BTreeSet<&str>) {
        self.leases.retain(|node, _| suspected.contains(node.as_str()));
    }

    /// The lease of a node could not be read: whatever it was before proves nothing.
    pub fn unknown(&mut self, node: &str) {
        self.leases.remove(node);
    }

    /// The lease of a node was renewed at this time, in the words of its kubelet.
    pub fn renewed(&mut self, now: Instant, node: &str, at: String) {
        match self.leases.get_mut(node) {
            Some(known) if known.at == at => {}
            Some(known) => *known = Renewed { at, since: now },
            None => drop(self.leases.insert(node.to_owned(), Renewed { at, since: now })),
        }
    }

    /// Whether a pod is lost with its node.
    pub fn is_lost(&self, now: Instant, pod: PodId, node: &str) -> bool {
        let stale = |lease: &Renewed| now.duration_since(lease.since) >= LOST - SUSPECTED;
        self.silent(now, pod) >= LOST && self.leases.get(node).is_some_and(stale)
    }

    fn silent(&self, now: Instant, pod: PodId) -> Duration {
        self.pods.get(&pod).map_or(Duration::ZERO, |heard| now.duration_since(*heard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: PodId = PodId(1);

    struct Watch {
        nodes: Nodes,
        now: Instant,
    }

    impl Watch {
        fn new() -> Watch {
            Watch { nodes: Nodes::default(), now: Instant::now() }
        }

        /// Five seconds, at the end of which somebody looks.
        fn five(&mut self, answers: bool, lease: &str) -> bool {
            self.now += Duration::from_secs(5);
            let pods = BTreeSet::from([POD]);
            let answering = if answers { pods.clone() } else { BTreeSet::new() };
            self.nodes.heard(self.now, &pods, &answering);
            let suspected = self.nodes.is_suspected(self.now, POD);
            self.nodes.keep(&suspected.then_some("a").into_iter().collect());
            if suspected {
                self.nodes.renewed(self.now, "a", lease.to_owned());
            }
            self.nodes.is_lost(self.now, POD, "a")
        }
    }

    #[test]
    fn who_says_nothing_for_long_on_a_node_that_says_nothing_is_lost() {
        let mut watch = Watch::new();
        assert!(!watch.five(true, "t0"));
        let looks: Vec<bool> = (0..6).map(|_| watch.five(false, "t0")).collect();
        assert_eq!(looks, [false, false, false, false, true, true], "after 25 s");
    }

    #[test]
    fn a_node_whose_lease_is_renewed_is_not_lost_whatever_its_pod_does() {
        let mut watch = Watch::new();
        watch.five(true, "t0");
        for n in 0..40 {
            // Each ten seconds, as kubelets do.
            assert!(!watch.five(false, &format!("t{}", n / 2)));
        }
    }

    #[test]
    fn a_pod_that_answers_is_not_lost_whatever_its_node_does() {
        let mut watch = Watch::new();
        for n in 0..40 {
            assert!(!watch.five(n % 4 == 0, "t0"), "it answered 20 s ago at most");
        }
    }

    #[test]
    fn who_was_never_heard_counts_from_the_first_look() {
        let mut watch = Watch::new();
        let looks: Vec<bool> = (0..6).map(|_| watch.five(false, "t0")).collect();
        assert_eq!(looks, [false, false, false, false, false, true]);
    }
}
