//! Any process below `egret run` may be killed at any time.

use crate::run::{Run, example, signal};
use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Numbers that look random and follow from a seed.
struct Seeded(u64);

impl Seeded {
    fn new() -> Seeded {
        let seed = std::env::var("EGRET_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = seed.unwrap_or(now.as_nanos() as u64 | 1);
        println!("repeat with EGRET_SEED={seed}");
        Seeded(seed)
    }

    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }
}

#[test]
fn every_line_is_copied_while_processes_are_killed() {
    const LINES: usize = 400_000;
    /// Time between kills.
    const EVERY: Duration = Duration::from_millis(500);
    /// Kills end after this, so that the run can.
    const STORM: Duration = Duration::from_secs(10);
    let mut random = Seeded::new();
    let dir = tempfile::tempdir().unwrap();
    let lines: String = (0..LINES).map(|i| format!("line {i} of the input\n")).collect();
    fs::write(dir.path().join("input"), &lines).unwrap();
    let args =
        ["--set", "spouts.lines.config.path=DIR/input", "--set", "bolts.out.config.path=DIR/out"];
    let mut run = Run::start_in(dir, &example("copy-lines.yaml"), &args);
    run.until("all nine children run", |run| run.children().len() == 9);
    let (start, mut kills) = (Instant::now(), 0);
    while start.elapsed() < STORM && !run.has_ended() {
        let children = run.children();
        if !children.is_empty() {
            signal(children[random.below(children.len())], "KILL");
            kills += 1;
        }
        std::thread::sleep(EVERY);
    }
    while !run.has_ended() && start.elapsed() < Duration::from_secs(100) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let copied = run.read("out");
    let ended = run.wait();
    assert!(ended.status.success(), "after {kills} kills: {}", ended.stderr);
    ended.assert_accounts();
    assert_eq!(ended.root("pending"), 0);
    assert!(ended.summary["restarts"].as_u64().unwrap() > 0, "{}", ended.summary);
    let (expected, copied): (BTreeSet<&str>, BTreeSet<&str>) =
        (lines.lines().collect(), copied.lines().collect());
    let missing: Vec<&&str> = expected.difference(&copied).take(5).collect();
    let foreign: Vec<&&str> = copied.difference(&expected).take(5).collect();
    assert!(missing.is_empty() && foreign.is_empty(), "missing {missing:?}, foreign {foreign:?}");
}
