//! One bridge, a cable to each machine, and the routes to their pods.

use crate::{
    Result, command,
    layout::{BRIDGE, HOST, Machine},
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

fn ip(args: &[&str]) -> Result<()> {
    run(&mut command::program("ip", args))
}

fn run(command: &mut Command) -> Result<()> {
    command::output(command, command::QUICK).map(drop)
}
