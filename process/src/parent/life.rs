//! The lives of one child, one after the other.

use super::{Child, Event, Exited, Line, lines};
use crate::respawn::{End, Respawn};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::{
    io,
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    process::Command,
    sync::{mpsc, watch},
    task::JoinHandle,
    time,
};

/// What the parent wants of a child. Only ever moves down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    Run,
    Stop { grace: Duration },
    Kill,
}

/// What the parent's handle and the child's task share.
#[derive(Default)]
pub(super) struct Shared {
    /// Something useful happened in this life.
    pub(super) progress: AtomicBool,
    /// An exit with code 0 is as planned.
    pub(super) expect_exit: AtomicBool,
}

/// One child with everything that its task needs.
pub(super) struct Lives {
    pub(super) child: Child,
    pub(super) shared: Arc<Shared>,
    pub(super) wish: watch::Receiver<Wish>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) lines: mpsc::Sender<Line>,
}

/// A running process.
struct Running {
    process: tokio::process::Child,
    pid: Pid,
    own_group: bool,
    /// Readers of stdout and stderr, and what tells them that the process is dead.
    pipes: [JoinHandle<()>; 2],
    dead: watch::Sender<bool>,
    tail: lines::Tail,
}

impl Lives {
    /// Runs the child until it is not wanted any more or has ended as planned.
    pub(super) async fn run(mut self) {
        let mut respawn = Respawn::default();
        let mut life = 0;
        while self.wanted() {
            life += 1;
            self.shared.progress.store(false, Relaxed);
            let delay = match self.spawn() {
                Ok(running) => self.live(running, life, &mut respawn).await,
                Err(error) => self.unspawnable(&error, &mut respawn).await,
            };
            let Some(delay) = delay else { return };
            tokio::select! {
                () = time::sleep(delay) => {}
                _ = self.wish.wait_for(|wish| *wish != Wish::Run) => {}
            }
        }
    }

    /// Whether it shall run: the parent still has handles, and nobody has stopped it.
    fn wanted(&self) -> bool {
        self.wish.has_changed().is_ok() && *self.wish.borrow() == Wish::Run
    }

    fn spawn(&self) -> io::Result<Running> {
        let child = &self.child;
        let mut command = Command::new(&child.program);
        command.args(&child.args).envs(child.env.iter().map(|(name, value)| (name, value)));
        if let Some(cwd) = &child.cwd {
            command.current_dir(cwd);
        }
        let own_group = !child.inherit_stdin;
        if own_group {
            // Ctrl-C in a terminal reaches the parent only, which then drains.
            command.process_group(0).stdin(Stdio::null());
        }
        // If the parent's runtime ends first, no child is left behind.
        command.kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let taken = || io::Error::other("the child was spawned without its pipes");
        let pid =
            process.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).ok_or_else(taken)?;
        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        let (stdout, stderr) = (stdout.ok_or_else(taken)?, stderr.ok_or_else(taken)?);
        let tail = lines::Tail::default();
        let (dead, dies) = watch::channel(false);
        let (name, lines) = (|| child.name.clone(), || self.lines.clone());
        let pipes = [
            tokio::spawn(lines::read(name(), stdout, None, lines(), dies.clone())),
            tokio::spawn(lines::read(name(), stderr, Some(tail.clone()), lines(), dies)),
        ];
        Ok(Running { process, pid, own_group, pipes, dead, tail })
    }

    /// One life. The delay until the next, if there shall be one.
    async fn live(
        &mut self,
        mut running: Running,
        life: u64,
        respawn: &mut Respawn,
    ) -> Option<Duration> {
        let (name, pid) = (self.child.name.clone(), running.pid.as_raw_nonzero().get());
        self.tell(Event::Spawned { name, pid: pid.unsigned_abs(), life }).await;
        let status = self.wait(&mut running).await;
        running.dead.send_replace(true);
        for mut pipe in running.pipes {
            // Lines that wait for the caller are worth waiting for, unless all shall end now.
            tokio::select! {
                _ = &mut pipe => {}
                _ = self.wish.wait_for(|wish| *wish == Wish::Kill) => pipe.abort(),
            }
        }
        let expected = self.shared.expect_exit.load(Relaxed) && status.code() == Some(0);
        let killed = status.signal() == Some(Signal::KILL.as_raw());
        let end = match () {
            () if !self.wanted() || expected => End::Planned,
            () if status.code() == Some(i32::from(crate::Exit::Again.code())) => End::Again,
            () if killed => End::Killed,
            () => End::Own,
        };
        let respawn_in = respawn.after(end, self.shared.progress.load(Relaxed));
        let exited = Exited {
            name: self.child.name.clone(),
            life,
            code: status.code(),
            signal: status.signal(),
            own: end == End::Own,
            planned: end == End::Planned,
            tail: running.tail.take(),
            respawn_in,
            consecutive: respawn.consecutive(),
        };
        self.tell(Event::Exited(exited)).await;
        respawn_in
    }

    /// Waits for the end of the process and meanwhile does to it what is wished.
    async fn wait(&mut self, running: &mut Running) -> ExitStatus {
        let mut wish_seen = Wish::Run;
        let mut deadline = None;
        loop {
            let wish = *self.wish.borrow_and_update();
            if wish > wish_seen {
                wish_seen = wish;
                match wish {
                    Wish::Run => {}
                    Wish::Stop { grace } => {
                        running.signal(Signal::TERM);
                        deadline = Some(time::Instant::now() + grace);
                    }
                    Wish::Kill => running.signal(Signal::KILL),
                }
            }
            tokio::select! {
                status = running.process.wait() => {
                    // Waiting for one's own child fails only if someone else has reaped it.
                    return status.unwrap_or_else(|_| ExitStatus::from_raw(Signal::KILL.as_raw()));
                }
                () = sleep_until(deadline) => {
                    deadline = None;
                    running.signal(Signal::KILL);
                }
                // The parent's handles are gone: nobody can want this child any more.
                changed = self.wish.changed() => if changed.is_err() {
                    running.signal(Signal::KILL);
                    deadline = None;
                    let _ = running.process.wait().await;
                },
            }
        }
    }

    async fn unspawnable(&mut self, error: &io::Error, respawn: &mut Respawn) -> Option<Duration> {
        let respawn_in = respawn.after(End::Own, false);
        let event = Event::Unspawnable {
            name: self.child.name.clone(),
            error: format!("cannot start {}: {error}", self.child.program.display()),
            respawn_in,
            consecutive: respawn.consecutive(),
        };
        self.tell(event).await;
        respawn_in
    }

    /// Events that nobody hears are no reason to stop.
    async fn tell(&self, event: Event) {
        let _ = self.events.send(event).await;
    }
}

impl Running {
    /// Sends a signal while the process has not been waited for, so its id is still its own.
    fn signal(&self, signal: Signal) {
        if self.process.id().is_none() {
            return;
        }
        // Fails only if the process is dead, which is what the signal was for.
        let _ = if signal == Signal::KILL && self.own_group {
            kill_process_group(self.pid, signal)
        } else {
            kill_process(self.pid, signal)
        };
    }
}

async fn sleep_until(deadline: Option<time::Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
