//! `egret top` and `egret ui` beside a run: with a terminal, without one, and with nobody there.

use crate::{
    processes::signal,
    run::{Run, dir_with},
};
use rustix::{
    fs::OFlags,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcgetattr, tcsetwinsize},
};
use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

/// Longer than anything takes that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

const WORDS: &str = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: looked-at}
spec:
  spouts:
  - {name: words, config: {rate: 200}}
  bolts:
  - {name: end, component: discard, parallelism: 2, inputs: [{from: words}]}
";

fn running() -> Run {
    Run::start_text(dir_with(&[]), WORDS, &[])
}

/// `egret` with these arguments, which finds the run.
fn beside(run: &Run, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
    command.args(args).env("TMPDIR", run.path("")).env("TERM", "xterm-256color");
    command
}

/// Repeats a command until it succeeds: the run has to start.
fn until_ok(run: &Run, args: &[&str]) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let output = beside(run, args).output().unwrap();
        if output.status.success() {
            return String::from_utf8(output.stdout).unwrap();
        }
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(Instant::now() < deadline, "{said}");
    }
}

/// A terminal in which one program runs.
struct Terminal {
    master: File,
    slave: OwnedFd,
    said: String,
    pieces: Receiver<Vec<u8>>,
}

impl Terminal {
    fn open() -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let mode = rustix::fs::Mode::empty();
        let slave = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, mode).unwrap();
        let size = Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&slave, size).unwrap();
        let master = File::from(master);
        let mut reader = master.try_clone().unwrap();
        let (sender, pieces) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = reader.read(&mut buffer) {
                if length == 0 || sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal { master, slave, said: String::new(), pieces }
    }

    fn spawn(&self, mut command: Command) -> Child {
        let end = || Stdio::from(self.slave.try_clone().unwrap());
        command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap()
    }

    fn press(&mut self, keys: &[u8]) {
        self.master.write_all(keys).unwrap();
    }

    /// Waits until this is shown after all that was waited for before.
    fn shows(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.said.find(text) {
                self.said.drain(..at + text.len());
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let piece = self.pieces.recv_timeout(left);
            let piece = piece.unwrap_or_else(|_| panic!("never `{text}`: {}", self.said));
            self.said.push_str(&String::from_utf8_lossy(&piece));
        }
    }

    /// What line editing and echo are like.
    fn modes(&self) -> String {
        let modes = tcgetattr(&self.slave).unwrap();
        format!("{:?} {:?} {:?}", modes.local_modes, modes.input_modes, modes.output_modes)
    }
}

const ENTER: &str = "\u{1b}[?1049h";
const LEAVE: &str = "\u{1b}[?1049l";
const SHOW_CURSOR: &str = "\u{1b}[?25h";

/// Shows a run in a terminal until `end` ends it; the exit code. The terminal is as it was.
fn watched(run: &mut Run, end: impl FnOnce(&mut Run, &mut Terminal, &Child)) -> Option<i32> {
    until_ok(run, &["top", "--once"]);
    let mut terminal = Terminal::open();
    let before = terminal.modes();
    let mut child = terminal.spawn(beside(run, &["top"]));
    terminal.shows(ENTER);
    terminal.shows("looked-at");
    assert_ne!(terminal.modes(), before, "keys are read one by one");
    end(run, &mut terminal, &child);
    terminal.shows(SHOW_CURSOR);
    terminal.shows(LEAVE);
    let code = child.wait().unwrap().code();
    assert_eq!(terminal.modes(), before);
    code
}

#[test]
fn a_report_of_a_run_is_an_archive_of_what_it_does_and_logs() {
    let run = running();
    until_ok(&run, &["top", "--once"]);
    let file = run.path("report.tar.gz");
    let file = file.to_str().unwrap();
    let said = until_ok(&run, &["report", "--output", file]);
    assert!(said.contains("look through them"), "{said}");
    let list = Command::new("tar").args(["-tzf", file]).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    for part in
        ["README.txt", "machine.yaml", "snapshot.yaml", "logs/words-0.log", "logs/end-1.log"]
    {
        assert!(list.contains(&format!("egret-report-looked-at/{part}\n")), "{part} of {list}");
    }
    let again = beside(&run, &["report", "--output", file]).output().unwrap();
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(again.status.code(), Some(1));
    assert!(said.contains("exists") && said.contains("--output"), "{said}");
}

#[test]
fn a_key_ends_it_and_ctrl_c_does_and_the_terminal_is_as_before() {
    let mut run = running();
    let by = |run: &mut Run, key: &[u8]| watched(run, |_, terminal, _| terminal.press(key));
    assert_eq!(by(&mut run, b"q"), Some(0));
    assert_eq!(by(&mut run, b"\x03"), Some(130));
    let by_signal = |_: &mut Run, _: &mut Terminal, child: &Child| signal(child.id(), "TERM");
    assert_eq!(watched(&mut run, by_signal), Some(130));
}

#[test]
fn a_run_that_is_gone_stays_on_the_screen_as_not_live() {
    let mut run = running();
    let code = watched(&mut run, |run, terminal, _| {
        signal(run.pid(), "KILL");
        terminal.shows("NOT LIVE");
        terminal.press(b"q");
    });
    assert_eq!(code, Some(0));
}

#[test]
fn without_a_terminal_one_table_is_printed() {
    let run = running();
    for args in [&["top"][..], &["top", "--once"], &["top", "looked-at", "--once"]] {
        let text = until_ok(&run, args);
        assert!(!text.contains('\u{1b}'), "{text}");
        let row = |name: &str| text.lines().any(|line| line.starts_with(name));
        assert!(row("words ") && row("end ") && row("words[0] ") && row("end[1] "), "{text}");
    }
    // The spout needs a moment to start.
    let deadline = Instant::now() + PATIENCE;
    let emitted = |text: &str| {
        let words = text.lines().find(|line| line.starts_with("words ")).unwrap().to_owned();
        words.split_whitespace().nth(2).unwrap().parse::<f64>().unwrap_or(0.0)
    };
    let mut text = String::new();
    while text.is_empty() || emitted(&text) == 0.0 {
        assert!(Instant::now() < deadline, "{text}");
        text = until_ok(&run, &["top"]);
    }
}

#[test]
fn who_looks_for_what_does_not_run_is_told_what_to_do() {
    let empty = dir_with(&[]);
    for command in ["top", "ui"] {
        let mut asked = Command::new(env!("CARGO_BIN_EXE_egret"));
        let output = asked.arg(command).env("TMPDIR", empty.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("no topology runs on this machine"), "{said}");
        assert!(said.contains("egret run FILE"), "{said}");
    }
}

#[test]
fn an_address_that_is_taken_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = running();
    until_ok(&run, &["top", "--once"]);
    let output = beside(&run, &["ui", "--listen", &address]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("cannot serve the page at {address}")), "{said}");
}
