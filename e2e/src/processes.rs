//! Processes of pods, found by what they were called with: the host sees them all.

use crate::{Error, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::{collections::BTreeMap, fs};

/// Processes of this machine whose arguments contain all of these words, with their parents.
fn processes(words: &[&str]) -> BTreeMap<i32, i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    let matching = pids.filter_map(|pid: i32| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        let args: Vec<&str> = line.split('\0').collect();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
        let all = words.iter().all(|word| args.contains(word));
        all.then_some((pid, parent.trim().parse().ok()?))
    });
    matching.collect()
}

/// The process that a container's first process has started: the one that works.
pub fn worker(words: &[&str]) -> Result<Pid> {
    let found = processes(words);
    let child = found.iter().find(|(_, parent)| found.contains_key(parent));
    let pid = child.and_then(|(child, _)| Pid::from_raw(*child));
    pid.ok_or_else(|| Error::Host(format!("of {words:?} there is no child in {found:?}")))
}

/// Sends it a signal.
pub(crate) fn signal(pid: Pid, signal: Signal) -> Result<()> {
    let missing = |error: rustix::io::Errno| Error::Host(format!("process {pid:?}: {error}"));
    kill_process(pid, signal).map_err(missing)
}

/// Kills it, without a word.
pub fn kill(pid: Pid) -> Result<()> {
    signal(pid, Signal::KILL)
}
