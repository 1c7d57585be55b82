//! The first process of a machine: makes its mounts, runs its daemons, buries its dead.
//!
//! It runs in namespaces of its own. When it is killed the kernel ends everything in them and
//! gives mounts and links back, however confused the daemons were.

use crate::{
    Result,
    error::file,
    machine::{HOLDS, SPEC, Spec},
};
use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount as mount_new, mount_bind, mount_change},
    process::{Pid, Signal, WaitOptions, kill_process, wait},
};
use std::{
    collections::BTreeMap,
    ffi::CStr,
    fs::{self, OpenOptions},
    os::unix::{fs::symlink, process::ExitStatusExt},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// A daemon that ended is started again this much later, as any init does.
const AGAIN: Duration = Duration::from_secs(1);

/// Size of a disk in memory, as mount(8) takes it.
const DISK: &CStr = c"size=512m";

/// Runs a machine until it is killed.
pub fn run(directory: &Path) -> Result<()> {
    let spec = directory.join(SPEC);
    let bytes = fs::read(&spec).map_err(file("read", &spec))?;
    let spec: Spec =
        serde_json::from_slice(&bytes).map_err(|error| file("understand", spec)(error.into()))?;
    mount(directory)?;
    if let Some(disk) = &spec.disk {
        fs::create_dir_all(disk).map_err(file("make", disk))?;
        let size = Some(DISK);
        mount_new("tmpfs", disk, "tmpfs", MountFlags::empty(), size)
            .map_err(|error| file("mount", disk)(error.into()))?;
    }
    if spec.forwards {
        let path = "/proc/sys/net/ipv4/ip_forward";
        fs::write(path, "1").map_err(file("write", path))?;
    }
    // Process id, and when to start if it has none.
    let mut lives: BTreeMap<&str, (Option<Pid>, Instant)> = BTreeMap::new();
    loop {
        bury(&mut lives);
        for (name, daemon) in &spec.daemons {
            let held = Path::new(HOLDS).join(name).exists();
            let life = lives.entry(name).or_insert((None, Instant::now()));
            match life.0 {
                Some(pid) if held => {
                    let _ = kill_process(pid, Signal::KILL);
                }
                None if !held && Instant::now() >= life.1 => {
                    life.0 = start(name, &daemon.program, &daemon.args, &spec.path);
                    life.1 = Instant::now() + AGAIN;
                }
                _ => {}
            }
        }
        crate::wait::pause();
    }
}

/// A `/run` and a `/var` of its own; nothing that is mounted here is seen outside.
fn mount(directory: &Path) -> Result<()> {
    let flags = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
    mount_change("/", flags).map_err(|error| file("share", "/")(error.into()))?;
    for (own, standard) in [("run", "/run"), ("var", "/var")] {
        let own = directory.join(own);
        mount_bind(&own, standard).map_err(|error| file("mount", &own)(error.into()))?;
    }
    for path in ["/var/log", "/var/lib", "/var/tmp", "/run/lock"] {
        fs::create_dir_all(path).map_err(file("make", path))?;
    }
    // Left by an earlier life of the machine, then it is right.
    let _ = symlink("/run", "/var/run");
    let _ = symlink("/run/lock", "/var/lock");
    Ok(())
}

/// Takes note of daemons that ended, and of orphans that nobody else waits for.
fn bury(lives: &mut BTreeMap<&str, (Option<Pid>, Instant)>) {
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        for (name, life) in lives.iter_mut().filter(|(_, life)| life.0 == Some(pid)) {
            let status = ExitStatus::from_raw(status.as_raw());
            eprintln!("{name} ended: {status}");
            *life = (None, Instant::now() + AGAIN);
        }
    }
}

fn start(name: &str, program: &Path, args: &[String], path: &str) -> Option<Pid> {
    let log = format!("/var/log/{name}.log");
    let opened = OpenOptions::new().create(true).append(true).open(&log);
    let started = opened.and_then(|out| {
        let mut command = Command::new(program);
        command.args(args).env_clear().env("PATH", path).env("HOME", "/root").current_dir("/");
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).spawn()
    });
    match started {
        Ok(child) => {
            eprintln!("{name} started as {}", child.id());
            i32::try_from(child.id()).ok().and_then(Pid::from_raw)
        }
        Err(error) => {
            eprintln!("{name} cannot start: {error}");
            None
        }
    }
}
