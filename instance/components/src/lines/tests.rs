//! What `lines` promises of files that are read to their end.

mod following;
mod standard_input;

use super::*;
use crate::fake::{self, Fake};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// A line as it was emitted: its split, its position and its bytes.
type Line = (String, u64, Vec<u8>);

fn open(config: &Json, index: u32, parallelism: u32, positions: &BTreeMap<String, u64>) -> Lines {
    let positions = positions.clone();
    let mut context = fake::context(config.clone());
    (context.index, context.parallelism, context.positions) = (index, parallelism, positions);
    let mut lines = Lines::default();
    lines.open(&mut context).unwrap();
    lines
}

fn drain(lines: &mut Lines, fake: &mut Fake) {
    while fake.next(lines).unwrap() != Next::Exhausted {}
}

fn emitted(fake: &Fake) -> Vec<Line> {
    let bytes = fake.first_fields("default");
    let of = |(emitted, bytes): (&fake::Emitted, Vec<u8>)| {
        let (split, position) = emitted.root.unwrap().position.unwrap();
        (fake.splits[split.0 as usize].clone(), position, bytes)
    };
    fake.emitted.iter().zip(bytes).map(of).collect()
}

/// What all tasks emit that go on from these positions.
fn read_all(config: &Json, parallelism: u32, positions: &BTreeMap<String, u64>) -> Vec<Line> {
    let task = |index| {
        let mut fake = Fake::default();
        drain(&mut open(config, index, parallelism, positions), &mut fake);
        emitted(&fake)
    };
    (0..parallelism).flat_map(task).collect()
}

fn glob(folder: &Path) -> String {
    folder.join("*").display().to_string()
}

/// The lines of some content, as everybody understands them.
fn lines_of(content: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> =
        content.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    if lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    lines
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

/// Some prefix of each split, chosen by `seed`, and the lines behind those prefixes.
fn settle(all: &[Line], seed: u64) -> (BTreeMap<String, u64>, Vec<Line>) {
    let mut by_split: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in all {
        by_split.entry(&line.0).or_default().push(line);
    }
    let (mut positions, mut rest) = (BTreeMap::new(), Vec::new());
    for (n, (split, lines)) in by_split.into_iter().enumerate() {
        assert!(lines.is_sorted_by(|a, b| a.1 < b.1), "{split} goes backwards");
        let random = (seed ^ n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let settled = random as usize % (lines.len() + 1);
        if let Some(last) = lines[..settled].last() {
            positions.insert(split.to_owned(), last.1);
        }
        rest.extend(lines[settled..].iter().copied().cloned());
    }
    (positions, rest)
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => Just(b'\n'), 1 => Just(b'\r'), 6 => any::<u8>()];
    proptest::collection::vec(byte, 0..200)
}

proptest! {
    #[test]
    fn every_line_is_emitted_exactly_once_by_some_task_also_after_a_restart(
        contents in proptest::collection::vec(content(), 1..4),
        split_size in 1u64..70,
        parallelism in 1u32..6,
        parallelism_after in 1u32..6,
        seed in any::<u64>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        for (n, content) in contents.iter().enumerate() {
            fs::write(folder.path().join(format!("f{n}")), content).unwrap();
        }
        let config = json!({"path": glob(folder.path()), "splitSize": split_size});
        let all = read_all(&config, parallelism, &BTreeMap::new());
        let expected: Vec<Vec<u8>> =
            contents.iter().flat_map(|content| lines_of(content)).collect();
        prop_assert_eq!(sorted(all.iter().map(|line| line.2.clone()).collect()), sorted(expected));

        let (positions, rest) = settle(&all, seed);
        let again = read_all(&config, parallelism_after, &positions);
        prop_assert_eq!(sorted(again), sorted(rest));
    }

    #[test]
    fn any_failed_lines_are_emitted_again_as_they_were(
        content in content(),
        split_size in 1u64..70,
        fails in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("f"), &content).unwrap();
        let config = json!({"path": glob(folder.path()), "splitSize": split_size});
        let mut lines = open(&config, 0, 1, &BTreeMap::new());
        let mut fake = Fake::default();
        drain(&mut lines, &mut fake);
        let first = fake.emitted.clone();
        let fails: Vec<_> =
            fails
                .iter()
                .filter(|_| !first.is_empty())
                .map(|fail| &first[fail.index(first.len())])
                .collect();
        for failed in &fails {
            lines.fail(failed.root.unwrap().id, &fake::failure()).unwrap();
        }
        drain(&mut lines, &mut fake);
        let again = &fake.emitted[first.len()..];
        prop_assert_eq!(again.len(), fails.len());
        for (failed, again) in fails.into_iter().zip(again) {
            prop_assert_eq!(&failed.values, &again.values);
            prop_assert_eq!(failed.root.map(Root::replay), again.root);
        }
    }
}

#[test]
fn long_lines_are_split_and_every_piece_is_resumed_from() {
    let folder = tempfile::tempdir().unwrap();
    let content: Vec<u8> =
        [(600_000, b'a'), (3, b'b'), (300_000, b'c'), (0, 0), (261_120, b'd'), (261_121, b'e')]
            .iter()
            .flat_map(|(len, byte)| [vec![*byte; *len], vec![b'\n']].concat())
            .collect();
    fs::write(folder.path().join("f"), &content).unwrap();
    let config = json!({"path": glob(folder.path()), "splitSize": 100_000, "longLines": "split"});
    let all = read_all(&config, 3, &BTreeMap::new());
    let bytes = sorted(all.iter().map(|line| (line.2.first().copied(), line.2.len())).collect());
    let expected = [
        (None, 0),
        (Some(b'a'), 600_000 - 2 * MAX_LINE),
        (Some(b'a'), MAX_LINE),
        (Some(b'a'), MAX_LINE),
        (Some(b'b'), 3),
        (Some(b'c'), 300_000 - MAX_LINE),
        (Some(b'c'), MAX_LINE),
        (Some(b'd'), 261_120),
        (Some(b'e'), 1),
        (Some(b'e'), 261_120),
    ];
    assert_eq!(bytes, expected);
    for seed in 0..40 {
        let (positions, rest) = settle(&all, seed);
        assert_eq!(sorted(read_all(&config, 2, &positions)).len(), rest.len(), "seed {seed}");
    }
}

#[test]
fn a_long_line_ends_the_task_with_its_place_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    fs::write(&path, [b"ok\n".to_vec(), vec![b'x'; MAX_LINE + 1]].concat()).unwrap();
    let mut lines = open(&json!({"path": path}), 0, 1, &BTreeMap::new());
    let mut fake = Fake::default();
    let error = fake.next(&mut lines).unwrap_err().to_string();
    assert!(error.contains("offset 3 of") && error.contains("longLines: split"), "{error}");
    assert_eq!(fake.emitted.len(), 1);
}

#[test]
fn text_is_a_string_and_other_bytes_are_bytes() {
    use egret_sdk::Value;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("f"), b"\xc3\xa9\r\n\xff\r\n").unwrap();
    let config = json!({"path": glob(folder.path()), "crlf": true});
    let mut fake = Fake::default();
    drain(&mut open(&config, 0, 1, &BTreeMap::new()), &mut fake);
    assert_eq!(fake.emitted[0].values, [Value::String("é".into())]);
    assert_eq!(fake.emitted[1].values, [Value::Bytes(vec![0xff])]);
}

#[test]
fn a_call_emits_a_bounded_number_of_lines() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("f"), "a\n".repeat(1000)).unwrap();
    let mut lines = open(&json!({"path": glob(folder.path())}), 0, 1, &BTreeMap::new());
    let mut fake = Fake::default();
    assert_eq!(fake.next(&mut lines).unwrap(), Next::Emitted);
    assert_eq!(fake.emitted.len(), LINES_PER_CALL);
}

#[test]
fn other_files_do_not_change_who_reads_a_split() {
    let folder = tempfile::tempdir().unwrap();
    let readers = |config: &Json| -> BTreeSet<(u32, String)> {
        (0..3)
            .flat_map(|index| {
                let mut fake = Fake::default();
                drain(&mut open(config, index, 3, &BTreeMap::new()), &mut fake);
                fake.splits.into_iter().map(move |split| (index, split))
            })
            .collect()
    };
    let config = json!({"path": glob(folder.path()), "splitSize": 4});
    fs::write(folder.path().join("m"), "a\nb\nc\nd\ne\nf\n").unwrap();
    let before = readers(&config);
    fs::write(folder.path().join("a"), "a\nb\nc\nd\ne\nf\n").unwrap();
    assert_eq!(before.len(), 3);
    assert!(readers(&config).is_superset(&before));
}

#[test]
fn the_position_says_file_bytes_and_splits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f").display().to_string();
    fs::write(&path, format!("{}\n", "x".repeat(99)).repeat(400)).unwrap();
    let mut lines = open(&json!({"path": path, "splitSize": "10k"}), 0, 1, &BTreeMap::new());
    let mut fake = Fake::default();
    assert_eq!(lines.position().unwrap(), "0 of 4 splits");
    fake.next(&mut lines).unwrap();
    assert_eq!(lines.position().unwrap(), format!("{path} 6.4 kB of 40 kB, 1 of 4 splits"));
    drain(&mut lines, &mut fake);
    assert_eq!(lines.position().unwrap(), "4 of 4 splits");
}

#[test]
fn a_file_that_was_cut_off_between_two_lives_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f").display().to_string();
    fs::write(&path, "a\n").unwrap();
    let mut lines = open(&json!({"path": path}), 0, 1, &[(format!("{path}#0"), 9)].into());
    let error = Fake::default().next(&mut lines).unwrap_err().to_string();
    assert!(error.contains("ends at 2 and was read up to 9"), "{error}");
}

#[test]
fn what_makes_no_sense_is_refused_with_its_field() {
    for (config, field) in [
        (json!({"path": "Cargo.toml", "splitSize": 0}), "`splitSize`"),
        (json!({"path": "Cargo.toml", "splitSize": "4 MB"}), "`splitSize`"),
        (json!({"path": "-", "follow": true}), "`follow`"),
        (json!({"path": "nowhere.txt"}), "`nowhere.txt`"),
        (json!({}), "`path`"),
    ] {
        let mut context = fake::context(config);
        let error = format!("{:#}", Lines::default().open(&mut context).unwrap_err());
        assert!(error.contains(field) && error.contains("`it`"), "{error}");
    }
}
