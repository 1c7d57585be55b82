//! The word count of the examples, against coreutils, and what it costs with nothing to do.

use crate::{
    processes::ticks,
    run::{Ended, Run, dir_with, example},
};
use std::{
    collections::BTreeMap,
    fmt::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// What `tr`, `sort` and `uniq` say.
fn coreutils(file: &Path) -> BTreeMap<String, u64> {
    let pipeline = "tr -s '[:space:]' '\\n' < \"$1\" | sed '/^$/d' | sort | uniq -c";
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", pipeline, "sh"]).arg(file).env("LC_ALL", "C").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |line: &str| {
        let (count, word) = line.trim_start().split_once(' ').unwrap();
        (word.to_owned(), count.parse().unwrap())
    };
    text.lines().map(line).collect()
}

/// What the run has left.
pub(crate) fn counted(json_lines: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in json_lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let (word, count) = (line["word"].as_str().unwrap(), line["count"].as_u64().unwrap());
        assert_eq!(counts.insert(word.to_owned(), count), None, "`{word}` is counted twice");
    }
    counts
}

/// Every kind of white space, bytes that only look like it, empty lines, no last line feed.
fn text() -> String {
    let mut text = "\t a  b\u{b}c\u{c}a\r\n\n \nno end of line in the \u{e9}nd ".to_owned();
    for i in 0..30_000 {
        let space = [" ", "\t", "\u{b}", "\u{c}", "\r", "  ", "\u{a0}", "\u{85}", "\u{2003}"];
        let (space, end) = (space[i % 9], ["\n", "\r\n", "\n\n", " \n\t"][i % 4]);
        write!(text, "{}{space}word{} \u{fc}ber{}{space}{i}{end}", i % 7, i % 1000, i % 11)
            .unwrap();
    }
    text + include_str!("word_count.rs") + "last"
}

fn count(input: &str, args: &[&str]) -> Ended {
    let mut all = vec![
        "--set",
        "spouts.lines.config.path=DIR/input",
        "--set",
        "spouts.lines.config.splitSize=16Ki",
        "--set",
        "bolts.counts.config.path=DIR/out",
    ];
    all.extend(args);
    let dir = dir_with(&[("input", input.as_bytes())]);
    let expected = coreutils(&dir.path().join("input"));
    let ended = Run::start_in(dir, &example("word-count.yaml"), &all).wait();
    ended.assert_well();
    let (counts, replayed) = (counted(&ended.read("out")), ended.root("replayed"));
    if replayed == 0 {
        assert_eq!(counts, expected);
    } else {
        // Who gets no processor for seconds loses its links: what was in flight counts again.
        assert!(counts.keys().eq(expected.keys()), "{replayed} replayed: {counts:?}");
        let fewer = expected.iter().find(|(word, count)| counts[*word] < **count);
        assert_eq!(fewer, None, "{replayed} replayed: {counts:?}");
    }
    assert_eq!(ended.summary["restarts"], 0);
    ended
}

const THIRTY_ONE: [&str; 8] = [
    "--pods",
    "4",
    "--set",
    "spouts.lines.parallelism=5",
    "--set",
    "bolts.split.parallelism=8",
    "--set",
    "bolts.count.parallelism=12",
];

#[test]
fn words_are_counted_as_coreutils_do() {
    let ended = count(&text(), &[]);
    assert!(ended.stdout.contains("The most frequent words"), "{}", ended.stdout);
}

#[test]
fn so_they_are_in_thirty_one_processes() {
    count(&text(), &THIRTY_ONE);
}

#[test]
fn so_they_are_without_acks() {
    let ended = count(&text(), &["--set", "delivery=AtMostOnce"]);
    assert_eq!(ended.root("replayed"), 0);
}

#[test]
fn a_count_that_ticks_ends_too() {
    count(&text(), &["--set", "bolts.count.tick=20ms"]);
}

#[test]
fn no_text_has_no_words() {
    count("", &[]);
    count("\n \n", &[]);
}

/// CPU time of a run and its children, in hundredths of a second.
fn used(run: &Run) -> u64 {
    let children = run.children();
    assert_eq!(children.len(), 31);
    ticks(run.pid()) + children.iter().map(|child| ticks(child.pid)).sum::<u64>()
}

/// Thirty-one processes that wait for more, or for leave to begin, use less than this share of a
/// core. Unoptimized they use a tenth, on a slow machine a fifth; one that spins uses all of it.
const IDLE: f64 = 0.5;

fn assert_idle(args: &[&str], is_ready: impl FnMut(&Run) -> bool) {
    let mut all = vec![
        "--set",
        "spouts.lines.config.path=DIR/input",
        "--set",
        "bolts.counts.config.path=DIR/out",
    ];
    all.extend(THIRTY_ONE);
    all.extend(args);
    let dir = dir_with(&[("input", b"a b\nc\n")]);
    let mut run = Run::start_alone(dir, &example("word-count.yaml"), &all);
    run.until("all is up and at rest", is_ready);
    // What starts does not rest at once, on a busy machine less so.
    let mut shares = Vec::new();
    while shares.len() < 5 {
        let (before, start) = (used(&run), Instant::now());
        run.until("some seconds have passed", |_| start.elapsed() > Duration::from_secs(4));
        let share = (used(&run) - before) as f64 / 100.0 / start.elapsed().as_secs_f64();
        println!("31 idle processes use {:.1} % of a core", share * 100.0);
        if share < IDLE {
            return;
        }
        shares.push(share);
    }
    panic!("31 idle processes use these shares of a core: {shares:?}");
}

/// As its progress says: all five tasks are there, and two lines are acked.
fn has_acked_two(run: &Run) -> bool {
    run.children().len() == 31 && run.read("stderr").contains("2 trees acked")
}

#[test]
fn thirty_one_processes_that_follow_a_silent_file_cost_nothing() {
    assert_idle(&["--set", "spouts.lines.config.follow=true"], has_acked_two);
}

#[test]
fn thirty_one_paused_processes_cost_nothing() {
    let is_up = |run: &Run| run.children().len() == 31 && run.read("stderr").contains("running");
    assert_idle(&["--set", "state=Paused"], is_up);
}
