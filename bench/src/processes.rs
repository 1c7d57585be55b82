//! CPU time and memory of a process and all its descendants, by the part they play.

use procfs::process::{Process, all_processes};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// The part that a process plays in what is measured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// A stream manager, with its pod's index and directory.
    Manager(u32, PathBuf),
    /// An instance of this component.
    Instance(String),
    /// The program that was started, and what it starts besides.
    Main,
}

impl Part {
    /// What role a command line asks for.
    fn of(command: &[String]) -> Part {
        let after = |option: &str| {
            let at = command.iter().position(|word| word == option)?;
            command.get(at + 1)
        };
        if let Some(component) = after("--component") {
            return Part::Instance(component.clone());
        }
        match (after("--pod").and_then(|pod| pod.parse().ok()), after("--dir")) {
            (Some(pod), Some(dir)) => Part::Manager(pod, dir.into()),
            _ => Part::Main,
        }
    }

    /// Its name in reports.
    pub(crate) fn name(&self) -> String {
        match self {
            Part::Manager(pod, _) => format!("manager {pod}"),
            Part::Instance(component) => component.clone(),
            Part::Main => "main".to_owned(),
        }
    }
}

/// The processes that descend from one, as they are now.
#[derive(Debug)]
pub(crate) struct Tree(Vec<(Part, Process)>);

/// What they have used so far, by the names of their parts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    /// User and system time, in seconds.
    pub(crate) cpu: BTreeMap<String, f64>,
    /// The greatest resident memory of one process, in bytes.
    pub(crate) peak: BTreeMap<String, u64>,
}

impl Tree {
    /// A process and its descendants.
    pub(crate) fn of(root: u32) -> anyhow::Result<Tree> {
        let mut parents = BTreeMap::new();
        for process in all_processes()?.flatten() {
            // A process may end while it is looked at.
            if let Ok(stat) = process.stat() {
                parents.insert(process.pid, (stat.ppid, process));
            }
        }
        let mut inside = BTreeSet::from([root as i32]);
        loop {
            let more: Vec<i32> = parents
                .iter()
                .filter(|(pid, (parent, _))| inside.contains(parent) && !inside.contains(pid))
                .map(|(pid, _)| *pid)
                .collect();
            if more.is_empty() {
                break;
            }
            inside.extend(more);
        }
        let within = parents.into_values().filter(|(_, process)| inside.contains(&process.pid));
        let tree = within.map(|(_, process)| {
            let command = process.cmdline().unwrap_or_default();
            (Part::of(&command), process)
        });
        Ok(Tree(tree.collect()))
    }

    /// Their parts.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.0.iter().map(|(part, _)| part)
    }

    /// What they have used since they started.
    pub(crate) fn usage(&self) -> Usage {
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let mut usage = Usage::default();
        for (part, process) in &self.0 {
            let (Ok(stat), Ok(status)) = (process.stat(), process.status()) else { continue };
            let cpu = (stat.utime + stat.stime) as f64 / ticks;
            *usage.cpu.entry(part.name()).or_default() += cpu;
            let peak = usage.peak.entry(part.name()).or_default();
            *peak = (*peak).max(status.vmhwm.unwrap_or(0) * 1024);
        }
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(command: &str) -> Part {
        Part::of(&command.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn command_lines_tell_who_plays_which_part() {
        let manager = part("egret __stream-manager --topology t --pod 1 --dir d/pod-1");
        assert_eq!(manager, Part::Manager(1, "d/pod-1".into()));
        let instance = part("egret __instance --task 3 --component words --pod 0");
        assert_eq!(instance, Part::Instance("words".to_owned()));
        assert_eq!(part("egret run topology.yaml --pods 2"), Part::Main);
    }

    #[test]
    fn this_process_is_in_its_own_tree_and_uses_memory() {
        let usage = Tree::of(std::process::id()).unwrap().usage();
        assert!(usage.peak.values().any(|peak| *peak > 0), "{usage:?}");
    }
}
