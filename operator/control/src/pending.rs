//! What one stream manager still has to hear and to answer: no I/O, no clock.
//!
//! Requests come in by [`Pending::add`], what happens on the link by `handle_*`; after each of
//! these [`Pending::poll_send`] is called until it has nothing more to say, as long as the link is
//! up.

use crate::positions::Shared;
use egret_topology::{
    id::{PodId, TaskId},
    plan::{ComponentKind, PhysicalPlan},
    positions::Positions,
};
use egret_wire::control::{FromOperator, PodStatus, ToOperator};
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::oneshot;

/// Requests of one kind that may wait: an operator asks twice a second and gives up after seconds.
pub(crate) const WAITING: usize = 64;

/// What a handle wants. A dropped answer means that too many wait.
pub(crate) enum Request {
    Crashed { task: TaskId, error: String },
    Push { plan: Arc<PhysicalPlan>, answer: oneshot::Sender<Result<(), String>> },
    Status { answer: oneshot::Sender<PodStatus> },
}

/// What one stream manager still has to hear and to answer.
pub(crate) struct Pending {
    pod: PodId,
    positions: Shared,
    /// Positions that the stream manager has told or was told over this link, if it was.
    there: Positions,
    given: bool,
    /// The newest plan, and whether this link has carried it.
    plan: Option<Arc<PhysicalPlan>>,
    plan_sent: bool,
    /// Who waits for which revision.
    pushes: Vec<(u64, oneshot::Sender<Result<(), String>>)>,
    /// Who waits for a status, in order, and how many of them this link has carried.
    statuses: VecDeque<oneshot::Sender<PodStatus>>,
    statuses_sent: usize,
    crashes: VecDeque<(TaskId, String)>,
}

impl Pending {
    pub(crate) fn new(pod: PodId, positions: Shared) -> Pending {
        Pending {
            pod,
            positions,
            there: Positions::default(),
            given: false,
            plan: None,
            plan_sent: false,
            pushes: Vec::new(),
            statuses: VecDeque::new(),
            statuses_sent: 0,
            crashes: VecDeque::new(),
        }
    }

    pub(crate) fn add(&mut self, request: Request) {
        match request {
            Request::Crashed { task, error } => {
                if self.crashes.len() == WAITING {
                    self.crashes.pop_front();
                }
                self.crashes.push_back((task, error));
            }
            Request::Push { plan, answer } => {
                self.pushes.retain(|(_, answer)| !answer.is_closed());
                if self.pushes.len() < WAITING {
                    self.pushes.push((plan.revision, answer));
                }
                if self.plan.as_ref().is_none_or(|held| held.revision <= plan.revision) {
                    self.plan = Some(plan);
                    self.plan_sent = false;
                }
            }
            Request::Status { answer } => {
                if self.statuses.len() == WAITING {
                    self.forget_deaf();
                }
                if self.statuses.len() < WAITING {
                    self.statuses.push_back(answer);
                }
            }
        }
    }

    /// A new link to a stream manager that has a plan of this revision. All that was on its way
    /// over the old link is said again; of a plan that is in force already nothing need be said.
    pub(crate) fn handle_connected(&mut self, revision: u64) {
        self.accepted(revision);
        self.plan_sent = self.plan.as_ref().is_none_or(|plan| plan.revision <= revision);
        self.statuses_sent = 0;
        (self.there, self.given) = (Positions::default(), false);
        self.forget_deaf();
    }

    /// Something that the stream manager said after its hello.
    pub(crate) fn handle_answer(&mut self, answer: ToOperator) {
        match answer {
            // A second hello says nothing new.
            ToOperator::Hello { .. } => {}
            ToOperator::Plan { revision, refused: None } => self.accepted(revision),
            ToOperator::Plan { revision, refused: Some(why) } => {
                for (_, answer) in self.pushes.extract_if(.., |(of, _)| *of == revision) {
                    let _ = answer.send(Err(why.clone()));
                }
                // What was refused once is not pushed again by itself.
                self.plan.take_if(|plan| plan.revision == revision);
            }
            ToOperator::Positions { positions } => {
                self.there.merge(positions.clone());
                self.positions.take(positions);
            }
            ToOperator::Status(status) => {
                if self.statuses_sent > 0 {
                    self.statuses_sent -= 1;
                    if let Some(answer) = self.statuses.pop_front() {
                        // Who asked may have given up.
                        let _ = answer.send(*status);
                    }
                }
            }
        }
    }

    /// The next message, if there is one.
    pub(crate) fn poll_send(&mut self) -> Option<FromOperator> {
        // Before the plan, which lets spouts open.
        if let Some(positions) = self.positions_to_give() {
            self.there.merge(positions.clone());
            self.given = true;
            return Some(FromOperator::Positions { positions });
        }
        if let Some(plan) = self.plan.as_ref().filter(|_| !self.plan_sent) {
            self.plan_sent = true;
            return Some(FromOperator::Plan(Box::new(PhysicalPlan::clone(plan))));
        }
        if self.statuses_sent < self.statuses.len() {
            self.statuses_sent += 1;
            return Some(FromOperator::Status);
        }
        let (task, error) = self.crashes.pop_front()?;
        Some(FromOperator::Crashed { task, error })
    }

    /// What the stream manager has to know of the input of its spouts, once over each link and
    /// before each plan.
    fn positions_to_give(&self) -> Option<Positions> {
        let plan = self.plan.as_ref().filter(|_| !self.given || !self.plan_sent)?;
        let ours = plan.tasks.iter().filter(|task| task.pod == self.pod);
        let spouts: Vec<&str> = ours
            .filter_map(|task| plan.components.get(task.component))
            .filter(|component| component.kind == ComponentKind::Spout)
            .map(|component| component.name.as_str())
            .collect();
        if spouts.is_empty() {
            return None;
        }
        let positions = self.positions.beyond(&self.there, |name| spouts.contains(&name));
        Some(positions).filter(|positions| !self.given || !positions.is_empty())
    }

    /// A plan in force replaces all before it, so whoever waits for one of those need not any more.
    fn accepted(&mut self, revision: u64) {
        for (_, answer) in self.pushes.extract_if(.., |(of, _)| *of <= revision) {
            let _ = answer.send(Ok(()));
        }
    }

    /// Drops questions that were not sent and whose askers have given up. Those that were sent keep
    /// their place: answers come in order.
    fn forget_deaf(&mut self) {
        let mut place = 0;
        let sent = self.statuses_sent;
        self.statuses.retain(|answer| {
            place += 1;
            place <= sent || !answer.is_closed()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_topology::{
        id::Epoch,
        plan::{Delivery, PlannedComponent, PlannedTask},
    };

    fn pending() -> Pending {
        Pending::new(PodId(1), Shared::default())
    }

    fn plan(revision: u64) -> Arc<PhysicalPlan> {
        Arc::new(PhysicalPlan {
            topology: "t".into(),
            uid: "u".into(),
            revision,
            epoch: Epoch(1),
            state: Default::default(),
            delivery: Delivery::AtLeastOnce,
            max_pending: 1,
            message_timeout_ms: 1,
            edge_key: 0,
            log_levels: Default::default(),
            tracing: None,
            rolling: Default::default(),
            restarted_at: None,
            max_rates: Default::default(),
            max_tries: Default::default(),
            components: Vec::new(),
            pods: Vec::new(),
            tasks: Vec::new(),
        })
    }

    fn push(pending: &mut Pending, revision: u64) -> oneshot::Receiver<Result<(), String>> {
        let (answer, answered) = oneshot::channel();
        pending.add(Request::Push { plan: plan(revision), answer });
        answered
    }

    fn ask(pending: &mut Pending) -> oneshot::Receiver<PodStatus> {
        let (answer, answered) = oneshot::channel();
        pending.add(Request::Status { answer });
        answered
    }

    fn sent(pending: &mut Pending) -> Vec<String> {
        std::iter::from_fn(|| pending.poll_send())
            .map(|message| match message {
                FromOperator::Plan(plan) => format!("plan {}", plan.revision),
                FromOperator::Positions { positions } => {
                    let positions = serde_json::to_string(&positions).unwrap();
                    format!("positions {positions}")
                }
                FromOperator::Status => "status".into(),
                FromOperator::Crashed { task, .. } => format!("crashed {task}"),
                FromOperator::Hello { .. } => "hello".into(),
            })
            .collect()
    }

    #[test]
    fn a_stream_manager_that_came_back_with_less_gets_the_newest_plan_again() {
        let mut pending = pending();
        let mut pushed = push(&mut pending, 4);
        pending.handle_connected(0);
        assert_eq!(sent(&mut pending), ["plan 4"]);
        pending.handle_connected(3);
        assert_eq!(sent(&mut pending), ["plan 4"]);
        assert!(pushed.try_recv().is_err());
        pending.handle_connected(4);
        assert!(sent(&mut pending).is_empty());
        assert_eq!(pushed.try_recv(), Ok(Ok(())));
    }

    #[test]
    fn a_newer_plan_answers_for_an_older_one() {
        let mut pending = pending();
        let (mut old, mut new) = (push(&mut pending, 4), push(&mut pending, 5));
        pending.handle_connected(0);
        assert_eq!(sent(&mut pending), ["plan 5"]);
        pending.handle_answer(ToOperator::Plan { revision: 5, refused: None });
        assert_eq!((old.try_recv(), new.try_recv()), (Ok(Ok(())), Ok(Ok(()))));
    }

    #[test]
    fn a_refused_plan_is_not_pushed_again() {
        let mut pending = pending();
        let mut pushed = push(&mut pending, 4);
        pending.handle_connected(0);
        sent(&mut pending);
        pending.handle_answer(ToOperator::Plan { revision: 4, refused: Some("no".into()) });
        assert_eq!(pushed.try_recv(), Ok(Err("no".into())));
        pending.handle_connected(0);
        assert!(sent(&mut pending).is_empty());
    }

    #[test]
    fn questions_are_asked_again_over_a_new_link_unless_nobody_waits() {
        let mut pending = pending();
        pending.handle_connected(0);
        let (gone, mut waits) = (ask(&mut pending), ask(&mut pending));
        assert_eq!(sent(&mut pending), ["status", "status"]);
        drop(gone);
        pending.handle_connected(0);
        assert_eq!(sent(&mut pending), ["status"]);
        let status = PodStatus { revision: 7, ..PodStatus::default() };
        pending.handle_answer(ToOperator::Status(Box::new(status.clone())));
        assert_eq!(waits.try_recv(), Ok(status));
    }

    #[test]
    fn an_answer_that_comes_too_late_is_not_taken_for_the_next() {
        let mut pending = pending();
        pending.handle_connected(0);
        drop(ask(&mut pending));
        assert_eq!(sent(&mut pending), ["status"]);
        let mut waits = ask(&mut pending);
        assert_eq!(sent(&mut pending), ["status"]);
        for revision in [1, 2] {
            let status = PodStatus { revision, ..PodStatus::default() };
            pending.handle_answer(ToOperator::Status(Box::new(status)));
        }
        assert_eq!(waits.try_recv().unwrap().revision, 2);
        pending.handle_answer(ToOperator::Status(Box::default()));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut pending = pending();
        let asked: Vec<_> = (0..2 * WAITING).map(|_| ask(&mut pending)).collect();
        let pushed: Vec<_> = (0..2 * WAITING).map(|_| push(&mut pending, 1)).collect();
        for task in 0..2 * WAITING as u32 {
            pending.add(Request::Crashed { task: TaskId(task), error: String::new() });
        }
        pending.handle_connected(0);
        assert_eq!(sent(&mut pending).len(), 1 + 2 * WAITING);
        drop((asked, pushed));
    }

    fn positions(at: u64) -> Positions {
        serde_json::from_value(serde_json::json!({"lines": {"a": at}, "others": {"a": at}}))
            .unwrap()
    }

    /// A plan with a spout `lines` in a pod.
    fn with_spout(revision: u64, pod: u32) -> Arc<PhysicalPlan> {
        let mut with = PhysicalPlan::clone(&plan(revision));
        with.components = vec![PlannedComponent {
            name: "lines".into(),
            kind: ComponentKind::Spout,
            component: "lines".into(),
            config: serde_json::Value::Null,
            tick_ms: None,
            streams: Vec::new(),
            inputs: Vec::new(),
        }];
        with.tasks = vec![PlannedTask { id: TaskId(0), component: 0, index: 0, pod: PodId(pod) }];
        Arc::new(with)
    }

    fn pushed(pending: &mut Pending, plan: Arc<PhysicalPlan>) {
        let (answer, _) = oneshot::channel();
        pending.add(Request::Push { plan, answer });
    }

    #[test]
    fn positions_come_before_the_plan_that_lets_spouts_open() {
        let mut pending = pending();
        pending.positions.take(positions(7));
        pending.handle_connected(0);
        assert!(sent(&mut pending).is_empty(), "whose they are is not known yet");
        pushed(&mut pending, with_spout(4, 0));
        assert_eq!(sent(&mut pending), ["plan 4"], "its spout is elsewhere");
        pushed(&mut pending, with_spout(5, 1));
        assert_eq!(sent(&mut pending), [r#"positions {"lines":{"a":7}}"#, "plan 5"]);
        pending.handle_answer(ToOperator::Positions { positions: positions(9) });
        pushed(&mut pending, with_spout(6, 1));
        assert_eq!(sent(&mut pending), ["plan 6"], "it knows better");
        pending.positions.take(positions(12));
        assert!(sent(&mut pending).is_empty(), "a spout that runs knows where it stands");
        pushed(&mut pending, with_spout(7, 1));
        assert_eq!(sent(&mut pending), [r#"positions {"lines":{"a":12}}"#, "plan 7"]);
        assert_eq!(pending.positions.read(), (3, positions(12)));
    }

    #[test]
    fn a_stream_manager_that_has_the_plan_from_a_peer_still_waits_for_positions() {
        let mut pending = pending();
        pushed(&mut pending, with_spout(5, 1));
        pending.handle_connected(5);
        assert_eq!(sent(&mut pending), ["positions {}"], "none, and that is an answer");
        assert!(sent(&mut pending).is_empty());
    }
}
