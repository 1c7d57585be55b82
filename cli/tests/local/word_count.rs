//! The word count of the examples, against coreutils.

use crate::run::{Run, example};
use std::{collections::BTreeMap, fmt::Write, fs, path::Path, process::Command};

/// What `tr`, `sort` and `uniq` say.
fn coreutils(file: &Path) -> BTreeMap<String, u64> {
    let pipeline = "tr -s '[:space:]' '\\n' < \"$1\" | sed '/^$/d' | LC_ALL=C sort | uniq -c";
    let output = Command::new("sh").args(["-c", pipeline, "sh"]).arg(file).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |line: &str| {
        let (count, word) = line.trim_start().split_once(' ').unwrap();
        (word.to_owned(), count.parse().unwrap())
    };
    text.lines().map(line).collect()
}

/// What the run has left.
fn counted(json_lines: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in json_lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let (word, count) = (line["word"].as_str().unwrap(), line["count"].as_u64().unwrap());
        assert_eq!(counts.insert(word.to_owned(), count), None, "`{word}` is counted twice");
    }
    counts
}

/// Sources of this crate, and lines that are odd.
fn text() -> String {
    let mut text = "\t a  b\u{b}c\u{c}a\r\n\n \nno end of line in the \u{e9}nd ".to_owned();
    for i in 0..20_000 {
        writeln!(text, "{} word{} of line {}", i % 7, i % 1000, i).unwrap();
    }
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap() {
        text.push_str(&fs::read_to_string(entry.unwrap().path()).unwrap_or_default());
    }
    text + "last"
}

fn assert_counts(args: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("input");
    fs::write(&input, text()).unwrap();
    let expected = coreutils(&input);
    let mut all = vec![
        "--set",
        "spouts.lines.config.path=DIR/input",
        "--set",
        "bolts.counts.config.path=DIR/out",
    ];
    all.extend(args);
    let run = Run::start_in(dir, &example("word-count.yaml"), &all);
    let out = run.dir.path().join("out");
    let kept = out.with_file_name("kept");
    // The directory goes with the run; what is in it is looked at first.
    let mut run = run;
    while !run.has_ended() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    fs::copy(&out, &kept).unwrap_or_else(|error| panic!("{error}\n{}", run.read("stderr")));
    let counts = counted(&run.read("kept"));
    let stdout = run.read("stdout");
    let ended = run.wait();
    assert!(ended.status.success(), "{}", ended.stderr);
    ended.assert_accounts();
    assert_eq!(ended.root("pending"), 0);
    assert_eq!(counts, expected);
    assert!(stdout.contains("The most frequent words"), "{stdout}");
}

#[test]
fn words_are_counted_as_coreutils_do() {
    assert_counts(&[]);
}

#[test]
fn so_they_are_in_thirty_one_processes() {
    assert_counts(&[
        "--pods",
        "4",
        "--set",
        "spouts.lines.parallelism=5",
        "--set",
        "bolts.split.parallelism=8",
        "--set",
        "bolts.count.parallelism=12",
    ]);
}
