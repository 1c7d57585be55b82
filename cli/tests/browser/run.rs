//! A run that serves its page.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// A running `egret run --ui`.
pub(crate) struct Run {
    process: Child,
    dir: TempDir,
    pub(crate) origin: String,
}

impl Run {
    /// Starts the topology of this text, in which `DIR` stands for a directory with `input`.
    pub(crate) fn start(topology: &str, input: &str) -> Run {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().to_str().unwrap();
        let file = dir.path().join("topology.yaml");
        fs::write(&file, topology.replace("DIR", here)).unwrap();
        fs::write(dir.path().join("input"), input).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_egret"))
            .args(["run", "--quiet", "--ui=127.0.0.1:0", "--instance", &trouble()])
            .arg(&file)
            .env("TMPDIR", here)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(process.stderr.take().unwrap());
        let mut said = String::new();
        let origin = loop {
            let from = said.len();
            assert!(stderr.read_line(&mut said).unwrap() > 0, "it ended: {said}");
            if let Some((_, url)) = said[from..].split_once("the page is at ") {
                break url.trim().trim_end_matches('/').to_owned();
            }
        };
        // What it says later has to go somewhere.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Run { process, dir, origin }
    }

    /// What another `egret` on this machine prints.
    pub(crate) fn egret(&self, args: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
        let output = command.args(args).env("TMPDIR", self.dir.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        // Whether it has ended already or not.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The binary of `cli/examples/trouble.rs`.
fn trouble() -> String {
    let built = Path::new(env!("CARGO_BIN_EXE_egret")).with_file_name("examples").join("trouble");
    assert!(built.exists(), "first: cargo build -p egret-cli --example trouble");
    built.to_str().unwrap().to_owned()
}
