//! Who holds a tuple of a root that timed out: questions and answers on their way.
//!
//! They explain and change nothing, so beyond a rate they are dropped.

use crate::manager::Manager;
use egret_topology::id::{PodId, TaskId};
use egret_wire::control::{Hold, Holding, Peer, Root, ToInstance};
use std::collections::BTreeMap;

/// A stream that stands still for less than this explains no timeout.
const STALLED_FOR_MS: u64 = 100;

impl Manager {
    /// An instance asks for one of its own roots.
    pub(crate) fn asked_by_instance(&self, task: TaskId, root: Root) {
        if root.task != task || !self.may_ask() {
            return;
        }
        for pod in self.links.peers() {
            self.links.to_peer(pod, Peer::WhoHolds { root });
        }
        self.ask_instances(root);
        for hold in self.stalled_on_the_way(root) {
            self.send_to_instance(task, ToInstance::Holds(hold));
        }
    }

    /// A peer asks for a root of one of its tasks.
    pub(crate) fn asked_by_peer(&self, pod: PodId, root: Root) {
        if self.plan().and_then(|plan| plan.pod_of(root.task)) != Some(pod) || !self.may_ask() {
            return;
        }
        self.ask_instances(root);
        for hold in self.stalled_on_the_way(root) {
            self.links.to_peer(pod, Peer::Holds(hold));
        }
    }

    /// An instance holds something, and says so for itself only.
    pub(crate) fn answered_by_instance(&self, task: TaskId, hold: Hold) {
        if hold.task != task || !self.may_answer() {
            return;
        }
        match self.plan().and_then(|plan| plan.pod_of(hold.root.task)) {
            Some(pod) if pod == self.options.pod => {
                self.send_to_instance(hold.root.task, ToInstance::Holds(hold));
            }
            Some(pod) => drop(self.links.to_peer(pod, Peer::Holds(hold))),
            None => {}
        }
    }

    /// A peer's task holds something, or a stream of the peer stands still.
    pub(crate) fn answered_by_peer(&self, _pod: PodId, hold: Hold) {
        if self.may_answer() {
            self.send_to_instance(hold.root.task, ToInstance::Holds(hold));
        }
    }

    fn ask_instances(&self, root: Root) {
        let Some(plan) = self.plan() else { return };
        for task in self.links.instances() {
            if task != root.task && plan.reaches(root.task, task) {
                self.send_to_instance(task, ToInstance::WhoHolds { root });
            }
        }
    }

    /// Destinations in the root's reach whose streams stand still here: the tuple may be in one.
    fn stalled_on_the_way(&self, root: Root) -> Vec<Hold> {
        let Some(plan) = self.plan() else { return Vec::new() };
        let mut longest = BTreeMap::<TaskId, u64>::new();
        for stall in self.flow.borrow().stalls(self.now()) {
            let (dest, for_ms) = (stall.stream.key.dest, stall.for_ns / 1_000_000);
            if for_ms >= STALLED_FOR_MS && plan.reaches(root.task, dest) {
                let known = longest.entry(dest).or_default();
                *known = for_ms.max(*known);
            }
        }
        let hold = |(task, for_ms)| Hold { root, task, how: Holding::Stalled, for_ms };
        longest.into_iter().map(hold).collect()
    }

    fn may_ask(&self) -> bool {
        self.questions.borrow_mut().allow(self.now())
    }

    fn may_answer(&self) -> bool {
        self.answers.borrow_mut().allow(self.now())
    }
}
