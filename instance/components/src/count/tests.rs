//! What `count` promises.

use super::*;
use crate::fake::{self, Fake};
use egret_sdk::{Fields, Stream, Value};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

fn count(config: Json) -> Count {
    let mut context = fake::bolt_context(config, &["word"]);
    let fields = ["word", "count"];
    context.streams = vec![Stream::default_of(fields), Stream::named(TOP, fields)];
    let mut count = Count::default();
    count.prepare(&mut context).unwrap();
    count
}

fn feed(fake: &mut Fake, count: &mut Count, values: impl IntoIterator<Item = impl Fields>) {
    for value in values {
        fake.execute(count, &["word"], value, 0).unwrap();
    }
}

fn rows(fake: &Fake, stream: &str) -> Vec<(Value, i64)> {
    let of = |values: &[Value]| match values {
        [word, Value::Int(count)] => (word.clone(), *count),
        other => panic!("{other:?} is no count"),
    };
    fake.emitted.iter().filter(|e| e.stream == stream).map(|e| of(&e.values)).collect()
}

fn text(word: &str, count: i64) -> (Value, i64) {
    (Value::String(word.to_owned()), count)
}

#[test]
fn the_final_counts_are_emitted_in_descending_order() {
    let (mut fake, mut count) = (Fake::default(), count(json!({})));
    feed(&mut fake, &mut count, ["b", "a", "c", "b", "c"].map(|word| (word,)));
    assert!(fake.emitted.is_empty());
    fake.finish(&mut count).unwrap();
    assert_eq!(rows(&fake, "default"), [text("b", 2), text("c", 2), text("a", 1)]);
}

#[test]
fn the_most_frequent_go_out_at_each_tick_and_at_the_end() {
    let (mut fake, mut count) = (Fake::default(), count(json!({"top": 2})));
    feed(&mut fake, &mut count, ["a", "b", "b", "c", "c", "c"].map(|word| (word,)));
    fake.tick(&mut count).unwrap();
    assert_eq!(rows(&fake, TOP), [text("c", 3), text("b", 2)]);
    feed(&mut fake, &mut count, [("a",); 5]);
    fake.emitted.clear();
    fake.finish(&mut count).unwrap();
    assert_eq!(rows(&fake, TOP), [text("a", 6), text("c", 3)]);
    assert_eq!(rows(&fake, "default").len(), 3);
}

#[test]
fn every_type_of_value_counts_as_what_it_is() {
    let values = [
        Value::Null,
        Value::Int(1),
        Value::Float(1.0),
        Value::String("1".into()),
        Value::Bytes(b"1".to_vec()),
        Value::Bool(true),
        Value::List(vec![Value::Int(1)]),
        Value::Map([("k".to_owned(), Value::Int(1))].into()),
    ];
    let (mut fake, mut count) = (Fake::default(), count(json!({})));
    for _ in 0..2 {
        feed(&mut fake, &mut count, values.iter().map(|value| (value,)));
    }
    fake.finish(&mut count).unwrap();
    let rows = rows(&fake, "default");
    assert_eq!(rows.len(), values.len());
    for value in values {
        assert!(rows.contains(&(value.clone(), 2)), "{value:?} in {rows:?}");
    }
}

#[test]
fn another_field_than_the_first_can_be_counted() {
    let mut context = fake::bolt_context(json!({"field": "host"}), &["line", "host"]);
    context.streams = vec![Stream::default_of(["host", "count"])];
    let (mut fake, mut count) = (Fake::default(), Count::default());
    count.prepare(&mut context).unwrap();
    fake.execute(&mut count, &["line", "host"], ("x", "h"), 0).unwrap();
    fake.finish(&mut count).unwrap();
    // The topology has left out `top`, so nothing goes there.
    assert_eq!(rows(&fake, "default"), [text("h", 1)]);
    assert_eq!(fake.emitted.len(), 1);
}

#[test]
fn one_key_too_many_is_an_error_and_known_ones_go_on() {
    let (mut fake, mut count) = (Fake::default(), count(json!({"maxKeys": 2})));
    feed(&mut fake, &mut count, ["a", "b"].map(|word| (word,)));
    let error = fake.execute(&mut count, &["word"], ("c",), 0).unwrap_err().to_string();
    assert!(error.contains("more than 2") && error.contains("`maxKeys`"), "{error}");
    feed(&mut fake, &mut count, [("a",)]);
}

proptest! {
    #[test]
    fn counts_are_those_of_a_plain_map(
        words in proptest::collection::vec("[ab]{0,2}|[c]{20,24}", 0..300)
    ) {
        let (mut fake, mut count) = (Fake::default(), count(json!({"top": 3})));
        let mut expected: BTreeMap<&str, i64> = BTreeMap::new();
        for word in &words {
            *expected.entry(word).or_default() += 1;
        }
        feed(&mut fake, &mut count, words.iter().map(|word| (word,)));
        fake.finish(&mut count).unwrap();
        let mut expected: Vec<_> = expected.into_iter().map(|(w, n)| text(w, n)).collect();
        expected.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        prop_assert_eq!(rows(&fake, "default"), expected.clone());
        expected.truncate(3);
        prop_assert_eq!(rows(&fake, TOP), expected);
    }
}
