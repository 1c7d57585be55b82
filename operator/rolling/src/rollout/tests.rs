//! Rolling changes of a cluster that does what is asked of it a little later.

use super::*;
use serde_json::json;
use std::collections::BTreeMap;

/// A cluster that does what is asked of it a little later, and what it runs.
struct World {
    now: u64,
    tasks: BTreeMap<TaskId, Task>,
    rollout: Rollout,
    update: Update,
    /// Whether the new version does this.
    pulls: bool,
    registers: bool,
    crashes: bool,
    eats: bool,
    /// Whether the old version crashes.
    broken: bool,
    /// Whether somebody tells what tasks do.
    known: bool,
    /// A task whose pod is not there.
    gone: Option<TaskId>,
    /// Tasks whose input has waited at the same time.
    most_held: usize,
}

#[derive(Clone, Default)]
struct Task {
    new: bool,
    life: u64,
    works: bool,
    drained: bool,
    crashed: bool,
    /// Lives that began without a drain.
    torn: usize,
    /// For how long its input has waited.
    waited: u64,
}

/// Time between two looks.
const LOOK: u64 = 500;
const HOLD: u64 = 15_000;

impl World {
    fn new(tasks: u32) -> World {
        let task = |id| (TaskId(id), Task { life: 1, works: true, ..Task::default() });
        let tasks: BTreeMap<_, _> = (0..tasks).map(task).collect();
        let todo = tasks.keys().copied().collect();
        World {
            now: 1_000_000,
            tasks,
            rollout: Rollout::new(json!("old"), todo),
            update: Update::default(),
            pulls: true,
            registers: true,
            crashes: false,
            eats: true,
            broken: false,
            known: true,
            gone: None,
            most_held: 0,
        }
    }

    fn seen(&self, task: TaskId) -> TaskSeen {
        let it = &self.tasks[&task];
        TaskSeen {
            works: it.works && self.known,
            drained: it.drained,
            life: Incarnation(it.life),
            error: it.crashed.then(|| "it panicked".to_owned()),
            stalled_ms: if it.new && !self.eats { it.waited } else { 0 },
            image: if self.pulls || self.rollout.back {
                Pull::There
            } else {
                Pull::Failed("not found".into())
            },
            away: !it.works,
            known: self.known,
            gone: self.gone == Some(task),
            ..TaskSeen::default()
        }
    }

    /// One look of an operator that may be killed at once afterwards: all it leaves is its record.
    fn look(&mut self) -> Verdict {
        self.now += LOOK;
        let rules = Rules { now: self.now, update: self.update, hold_ms: HOLD };
        let mut next = self.rollout.clone();
        let verdict = next.advance(&rules, &|task| self.seen(task));
        let written = serde_json::to_string(&next).unwrap();
        self.rollout = serde_json::from_str(&written).unwrap();
        if verdict == Verdict::Back {
            let all = self.tasks.keys().copied().collect();
            let seen = |task| self.seen(task);
            self.rollout = self.rollout.reversed(json!("new"), &all, self.now, &seen);
        }
        verdict
    }

    /// What was decided is done, as far as it is not done yet.
    fn act(&mut self) {
        let held: BTreeSet<TaskId> = self.rollout.draining().collect();
        let others = self.rollout.others();
        self.most_held = self.most_held.max(held.len());
        for (id, task) in &mut self.tasks {
            if self.gone == Some(*id) {
                continue;
            }
            let wants_new = others.contains(id) == self.rollout.back;
            task.waited = if held.contains(id) || !self.eats { task.waited + LOOK } else { 0 };
            if wants_new != task.new {
                task.torn += usize::from(task.works && !task.drained);
                *task = Task { new: wants_new, works: false, drained: false, ..task.clone() };
            } else if !task.works && (!task.new || self.registers) {
                let crashed = if task.new { self.crashes } else { self.broken };
                let life = task.life + 1;
                *task = Task { life, works: !crashed, crashed, ..task.clone() };
            } else {
                task.drained = held.contains(id) && task.works;
            }
        }
    }

    /// Looks until nothing moves any more. An operator is killed after some looks, before it acts.
    fn run(&mut self, killed: impl Fn(usize) -> bool) -> Verdict {
        for look in 0..2000 {
            let verdict = self.look();
            if verdict == Verdict::Done || self.rollout.held {
                return verdict;
            }
            if !killed(look) {
                self.act();
            }
        }
        panic!("it never ends: {:?}", self.rollout);
    }

    fn new_ones(&self) -> usize {
        self.tasks.values().filter(|task| task.new).count()
    }

    fn torn(&self) -> usize {
        self.tasks.values().map(|task| task.torn).sum()
    }
}

#[test]
fn every_task_is_drained_and_replaced_one_at_a_time() {
    let mut world = World::new(5);
    assert_eq!(world.run(|_| false), Verdict::Done);
    assert_eq!((world.new_ones(), world.most_held, world.torn()), (5, 1, 0));
    assert!(world.tasks.values().all(|task| task.life == 2), "each began one life");
}

#[test]
fn as_many_are_replaced_at_once_as_the_user_allows() {
    let mut world = World::new(7);
    world.update.max_unavailable = 3;
    assert_eq!(world.run(|_| false), Verdict::Done);
    assert_eq!((world.most_held, world.torn()), (3, 0));
}

#[test]
fn an_operator_that_is_killed_at_any_step_goes_on_where_it_was() {
    // Without kills it takes about ten looks per task.
    for first in 0..40 {
        let mut world = World::new(3);
        assert_eq!(world.run(|look| look == first), Verdict::Done, "killed after look {first}");
        assert_eq!((world.new_ones(), world.torn()), (3, 0), "killed after look {first}");
    }
    let mut world = World::new(3);
    assert_eq!(world.run(|look| look % 2 == 0), Verdict::Done, "killed after every other look");
    assert_eq!((world.new_ones(), world.torn()), (3, 0));
}

#[test]
fn an_image_that_cannot_be_pulled_costs_nothing() {
    let mut world = World::new(3);
    world.pulls = false;
    assert_eq!(world.run(|_| false), Verdict::Done);
    assert!(world.rollout.back && world.rollout.why.as_deref().unwrap().contains("not found"));
    assert!(world.tasks.values().all(|task| task.life == 1), "no task was touched");
    assert_eq!(world.most_held, 0);
}

#[test]
fn a_version_that_crashes_goes_back_and_only_one_task_has_tried_it() {
    let mut world = World::new(3);
    world.crashes = true;
    assert_eq!(world.run(|_| false), Verdict::Done);
    assert_eq!(world.new_ones(), 0);
    assert!(world.rollout.why.as_deref().unwrap().contains("it panicked"));
    assert!(world.tasks.values().skip(1).all(|task| task.life == 1), "others are not touched");
}

#[test]
fn a_version_that_does_not_register_goes_back_before_a_tree_times_out() {
    let mut world = World::new(3);
    world.registers = false;
    let began = world.now;
    while !world.rollout.back {
        world.look();
        world.act();
    }
    assert!(world.now - began <= HOLD + 4 * LOOK);
    assert_eq!(world.run(|_| false), Verdict::Done);
    assert_eq!(world.new_ones(), 0);
}

#[test]
fn a_version_that_takes_no_input_goes_back() {
    let mut world = World::new(2);
    world.eats = false;
    while !world.rollout.back {
        world.look();
        world.act();
    }
    assert!(world.rollout.why.as_deref().unwrap().contains("no input"));
}

#[test]
fn what_the_user_wants_to_hold_is_held_where_it_is() {
    let mut world = World::new(3);
    (world.crashes, world.update.on_failure) = (true, OnFailure::Hold);
    world.run(|_| false);
    assert!(world.rollout.held && !world.rollout.back);
    assert_eq!(world.rollout.others().len(), 2);
    assert_eq!(world.rollout.draining().count(), 0, "no input waits");
    let before = world.rollout.clone();
    world.look();
    assert_eq!(world.rollout, before);
}

#[test]
fn tasks_that_do_not_work_are_replaced_at_once() {
    let mut world = World::new(6);
    world.tasks.values_mut().take(4).for_each(|task| task.works = false);
    world.look();
    assert_eq!(world.rollout.moving.len(), 4, "and no other one is taken away meanwhile");
    assert_eq!(world.run(|_| false), Verdict::Done);
}

#[test]
fn a_version_that_was_broken_before_is_not_gone_back_to() {
    let mut world = World::new(2);
    (world.crashes, world.broken) = (true, true);
    world.tasks.values_mut().for_each(|task| task.works = false);
    assert_eq!(world.run(|_| false), Verdict::Done);
    assert_eq!((world.new_ones(), world.rollout.back), (2, false));
}

#[test]
fn tasks_that_are_gone_are_forgotten() {
    let mut world = World::new(3);
    world.look();
    world.rollout.keep(|task| task == TaskId(2));
    assert_eq!(world.rollout.todo, [TaskId(2)].into());
    assert!(world.rollout.moving.is_empty());
}

/// Looks and acts so often.
fn looks(world: &mut World, looks: usize) {
    for _ in 0..looks {
        world.look();
        world.act();
    }
}

#[test]
fn an_operator_that_was_away_for_long_blames_nobody() {
    for first in 0..40 {
        let mut world = World::new(3);
        looks(&mut world, first);
        world.now += 60_000;
        world.rollout.resume(world.now);
        assert_eq!(world.run(|_| false), Verdict::Done, "away after look {first}");
        assert!(!world.rollout.back, "away after look {first}: {:?}", world.rollout.why);
        assert_eq!(world.torn(), 0, "away after look {first}");
    }
}

#[test]
fn of_whom_nobody_tells_nothing_is_known() {
    for first in 0..40 {
        for silent in [1, 10, 100] {
            let mut world = World::new(2);
            looks(&mut world, first);
            world.known = false;
            looks(&mut world, silent);
            world.known = true;
            assert_eq!(world.run(|_| false), Verdict::Done, "{silent} after look {first}");
            let why = &world.rollout.why;
            assert!(!world.rollout.back, "{silent} after look {first}: {why:?}");
            assert_eq!(world.torn(), 0, "{silent} after look {first}");
        }
    }
}

#[test]
fn what_becomes_of_a_pod_says_nothing_of_the_version() {
    for first in 0..30 {
        let mut world = World::new(2);
        looks(&mut world, first);
        world.gone = Some(TaskId(0));
        let life = world.tasks[&TaskId(0)].life;
        world.tasks.get_mut(&TaskId(0)).unwrap().works = false;
        // Half a minute until the next pod works.
        looks(&mut world, 60);
        world.gone = None;
        let task = world.tasks.get_mut(&TaskId(0)).unwrap();
        (task.life, task.works) = (life + 7, true);
        assert_eq!(world.run(|_| false), Verdict::Done, "gone after look {first}");
        assert!(!world.rollout.back, "gone after look {first}: {:?}", world.rollout.why);
    }
}

#[test]
fn a_version_that_ends_in_the_next_pod_too_goes_back() {
    for first in [0, 1, 2, 3] {
        let mut world = World::new(1);
        (world.crashes, world.registers) = (true, first > 0);
        looks(&mut world, first);
        world.gone = Some(TaskId(0));
        world.tasks.get_mut(&TaskId(0)).unwrap().works = false;
        looks(&mut world, 60);
        (world.gone, world.registers) = (None, true);
        assert_eq!(world.run(|_| false), Verdict::Done, "gone after look {first}");
        assert!(world.rollout.back, "gone after look {first}");
        assert_eq!(world.new_ones(), 0, "gone after look {first}");
    }
}

#[test]
fn a_node_tries_again_to_pull_before_it_counts_as_failed() {
    let rules = Rules { now: 0, update: Update::default(), hold_ms: HOLD };
    let seen = |_| TaskSeen {
        known: true,
        works: true,
        image: Pull::Failing("503".to_owned()),
        ..TaskSeen::default()
    };
    let mut rollout = Rollout::new(json!("old"), [TaskId(0)].into());
    let at = |rollout: &mut Rollout, now| rollout.advance(&Rules { now, ..rules }, &seen);
    assert_eq!(at(&mut rollout, 1000), Verdict::Goes);
    assert_eq!(at(&mut rollout, 60_000), Verdict::Goes);
    assert_eq!(at(&mut rollout, 61_000), Verdict::Back);
    assert!(rollout.why.unwrap().contains("503"));
}

#[test]
fn who_did_not_work_for_a_moment_takes_its_turn() {
    let mut world = World::new(5);
    world.tasks.values_mut().for_each(|task| task.works = false);
    // Of another image, which no node has yet: nothing has begun.
    let pending = |world: &World, task| TaskSeen { image: Pull::Pending, ..world.seen(task) };
    let rules = |now| Rules { now, update: Update::default(), hold_ms: HOLD };
    let mut rollout = world.rollout.clone();
    rollout.advance(&rules(1), &|task| pending(&world, task));
    assert_eq!(rollout.moving.len(), 5);
    world.tasks.values_mut().for_each(|task| task.works = true);
    rollout.advance(&rules(2), &|task| pending(&world, task));
    assert_eq!((rollout.moving.len(), rollout.todo.len()), (1, 4));
}

#[test]
fn tasks_that_feed_each_other_do_not_change_at_the_same_time() {
    let mut rollout = Rollout::new(json!("old"), (0..6).map(TaskId).collect());
    let update = Update { max_unavailable: 4, ..Update::default() };
    let seen = |TaskId(id)| TaskSeen {
        known: true,
        works: true,
        component: id as usize / 2,
        ..TaskSeen::default()
    };
    rollout.advance(&Rules { now: 1, update, hold_ms: HOLD }, &seen);
    let moving: Vec<u32> = rollout.moving.iter().map(|moving| moving.task.0).collect();
    assert_eq!(moving, [0, 1]);
}

#[test]
fn a_change_that_is_paused_begins_with_no_other_task() {
    let mut world = World::new(3);
    looks(&mut world, 3);
    world.update.paused = true;
    for _ in 0..100 {
        world.look();
        world.act();
    }
    assert_eq!((world.new_ones(), world.rollout.todo.len()), (1, 2));
    assert!(world.rollout.moving.is_empty());
    world.update.paused = false;
    assert_eq!(world.run(|_| false), Verdict::Done);
    assert_eq!(world.new_ones(), 3);
}

#[test]
fn a_life_in_the_container_that_goes_is_not_the_one_that_is_waited_for() {
    let rules = |now| Rules { now, update: Update::default(), hold_ms: HOLD };
    let seen = |life, container: &str, works, error: bool| TaskSeen {
        known: true,
        works,
        drained: true,
        away: !works,
        life: Incarnation(life),
        container: Some(container.to_owned()),
        error: error.then(|| "no such component".to_owned()),
        ..TaskSeen::default()
    };
    let mut rollout = Rollout::new(json!("old"), [TaskId(0)].into());
    rollout.advance(&rules(1), &|_| seen(1, "old", true, false));
    rollout.advance(&rules(2), &|_| seen(1, "old", true, false));
    assert_eq!(rollout.moving[0].step, Step::Replacing);
    // It may register before its container is seen, or the old one begins a life before it goes.
    rollout.advance(&rules(2), &|_| seen(2, "old", true, false));
    assert_eq!(rollout.moving[0].step, Step::Replacing);
    let mut early = rollout.clone();
    early.advance(&rules(3), &|_| seen(2, "new", true, false));
    assert_eq!(early.moving[0].step, Step::Watching);
    early.advance(&rules(4), &|_| seen(3, "new", true, false));
    assert_eq!(early.advance(&rules(6000), &|_| seen(3, "new", true, false)), Verdict::Done);
    let mut twice = rollout.clone();
    twice.advance(&rules(3), &|_| seen(2, "new", true, false));
    twice.advance(&rules(4), &|_| seen(3, "new", true, false));
    assert_eq!(twice.advance(&rules(5), &|_| seen(4, "new", true, false)), Verdict::Back);
    rollout.advance(&rules(3), &|_| seen(2, "old", false, true));
    rollout.advance(&rules(4), &|_| seen(2, "new", false, true));
    assert_eq!(rollout.moving[0].step, Step::Replacing);
    rollout.advance(&rules(5), &|_| seen(3, "new", true, false));
    assert_eq!(rollout.moving[0].step, Step::Watching);
    assert_eq!(rollout.advance(&rules(6000), &|_| seen(3, "new", true, false)), Verdict::Done);
}
