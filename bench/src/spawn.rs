//! A measured program: started in a process group of its own, heard line by line, and never left
//! behind.

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::{
    fs::File,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    time::{Duration, Instant},
};

/// Lines that may wait to be heard.
const LINES: usize = 1024;
/// Lines of a log that an error shows.
const TAIL: usize = 15;

/// A program that runs.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Running {
    /// Starts it. What it writes to stderr goes to the file `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> anyhow::Result<Running> {
        let program = command.get_program().to_string_lossy().into_owned();
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let (sender, lines) = sync_channel(LINES);
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                // Ends with the program, or when nobody listens any more.
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Running { child, lines, log: log.to_owned() })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to come to an end, as Ctrl-C does.
    pub(crate) fn interrupt(&self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("no such pid")?;
        kill_process(pid, Signal::INT).context("cannot interrupt it")
    }

    /// Its next line, or `None` if none comes within this time. An error if it has ended.
    pub(crate) fn line(&self, within: Duration) -> anyhow::Result<Option<String>> {
        match self.lines.recv_timeout(within) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => bail!("it ended too early\n{}", self.tail()),
        }
    }

    /// All its lines until it ends, and how it ended.
    pub(crate) fn end(&mut self, within: Duration) -> anyhow::Result<(String, ExitStatus)> {
        let until = Instant::now() + within;
        let mut text = String::new();
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    text.push_str(&line);
                    text.push('\n');
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    bail!("it does not end within {} s\n{}", within.as_secs(), self.tail())
                }
            }
        }
        let status = self.child.wait().context("cannot wait for it")?;
        Ok((text, status))
    }

    /// The last lines that it wrote to stderr.
    pub(crate) fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(TAIL);
        format!("{}:\n{}", self.log.display(), lines[from..].join("\n"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        if let Ok(None) = self.child.try_wait()
            && let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
        {
            let _ = kill_process_group(group, Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_heard_line_by_line_and_killed_when_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; sleep 600"]);
        let running = Running::start(&mut command, &dir.path().join("log")).unwrap();
        let line = running.line(Duration::from_secs(60)).unwrap();
        assert_eq!(line.as_deref(), Some("one"));
        assert_eq!(running.line(Duration::from_millis(1)).unwrap(), None);
        let pid = running.pid();
        drop(running);
        assert!(procfs::process::Process::new(pid as i32).is_err(), "{pid} still runs");
    }

    #[test]
    fn how_a_program_ended_and_what_it_said_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo broken >&2; exit 3"]);
        let mut running = Running::start(&mut command, &dir.path().join("log")).unwrap();
        let (text, status) = running.end(Duration::from_secs(60)).unwrap();
        assert_eq!((text.as_str(), status.code()), ("out\n", Some(3)));
        assert!(running.tail().contains("broken"));
    }
}
