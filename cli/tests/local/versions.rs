//! A topology whose processes are of two builds, of which the newer takes the place of the older.

use crate::{
    processes::signal,
    run::{EGRET, Run, built, dir_with},
};
use egret_wire::limits::VERSIONS;
use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ChildStdin,
};
use tempfile::TempDir;

/// One task of each in a pod of its own, so that a line passes every process.
const COPY: &str = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: versions}
spec:
  pods: 3
  spouts:
  - name: lines
    config: {path: '-'}
  bolts:
  - name: keep
    component: filter
    inputs: [{from: lines}]
  - name: out
    component: file
    config: {path: DIR/out, mode: append}
    inputs: [{from: keep}]
";

/// Lines between one replacement and the next.
const SOME: usize = 500;

/// A file that is `egret` until it becomes another build.
struct Program {
    _folder: TempDir,
    path: PathBuf,
}

impl Program {
    fn new() -> Program {
        let folder = tempfile::tempdir_in(Path::new(EGRET).parent().unwrap()).unwrap();
        let program = Program { path: folder.path().join("egret"), _folder: folder };
        program.becomes(Path::new(EGRET));
        program
    }

    /// Whatever is started from now on is this build; what runs stays what it is.
    fn becomes(&self, build: &Path) {
        let next = self.path.with_extension("next");
        if fs::hard_link(build, &next).is_err() {
            fs::copy(build, &next).unwrap();
        }
        fs::rename(next, &self.path).unwrap();
    }
}

/// A run that copies the lines that it is fed.
struct Copying {
    run: Run,
    input: ChildStdin,
    fed: usize,
}

impl Copying {
    /// Feeds some lines and waits until they have arrived and nothing is in flight.
    fn feed(&mut self, lines: usize, what: &str) {
        for n in self.fed..self.fed + lines {
            writeln!(self.input, "{what} {n}").unwrap();
        }
        self.fed += lines;
        let fed = self.fed;
        self.run.until("all lines are acked", |run| acked(run) == fed as f64);
    }

    /// Kills a child while nothing is in flight, waits until another one has its place, and
    /// lets some lines flow.
    fn replace(&mut self, name: &str) {
        let dead = self.run.child(name).unwrap().pid;
        signal(dead, "KILL");
        self.run.until("it is there again", |run| {
            run.child(name).is_some_and(|child| child.pid != dead)
        });
        // It may be replayed. Once it has passed, whoever was to hear of the kill has.
        self.feed(1, "probe");
        self.feed(SOME, "line");
    }

    /// Versions that links of stream managers with each other have had.
    fn agreed(&self) -> Vec<u8> {
        let log = self.run.read("stderr");
        // The last line may not be whole yet.
        let lines = log.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        let linked = lines.filter(|line| line.contains("a peer is linked"));
        linked.map(|line| line.rsplit_once("version=").unwrap().1.parse().unwrap()).collect()
    }
}

/// Lines whose trees are complete, as the stream managers count them.
fn acked(run: &Run) -> f64 {
    let count = |page: String| {
        let counts = page.lines().filter(|line| line.starts_with("egret_roots_acked_total{"));
        counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
    };
    run.metrics().into_iter().map(count).sum()
}

#[test]
fn a_build_of_the_next_version_takes_the_place_of_this_one_and_no_line_is_lost_or_comes_twice() {
    let program = Program::new();
    let mut run = Run::start_by(&program.path, dir_with(&[]), COPY, &["--verbose"]);
    let input = run.stdin();
    let mut copying = Copying { run, input, fed: 0 };
    copying.feed(SOME, "line");
    let (ours, next) = (VERSIONS.newest(), VERSIONS.newest() + 1);
    assert!(copying.agreed().iter().all(|version| *version == ours));
    program.becomes(&built("neighbour"));
    // Older and newer instances have had stream managers of both builds, and peers have dialed
    // each other in both ways.
    for child in ["pod 1", "keep", "pod 0", "out", "pod 2"] {
        copying.replace(child);
    }
    assert!(copying.agreed().contains(&next));
    // It goes back as it came.
    program.becomes(Path::new(EGRET));
    for child in ["pod 0", "keep", "pod 2"] {
        copying.replace(child);
    }
    let Copying { run, input, fed } = copying;
    drop(input);
    let ended = run.wait();
    ended.assert_well();
    assert_eq!(ended.root("acked"), fed as u64, "{}", ended.stderr);
    let out = ended.read("out");
    let (lines, probes): (Vec<&str>, _) = out.lines().partition(|line| line.starts_with("line "));
    let numbers: BTreeSet<&str> = lines.iter().copied().collect();
    assert_eq!(lines.len(), numbers.len(), "some came twice\n{}", ended.stderr);
    let probes: BTreeSet<&str> = probes.into_iter().collect();
    assert_eq!(numbers.len() + probes.len(), fed, "some are lost\n{}", ended.stderr);
}
