//! Another stream manager for each pod, where it is: one pod after the other, while the spouts
//! whose tuples pass it hold back. A pure function of what was recorded and what is seen.
//!
//! ```text
//! Pulling ─► Draining ─► Replacing ─► the next pod
//!    └───────────┴──── fails ──┴────► back to what ran before
//! ```
//!
//! Instances of the pod go on: they link up with the new stream manager as they do with one that
//! was killed. Nothing is in flight through it then, so nothing is replayed.

use crate::rollout::{PULL_AGAIN_MS, Pull};
use egret_topology::id::PodId;
use serde::{Deserialize, Serialize};

/// For how long a new stream manager may take until it and all tasks of its pod work, in
/// milliseconds: a kubelet makes the container within seconds, if it has the image.
pub const START_MS: u64 = 60_000;

/// An upgrade that is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Upgrade {
    /// The image that stream managers get.
    pub image: String,
    /// The pod that is next, or in the middle of it. Those before it have the image.
    pub pod: PodId,
    /// How far that pod is.
    pub step: Step,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
    /// The container that is to be another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Since when another one has been seen, in milliseconds since 1970: what was asked before may
    /// have been answered by the one that is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced: Option<u64>,
    /// Why it goes back to what ran before, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How far a pod is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Its node pulls the image.
    #[default]
    Pulling,
    /// What is in flight through it is worked off.
    Draining,
    /// Its container gets the image.
    Replacing,
}

/// What an upgrade obeys.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The time, in milliseconds since 1970.
    pub now: u64,
    /// How long a node may pull an image.
    pub pull_ms: u64,
    /// How long what is in flight may take: the rest is replayed.
    pub drain_ms: u64,
    /// How long it is given at least, where nobody acks.
    pub quiet_ms: u64,
    /// No other pod begins.
    pub paused: bool,
}

/// What is seen of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodSeen {
    /// The image that its stream manager shall have, as Kubernetes knows it.
    pub image: String,
    /// Whether its node has the new one.
    pub pull: Pull,
    /// The container of its stream manager.
    pub container: Option<String>,
    /// Every spout whose tuples pass it has drained.
    pub drained: bool,
    /// One of these spouts says that it has drained.
    pub draining: bool,
    /// Its stream manager answers, and all its tasks and all peers that answer are linked to it.
    pub works: bool,
    /// When it was asked for that, in milliseconds since 1970.
    pub asked: u64,
    /// It is about to go, or not there yet: another will take its place, with the right image.
    pub gone: bool,
}

/// What follows from a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Goes,
    /// All pods have the image.
    Done,
    /// It cannot go on now, and begins anew when everything works: what is wrong may be something
    /// else, which others have to change first.
    GivesUp,
    /// It does not work.
    Fails(String),
}

impl Upgrade {
    /// From the first pod on.
    pub fn new(image: &str, now: u64) -> Upgrade {
        Upgrade { image: image.to_owned(), since: now, ..Upgrade::default() }
    }

    /// The same back to the image that ran before.
    pub fn back(image: &str, why: &str, now: u64) -> Upgrade {
        Upgrade { why: Some(why.to_owned()), ..Upgrade::new(image, now) }
    }

    /// The pod that nothing shall pass now.
    pub fn holds(&self) -> Option<PodId> {
        (self.step != Step::Pulling).then_some(self.pod)
    }

    /// The pod whose container gets the image now.
    pub fn replaces(&self) -> Option<PodId> {
        (self.step == Step::Replacing).then_some(self.pod)
    }

    /// The pod whose node shall pull the image.
    pub fn pulls(&self) -> Option<PodId> {
        (self.step == Step::Pulling).then_some(self.pod)
    }

    /// Takes the next step. `look` knows the pods that there shall be.
    pub fn advance(&mut self, rules: &Rules, look: impl Fn(PodId) -> Option<PodSeen>) -> Verdict {
        let Some(seen) = look(self.pod) else { return Verdict::Done };
        let lasts = rules.now.saturating_sub(self.since);
        match self.step {
            // What becomes of it says nothing of the image.
            Step::Draining | Step::Replacing if seen.gone => self.enter(Step::Pulling, rules.now),
            Step::Pulling if seen.gone || seen.image == self.image => {
                if lasts >= START_MS && self.why.is_none() && !seen.works {
                    return Verdict::GivesUp;
                }
                if lasts >= START_MS || seen.works && !seen.gone {
                    self.next(rules.now);
                }
            }
            // Back to what works: nothing can be in flight through who does not.
            Step::Pulling if !seen.works && self.why.is_some() => {
                self.container = seen.container;
                self.enter(Step::Replacing, rules.now);
            }
            Step::Pulling if !seen.works && lasts >= START_MS => return Verdict::GivesUp,
            Step::Pulling if rules.paused => return Verdict::GivesUp,
            // Whoever still says that it has drained speaks of the pod before.
            Step::Pulling if seen.draining || !seen.works => {}
            Step::Pulling => return self.pull(rules, seen.pull, lasts),
            Step::Draining
                if seen.drained && lasts >= rules.quiet_ms || lasts >= rules.drain_ms =>
            {
                self.container = seen.container;
                self.enter(Step::Replacing, rules.now);
            }
            Step::Draining => {}
            Step::Replacing => {
                let other = seen.container.is_some() && seen.container != self.container;
                if !other || seen.image != self.image {
                    self.replaced = None;
                } else if self.replaced.is_none() {
                    self.replaced = Some(rules.now);
                }
                if self.replaced.is_some_and(|since| seen.works && seen.asked >= since) {
                    self.next(rules.now);
                } else if lasts >= START_MS {
                    let why = format!("the stream manager of pod {} did not come back", self.pod);
                    return Verdict::Fails(why);
                }
            }
        }
        Verdict::Goes
    }

    /// Leaves the pod as it is.
    pub fn skip(&mut self, now: u64) {
        self.next(now);
    }

    fn pull(&mut self, rules: &Rules, pull: Pull, lasts: u64) -> Verdict {
        match pull {
            Pull::There => self.enter(Step::Draining, rules.now),
            Pull::Failed(why) => return Verdict::Fails(why),
            Pull::Failing(why) if lasts >= PULL_AGAIN_MS.min(rules.pull_ms) => {
                return Verdict::Fails(why);
            }
            Pull::Pending if lasts >= rules.pull_ms => {
                let seconds = lasts / 1000;
                let why = format!("image {} was not pulled in {seconds} s", self.image);
                return Verdict::Fails(why);
            }
            Pull::Failing(_) | Pull::Pending => {}
        }
        Verdict::Goes
    }

    fn enter(&mut self, step: Step, now: u64) {
        (self.step, self.since, self.replaced) = (step, now, None);
    }

    fn next(&mut self, now: u64) {
        *self = Upgrade {
            image: std::mem::take(&mut self.image),
            pod: PodId(self.pod.0.saturating_add(1)),
            why: self.why.take(),
            since: now,
            ..Upgrade::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules =
        Rules { now: 0, pull_ms: 600_000, drain_ms: 7_500, quiet_ms: 0, paused: false };

    /// A pod that works with what ran before.
    fn old() -> PodSeen {
        let (image, container) = ("old".to_owned(), Some("c1".to_owned()));
        PodSeen { image, container, works: true, ..PodSeen::default() }
    }

    fn new() -> PodSeen {
        PodSeen { image: "new".to_owned(), container: Some("c2".to_owned()), ..old() }
    }

    /// Takes a step at this time, at which was asked too; there is one pod.
    fn step(upgrade: &mut Upgrade, now: u64, seen: &PodSeen) -> Verdict {
        let look = |pod: PodId| (pod == PodId(0)).then(|| PodSeen { asked: now, ..seen.clone() });
        upgrade.advance(&Rules { now, ..RULES }, look)
    }

    /// An upgrade whose only pod is at this step since time 0.
    fn at(step: Step) -> Upgrade {
        Upgrade { step, container: Some("c1".to_owned()), ..Upgrade::new("new", 0) }
    }

    #[test]
    fn a_pod_pulls_drains_and_is_replaced_and_then_the_next_one_follows() {
        let mut upgrade = Upgrade::new("new", 0);
        let pulling = PodSeen { pull: Pull::Pending, ..old() };
        assert_eq!(step(&mut upgrade, 1, &pulling), Verdict::Goes);
        assert_eq!((upgrade.step, upgrade.holds()), (Step::Pulling, None));
        step(&mut upgrade, 2, &old());
        assert_eq!((upgrade.step, upgrade.holds()), (Step::Draining, Some(PodId(0))));
        step(&mut upgrade, 3, &old());
        assert_eq!(upgrade.replaces(), None, "something is in flight");
        step(&mut upgrade, 4, &PodSeen { drained: true, draining: true, ..old() });
        assert_eq!(upgrade.replaces(), Some(PodId(0)));
        step(&mut upgrade, 5, &PodSeen { image: "new".to_owned(), ..old() });
        assert_eq!(upgrade.replaces(), Some(PodId(0)), "the old container still runs");
        step(&mut upgrade, 6, &PodSeen { works: false, ..new() });
        assert_eq!(upgrade.replaces(), Some(PodId(0)), "its tasks are not linked yet");
        assert_eq!(step(&mut upgrade, 7, &new()), Verdict::Goes);
        assert_eq!((upgrade.pod, upgrade.holds()), (PodId(1), None));
        assert_eq!(step(&mut upgrade, 8, &new()), Verdict::Done);
    }

    #[test]
    fn what_the_stream_manager_before_has_answered_does_not_count() {
        let mut upgrade = at(Step::Replacing);
        let rules = |now| Rules { now, ..RULES };
        let asked = |asked| move |_| Some(PodSeen { asked, ..new() });
        upgrade.advance(&rules(5_000), asked(4_000));
        upgrade.advance(&rules(5_250), asked(4_000));
        assert_eq!(upgrade.holds(), Some(PodId(0)), "its tasks may not be linked yet");
        upgrade.advance(&rules(5_500), asked(5_250));
        assert_eq!((upgrade.pod, upgrade.holds()), (PodId(1), None));
    }

    #[test]
    fn what_was_said_of_a_drain_before_does_not_count() {
        let mut upgrade = at(Step::Pulling);
        step(&mut upgrade, 1, &PodSeen { drained: true, draining: true, ..old() });
        assert_eq!(upgrade.step, Step::Pulling);
        step(&mut upgrade, 2, &old());
        assert_eq!(upgrade.step, Step::Draining);
    }

    #[test]
    fn nothing_begins_in_a_pod_that_does_not_work() {
        let mut upgrade = at(Step::Pulling);
        step(&mut upgrade, 1, &PodSeen { works: false, ..old() });
        assert_eq!(upgrade.step, Step::Pulling);
    }

    #[test]
    fn a_pod_that_has_the_image_already_is_passed_over_when_it_works() {
        let mut upgrade = at(Step::Pulling);
        step(&mut upgrade, 1, &PodSeen { works: false, ..new() });
        assert_eq!(upgrade.pod, PodId(0));
        step(&mut upgrade, 2, &new());
        assert_eq!(upgrade.pod, PodId(1));
    }

    #[test]
    fn a_pod_that_goes_is_waited_for_and_is_nobodys_fault() {
        for from in [Step::Draining, Step::Replacing] {
            let mut upgrade = at(from);
            let gone = PodSeen { gone: true, ..PodSeen::default() };
            assert_eq!(step(&mut upgrade, START_MS * 2, &gone), Verdict::Goes);
            assert_eq!((upgrade.step, upgrade.pod), (Step::Pulling, PodId(0)));
        }
    }

    #[test]
    fn one_that_did_not_come_back_gets_what_ran_before_although_it_does_not_work() {
        let mut upgrade = Upgrade::back("old", "it did not come back", 0);
        let dead = PodSeen { works: false, draining: true, ..new() };
        step(&mut upgrade, 1, &dead);
        assert_eq!(upgrade.replaces(), Some(PodId(0)));
        let back = PodSeen { container: Some("c3".to_owned()), ..old() };
        step(&mut upgrade, 2, &back);
        assert_eq!(upgrade.pod, PodId(1));
    }

    #[test]
    fn a_pod_that_does_not_work_for_other_reasons_is_not_waited_for_without_end() {
        let gone = PodSeen { gone: true, ..PodSeen::default() };
        for seen in [gone, PodSeen { works: false, ..old() }, PodSeen { works: false, ..new() }] {
            let mut upgrade = at(Step::Pulling);
            assert_eq!(step(&mut upgrade, START_MS - 1, &seen), Verdict::Goes);
            assert_eq!(step(&mut upgrade, START_MS, &seen), Verdict::GivesUp, "{seen:?}");
        }
    }

    #[test]
    fn no_pod_begins_while_changes_pause() {
        let rules = Rules { paused: true, ..RULES };
        assert_eq!(at(Step::Pulling).advance(&rules, |_| Some(old())), Verdict::GivesUp);
        let mut draining = at(Step::Draining);
        assert_eq!(draining.advance(&rules, |_| Some(old())), Verdict::Goes);
    }

    #[test]
    fn every_step_ends_after_a_while() {
        let mut upgrade = at(Step::Draining);
        step(&mut upgrade, RULES.drain_ms - 1, &old());
        assert_eq!(upgrade.step, Step::Draining);
        step(&mut upgrade, RULES.drain_ms, &old());
        assert_eq!(upgrade.step, Step::Replacing, "the rest is replayed");
        let late = RULES.drain_ms + START_MS;
        let dead = PodSeen { works: false, ..new() };
        assert_eq!(step(&mut upgrade, late - 1, &dead), Verdict::Goes);
        assert!(matches!(step(&mut upgrade, late, &dead), Verdict::Fails(_)));
        let pending = PodSeen { pull: Pull::Pending, ..old() };
        let verdict = step(&mut at(Step::Pulling), RULES.pull_ms, &pending);
        assert_eq!(verdict, Verdict::Fails("image new was not pulled in 600 s".to_owned()));
    }

    #[test]
    fn without_acks_what_is_in_flight_is_given_time() {
        let rules = Rules { quiet_ms: 2_000, ..RULES };
        let drained = PodSeen { drained: true, ..old() };
        let mut upgrade = at(Step::Draining);
        upgrade.advance(&Rules { now: 1_999, ..rules }, |_| Some(drained.clone()));
        assert_eq!(upgrade.step, Step::Draining);
        upgrade.advance(&Rules { now: 2_000, ..rules }, |_| Some(drained.clone()));
        assert_eq!(upgrade.step, Step::Replacing);
    }
}
