//! What `lines` promises of files that grow.

use super::*;
use std::{fs::OpenOptions, io::Write as _};

struct Log {
    folder: tempfile::TempDir,
}

impl Log {
    fn new() -> Log {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("log"), "").unwrap();
        Log { folder }
    }

    fn path(&self) -> String {
        self.folder.path().join("log").display().to_string()
    }

    fn append(&self, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.path()).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rotate(&self) {
        fs::rename(self.path(), self.folder.path().join("log.1")).unwrap();
    }

    fn follow(&self, positions: &BTreeMap<String, u64>) -> Lines {
        open(&json!({"path": self.path(), "follow": true}), 0, 1, positions)
    }
}

/// Calls `next` until it waits.
fn until_idle(lines: &mut Lines, fake: &mut Fake) -> Vec<String> {
    let before = fake.emitted.len();
    while !matches!(fake.next(lines).unwrap(), Next::IdleFor(_)) {}
    let lines = fake.first_fields("default").split_off(before);
    lines.into_iter().map(|line| String::from_utf8(line).unwrap()).collect()
}

fn ack_all(lines: &mut Lines, fake: &Fake) {
    for emitted in &fake.emitted {
        lines.ack(emitted.root.unwrap().id).unwrap();
    }
}

#[test]
fn whole_lines_are_emitted_as_they_are_appended() {
    let (log, mut fake) = (Log::new(), Fake::default());
    let mut lines = log.follow(&BTreeMap::new());
    assert!(until_idle(&mut lines, &mut fake).is_empty());
    log.append("a\nb");
    assert_eq!(until_idle(&mut lines, &mut fake), ["a"]);
    log.append("c\n");
    assert_eq!(until_idle(&mut lines, &mut fake), ["bc"]);
    assert!(until_idle(&mut lines, &mut fake).is_empty());
}

#[test]
fn a_restart_goes_on_from_the_position() {
    let (log, mut fake) = (Log::new(), Fake::default());
    log.append("a\nb\nc\n");
    until_idle(&mut log.follow(&BTreeMap::new()), &mut fake);
    let (split, position, _) = emitted(&fake)[1].clone();
    let again = until_idle(&mut log.follow(&[(split, position)].into()), &mut Fake::default());
    assert_eq!(again, ["c"]);
}

#[test]
fn a_failed_line_is_replayed_and_a_rotated_file_is_kept_until_all_are_acked() {
    let (log, mut fake) = (Log::new(), Fake::default());
    let mut lines = log.follow(&BTreeMap::new());
    log.append("a\nlast");
    until_idle(&mut lines, &mut fake);
    log.rotate();
    assert!(until_idle(&mut lines, &mut fake).is_empty());
    log.append("new\n");
    assert_eq!(until_idle(&mut lines, &mut fake), ["last"]);
    lines.fail(fake.emitted[0].root.unwrap().id, &fake::failure()).unwrap();
    assert_eq!(until_idle(&mut lines, &mut fake), ["a"]);
    ack_all(&mut lines, &fake);
    assert!(until_idle(&mut lines, &mut fake).is_empty());
    assert_eq!(until_idle(&mut lines, &mut fake), ["new"]);
    assert_eq!(fake.splits.len(), 2);
}

#[test]
fn a_file_that_becomes_shorter_is_an_error() {
    let (log, mut fake) = (Log::new(), Fake::default());
    let mut lines = log.follow(&BTreeMap::new());
    log.append("a\nb\n");
    until_idle(&mut lines, &mut fake);
    fs::write(log.path(), "a\n").unwrap();
    let error = fake.next(&mut lines).unwrap_err().to_string();
    assert!(error.contains("became shorter"), "{error}");
}

#[test]
fn each_file_is_followed_by_one_task() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..20 {
        fs::write(folder.path().join(format!("f{n}")), format!("{n}\n")).unwrap();
    }
    let config = json!({"path": glob(folder.path()), "follow": true});
    let read = |index| {
        let mut fake = Fake::default();
        until_idle(&mut open(&config, index, 3, &BTreeMap::new()), &mut fake)
    };
    let all: Vec<String> = (0..3).flat_map(read).collect();
    assert_eq!(sorted(all), sorted((0..20).map(|n| n.to_string()).collect()));
}
