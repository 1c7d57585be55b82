//! Edits of the graph, step by step.

use super::*;
use crate::{
    pack::{self, Next},
    record::{Images, Stage},
    validate::{Allowed, builtin, validate},
};
use egret_crd::Topology;
use egret_topology::{id::Epoch, logical::Logical};
use serde_json::{Value, json};

const RULES: Rules =
    Rules { now: 1_000, pull_ms: 600_000, drain_ms: 7_500, start_ms: 60_000, revision: 8 };

/// Everything works, and one pod goes.
fn seen() -> Seen {
    Seen { speaks: true, rests: true, fresh: true, ..Seen::default() }
}

fn at(step: Step) -> Edit {
    Edit { step, since: 1_000, leaving: vec![PodId(1)], ..Edit::default() }
}

/// Where it is after a look at this time, if it goes on.
fn after(step: Step, now: u64, seen: &Seen) -> Option<Step> {
    let mut edit = at(step);
    edit.advance(&Rules { now, ..RULES }, seen).then_some(edit.step)
}

#[test]
fn pods_start_then_all_drains_then_what_goes_closes_and_then_the_new_plan_begins() {
    let mut edit = at(Step::Working);
    assert!(edit.advance(&RULES, &seen()));
    assert!(!edit.holds_spouts() && !edit.takes(PodId(1)));
    let started = Seen { started: true, ..seen() };
    assert!(edit.advance(&RULES, &started));
    assert_eq!((edit.step, edit.holds_spouts()), (Step::Draining, true));
    assert!(edit.takes(PodId(1)) && !edit.closes(PodId(1)) && !edit.takes(PodId(0)));
    let drained = Seen { drained: true, ..started };
    assert!(edit.advance(&RULES, &drained));
    assert!(edit.closes(PodId(1)) && edit.is_pending());
    let closed = Seen { closed: true, works: true, ..drained };
    assert!(edit.advance(&RULES, &closed));
    assert_eq!((edit.step, edit.revision), (Step::Starting, 8));
    assert!(edit.holds_spouts(), "who worked did so under the plan before");
    assert!(!edit.advance(&RULES, &closed), "and spouts go on");
}

#[test]
fn pods_that_do_not_start_cost_nothing_and_somebody_is_told() {
    let mut edit = at(Step::Working);
    let trouble = Seen { trouble: Some("pod t-1-2: no room".to_owned()), ..seen() };
    edit.advance(&RULES, &trouble);
    assert_eq!((edit.why.as_deref(), edit.late), (Some("pod t-1-2: no room"), false));
    edit.advance(&RULES, &seen());
    assert_eq!(edit.why, None, "it was a moment");
    let late = Rules { now: 1_000 + RULES.pull_ms, ..RULES };
    edit.advance(&late, &seen());
    assert_eq!(edit.why.as_deref(), Some("they have not started in 600 s"));
    assert!(edit.late && edit.step == Step::Working);
    edit.advance(&late, &Seen { started: true, ..seen() });
    assert_eq!((edit.step, edit.why, edit.late), (Step::Draining, None, false));
}

#[test]
fn what_does_not_work_anyway_is_not_kept_until_pods_have_started() {
    let broken = Seen { broken: true, ..seen() };
    assert_eq!(after(Step::Working, 1_000, &broken), Some(Step::Draining));
}

#[test]
fn it_waits_for_pods_that_are_being_replaced_and_for_what_was_said_of_another_drain() {
    let started = Seen { started: true, ..seen() };
    for seen in [Seen { rests: false, ..started.clone() }, Seen { fresh: false, ..started }] {
        assert_eq!(after(Step::Working, 1_000, &seen), Some(Step::Working));
    }
    let stale = Seen { drained: true, fresh: false, ..seen() };
    assert_eq!(after(Step::Draining, 1_000, &stale), Some(Step::Draining));
}

#[test]
fn every_step_that_holds_something_up_ends_after_a_while() {
    let ends = [
        (Step::Draining, RULES.drain_ms, Some(Step::Closing)),
        (Step::Closing, CLOSE_MS, Some(Step::Starting)),
        (Step::Starting, RULES.start_ms, None),
    ];
    for (step, ms, next) in ends {
        assert_eq!(after(step, 1_000 + ms - 1, &seen()), Some(step));
        assert_eq!(after(step, 1_000 + ms, &seen()), next);
    }
}

#[test]
fn where_nobody_answers_nobody_is_waited_for() {
    let silent = Seen { speaks: false, ..seen() };
    for step in [Step::Working, Step::Draining, Step::Closing] {
        assert_eq!(after(step, 1_000, &silent), Some(Step::Starting));
    }
    assert_eq!(after(Step::Starting, 1_000, &silent), None);
}

fn spec(pods: u32, tasks: u32) -> Value {
    json!({
        "pods": pods,
        "spouts": [{"name": "words", "parallelism": 2}],
        "bolts": [{"name": "print", "parallelism": tasks, "inputs": [{"from": "words"}]}],
    })
}

fn logical(spec: &Value) -> Logical {
    let topology = Topology::new("t", serde_json::from_value(spec.clone()).unwrap());
    validate(&topology, &builtin().unwrap(), &Allowed::default()).unwrap()
}

fn taken(spec: &Value) -> Record {
    let mut record = Record::new("u", 0);
    pack::take_over(&mut record, &logical(spec), &Images::default(), true).unwrap();
    record.take_accepted(spec);
    record.enter(Stage::Live, 1);
    record
}

fn begin(record: &mut Record, spec: &Value, now: u64) {
    let next = Next::of(record, &logical(spec)).unwrap();
    assert!(next.changes(record));
    record.begin_edit(spec, &next, now);
}

fn names(record: &Record) -> Vec<(u32, u32)> {
    let pods = record.edit.iter().flat_map(|edit| &edit.pods);
    pods.map(|it| (it.pod.0, it.place.life)).collect()
}

fn lives(record: &Record) -> Vec<u32> {
    record.pods().map(|(_, pod)| pod.life).collect()
}

#[test]
fn only_pods_whose_tasks_change_have_successors_and_the_record_stays_until_the_end() {
    let mut record = taken(&spec(2, 2));
    let before = record.clone();
    begin(&mut record, &spec(2, 3), 5);
    let edit = record.edit.clone().unwrap();
    assert_eq!((names(&record).len(), edit.leaving.len()), (1, 1));
    assert_eq!((&record.packing, &record.shape), (&before.packing, &before.shape));
    assert_eq!((lives(&record), record.epoch), (vec![1, 1], Epoch(1)));
    let address: SocketAddr = "10.0.0.1:4738".parse().unwrap();
    let then = record.edited(&edit, |_| Some(address));
    let changed = edit.pods[0].pod;
    assert_eq!(then.pod(changed).unwrap().life, 2);
    assert_eq!(then.pod(changed).unwrap().address, Some(address));
    assert_eq!((then.epoch, then.packing.tasks().count()), (Epoch(2), 5));
    assert_eq!(lives(&then).iter().sum::<u32>(), 3, "the other pod stays");
    assert_eq!(then.accepted, Some(spec(2, 3)));
    assert!(!Next::of(&then, &logical(&spec(2, 3))).unwrap().changes(&then));
}

#[test]
fn another_change_takes_the_place_of_one_that_has_not_begun_to_drain() {
    let mut record = taken(&spec(2, 2));
    begin(&mut record, &spec(2, 3), 5);
    let first = record.edit.clone().unwrap();
    begin(&mut record, &spec(2, 3), 6);
    assert_eq!(record.edit, Some(first.clone()), "it is the same");
    begin(&mut record, &spec(3, 3), 7);
    let second = record.edit.clone().unwrap();
    assert!(second.pods.len() >= first.pods.len() && second.since == 7);
    for successor in &second.pods {
        let same = |it: &&Successor| it.pod == successor.pod;
        let before = first.pods.iter().find(same).map_or(0, |it| it.place.life);
        let kept = first.pods.contains(successor);
        assert!(kept || successor.place.life > before, "no name is used twice");
    }
}

#[test]
fn a_pod_that_was_made_for_nothing_leaves_its_name_behind() {
    let mut record = taken(&spec(2, 2));
    begin(&mut record, &spec(3, 2), 5);
    let made = names(&record);
    assert!(made.contains(&(2, 1)), "{made:?}");
    record.edit = None;
    assert_eq!(lives(&record), [1, 1]);
    begin(&mut record, &spec(3, 2), 6);
    assert!(names(&record).iter().all(|name| !made.contains(name)));
    record.edit = None;
    record.replace(PodId(0), 7, None);
    let taken = made.iter().any(|name| *name == (0, record.pod(PodId(0)).unwrap().life));
    assert!(!taken, "nor by a pod that is replaced");
}

#[test]
fn fewer_pods_leave_without_successors_of_their_own() {
    let mut record = taken(&spec(3, 3));
    begin(&mut record, &spec(2, 3), 5);
    let edit = record.edit.clone().unwrap();
    assert!(edit.leaving.contains(&PodId(2)));
    assert!(edit.pods.iter().all(|it| it.pod != PodId(2)));
    let then = record.edited(&edit, |_| None);
    assert_eq!((then.packing.pods.len(), then.epoch), (2, Epoch(1)));
}

#[test]
fn all_tasks_of_a_spout_begin_anew_when_it_has_others() {
    let mut record = taken(&spec(2, 2));
    let mut more = spec(2, 2);
    more["spouts"][0]["parallelism"] = json!(3);
    begin(&mut record, &more, 5);
    assert_eq!(names(&record), [(0, 2), (1, 2)], "they share the input otherwise");
}

#[test]
fn a_successor_that_ends_begins_another_life_but_not_at_once_again() {
    let mut record = taken(&spec(2, 2));
    begin(&mut record, &spec(2, 3), 5);
    let life = |record: &Record| names(record)[0].1;
    record.renew_successors(20_000, |_| true);
    assert_eq!(life(&record), 3);
    record.renew_successors(20_001, |_| true);
    assert_eq!(life(&record), 3);
    record.renew_successors(30_000, |_| true);
    assert_eq!(life(&record), 4);
}

#[test]
fn it_is_read_as_it_was_written() {
    let mut record = taken(&spec(2, 2));
    begin(&mut record, &spec(3, 3), 5);
    assert_eq!(Record::read(&record.write(), "u").unwrap(), Some(record));
}
