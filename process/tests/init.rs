//! The parent of one child, as a real process: this test binary plays it in another process.

// Also in the fixture, which clippy does not take for a test.
#![allow(clippy::unwrap_used)]

use egret_process::init;
use std::{
    env,
    ffi::OsString,
    fs,
    io::{BufRead, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitCode, Stdio},
};

/// The script that the child runs; not set in the tests themselves.
const SCRIPT: &str = "EGRET_TEST_SCRIPT";
/// Where the exit code goes, because the test harness has one of its own.
const CODE: &str = "EGRET_TEST_CODE";

/// Plays the parent, if this process was started for that.
fn play() -> bool {
    let Ok(script) = env::var(SCRIPT) else { return false };
    let args: Vec<OsString> = vec!["-c".into(), script.into()];
    let code = init::run("the child", Path::new("/bin/sh"), &args);
    let known = (0..=255).find(|n| ExitCode::from(*n) == code);
    fs::write(env::var(CODE).unwrap(), known.unwrap().to_string()).unwrap();
    true
}

struct Parent {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    code: PathBuf,
    _dir: tempfile::TempDir,
}

impl Parent {
    fn of(test: &str, script: &str) -> Parent {
        let dir = tempfile::tempdir().unwrap();
        let code = dir.path().join("code");
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(SCRIPT, script)
            .env(CODE, &code)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Parent { process, lines, code, _dir: dir }
    }

    /// What stands behind the next `word=`.
    fn says(&mut self, word: &str) -> String {
        let key = format!("{word}=");
        let line = self.lines.find_map(|line| Some(line.unwrap().split_once(&key)?.1.to_owned()));
        line.unwrap()
    }

    fn signal(&self, signal: &str, pid: &str) {
        let sent = Command::new("kill").args([signal, pid]).status().unwrap();
        assert!(sent.success());
    }

    fn ends(mut self) -> u8 {
        self.process.wait().unwrap();
        fs::read_to_string(self.code).unwrap().parse().unwrap()
    }
}

#[test]
fn a_killed_child_comes_back_and_an_end_as_planned_is_the_end() {
    let test = "a_killed_child_comes_back_and_an_end_as_planned_is_the_end";
    if play() {
        return;
    }
    let script = "trap 'exit 0' USR1; echo; echo pid=$$; while :; do sleep 0.05; done";
    let mut parent = Parent::of(test, script);
    let first = parent.says("pid");
    parent.signal("-KILL", &first);
    let second = parent.says("pid");
    assert_ne!(first, second);
    // A signal to the parent reaches the child.
    let id = parent.process.id().to_string();
    parent.signal("-USR1", &id);
    assert_eq!(parent.ends(), 0);
}

#[test]
fn a_life_is_told_which_signal_ended_the_one_before() {
    let test = "a_life_is_told_which_signal_ended_the_one_before";
    if play() {
        return;
    }
    let script = "trap 'exit 0' USR1; echo; echo pid=$$; echo died=$EGRET_DIED_OF; \
                  while :; do sleep 0.05; done";
    let mut parent = Parent::of(test, script);
    let first = parent.says("pid");
    assert_eq!(parent.says("died"), "");
    parent.signal("-KILL", &first);
    assert_eq!(parent.says("died"), "signal 9");
    let id = parent.process.id().to_string();
    parent.signal("-USR1", &id);
    assert_eq!(parent.ends(), 0);
}

#[test]
fn after_a_request_to_end_the_child_is_not_spawned_again() {
    let test = "after_a_request_to_end_the_child_is_not_spawned_again";
    if play() {
        return;
    }
    let script = "trap 'exit 7' TERM; echo; echo pid=$$; while :; do sleep 0.05; done";
    let mut parent = Parent::of(test, script);
    parent.says("pid");
    let id = parent.process.id().to_string();
    parent.signal("-TERM", &id);
    assert_eq!(parent.ends(), 7);
}

#[test]
fn a_crashing_child_is_spawned_again_and_what_it_left_behind_is_killed() {
    let test = "a_crashing_child_is_spawned_again_and_what_it_left_behind_is_killed";
    if play() {
        return;
    }
    let script = "sleep 1000 & echo; echo left=$!; exit 3";
    let mut parent = Parent::of(test, script);
    let left = parent.says("left");
    assert_ne!(parent.says("left"), left);
    // Dead, but perhaps not yet buried by whoever adopted it: here that is not the parent.
    let stat = fs::read_to_string(format!("/proc/{left}/stat"));
    assert!(stat.is_err() || stat.unwrap().contains(") Z "), "{left} lives on");
    let id = parent.process.id().to_string();
    parent.signal("-TERM", &id);
    // Between two lives, or as the end of the last.
    assert!([3, 143].contains(&parent.ends()));
}
