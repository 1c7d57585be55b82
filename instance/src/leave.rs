//! An instance that is asked to end: it works on until its pod may go, or its time is over.
//!
//! SIGTERM reaches all instances of a pod that goes, while their trees are in flight. Whoever plays
//! the operator sees to it that nothing is left to do, and releases them. A process that nobody
//! answers ends soon: what it leaves behind is replayed.

use crate::gateway_loop::Shared;
use egret_topology::{
    id::{PodId, TaskId},
    plan::{PlanIndex, RunState},
};
use std::{
    io,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout_at,
};

/// For how long nobody may know of it: the operator is away, or has let the topology go. Input that
/// is read meanwhile may be read elsewhere too.
const UNKNOWN_FOR: Duration = Duration::from_secs(5);

/// What is left of the grace period when the task closes in any case: user code that does not
/// return, and the stream manager, need some of it.
const RESERVE: Duration = Duration::from_secs(5);

/// SIGTERM, and how long this process may live from then on.
pub(crate) struct Terminate {
    signal: Signal,
    grace: Duration,
}

impl Terminate {
    /// From now on SIGTERM does not end this process.
    pub(crate) fn listen(grace: Duration) -> io::Result<Terminate> {
        Ok(Terminate { signal: signal(SignalKind::terminate())?, grace })
    }

    /// Waits until somebody asks this process to end.
    pub(crate) async fn asked(&mut self) {
        if self.signal.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

/// Waits until somebody asks this process to end; works on until it may; closes the task.
pub(crate) async fn follow(shared: Rc<Shared>, mut terminate: Terminate, pod: PodId) {
    terminate.asked().await;
    tracing::info!("asked to end: the task works on until its pod may go");
    shared.ask_to_end();
    let mut asked = Asked { at: Instant::now(), grace: terminate.grace, known: false };
    let mut plans = shared.plans();
    loop {
        let ends_at = asked.ends_at(&plans.borrow_and_update(), shared.task(), pod);
        if ends_at <= Instant::now() {
            break;
        }
        // Nobody is left who could bring another plan if the sender is gone.
        if let Ok(Err(_)) = timeout_at(ends_at.into(), plans.changed()).await {
            break;
        }
    }
    tracing::info!("the task closes, as its process was asked to");
    shared.close();
}

/// An instance that was asked to end.
struct Asked {
    at: Instant,
    grace: Duration,
    /// A plan has said so too.
    known: bool,
}

impl Asked {
    /// When the task closes unless another plan comes: at once if that is past.
    fn ends_at(&mut self, plan: &PlanIndex, task: TaskId, pod: PodId) -> Instant {
        let last = self.at + self.grace.saturating_sub(RESERVE).max(self.grace / 2);
        match says(plan, task, pod) {
            Says::WorkOn => {
                self.known = true;
                last
            }
            Says::End => self.at,
            // It was known, and others have taken its place since.
            Says::Nothing if self.known => self.at,
            Says::Nothing => last.min(self.at + UNKNOWN_FOR),
        }
    }
}

/// What a plan says to a task that is asked to end.
#[derive(Debug, PartialEq, Eq)]
enum Says {
    Nothing,
    WorkOn,
    End,
}

fn says(plan: &PlanIndex, task: TaskId, pod: PodId) -> Says {
    let rolling = &plan.plan().rolling;
    let alone = rolling.leaving.is_empty() && rolling.released.is_empty();
    if plan.plan().state == RunState::Stopped || rolling.released.contains(&pod) {
        Says::End
    } else if rolling.leaving.contains(&pod) {
        Says::WorkOn
    } else if plan.is_draining(task) && (alone || !plan.is_spout(task)) {
        // Its container gets another image, and nothing else of the pod goes. Of pods that go only
        // spouts drain.
        Says::End
    } else {
        Says::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_topology::{id::Epoch, plan::*};

    const GRACE: Duration = Duration::from_secs(60);
    const POD: PodId = PodId(1);
    const TASK: TaskId = TaskId(0);

    fn plan(change: impl FnOnce(&mut PhysicalPlan)) -> PlanIndex {
        let component = PlannedComponent {
            name: "s".to_owned(),
            kind: ComponentKind::Spout,
            component: "s".to_owned(),
            config: serde_json::Value::Null,
            tick_ms: None,
            streams: Vec::new(),
            inputs: Vec::new(),
        };
        let mut plan = PhysicalPlan {
            topology: "t".to_owned(),
            uid: "u".to_owned(),
            revision: 1,
            epoch: Epoch(1),
            state: RunState::Running,
            delivery: Delivery::AtLeastOnce,
            max_pending: 1,
            message_timeout_ms: 1000,
            edge_key: 1,
            log_levels: Default::default(),
            tracing: None,
            rolling: Default::default(),
            restarted_at: None,
            max_rates: Default::default(),
            max_tries: Default::default(),
            components: vec![component],
            pods: (0..2)
                .map(|id| PlannedPod { id: PodId(id), address: ([127, 0, 0, 1], 1).into() })
                .collect(),
            tasks: vec![PlannedTask { id: TASK, component: 0, index: 0, pod: POD }],
        };
        change(&mut plan);
        PlanIndex::new(plan).unwrap()
    }

    fn asked(grace: Duration) -> Asked {
        Asked { at: Instant::now(), grace, known: false }
    }

    /// How long it works on under these plans, one after the other.
    fn works_for(grace: Duration, plans: &[PlanIndex]) -> Duration {
        let mut asked = asked(grace);
        let at = plans.iter().map(|plan| asked.ends_at(plan, TASK, POD)).last().unwrap();
        at - asked.at
    }

    #[test]
    fn it_works_on_until_it_is_released() {
        let leaving = plan(|plan| plan.rolling.leaving = vec![POD]);
        let released = plan(|plan| plan.rolling.released = vec![POD]);
        assert_eq!(works_for(GRACE, std::slice::from_ref(&leaving)), GRACE - RESERVE);
        assert_eq!(works_for(GRACE, &[leaving, released]), Duration::ZERO);
    }

    #[test]
    fn whom_nobody_answers_ends_soon() {
        assert_eq!(works_for(GRACE, &[plan(|_| {})]), UNKNOWN_FOR);
        let other = plan(|plan| plan.rolling.leaving = vec![PodId(0)]);
        assert_eq!(works_for(GRACE, &[other]), UNKNOWN_FOR);
    }

    #[test]
    fn who_was_known_and_is_forgotten_has_a_successor() {
        let leaving = plan(|plan| plan.rolling.leaving = vec![POD]);
        assert_eq!(works_for(GRACE, &[leaving, plan(|_| {})]), Duration::ZERO);
    }

    #[test]
    fn a_short_grace_period_is_respected() {
        let leaving = || plan(|plan| plan.rolling.leaving = vec![POD]);
        assert_eq!(works_for(Duration::from_secs(8), &[leaving()]), Duration::from_secs(4));
        assert_eq!(works_for(Duration::from_secs(2), &[plan(|_| {})]), Duration::from_secs(1));
        assert_eq!(works_for(Duration::ZERO, &[leaving()]), Duration::ZERO);
    }

    #[test]
    fn who_is_stopped_anyway_or_gets_another_image_ends_at_once() {
        let stopped = plan(|plan| plan.state = RunState::Stopped);
        assert_eq!(works_for(GRACE, &[stopped]), Duration::ZERO);
        let image = plan(|plan| plan.rolling.draining = vec![TASK]);
        assert_eq!(works_for(GRACE, &[image]), Duration::ZERO);
        let both = plan(|plan| {
            plan.rolling.draining = vec![TASK];
            plan.rolling.leaving = vec![POD];
        });
        assert_eq!(works_for(GRACE, &[both]), GRACE - RESERVE, "a spout that drains for its pod");
    }

    #[test]
    fn a_bolt_that_gets_another_image_does_not_wait_for_pods_that_go() {
        let other = |kind| {
            plan(|plan| {
                plan.components[0].kind = kind;
                plan.rolling.draining = vec![TASK];
                plan.rolling.leaving = vec![PodId(0)];
            })
        };
        assert_eq!(works_for(GRACE, &[other(ComponentKind::Bolt)]), Duration::ZERO);
        let spout = other(ComponentKind::Spout);
        assert_eq!(works_for(GRACE, &[spout]), UNKNOWN_FOR, "it may drain for the other pod");
    }
}
