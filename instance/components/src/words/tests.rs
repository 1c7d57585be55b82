//! What `words` promises.

use super::*;
use crate::fake::{self, Fake};
use serde_json::{Value as Json, json};

const MS: u64 = 1_000_000;

fn words(config: Json, index: u32, parallelism: u32) -> Result<Words> {
    let mut words = Words::default();
    words.open(&mut Context { index, parallelism, ..fake::context(config) })?;
    words.activate()?;
    Ok(words)
}

fn small(more: Json) -> Json {
    let mut config = json!({"words": 50, "length": 5});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

fn drain(words: &mut Words) -> Fake {
    let mut fake = Fake::default();
    while fake.next(words).unwrap() != Next::Exhausted {}
    fake
}

#[test]
fn the_limit_is_shared_by_the_tasks() {
    let emitted = |index| drain(&mut words(small(json!({"limit": 1000})), index, 3).unwrap());
    let counts: Vec<usize> = (0..3).map(|index| emitted(index).emitted.len()).collect();
    assert_eq!(counts, [334, 333, 333]);
}

#[test]
fn a_failed_word_is_emitted_again_beyond_the_limit_and_at_its_position() {
    let mut words = words(small(json!({"limit": 10})), 0, 1).unwrap();
    let mut fake = drain(&mut words);
    words.fail(4, &fake::failure()).unwrap();
    assert_eq!(fake.next(&mut words).unwrap(), Next::Emitted);
    assert_eq!(fake.next(&mut words).unwrap(), Next::Exhausted);
    let (first, again) = (&fake.emitted[4], &fake.emitted[10]);
    assert_eq!(first.values, again.values);
    let root = again.root.unwrap();
    assert!(root.replay && root.id == 4 && root.position == Some((SplitId(0), 5)));
    assert_eq!(fake.emitted.len(), 11);
}

#[test]
fn a_restart_goes_on_behind_the_settled_words() {
    let all = drain(&mut words(small(json!({"limit": 10})), 0, 1).unwrap()).emitted;
    let mut context = fake::context(small(json!({"limit": 10})));
    context.positions.insert("words 0 of 1".to_owned(), 7);
    let mut words = Words::default();
    words.open(&mut context).unwrap();
    assert_eq!(drain(&mut words).emitted, all[7..]);
}

#[test]
fn without_a_limit_there_is_always_more() {
    let mut words = words(small(json!({})), 0, 1).unwrap();
    let mut fake = Fake::default();
    for calls in 1..5 {
        assert_eq!(fake.next(&mut words).unwrap(), Next::Emitted);
        assert_eq!(fake.emitted.len(), calls * WORDS_PER_CALL);
    }
    assert!(fake.emitted.iter().all(|word| word.root.unwrap().position.is_none()));
}

#[test]
fn a_rate_is_kept_and_a_late_word_counts_from_when_it_was_due() {
    let mut words = words(small(json!({"rate": 500})), 0, 1).unwrap();
    let mut fake = Fake { now: 1000 * MS, ..Fake::default() };
    assert_eq!(fake.next(&mut words).unwrap(), Next::Emitted);
    assert_eq!(fake.next(&mut words).unwrap(), Next::IdleFor(Duration::from_millis(2)));
    assert_eq!(fake.emitted.len(), 1);
    fake.now += 7 * MS;
    assert_eq!(fake.next(&mut words).unwrap(), Next::Emitted);
    let since: Vec<u64> = fake.emitted.iter().map(|e| e.root.unwrap().since.unwrap()).collect();
    assert_eq!(since, [1000 * MS, 1002 * MS, 1004 * MS, 1006 * MS]);
    assert_eq!(fake.next(&mut words).unwrap(), Next::IdleFor(Duration::from_millis(1)));
}

#[test]
fn a_pause_is_not_made_up_for() {
    let mut words = words(small(json!({"rate": 500})), 0, 1).unwrap();
    let mut fake = Fake::default();
    fake.next(&mut words).unwrap();
    words.deactivate().unwrap();
    fake.now = 60_000 * MS;
    words.activate().unwrap();
    fake.next(&mut words).unwrap();
    assert_eq!(fake.emitted.len(), 2);
    assert_eq!(fake.emitted[1].root.unwrap().since, Some(60_000 * MS));
}

#[test]
fn tasks_share_a_dictionary_and_choose_each_for_itself() {
    let run = |index| {
        let words = words(small(json!({"limit": 200})), index, 2);
        drain(&mut words.unwrap()).first_fields("default")
    };
    let (mut a, mut b) = (run(0), run(1));
    assert_ne!(a, b);
    a.sort();
    a.dedup();
    b.retain(|word| a.binary_search(word).is_err());
    // Of 50 words, 100 choices miss about 7.
    assert!(a.len() > 30 && b.len() < 40, "{} and {}", a.len(), b.len());
}

#[test]
fn what_makes_no_sense_is_refused_with_its_field() {
    for (config, field) in [
        (json!({"words": 0}), "`words`"),
        (json!({"length": 0}), "`length`"),
        (json!({"rate": 0}), "`rate`"),
        (json!({"rate": "fast"}), "`rate`"),
        (json!({"words": 4_000_000_000u32}), "`words`"),
        (json!({"speed": 1}), "`speed`"),
    ] {
        let error = format!("{:#}", words(config, 0, 1).unwrap_err());
        assert!(error.contains(field) && error.contains("`it`"), "{error}");
    }
}
