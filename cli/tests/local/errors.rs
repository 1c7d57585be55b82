//! Errors of tasks are kept over restarts, of the task and of its stream manager.

use crate::run::{Run, dir_with};
use std::{
    process::Command,
    time::{Duration, Instant},
};

/// The end of a file that nobody may write is told at each start.
const FILE: &str = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: failing}
spec:
  spouts:
  - {name: words, config: {rate: 10}}
  bolts:
  - {name: keep, component: file, config: {path: /proc/nobody/writes/this}, inputs: [{from: words}]}
";

#[test]
fn an_error_that_comes_again_is_counted_and_shown_with_its_task() {
    let run = Run::start_text(dir_with(&[]), FILE, &[]);
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
        command.args(["errors", "failing"]).env("TMPDIR", run.path(""));
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // Once for the life's last words and its parent's together, when both have told.
        let once = text.matches("keep[0] in ").count() == 1 && text.contains(" times, ");
        if once && text.contains("/proc/nobody/writes/this") {
            return;
        }
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(Instant::now() < deadline, "{text}{said}");
    }
}
