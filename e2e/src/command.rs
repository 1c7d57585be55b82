//! Running other programs, always with an end.

use crate::{Error, Result, wait};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    ffi::OsStr,
    io::{Read, Write},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Long enough for any program that only asks or tells the kernel something.
pub(crate) const QUICK: Duration = Duration::from_secs(20);

/// A program with its arguments.
pub(crate) fn program<S: AsRef<OsStr>>(name: impl AsRef<OsStr>, args: &[S]) -> Command {
    let mut command = Command::new(name);
    command.args(args);
    command
}

/// What a program wrote, if it ended well and in time.
pub(crate) fn output(command: &mut Command, limit: Duration) -> Result<String> {
    with_input(command, "", limit)
}

/// The same for a program that reads something first.
pub(crate) fn with_input(command: &mut Command, input: &str, limit: Duration) -> Result<String> {
    let shown = show(command);
    let fails = |how: String, tail: String| Error::Command { command: shown.clone(), how, tail };
    // A group of its own, so that what it starts ends with it.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child =
        command.spawn().map_err(|e| fails(format!("cannot start: {e}"), String::new()))?;
    let writer = child.stdin.take().map(|mut pipe| {
        let input = input.to_owned();
        // A program that ends without reading breaks the pipe; its status tells more.
        thread::spawn(move || drop(pipe.write_all(input.as_bytes())))
    });
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let ended = ended(&mut child, limit);
    if ended.is_none() {
        if let Some(pid) = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default()) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = child.wait();
    }
    let (stdout, stderr) = (join(stdout), join(stderr));
    drop(writer.map(JoinHandle::join));
    match ended {
        Some(Ok(status)) if status.success() => Ok(stdout),
        Some(Ok(status)) => Err(fails(format!("failed: {status}"), tail(&stdout, &stderr))),
        Some(Err(error)) => Err(fails(format!("is lost: {error}"), tail(&stdout, &stderr))),
        None => {
            let how = format!("took longer than {} s and was killed", limit.as_secs());
            Err(fails(how, tail(&stdout, &stderr)))
        }
    }
}

/// Whether a program can be found.
pub(crate) fn exists(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps programs of root where an ordinary user's PATH does not look.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|directory| directory.join(name).is_file())
}

fn ended(child: &mut Child, limit: Duration) -> Option<std::io::Result<std::process::ExitStatus>> {
    let started = Instant::now();
    // Quick programs are not kept waiting; slow ones are not looked at too often.
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(Ok(status)),
            Err(error) => return Some(Err(error)),
            Ok(None) if started.elapsed() >= limit => return None,
            Ok(None) => thread::park_timeout(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

fn collect<R: Read + Send + 'static>(pipe: Option<R>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before an error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn join(reader: JoinHandle<Vec<u8>>) -> String {
    String::from_utf8_lossy(&reader.join().unwrap_or_default()).into_owned()
}

fn tail(stdout: &str, stderr: &str) -> String {
    wait::last_lines(format!("{}\n{}", stdout.trim_end(), stderr.trim_end()).trim())
}

fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_writes_is_returned_and_what_it_reads_is_passed() {
        let text = with_input(&mut program("cat", &[] as &[&str]), "hello", QUICK).unwrap();
        assert_eq!(text, "hello");
    }

    #[test]
    fn a_failure_shows_command_and_words() {
        let error = output(&mut program("sh", &["-c", "echo why >&2; exit 3"]), QUICK).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("exit 3") && text.contains("why") && text.contains("status: 3"),
            "{text}"
        );
    }

    #[test]
    fn a_program_that_does_not_end_is_killed_with_what_it_started() {
        let mut command = program("sh", &["-c", "sleep 1000 & sleep 1000"]);
        let error = output(&mut command, Duration::from_millis(200)).unwrap_err();
        assert!(error.to_string().contains("took longer"), "{error}");
    }
}
