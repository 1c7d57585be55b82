//! Children that do not outlive their parent, as real processes: this test binary runs itself in
//! two roles.

// Also in the fixture, which clippy does not take for a test.
#![allow(clippy::unwrap_used)]

use egret_process::{die_with_parent, orphan::Orphaned};
use std::{
    env,
    io::{BufRead, BufReader},
    process::{self, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Which role this process plays; not set in the test itself.
const ROLE: &str = "EGRET_TEST_ROLE";
/// Far longer than anything here takes; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// This binary again, running only `name` in the given role.
fn again(name: &str, role: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(ROLE, role);
    command
}

/// The number behind `key=` in what the process writes.
fn said(output: impl std::io::Read, key: &str) -> u32 {
    BufReader::new(output)
        .lines()
        .find_map(|line| line.unwrap().split_once(key)?.1.parse().ok())
        .unwrap()
}

#[test]
fn a_child_dies_with_its_parent() {
    let name = "a_child_dies_with_its_parent";
    match env::var(ROLE).as_deref() {
        Ok("child") => {
            die_with_parent(env::var("PARENT").unwrap().parse().unwrap()).unwrap();
            println!("\nchild={}", process::id());
            thread::sleep(PATIENCE);
        }
        Ok(_) => {
            let parent = process::id().to_string();
            again(name, "child").env("PARENT", parent).spawn().unwrap().wait().unwrap();
        }
        Err(_) => {
            let mut parent = again(name, "parent").stdout(Stdio::piped()).spawn().unwrap();
            let child = said(parent.stdout.take().unwrap(), "child=");
            parent.kill().unwrap();
            parent.wait().unwrap();
            let stat = format!("/proc/{child}/stat");
            let started = Instant::now();
            // Dead, but perhaps not yet buried by whoever adopted it.
            while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
                assert!(started.elapsed() < PATIENCE, "the child {child} lives on");
                thread::yield_now();
            }
        }
    }
}

#[test]
fn a_parent_that_is_already_gone_is_noticed() {
    let name = "a_parent_that_is_already_gone_is_noticed";
    if env::var(ROLE).is_ok() {
        // Nobody's parent has the id of the process itself.
        let gone = die_with_parent(process::id());
        assert!(matches!(gone, Err(Orphaned::Gone { expected }) if expected == process::id()));
    } else {
        assert!(again(name, "child").status().unwrap().success());
    }
}
