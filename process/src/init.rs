//! PID 1 of a container: the parent of one child, which is this program again.
//!
//! The container lives on when the child crashes or is killed, so the kubelet does not back off and
//! nothing beside it is disturbed. Output is inherited: it is the container's log. Whatever the
//! child leaves behind is killed and buried before the next life.

use crate::{
    memory,
    respawn::{End, Respawn},
};
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, kill_process, kill_process_group, wait,
};
use std::{
    ffi::OsString,
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};
use tokio::{
    signal::unix::{Signal as Stream, SignalKind, signal},
    time,
};

/// Behind the signal, if the kernel has sent it.
const OUT_OF_MEMORY: &str = ": its container is out of memory (resources.limits.memory)";

/// A life that lasted this long has worked: its end is no part of a crash loop. As long as the
/// longest pause between two lives.
const WORKED: Duration = crate::respawn::LAST;

/// What the child is told that a signal has ended the life before with.
pub const DIED_OF: &str = "EGRET_DIED_OF";

/// What a shell adds to the number of the signal that ended a process.
const SIGNALLED: i32 = 128;

/// Whether this process is the first of its container, and must be a parent.
pub fn is_init() -> bool {
    std::process::id() == 1
}

/// Runs this program with its own arguments as the one child, and logs what happens to it.
pub fn again(name: &str, logging: crate::Logging) -> ExitCode {
    if let Err(error) = crate::logging::init(logging) {
        eprintln!("error: {error}");
        return crate::Exit::Usage.into();
    }
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    match std::env::current_exe() {
        Ok(program) => run(name, &program, &args),
        Err(error) => {
            tracing::error!("{name} cannot find its own program: {error}");
            crate::Exit::Failed.into()
        }
    }
}

/// Runs the program with these arguments again and again, until a life ends with code 0 or a signal
/// asks to end. What it returns is how the last life ended.
///
/// `name` is what the child is called in logs. Takes over all signals and all children of this
/// process, so nothing else may run in it.
pub fn run(name: &str, program: &Path, args: &[OsString]) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let code = runtime.and_then(|runtime| {
        let mut parent =
            Init { name, program, args, respawn: Respawn::default(), ending: false, died_of: None };
        runtime.block_on(parent.lives())
    });
    match code {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        Err(error) => {
            tracing::error!("the parent of {name} cannot work: {error}");
            crate::Exit::Failed.into()
        }
    }
}

struct Init<'a> {
    name: &'a str,
    program: &'a Path,
    args: &'a [OsString],
    respawn: Respawn,
    /// Somebody has asked to end.
    ending: bool,
    /// What the last life died of, if a signal has ended it.
    died_of: Option<String>,
}

/// The signals that a parent passes on, and the one that tells of dead children.
struct Signals {
    forwarded: [(Stream, Signal); 5],
    children: Stream,
}

impl Signals {
    fn listen() -> io::Result<Signals> {
        let of = |kind, same| Ok::<_, io::Error>((signal(kind)?, same));
        Ok(Signals {
            forwarded: [
                of(SignalKind::terminate(), Signal::TERM)?,
                of(SignalKind::interrupt(), Signal::INT)?,
                of(SignalKind::hangup(), Signal::HUP)?,
                of(SignalKind::user_defined1(), Signal::USR1)?,
                of(SignalKind::user_defined2(), Signal::USR2)?,
            ],
            children: signal(SignalKind::child())?,
        })
    }

    /// The next signal to pass on; `None` if a child may have died.
    async fn next(&mut self) -> Option<Signal> {
        let [(a, term), (b, int), (c, hup), (d, one), (e, two)] = &mut self.forwarded;
        tokio::select! {
            _ = a.recv() => Some(*term),
            _ = b.recv() => Some(*int),
            _ = c.recv() => Some(*hup),
            _ = d.recv() => Some(*one),
            _ = e.recv() => Some(*two),
            _ = self.children.recv() => None,
        }
    }
}

impl Init<'_> {
    async fn lives(&mut self) -> io::Result<i32> {
        // Before the first child, so that no signal is missed.
        let mut signals = Signals::listen()?;
        loop {
            let began = Instant::now();
            let short = memory::kills();
            let (code, killed, mut words) = match self.spawn() {
                Ok(child) => self.live(child, &mut signals).await?,
                Err(error) => (crate::Exit::Failed.code().into(), false, error.to_string()),
            };
            if killed && memory::kills() > short {
                words.push_str(OUT_OF_MEMORY);
            }
            self.died_of = (code > SIGNALLED).then(|| words.clone());
            let end = match () {
                () if code == 0 || self.ending => End::Planned,
                () if code == i32::from(crate::Exit::Again.code()) => End::Again,
                () if killed => End::Killed,
                () => End::Own,
            };
            let Some(delay) = self.respawn.after(end, began.elapsed() >= WORKED) else {
                return Ok(code);
            };
            let consecutive = self.respawn.consecutive();
            tracing::warn!(
                consecutive,
                "{} ended with {words}; it comes back in {} ms",
                self.name,
                delay.as_millis()
            );
            if self.is_ended_within(delay, &mut signals).await {
                return Ok(code);
            }
        }
    }

    fn spawn(&self) -> io::Result<Pid> {
        // A group of its own, so that what it leaves behind can be found.
        let mut command = Command::new(self.program);
        command.args(self.args).process_group(0).env_remove(DIED_OF);
        command.envs(self.died_of.iter().map(|words| (DIED_OF, words)));
        let child = command.spawn()?;
        let pid = Pid::from_raw(child.id().cast_signed());
        pid.ok_or_else(|| io::Error::other("the child was spawned without a process id"))
    }

    /// One life: its exit code, whether somebody killed it, and both in words.
    async fn live(&mut self, child: Pid, signals: &mut Signals) -> io::Result<(i32, bool, String)> {
        loop {
            if let Some(status) = bury(Some(child))? {
                // Fails if nobody is left, which is as it should be.
                let _ = kill_process_group(child, Signal::KILL);
                return Ok(match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => (code, false, format!("exit code {code}")),
                    (None, signal) => {
                        let signal = signal.unwrap_or_default();
                        let killed = signal == Signal::KILL.as_raw();
                        (SIGNALLED + signal, killed, format!("signal {signal}"))
                    }
                });
            }
            if let Some(signal) = signals.next().await {
                self.ending |= matches!(signal, Signal::TERM | Signal::INT);
                // Fails if it is dead already, which the next round finds out.
                let _ = kill_process(child, signal);
            }
        }
    }

    /// Waits between two lives; true if somebody asks to end meanwhile.
    async fn is_ended_within(&mut self, delay: Duration, signals: &mut Signals) -> bool {
        let over = time::sleep(delay);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return false,
                signal = signals.next() => match signal {
                    Some(Signal::TERM | Signal::INT) => return true,
                    Some(_) => {}
                    // Orphans of the last life.
                    None => drop(bury(None)),
                },
            }
        }
    }
}

/// Waits for all that are dead, whoever's children they were. The status of `child`, if it is one
/// of them.
fn bury(child: Option<Pid>) -> io::Result<Option<WaitStatus>> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if Some(pid) == child => return Ok(Some(status)),
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            Err(rustix::io::Errno::CHILD) if child.is_none() => return Ok(None),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
