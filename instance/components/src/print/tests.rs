//! What `print` promises.

use super::*;
use crate::fake::{self, Fake};
use egret_sdk::{Input, Stream};
use serde_json::{Value as Json, json};
use std::{cell::RefCell, rc::Rc};

/// Standard output: remembers each write.
#[derive(Clone, Default)]
struct Writes(Rc<RefCell<Vec<String>>>);

impl Write for Writes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().push(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const FIELDS: [&str; 2] = ["word", "count"];

fn printed(config: Json, rows: &[(&str, i64)]) -> Vec<String> {
    let writes = Writes::default();
    let (mut fake, mut print) = (Fake::default(), Print::to(Box::new(writes.clone())));
    print.prepare(&mut fake::bolt_context(config, &FIELDS)).unwrap();
    for row in rows {
        fake.execute(&mut print, &FIELDS, *row, 0).unwrap();
    }
    fake.finish(&mut print).unwrap();
    writes.0.take()
}

#[test]
fn each_tuple_is_one_line_and_one_write() {
    assert_eq!(
        printed(json!({}), &[("the", 12), ("a\nb\u{1b}", 3)]),
        ["word=the count=12\n", "word=a\\nb\\u{1b} count=3\n"]
    );
}

#[test]
fn json_lines_have_all_fields_in_order() {
    let rows = printed(json!({"format": "json"}), &[("the", 12)]);
    assert_eq!(rows, ["{\"word\":\"the\",\"count\":12}\n"]);
}

#[test]
fn a_table_shows_the_greatest_of_the_latest_rows_in_one_write() {
    let rows = [("a", 1), ("duck", 100), ("c", 20), ("a", 3), ("b", 3), ("z", 0)];
    let table =
        printed(json!({"mode": "table", "title": "Words", "by": "count", "limit": 4}), &rows);
    assert_eq!(table, ["Words\nword  count\nduck    100\nc        20\na         3\nb         3\n"]);
}

#[test]
fn a_full_table_keeps_the_greatest_rows() {
    let config = json!({"mode": "table", "maxRows": 10, "limit": 3});
    let words: Vec<String> = (0..200).map(|n| format!("w{}", n * 37 % 200)).collect();
    let rows: Vec<(&str, i64)> =
        words.iter().map(|word| (word.as_str(), word[1..].parse().unwrap())).collect();
    let table = printed(config, &rows).concat();
    assert_eq!(table, "word  count\nw199    199\nw198    198\nw197    197\n");
}

#[test]
fn a_long_cell_is_cut_and_an_empty_table_has_its_head() {
    assert_eq!(printed(json!({"mode": "table"}), &[]), ["word  count\n"]);
    let long = "x".repeat(100);
    let table = printed(json!({"mode": "table"}), &[(&long, 1)]).concat();
    assert!(table.contains(&format!("{}…      1\n", "x".repeat(60))), "{table}");
}

#[test]
fn a_closed_standard_output_is_an_error_that_names_it() {
    let (mut fake, mut print) = (Fake::default(), Print::to(Box::new(Closed)));
    print.prepare(&mut fake::bolt_context(json!({}), &FIELDS)).unwrap();
    let error = fake.execute(&mut print, &FIELDS, ("a", 1i64), 0).unwrap_err().to_string();
    assert!(error.contains("standard output is closed"), "{error}");
}

#[test]
fn a_table_of_different_inputs_or_unknown_fields_is_refused() {
    let mut context = fake::bolt_context(json!({"mode": "table", "by": "size"}), &FIELDS);
    let error = format!("{:#}", Print::default().prepare(&mut context).unwrap_err());
    assert!(error.contains("`by`") && error.contains("it has: word, count"), "{error}");
    let stream = Stream::default_of(["line"]);
    context.inputs.push(Input { component: "other".to_owned(), stream });
    let error = Print::default().prepare(&mut context).unwrap_err().to_string();
    assert!(error.contains("`other` sends line"), "{error}");
}
