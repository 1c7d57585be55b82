//! One bridge, a cable to each machine, and the routes to their pods.

use crate::{
    Result, command,
    layout::{BRIDGE, HOST, Machine},
    machine,
};
use rustix::process::Pid;
use std::process::Command;

/// Makes the bridge and the host's ways to pods.
pub(crate) fn make_bridge() -> Result<()> {
    ip(&["link", "add", BRIDGE, "type", "bridge"])?;
    ip(&["address", "add", &format!("{HOST}/24"), "dev", BRIDGE])?;
    ip(&["link", "set", BRIDGE, "up"])?;
    for node in Machine::NODES {
        if let Some(pods) = node.pods() {
            ip(&["route", "add", pods, "via", node.address(), "dev", BRIDGE])?;
        }
    }
    Ok(())
}

/// Plugs a machine that runs into the bridge.
pub(crate) fn plug(machine: Machine, pid: Pid) -> Result<()> {
    let (cable, namespace) = (machine.cable(), pid.as_raw_nonzero().to_string());
    ip(&["link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", &namespace])?;
    ip(&["link", "set", cable, "master", BRIDGE, "up"])?;
    let inside = |args: &[&str]| {
        let mut command = command::program("nsenter", &["--target", &namespace, "--net", "ip"]);
        run(command.args(args))
    };
    inside(&["link", "set", "lo", "up"])?;
    inside(&["address", "add", &format!("{}/24", machine.address()), "dev", "eth0"])?;
    inside(&["link", "set", "eth0", "up"])?;
    inside(&["route", "add", "default", "via", HOST])?;
    for node in Machine::NODES.into_iter().filter(|node| *node != machine) {
        if let Some(pods) = node.pods() {
            inside(&["route", "add", pods, "via", node.address()])?;
        }
    }
    Ok(())
}

/// Pulls the cable of a machine that goes on running, or puts it back.
pub(crate) fn connect(machine: Machine, connected: bool) -> Result<()> {
    ip(&["link", "set", machine.cable(), if connected { "up" } else { "down" }])
}

/// What becomes of the packets that pods of two nodes send each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// None arrives on the first node.
    Deaf,
    /// None arrives anywhere.
    Parted,
    /// Of a hundred so many do not arrive, either way.
    Loss(u8),
}

/// Trouble between two nodes, until it is ended or dropped.
#[derive(Debug)]
pub struct Troubled {
    node: Machine,
    rules: Vec<Vec<String>>,
}

impl Troubled {
    /// Makes trouble between the pods of two nodes, at the first of them.
    pub(crate) fn make(node: Machine, other: Machine, trouble: Trouble) -> Result<Troubled> {
        let (mine, theirs) = (node.pods().unwrap_or_default(), other.pods().unwrap_or_default());
        let (inward, outward) = ([theirs, mine], [mine, theirs]);
        let (ways, some) = match trouble {
            Trouble::Deaf => (vec![inward], None),
            Trouble::Parted => (vec![inward, outward], None),
            Trouble::Loss(percent) => (vec![inward, outward], Some(percent)),
        };
        let rule = |[from, to]: [&str; 2]| {
            let mut rule: Vec<String> =
                ["-s", from, "-d", to].into_iter().map(str::to_owned).collect();
            if let Some(percent) = some {
                let share = format!("{:.2}", f64::from(percent) / 100.0);
                let words = ["-m", "statistic", "--mode", "random", "--probability", &share];
                rule.extend(words.into_iter().map(str::to_owned));
            }
            rule.extend(["-j".to_owned(), "DROP".to_owned()]);
            rule
        };
        let mut made = Troubled { node, rules: Vec::new() };
        for rule in ways.into_iter().map(rule) {
            made.tables("-I", &rule)?;
            made.rules.push(rule);
        }
        Ok(made)
    }

    /// Ends it.
    pub fn end(mut self) -> Result<()> {
        self.heal()
    }

    fn heal(&mut self) -> Result<()> {
        for rule in std::mem::take(&mut self.rules) {
            self.tables("-D", &rule)?;
        }
        Ok(())
    }

    fn tables(&self, verb: &str, rule: &[String]) -> Result<()> {
        let words = ["iptables", "--wait", verb, "FORWARD"].into_iter();
        let all: Vec<&str> = words.chain(rule.iter().map(String::as_str)).collect();
        inside(self.node, &all)
    }
}

impl Drop for Troubled {
    fn drop(&mut self) {
        if let Err(error) = self.heal() {
            eprintln!("{error}");
        }
    }
}

/// Removes what a machine leaves only if it was never there, and the bridge with its routes.
pub(crate) fn remove() -> Result<()> {
    for link in left() {
        match ip(&["link", "delete", &link]) {
            // It went by itself meanwhile.
            Err(_) if !left().contains(&link) => {}
            other => other?,
        }
    }
    Ok(())
}

/// Links of ours that exist; a cable whose machine ended goes by itself, a little later.
pub(crate) fn left() -> Vec<String> {
    let cables = Machine::ALL.map(Machine::cable);
    let all = cables.into_iter().chain([BRIDGE]);
    all.filter(|link| std::path::Path::new("/sys/class/net").join(link).exists())
        .map(str::to_owned)
        .collect()
}

/// Runs something in the network of a machine.
pub(crate) fn inside(machine: Machine, words: &[&str]) -> Result<()> {
    let pid = machine::pid(machine).map(|pid| pid.as_raw_nonzero().to_string());
    let pid = pid.unwrap_or_default();
    let mut command = command::program("nsenter", &["--target", &pid, "--net"]);
    run(command.args(words))
}

fn ip(args: &[&str]) -> Result<()> {
    run(&mut command::program("ip", args))
}

fn run(command: &mut Command) -> Result<()> {
    command::output(command, command::QUICK).map(drop)
}
