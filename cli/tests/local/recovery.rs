//! How soon tuples flow again after a kill.

use crate::{
    processes::{load, signal},
    run::{Run, dir_with, write_topology},
};
use std::time::{Duration, Instant};

/// One task of each in a pod of its own, so that a tuple passes every process.
const LINE: &str = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: recovery}
spec:
  pods: 3
  spouts:
  - name: words
    config: {rate: 2000}
  bolts:
  - name: keep
    component: filter
    inputs: [{from: words}]
  - name: out
    component: file
    config: {path: DIR/out}
    inputs: [{from: keep}]
";

/// A machine that does much else is given more time.
fn patience(within: Duration) -> Duration {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    if load() > 1.5 * cores as f64 { within * 4 } else { within }
}

/// Kills a process and waits until it is there again and lines arrive that it must have seen.
fn recovers(run: &mut Run, name: &str, within: Duration) {
    let size = run.size("out");
    run.until("lines arrive", |run| run.size("out") > size);
    let dead = run.child(name).unwrap().pid;
    signal(dead, "KILL");
    let start = Instant::now();
    run.until("it is spawned", |run| run.child(name).is_some_and(|child| child.pid != dead));
    // What was past it already has arrived meanwhile: a respawn takes 100 ms.
    let (size, spawned) = (run.size("out"), start.elapsed());
    run.until("lines arrive again", |run| run.size("out") > size);
    let (took, load) = (start.elapsed(), load());
    println!("{name}: spawned after {spawned:?}, lines after {took:?} (load {load})");
    assert!(took < patience(within), "{name} was away for {took:?} (load {load})");
}

#[test]
fn a_killed_instance_is_back_within_a_second_and_a_stream_manager_within_three() {
    let dir = dir_with(&[]);
    let file = write_topology(&dir, LINE);
    let mut run = Run::start_alone(dir, &file, &[]);
    run.until("lines arrive", |run| run.size("out") > 0);
    for _ in 0..2 {
        for instance in ["words", "keep", "out"] {
            recovers(&mut run, instance, Duration::from_secs(1));
        }
        for manager in ["pod 0", "pod 1", "pod 2"] {
            recovers(&mut run, manager, Duration::from_secs(3));
        }
    }
}
