//! Profiles of real processes: a task, a stream manager, and what is refused.

use crate::run::{Run, dir_with};
use std::{
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// Longer than anything takes that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

const FILE: &str = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: profiled}
spec:
  spouts:
  - {name: words}
  bolts:
  - {name: count, inputs: [{from: words, grouping: Fields, fields: [word]}]}
  - {name: end, component: discard, parallelism: 2, inputs: [{from: words}]}
";

fn profile(run: &Run, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
    command.args(["profile", "profiled"]).args(args).env("TMPDIR", run.path(""));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> String {
    let (stdout, stderr) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr))
}

/// Until the run has started, nobody answers.
fn recorded(run: &Run, args: &[&str]) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let output = profile(run, args).output().unwrap();
        if output.status.success() {
            return said(&output);
        }
        assert!(Instant::now() < deadline, "{}", said(&output));
    }
}

#[test]
fn the_profile_of_a_busy_task_names_what_it_executes() {
    let run = Run::start_text(dir_with(&[]), FILE, &[]);
    let file = run.path("count.folded");
    let file = file.to_str().unwrap();
    let samples = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    let executes =
        |line: &&str| line.starts_with("count;") && line.contains("egret_components::count");
    let deadline = Instant::now() + PATIENCE;
    // Also once it has started, a busy machine may leave it little CPU time.
    loop {
        let table = recorded(&run, &["count", "--seconds", "2", "--output", file]);
        assert!(table.contains("count[0] of profiled: "), "{table}");
        let folded = std::fs::read_to_string(file).unwrap();
        let all: u64 = folded.lines().map(samples).sum();
        let found: u64 = folded.lines().filter(executes).map(samples).sum();
        if found >= 5 && found * 10 >= all {
            return;
        }
        assert!(Instant::now() < deadline, "{found} of {all}:\n{folded}");
    }
}

#[test]
fn a_stream_manager_is_drawn_and_two_at_once_are_refused() {
    let run = Run::start_text(dir_with(&[]), FILE, &[]);
    let svg = run.path("flow.svg");
    recorded(&run, &["stream-manager", "--seconds", "2", "--output", svg.to_str().unwrap()]);
    let svg = std::fs::read_to_string(svg).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("egret_stream_manager::"), "{svg}");

    let start = || profile(&run, &["0", "--seconds", "4"]).spawn().unwrap();
    let both = [start(), start()].map(|child: Child| child.wait_with_output().unwrap());
    let words: Vec<String> = both.iter().map(said).collect();
    let done = both.iter().filter(|output| output.status.success()).count();
    assert_eq!(done, 1, "{words:?}");
    let refused = words.iter().any(|text| text.contains("a profile is being recorded in this pod"));
    assert!(refused, "{words:?}");

    let unknown = profile(&run, &["cuont"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(1));
    assert!(said(&unknown).contains("there is no task `cuont`"), "{}", said(&unknown));
    let several = said(&profile(&run, &["end"]).output().unwrap());
    assert!(several.contains("`end` has several tasks"), "{several}");
}
