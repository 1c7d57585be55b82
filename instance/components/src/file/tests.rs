//! What `file` promises.

use super::*;
use crate::fake::{self, Fake};
use egret_sdk::Value;
use serde_json::{Value as Json, json};
use std::fs;

struct Written {
    folder: tempfile::TempDir,
    restarts: u32,
}

impl Written {
    fn new() -> Written {
        Written { folder: tempfile::tempdir().unwrap(), restarts: 0 }
    }

    fn path(&self) -> String {
        self.folder.path().join("out").display().to_string()
    }

    fn content(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn sink(&self, more: Json) -> FileSink {
        let mut config = json!({"path": self.path()});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut context = fake::bolt_context(config, &["line"]);
        context.restarts = self.restarts;
        let mut sink = FileSink::default();
        sink.prepare(&mut context).unwrap();
        sink
    }
}

fn refused(config: Json, parallelism: u32) -> String {
    let mut context = fake::bolt_context(config, &["line"]);
    context.parallelism = parallelism;
    format!("{:#}", FileSink::default().prepare(&mut context).unwrap_err())
}

#[test]
fn tuples_are_acked_only_when_they_are_written() {
    let (written, mut fake) = (Written::new(), Fake::default());
    let mut sink = written.sink(json!({"fsync": true}));
    for (anchor, line) in [(1, "a"), (2, ""), (3, "c")] {
        fake.execute(&mut sink, &["line"], (line,), anchor).unwrap();
    }
    assert!(fake.acked.is_empty() && written.content().is_empty());
    fake.flush(&mut sink).unwrap();
    assert_eq!(written.content(), "a\n\nc\n");
    assert_eq!(fake.acked, [1, 2, 3]);
    fake.flush(&mut sink).unwrap();
    assert_eq!(fake.acked.len(), 3);
}

#[test]
fn a_full_buffer_is_written_without_a_pause() {
    let (written, mut fake) = (Written::new(), Fake::default());
    let mut sink = written.sink(json!({}));
    let line = "x".repeat(100_000);
    for anchor in 1..=3 {
        fake.execute(&mut sink, &["line"], (&line,), anchor).unwrap();
    }
    assert_eq!(fake.acked, [1, 2, 3]);
    assert_eq!(written.content().len(), 300_003);
}

#[test]
fn json_lines_have_all_fields_in_order() {
    let (written, mut fake) = (Written::new(), Fake::default());
    let mut sink = written.sink(json!({"format": "json"}));
    fake.execute(&mut sink, &["word", "count"], ("a\nb", 3i64), 1).unwrap();
    fake.finish(&mut sink).unwrap();
    assert_eq!(written.content(), "{\"word\":\"a\\nb\",\"count\":3}\n");
}

#[test]
fn bytes_that_are_no_text_are_written_as_they_are() {
    let (written, mut fake) = (Written::new(), Fake::default());
    let mut sink = written.sink(json!({}));
    fake.execute(&mut sink, &["line"], (Value::Bytes(b"\xff\r".to_vec()),), 1).unwrap();
    fake.flush(&mut sink).unwrap();
    assert_eq!(fs::read(written.path()).unwrap(), b"\xff\r\n");
}

#[test]
fn a_text_with_a_line_feed_fails_and_leaves_no_trace() {
    let (written, mut fake) = (Written::new(), Fake::default());
    let mut sink = written.sink(json!({}));
    fake.execute(&mut sink, &["line"], ("a\nb",), 1).unwrap();
    fake.execute(&mut sink, &["line"], ("c",), 2).unwrap();
    fake.flush(&mut sink).unwrap();
    assert_eq!(written.content(), "c\n");
    assert_eq!(fake.acked, [2]);
    let (anchor, cause) = &fake.failed[0];
    assert!(*anchor == 1 && cause.contains("`line` holds a line feed"), "{cause}");
}

#[test]
fn a_partial_last_line_is_cut_off_at_the_start() {
    let (mut written, mut fake) = (Written::new(), Fake::default());
    fs::write(written.path(), "whole\npart").unwrap();
    written.restarts = 1;
    let mut sink = written.sink(json!({}));
    assert_eq!(written.content(), "whole\n");
    fake.execute(&mut sink, &["line"], ("new",), 1).unwrap();
    fake.flush(&mut sink).unwrap();
    assert_eq!(written.content(), "whole\nnew\n");
}

#[test]
fn overwrite_discards_what_was_there_but_not_what_this_run_wrote() {
    let (mut written, mut fake) = (Written::new(), Fake::default());
    fs::write(written.path(), "old\n").unwrap();
    for line in ["first", "second"] {
        let mut sink = written.sink(json!({"mode": "overwrite"}));
        fake.execute(&mut sink, &["line"], (line,), 1).unwrap();
        fake.flush(&mut sink).unwrap();
        written.restarts += 1;
    }
    assert_eq!(written.content(), "first\nsecond\n");
}

#[test]
fn a_full_disk_fails_the_tuples_with_the_cause() {
    let mut context = fake::bolt_context(json!({"path": "/dev/full"}), &["line"]);
    let (mut fake, mut sink) = (Fake::default(), FileSink::default());
    sink.prepare(&mut context).unwrap();
    fake.execute(&mut sink, &["line"], ("a",), 1).unwrap();
    fake.flush(&mut sink).unwrap();
    let (anchor, cause) = &fake.failed[0];
    assert!(*anchor == 1 && cause.contains("/dev/full") && cause.contains("No space"), "{cause}");
    assert!(fake.acked.is_empty());
}

#[test]
fn several_tasks_need_a_placeholder() {
    let error = refused(json!({"path": "out"}), 2);
    assert!(error.contains("at `path`") && error.contains("{index}"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("{index}-{task}.txt").display().to_string();
    let mut context = fake::bolt_context(json!({"path": path}), &["line"]);
    (context.parallelism, context.index) = (2, 1);
    FileSink::default().prepare(&mut context).unwrap();
    assert!(folder.path().join("1-3.txt").exists());
}

#[test]
fn directories_that_are_missing_are_made() {
    let written = Written::new();
    let path = written.folder.path().join("deeply/nested/out");
    written.sink(json!({"path": path.display().to_string()}));
    assert!(path.is_file());
}

#[test]
fn what_cannot_be_opened_or_is_wrong_is_named() {
    let error = refused(json!({"path": "/dev/null/at/all"}), 1);
    assert!(error.contains("`it`") && error.contains("`/dev/null/at/all`"), "{error}");
    assert!(refused(json!({}), 1).contains("missing field `path`"));
    let error = refused(json!({"path": "x", "mode": "truncate"}), 1);
    assert!(error.contains("at `mode`") && error.contains("`append`"), "{error}");
}
