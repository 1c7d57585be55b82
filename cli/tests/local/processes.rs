//! What `/proc` says of the processes of a run.

use std::{fs, process::Command};

/// A child of `egret run`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// `pod 1`, or the component of a task.
    pub(crate) name: String,
    pub(crate) is_manager: bool,
}

/// The children of a process that are not dead.
pub(crate) fn children_of(parent: u32) -> Vec<Process> {
    let mut children: Vec<Process> = pids()
        .filter(|pid| {
            let stat = stat(*pid);
            stat.first().is_some_and(|state| state != "Z")
                && stat.get(1).is_some_and(|its| *its == parent.to_string())
        })
        .filter_map(named)
        .collect();
    children.sort_by_key(|child| child.pid);
    children
}

/// Whether a process is there and not dead.
pub(crate) fn is_alive(pid: u32) -> bool {
    stat(pid).first().is_some_and(|state| state != "Z" && state != "X")
}

/// Processes with this text among their arguments.
pub(crate) fn mentioning(text: &str) -> Vec<u32> {
    let ours = std::process::id();
    pids().filter(|pid| *pid != ours && args(*pid).iter().any(|arg| arg.contains(text))).collect()
}

/// CPU time that a process has used, in hundredths of a second.
pub(crate) fn ticks(pid: u32) -> u64 {
    let stat = stat(pid);
    stat.iter().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

/// Sends a signal by its name.
pub(crate) fn signal(pid: u32, name: &str) {
    signal_to(&pid.to_string(), name);
}

/// Sends a signal to a group of processes, as Ctrl-C in a terminal does.
pub(crate) fn signal_group(group: u32, name: &str) {
    signal_to(&format!("-{group}"), name);
}

fn signal_to(whom: &str, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), "--", whom]).status();
    // A process that is gone needs no signal.
    let _ = status.unwrap();
}

/// Processes that can run on average, now and in the last minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn args(pid: u32) -> Vec<String> {
    // A process may end while the list is read.
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect()
}

fn named(pid: u32) -> Option<Process> {
    let args = args(pid);
    let value = |option: &str| args.iter().skip_while(|arg| *arg != option).nth(1).cloned();
    let is_manager = args.get(1).is_some_and(|role| role == "__stream-manager");
    let name = if is_manager { format!("pod {}", value("--pod")?) } else { value("--component")? };
    Some(Process { pid, name, is_manager })
}

/// The fields behind the name, which may hold anything: state, parent, ...
fn stat(pid: u32) -> Vec<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    fields.split_whitespace().map(str::to_owned).collect()
}
