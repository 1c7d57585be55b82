//! A parent with real children.

// Also in the fixture, which clippy does not take for a test.
#![allow(clippy::unwrap_used)]

use egret_process::{Child, Event, Exited, Line, Parent};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::time::Duration;
use tokio::{sync::mpsc, time};

/// Far longer than anything here takes; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

struct Family {
    parent: Parent,
    events: mpsc::Receiver<Event>,
    lines: mpsc::Receiver<Line>,
}

impl Family {
    fn new() -> Family {
        let (parent, events, lines) = Parent::new();
        Family { parent, events, lines }
    }

    /// A child that runs a shell script.
    fn with(script: &str) -> Family {
        let family = Family::new();
        family.parent.spawn(shell("child", script)).unwrap();
        family
    }

    async fn event(&mut self) -> Event {
        time::timeout(PATIENCE, self.events.recv()).await.unwrap().unwrap()
    }

    async fn spawned(&mut self) -> (Pid, u64) {
        match self.event().await {
            Event::Spawned { pid, life, .. } => {
                (Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), life)
            }
            other => panic!("{other:?}"),
        }
    }

    async fn exited(&mut self) -> Exited {
        match self.event().await {
            Event::Exited(exited) => exited,
            other => panic!("{other:?}"),
        }
    }

    async fn line(&mut self) -> Line {
        time::timeout(PATIENCE, self.lines.recv()).await.unwrap().unwrap()
    }
}

fn shell(name: &str, script: &str) -> Child {
    Child {
        name: name.into(),
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        env: vec![("WHO".into(), name.into())],
        cwd: None,
        inherit_stdin: false,
    }
}

#[tokio::test]
async fn a_child_that_fails_is_spawned_again_with_its_last_words_kept() {
    let mut family = Family::with("echo out of $WHO; echo broken >&2; exit 7");
    assert_eq!(family.spawned().await.1, 1);
    let first = family.exited().await;
    assert_eq!(
        (first.code, first.own, first.planned, first.consecutive),
        (Some(7), true, false, 1)
    );
    assert_eq!(first.tail, ["broken"]);
    assert_eq!(first.respawn_in, Some(Duration::from_millis(100)));
    assert_eq!(family.spawned().await.1, 2);
    let second = family.exited().await;
    assert_eq!((second.consecutive, second.respawn_in), (2, Some(Duration::from_millis(200))));
    let lines = [family.line().await, family.line().await];
    for line in lines {
        let text = if line.stderr { "broken" } else { "out of child" };
        assert_eq!((line.name.as_str(), line.text.as_str()), ("child", text));
    }
}

#[tokio::test]
async fn a_kill_from_outside_is_no_fault_of_the_child() {
    let mut family = Family::with("exec sleep 1000");
    for life in 1..=3 {
        let (pid, counted) = family.spawned().await;
        assert_eq!(counted, life);
        kill_process(pid, Signal::KILL).unwrap();
        let exited = family.exited().await;
        assert_eq!((exited.own, exited.consecutive), (false, 0));
        assert_eq!(exited.respawn_in, Some(Duration::from_millis(100)));
    }
}

#[tokio::test]
async fn progress_forgives_earlier_exits() {
    let mut family = Family::with("read nothing; exit 1");
    family.spawned().await;
    assert_eq!(family.exited().await.consecutive, 1);
    family.spawned().await;
    family.parent.note_progress("child");
    assert_eq!(family.exited().await.consecutive, 1);
}

#[tokio::test]
async fn a_planned_exit_is_the_last() {
    let mut family = Family::with("trap 'exit 0' USR1; echo up; while :; do sleep 0.01; done");
    let (pid, _) = family.spawned().await;
    assert_eq!(family.line().await.text, "up");
    family.parent.expect_exit("child");
    kill_process(pid, Signal::USR1).unwrap();
    let exited = family.exited().await;
    assert!(exited.planned && exited.respawn_in.is_none() && exited.code == Some(0));
}

#[tokio::test]
async fn a_failure_is_not_planned_even_if_an_exit_is_expected() {
    let mut family = Family::with("exit 3");
    family.parent.expect_exit("child");
    family.spawned().await;
    let exited = family.exited().await;
    assert!(exited.own && exited.respawn_in.is_some());
}

#[tokio::test]
async fn who_ignores_sigterm_is_killed_after_the_grace() {
    let mut family = Family::with("trap '' TERM; echo up; while :; do sleep 0.01; done");
    let (pid, _) = family.spawned().await;
    family.line().await;
    family.parent.stop("child", Duration::from_millis(50)).await.unwrap();
    assert!(test_kill_process(pid).is_err(), "still there");
    let exited = family.exited().await;
    assert_eq!((exited.signal, exited.planned), (Some(Signal::KILL.as_raw()), true));
    assert!(family.parent.alive().is_empty());
}

#[tokio::test]
async fn sigterm_ends_who_obeys() {
    let mut family = Family::with("exec sleep 1000");
    family.spawned().await;
    family.parent.stop("child", PATIENCE).await.unwrap();
    assert_eq!(family.exited().await.signal, Some(Signal::TERM.as_raw()));
}

#[tokio::test]
async fn kill_all_ends_grandchildren_too() {
    let mut family = Family::with("sleep 1000 & echo $!; wait");
    let (pid, _) = family.spawned().await;
    let grandchild: i32 = family.line().await.text.parse().unwrap();
    family.parent.kill_all().await;
    assert!(test_kill_process(pid).is_err());
    // Killed with the group; whoever adopted it may take a moment to bury it.
    let stat = format!("/proc/{grandchild}/stat");
    let gone = async {
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::task::yield_now().await;
        }
    };
    time::timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test]
async fn dropping_the_parent_ends_its_children() {
    let mut family = Family::with("exec sleep 1000");
    family.spawned().await;
    let Family { parent, mut events, .. } = family;
    drop(parent);
    match time::timeout(PATIENCE, events.recv()).await.unwrap() {
        Some(Event::Exited(exited)) => assert!(exited.planned),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named_and_tried_again() {
    let mut family = Family::new();
    let child = Child { program: "/no/such/program".into(), ..shell("child", "") };
    family.parent.spawn(child).unwrap();
    for expected in 1..=2 {
        match family.event().await {
            Event::Unspawnable { error, consecutive, .. } => {
                assert!(error.contains("/no/such/program"), "{error}");
                assert_eq!(consecutive, expected);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_name_is_free_again_when_its_child_has_ended() {
    let mut family = Family::with("exec sleep 1000");
    family.spawned().await;
    assert!(family.parent.spawn(shell("child", "")).is_err());
    family.parent.stop("child", PATIENCE).await.unwrap();
    family.parent.spawn(shell("child", "exec sleep 1000")).unwrap();
}

#[tokio::test]
async fn lines_that_wait_for_the_caller_are_not_lost_when_the_child_ends() {
    const COUNT: usize = 20_000;
    let mut family = Family::with(&format!("seq {COUNT}"));
    family.parent.expect_exit("child");
    family.spawned().await;
    for number in 1..=COUNT {
        assert_eq!(family.line().await.text, number.to_string());
    }
    assert!(family.exited().await.planned);
}
