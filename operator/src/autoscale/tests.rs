//! A model of a bolt under load, and what is decided for it over days.

use super::{
    measure::{Counts, Takes, TaskCounts},
    *,
};
use egret_topology::id::{Incarnation, TaskId};
use std::f64::consts::TAU;

mod answers;
mod sawtooth;

const STEP_MS: u64 = 5_000;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
/// Time in which tasks start after a change.
const STARTS_MS: u64 = 20_000;

pub(super) fn policy() -> Autoscale {
    Autoscale {
        min: 1,
        max: 8,
        target_utilization: 0.7,
        latency_ms: None,
        cooldown_ms: 3 * MINUTE,
        dry_run: false,
    }
}

/// SplitMix64.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    /// From -1 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// A spout and a bolt that it feeds.
pub(super) struct Model {
    pub(super) policy: Autoscale,
    pub(super) scaled: Scaled,
    pub(super) now: u64,
    autoscaler: Autoscaler,
    counts: Counts,
    settled_at: u64,
    life: u64,
    /// When, from how many, to how many.
    pub(super) changes: Vec<(u64, u32, u32)>,
    last: Why,
}

impl Model {
    pub(super) fn new(policy: Autoscale, tasks: u32) -> Model {
        let now = 1_000_000_000;
        let mut model = Model {
            policy,
            scaled: Scaled::adopted(tasks, now),
            now,
            autoscaler: Autoscaler::default(),
            counts: Counts::default(),
            settled_at: 0,
            life: 0,
            changes: Vec::new(),
            last: Why::Watching,
        };
        model.begin();
        model
    }

    /// All tasks begin a new life.
    fn begin(&mut self) {
        self.life += 1;
        let task = |id: u32, component| TaskCounts {
            id: TaskId(id),
            life: Incarnation(self.life),
            component,
            ..TaskCounts::default()
        };
        let mut tasks = vec![task(0, 0)];
        tasks.extend((1..=self.scaled.tasks).map(|id| task(id, 1)));
        let components = vec![Takes::default(), Takes { from: vec![0] }];
        self.counts = Counts { tasks, components, ..Counts::default() };
        self.settled_at = self.now + STARTS_MS;
    }

    /// Five seconds in which there is work for so many tasks.
    pub(super) fn step(&mut self, load: f64) {
        self.now += STEP_MS;
        let tasks = f64::from(self.scaled.tasks);
        let us = STEP_MS as f64 * 1e3;
        let worked = (load / tasks).min(1.0);
        for task in &mut self.counts.tasks[1..] {
            task.busy_us += (worked * us) as u64;
        }
        let waited = if load > tasks { 1.0 - tasks / load } else { 0.0 };
        let spout = &mut self.counts.tasks[0];
        spout.busy_us += us as u64;
        spout.backpressure_us += (waited * us) as u64;
        spout.waits_for = (waited > 0.0).then_some(1);
        self.counts.at = self.now;
        self.decide();
    }

    fn decide(&mut self) {
        let counts = match self.now < self.settled_at {
            true => Err("not all tasks work".to_owned()),
            false => Ok(self.counts.clone()),
        };
        self.look(counts);
    }

    fn look(&mut self, counts: Result<Counts, String>) {
        self.autoscaler.look(self.now, counts);
        let (policy, scaled) = (self.policy, self.scaled.clone());
        let subject = Subject { name: "bolt", index: 1, policy: &policy, scaled: &scaled };
        let decision = self.autoscaler.decide(self.now, &subject);
        self.last = decision.why.clone();
        let (was, is) = (scaled.tasks, decision.wanted);
        if was != is {
            assert!((policy.min..=policy.max).contains(&is), "{was} to {is}");
            let step = was.div_ceil(2)..=was * 2;
            assert!(step.contains(&is) || decision.why == Why::OutOfBounds, "{was} to {is}");
            self.changes.push((self.now, was, is));
            self.scaled = scaled.with(&policy, &decision, self.now);
            self.autoscaler.forget_needs("bolt");
            self.begin();
        }
    }

    pub(super) fn run(&mut self, ms: u64, load: impl Fn(u64) -> f64) {
        let began = self.now;
        while self.now < began + ms {
            self.step(load(self.now - began));
        }
    }

    /// Another operator takes over: it has the record, and has seen nothing.
    fn restart(&mut self) {
        self.autoscaler = Autoscaler::default();
    }
}

#[test]
fn steady_load_gets_what_it_needs_in_a_few_steps_and_keeps_it() {
    for (load, wanted) in [(0.1, 1), (0.5, 1), (1.0, 2), (2.0, 3), (3.3, 5), (5.4, 8), (50.0, 8)] {
        for from in [1, 3, 8] {
            let mut model = Model::new(policy(), from);
            model.run(2 * HOUR, |_| load);
            let (tasks, steps) = (model.scaled.tasks, model.changes.len());
            let works = load / f64::from(tasks);
            assert!(steps <= 5, "{load} from {from}: {:?}", model.changes);
            // Within the tolerance another number will do as well.
            let near = tasks == wanted || (0.63 * 0.7..=0.77).contains(&works);
            assert!(near, "{load} from {from}: {tasks} tasks work {works}");
            model.run(48 * HOUR, |_| load);
            assert_eq!(model.changes.len(), steps, "{load} from {from}: {:?}", model.changes);
        }
    }
}

#[test]
fn noise_and_gentle_waves_change_nothing() {
    for seed in 0..20 {
        let mut chance = Chance(seed);
        let mut model = Model::new(policy(), 3);
        let began = model.now;
        while model.now < began + 24 * HOUR {
            let wave = (TAU * (model.now - began) as f64 / HOUR as f64).sin();
            model.step(2.0 + 0.1 * wave + 0.3 * chance.next());
        }
        assert!(model.changes.is_empty(), "seed {seed}: {:?}", model.changes);
    }
}

#[test]
fn more_tasks_come_after_a_minute_and_fewer_after_three_cooldowns() {
    let mut model = Model::new(policy(), 2);
    model.run(10 * MINUTE, |_| 1.2);
    assert_eq!(model.changes, []);
    let from = model.now;
    model.run(5 * MINUTE, |_| 1.9);
    let (up, ..) = model.changes[0];
    assert!((HOLD_MS..=2 * MINUTE).contains(&(up - from)), "after {} ms", up - from);
    assert_eq!(model.scaled.tasks, 3);
    let from = model.now;
    model.run(30 * MINUTE, |_| 0.4);
    let (down, ..) = model.changes[1];
    assert!((9 * MINUTE..=11 * MINUTE).contains(&(down - from)), "after {} ms", down - from);
}

#[test]
fn between_two_steps_up_there_is_a_cooldown() {
    let mut model = Model::new(policy(), 1);
    model.run(HOUR, |_| 20.0);
    let steps: Vec<_> = model.changes.iter().map(|(_, from, to)| (*from, *to)).collect();
    assert_eq!(steps, [(1, 2), (2, 4), (4, 8)], "each is twice as many at most");
    for pair in model.changes.windows(2) {
        assert!(pair[1].0 - pair[0].0 >= 3 * MINUTE, "{:?}", model.changes);
    }
    assert!(matches!(model.last, Why::AtMost(_)), "{:?}", model.last);
    let words = model.last.words(&model.policy);
    assert!(words.starts_with("it has as many tasks as it may have, and its tasks work 100 %"));
}

#[test]
fn a_cooldown_goes_on_after_a_restart() {
    let mut model = Model::new(policy(), 1);
    while model.changes.is_empty() {
        model.step(20.0);
    }
    let (first, ..) = model.changes[0];
    model.run(2 * MINUTE, |_| 20.0);
    model.restart();
    model.run(30_000, |_| 20.0);
    assert_eq!(model.changes.len(), 1, "it is not over");
    model.run(3 * MINUTE, |_| 20.0);
    assert!(model.changes[1].0 - first >= 3 * MINUTE);
    // Fewer must suffice for as long as if nobody had looked before.
    let mut model = Model::new(policy(), 4);
    for _ in 0..10 {
        model.run(8 * MINUTE, |_| 0.5);
        model.restart();
    }
    assert_eq!(model.changes, []);
}

#[test]
fn what_is_not_known_changes_nothing() {
    let full = |model: &mut Model| model.run(MINUTE, |_| 20.0);
    let never = |what: &str, disturb: &dyn Fn(&mut Model)| {
        let mut model = Model::new(policy(), 1);
        for _ in 0..60 {
            full(&mut model);
            disturb(&mut model);
        }
        assert_eq!(model.changes, [], "{what}");
    };
    never("a task begins another life", &|model| {
        model.counts.tasks[1].life = Incarnation(model.life);
        model.life += 1;
        model.counts.tasks[1].life = Incarnation(model.life);
    });
    never("a task that does not work", &|model| {
        model.now += STEP_MS;
        model.look(Err("bolt[0] does not work".into()));
    });
    never("counts that fall", &|model| model.counts.tasks[1].busy_us = 0);
    never("nobody has looked for a while", &|model| model.now += MINUTE);
    never("answers that are old", &|model| {
        model.now += MINUTE;
        model.look(Ok(model.counts.clone()));
    });
    let mut model = Model::new(policy(), 1);
    full(&mut model);
    for _ in 0..3 {
        // Looks may be more often than answers.
        model.look(Ok(model.counts.clone()));
        model.now += 1_000;
    }
    assert_eq!(model.changes, []);
}

#[test]
fn bounds_hold_at_once() {
    let mut model = Model::new(Autoscale { min: 3, ..policy() }, 1);
    model.look(Err("the topology does not run".into()));
    assert_eq!(model.scaled.tasks, 3);
    let mut model = Model::new(Autoscale { max: 2, ..policy() }, 8);
    model.look(Err("the topology does not run".into()));
    assert_eq!(model.scaled.tasks, 2);
    assert_eq!(model.last.words(&model.policy), "it has from 1 to 2 tasks");
}

/// What is needed of four tasks of which this is known.
fn needed(policy: &Autoscale, share: Share, means: Means) -> (u32, u32, Why) {
    let scaled = Scaled::adopted(4, 0);
    let subject = Subject { name: "bolt", index: 1, policy, scaled: &scaled };
    let needs = needs(&subject, &means, &share);
    (needs.more, needs.fewer, needs.why)
}

fn share(worked: f64, waited_for: f64) -> Share {
    Share { worked, waited_for, hottest: worked, held: 0.0 }
}

#[test]
fn needed_tasks_follow_from_how_much_they_work() {
    let wide = Autoscale { max: 64, ..policy() };
    let needed = |worked, waited| {
        let (more, fewer, _) = needed(&wide, share(worked, waited), Means::default());
        (more, fewer)
    };
    assert_eq!(needed(0.70, 0.0), (4, 4));
    assert_eq!(needed(0.76, 0.0), (4, 4), "within the tolerance");
    assert_eq!(needed(0.80, 0.0), (5, 4), "4 * 0.8 / 0.7 = 4.6");
    assert_eq!(needed(1.00, 0.0), (6, 4), "4 / 0.7 = 5.7");
    assert_eq!(needed(1.00, 0.3), (8, 4), "what waits comes too, but twice as many at most");
    assert_eq!(needed(0.48, 0.0), (4, 4), "three of them would work 0.64: too near the target");
    assert_eq!(needed(0.45, 0.0), (4, 3));
    assert_eq!(needed(0.01, 0.0), (4, 2), "half as many at least");
}

#[test]
fn what_more_tasks_would_not_help_gets_none() {
    let means = Means { throttled: true, ..Means::default() };
    let skewed = Share { worked: 0.3, hottest: 1.0, waited_for: 0.9, held: 0.0 };
    let (more, fewer, why) = needed(&policy(), skewed, means.clone());
    assert_eq!((more, fewer), (4, 4));
    assert!(why.words(&policy()).starts_with("one task works all the time"), "{why:?}");
    let waits = Share { worked: 0.3, hottest: 0.4, waited_for: 0.9, held: 0.7 };
    assert_eq!(needed(&policy(), waits, means.clone()), (4, 4, Why::WaitsItself));
    let (more, fewer, _) = needed(&policy(), share(0.1, 0.0), means);
    assert_eq!((more, fewer), (4, 4), "elsewhere something holds back what it would get");
}

#[test]
fn latency_beyond_its_target_gives_one_more_to_who_works_most() {
    let policy = Autoscale { latency_ms: Some(200), ..policy() };
    let means = |slow: u64, busiest: usize| Means {
        latency: vec![(50_000, 1000), (150_000, 0), (300_000, slow)],
        busiest: Some(busiest),
        ..Means::default()
    };
    let (more, _, why) = needed(&policy, share(0.5, 0.0), means(50, 1));
    assert_eq!(more, 5);
    let words = why.words(&policy);
    assert!(words.starts_with("more than 1 % of tuple trees take longer than 200 ms"), "{words}");
    assert_eq!(needed(&policy, share(0.5, 0.0), means(50, 2)).0, 4, "another one works more");
    assert_eq!(needed(&policy, share(0.2, 0.0), means(50, 1)).0, 4, "it hardly works");
    assert_eq!(needed(&policy, share(0.5, 0.0), means(5, 1)).0, 4, "one in 200 may");
    assert_eq!(needed(&policy, share(0.1, 0.0), means(50, 2)).1, 4, "and none are taken away");
    assert_eq!(needed(&policy, share(0.1, 0.0), means(5, 2)).1, 2);
    let nearly = Means { latency: vec![(150_000, 1000)], ..Means::default() };
    assert_eq!(needed(&policy, share(0.1, 0.0), nearly).1, 4, "it is more than half the target");
}
