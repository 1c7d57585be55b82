//! The program that links libFuzzer: built, run for a while, asked for the least corpus.

use egret_fuzz::Target;
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Instant,
};

/// Every edge is counted, and what is compared is told to the fuzzer.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Address space of the program in KiB: a length that somebody claims must not be allocated.
const SPACE: &str = "2097152";
/// Memory that an input may need in MiB, and the time in seconds.
const MEMORY: u32 = 512;
const TIME: u32 = 5;

pub(crate) struct Engine {
    program: PathBuf,
    work: PathBuf,
}

/// What a run came to.
pub(crate) struct Run {
    pub(crate) seconds: u64,
    pub(crate) executions: u64,
    pub(crate) edges: u64,
    /// The input that made the target panic, or take too much time or memory.
    pub(crate) finding: Option<PathBuf>,
}

impl Engine {
    /// Builds it. `home` is the folder of `egret-fuzz`.
    pub(crate) fn build(home: &Path) -> io::Result<Engine> {
        let work = home.join("../target/fuzz");
        fs::create_dir_all(&work)?;
        let work = work.canonicalize()?;
        let host = host()?;
        let mut build = Command::new("cargo");
        // With a target named, build scripts are built without the flags.
        build.args(["build", "--release", "--locked", "--quiet", "--target", &host]);
        build.current_dir(home.join("engine"));
        build.env("CARGO_TARGET_DIR", &work).env("RUSTFLAGS", FLAGS);
        if !build.stdin(Stdio::null()).status()?.success() {
            return Err(io::Error::other(
                "the fuzzer was not built, as said above (it needs a C++ compiler)",
            ));
        }
        let program = work.join(host).join("release/egret-fuzz-engine");
        Ok(Engine { program, work })
    }

    /// An empty folder of this name.
    pub(crate) fn scratch(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.work.join("corpora").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Feeds a target for so many seconds, beginning with the inputs of a folder, to which those
    /// are added that reach something new.
    pub(crate) fn run(&self, target: &Target, folder: &Path, seconds: u64) -> io::Result<Run> {
        let found = self.work.join("found");
        fs::create_dir_all(&found)?;
        let place = format!("-artifact_prefix={}/{}-", found.display(), target.name);
        let time = format!("-max_total_time={seconds}");
        let began = Instant::now();
        let output = self.start(target, &[&place, &time, "-print_final_stats=1"], &[folder])?;
        let seconds = began.elapsed().as_secs();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let said = self.work.join(format!("{}.log", target.name));
        fs::write(&said, &text)?;
        let finding = text.lines().find_map(|line| line.split_once("Test unit written to "));
        let finding = finding.map(|(_, file)| PathBuf::from(file.trim()));
        if finding.is_none() && !output.status.success() {
            let why = format!("{}: {}; see {}", target.name, output.status, said.display());
            return Err(io::Error::other(why));
        }
        let executions = number_after(&text, "stat::number_of_executed_units:");
        Ok(Run { seconds, executions, edges: number_after(&text, " cov:"), finding })
    }

    /// Adds to `least` as few inputs of `all` as reach all that is reached.
    pub(crate) fn merge(&self, target: &Target, least: &Path, all: &Path) -> io::Result<()> {
        let output = self.start(target, &["-merge=1", "-set_cover_merge=1"], &[least, all])?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(io::Error::other(format!("{}: the corpus cannot be merged:\n{text}", target.name)))
    }

    fn start(&self, target: &Target, args: &[&str], folders: &[&Path]) -> io::Result<Output> {
        let limit = format!("ulimit -v {SPACE} && exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &limit]).arg(&self.program).args(args);
        command.args([
            format!("-max_len={}", target.max_len),
            format!("-rss_limit_mb={MEMORY}"),
            format!("-timeout={TIME}"),
        ]);
        command.args(folders).env("EGRET_FUZZ_TARGET", target.name);
        command.stdin(Stdio::null()).stdout(Stdio::null()).output()
    }
}

fn host() -> io::Result<String> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| io::Error::other("rustc does not name its host"))
}

/// The number behind the last of these words.
fn number_after(text: &str, words: &str) -> u64 {
    let number = text.rsplit_once(words).map(|(_, rest)| rest.split_whitespace().next());
    number.flatten().and_then(|number| number.parse().ok()).unwrap_or(0)
}
