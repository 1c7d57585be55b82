//! Any process below `egret run` may be killed at any time.

use crate::{
    processes::{Process, signal},
    run::{Run, dir_with, example},
};
use std::{
    collections::{BTreeSet, HashSet},
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

/// Lines of different lengths, each once.
fn lines(count: usize) -> String {
    (0..count).map(|i| format!("line {i} of the input {}\n", "x".repeat(i % 60))).collect()
}

const COPY: [&str; 6] = [
    "--set",
    "spouts.lines.config.path=DIR/input",
    "--set",
    "spouts.lines.config.splitSize=256Ki",
    "--set",
    "bolts.out.config.path=DIR/out",
];

/// Kills what `may_die` allows, one every so often, while a copy runs or the storm lasts.
struct Storm {
    lines: usize,
    args: &'static [&'static str],
    every: Duration,
    lasts: Duration,
}

impl Storm {
    fn rage(&self, may_die: impl Fn(&Process) -> bool) {
        let mut random = Seeded::new();
        let input = lines(self.lines);
        let dir = dir_with(&[("input", input.as_bytes())]);
        let args: Vec<&str> = COPY.iter().chain(self.args).copied().collect();
        let mut run = Run::start_in(dir, &example("copy-lines.yaml"), &args);
        run.until("all nine children run", |run| run.children().len() == 9);
        let (start, mut kills) = (Instant::now(), 0);
        while start.elapsed() < self.lasts && !run.has_ended() {
            let victims: Vec<Process> = run.children().into_iter().filter(&may_die).collect();
            if !victims.is_empty() {
                let victim = &victims[random.below(victims.len())];
                println!("{:?}: kill -9 of {}", start.elapsed(), victim.name);
                signal(victim.pid, "KILL");
                kills += 1;
            }
            std::thread::sleep(self.every);
        }
        let calm = Instant::now();
        let ended = run.wait();
        println!("{kills} kills, {:?}, then {:?}", calm - start, calm.elapsed());
        ended.assert_well();
        assert!(kills > 3, "the run was over too soon");
        assert!(ended.summary["restarts"].as_u64().unwrap() > 0, "{}", ended.summary);
        assert_eq!(ended.root("timed_out"), 0, "losses are told, not waited for");
        let copy = ended.read("out");
        assert!(copy.ends_with('\n'));
        let expected: HashSet<&str> = input.lines().collect();
        let copied: HashSet<&str> = copy.lines().collect();
        let missing: BTreeSet<&&str> = expected.difference(&copied).take(5).collect();
        let foreign: BTreeSet<&&str> = copied.difference(&expected).take(5).collect();
        assert!(missing.is_empty() && foreign.is_empty(), "missing {missing:?}, odd {foreign:?}");
    }
}

/// So many roots in flight that a copy takes long enough to be killed.
const SLOWLY: &[&str] = &["--set", "maxPending=20"];

#[test]
fn every_line_is_copied_while_any_process_is_killed() {
    let (every, lasts) = (Duration::from_millis(500), Duration::from_secs(10));
    Storm { lines: 120_000, args: SLOWLY, every, lasts }.rage(|_| true);
}

#[test]
fn every_line_is_copied_while_all_are_killed_faster_than_they_come_back() {
    let (every, lasts) = (Duration::from_millis(120), Duration::from_secs(5));
    Storm { lines: 200_000, args: &[], every, lasts }.rage(|_| true);
}

#[test]
fn every_line_is_copied_while_stream_managers_are_killed() {
    let (every, lasts) = (Duration::from_millis(500), Duration::from_secs(6));
    Storm { lines: 80_000, args: SLOWLY, every, lasts }.rage(|process| process.is_manager);
}

#[test]
fn every_line_is_copied_while_spouts_are_killed() {
    let (every, lasts) = (Duration::from_millis(400), Duration::from_secs(6));
    Storm { lines: 80_000, args: SLOWLY, every, lasts }.rage(|process| process.name == "lines");
}

#[test]
fn every_line_is_copied_whole_while_the_sink_is_killed() {
    let (every, lasts) = (Duration::from_millis(300), Duration::from_secs(6));
    Storm { lines: 300_000, args: &[], every, lasts }.rage(|process| process.name == "out");
}

#[test]
fn a_killed_spout_goes_on_from_what_is_acked() {
    const LINES: usize = 100_000;
    let input = lines(LINES);
    let dir = dir_with(&[("input", input.as_bytes())]);
    let mut args: Vec<&str> = COPY.iter().chain(SLOWLY).copied().collect();
    args.extend(["--set", "spouts.lines.parallelism=1"]);
    let mut run = Run::start_in(dir, &example("copy-lines.yaml"), &args);
    let mut kills = 0;
    for part in [0.3, 0.5, 0.7] {
        let size = (input.len() as f64 * part) as u64;
        run.until("so much is copied", |run| run.size("out") > size);
        let spout = run.child("lines");
        signal(spout.unwrap().pid, "KILL");
        kills += 1;
    }
    let ended = run.wait();
    ended.assert_well();
    let copy = ended.read("out");
    let distinct = copy.lines().collect::<HashSet<_>>().len();
    assert_eq!(distinct, LINES);
    // What was in flight, and what was acked since positions were told last: twice a second or
    // more.
    let twice = copy.lines().count() - distinct;
    println!("{twice} of {LINES} lines are there twice after {kills} kills");
    assert!(twice < LINES / 10, "{twice} of {LINES} lines are there twice");
}
