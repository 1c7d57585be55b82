//! What `lines` promises of standard input.

use super::*;
use crate::lines::standard_input::StandardInput;
use egret_sdk::Waker;
use std::{
    io::{self, Read},
    sync::mpsc::{Receiver, Sender, channel},
};

/// An input that gives what the test sends, piece by piece.
struct Pieces(Receiver<Vec<u8>>);

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Ok(piece) = self.0.recv() else { return Ok(0) };
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

struct Reading {
    spout: StandardInput,
    fake: Fake,
    input: Option<Sender<Vec<u8>>>,
    woken: Receiver<()>,
}

impl Reading {
    fn new() -> Reading {
        let (input, pieces) = channel();
        let (wake, woken) = channel();
        let config = serde_json::from_value(json!({"path": "-"})).unwrap();
        let mut spout = StandardInput::new(config, Box::new(Pieces(pieces)));
        let mut context = fake::context(json!(null));
        // A task that has ended is not woken any more.
        context.waker = Waker::new(move || wake.send(()).unwrap_or(()));
        spout.open(&mut context).unwrap();
        Reading { spout, fake: Fake::default(), input: Some(input), woken }
    }

    fn send(&mut self, text: &str) {
        self.input.as_ref().unwrap().send(text.as_bytes().to_vec()).unwrap();
        self.woken.recv().unwrap();
    }

    fn end(&mut self) {
        self.input = None;
        self.woken.recv().unwrap();
    }

    fn next(&mut self) -> Next {
        self.fake.next(&mut self.spout).unwrap()
    }

    fn lines(&self) -> Vec<Vec<u8>> {
        self.fake.first_fields("default")
    }
}

#[test]
fn the_task_is_woken_and_emits_what_has_come() {
    let mut reading = Reading::new();
    assert!(matches!(reading.next(), Next::IdleFor(_)));
    reading.send("a\nb");
    assert_eq!(reading.next(), Next::Emitted);
    assert!(matches!(reading.next(), Next::IdleFor(_)));
    reading.send("c\n");
    assert_eq!(reading.next(), Next::Emitted);
    assert_eq!(reading.lines(), [b"a".to_vec(), b"bc".to_vec()]);
}

#[test]
fn the_end_exhausts_it_and_completes_the_last_line() {
    let mut reading = Reading::new();
    reading.send("a\nb");
    reading.end();
    assert_eq!(reading.next(), Next::Emitted);
    assert_eq!(reading.next(), Next::Exhausted);
    assert_eq!(reading.lines(), [b"a".to_vec(), b"b".to_vec()]);
}

#[test]
fn a_failed_line_is_replayed_also_behind_the_end_and_an_acked_one_is_forgotten() {
    let mut reading = Reading::new();
    reading.send("a\nb\n");
    reading.end();
    while reading.next() != Next::Exhausted {}
    reading.spout.ack(0).unwrap();
    reading.spout.fail(1, &fake::failure()).unwrap();
    assert_eq!(reading.next(), Next::Emitted);
    assert_eq!(reading.next(), Next::Exhausted);
    assert_eq!(reading.fake.emitted[2].root, Some(Root::id(1).replay()));
    assert_eq!(reading.lines()[2], b"b");
    reading.spout.fail(0, &fake::failure()).unwrap();
    assert_eq!(reading.next(), Next::Exhausted);
}

#[test]
fn it_waits_for_acks_when_much_is_in_flight() {
    let mut reading = Reading::new();
    let line = format!("{}\n", "x".repeat(60_000));
    let mut sent = 0;
    while !matches!(reading.next(), Next::IdleFor(wait) if wait.as_millis() == 10) {
        reading.send(&line);
        sent += 1;
    }
    assert!((1118..1125).contains(&sent), "{sent}");
    for id in 0..sent {
        reading.spout.ack(id).unwrap();
    }
    reading.send(&line);
    assert_eq!(reading.next(), Next::Emitted);
}

#[test]
fn several_tasks_or_a_second_life_are_refused_with_the_remedy() {
    for (parallelism, restarts, remedy) in [(2, 0, "`parallelism` to 1"), (1, 1, "a new run")] {
        let mut context = fake::context(json!({"path": "-"}));
        (context.parallelism, context.restarts) = (parallelism, restarts);
        let error = Lines::default().open(&mut context).unwrap_err().to_string();
        assert!(error.contains(remedy) && error.contains("`it`"), "{error}");
    }
}
