//! `cargo xtask test`: every check in turn, with its time, and a table at the end.

use crate::{
    browser, charts, e2e, manifests, metrics,
    stage::{self, Ended},
    tidy,
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// The stages, in the order in which they run: quick ones first.
pub(crate) const STAGES: [&str; 12] = [
    "fmt",
    "tidy",
    "clippy",
    "test",
    "doc",
    "manifests",
    "charts",
    "sim",
    "deny",
    "metrics",
    "browser",
    "e2e",
];

/// Seeds of one simulation stage, and how many of them run twice to be compared.
const SEEDS: &str = "1000";
const SEEDS_TWICE: &str = "100";

/// How a stage ended.
enum Outcome {
    Passed(String),
    Failed(String),
    Skipped(String),
}

/// A line of the closing table.
struct Line {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

/// Runs the stages named, or all; the text closes the output either way.
pub(crate) fn run(root: &Path, only: &[String]) -> Result<String, String> {
    let mut lines = Vec::new();
    for name in STAGES {
        if !only.is_empty() && !only.iter().any(|chosen| chosen == name) {
            continue;
        }
        println!("==> {name}");
        let started = Instant::now();
        let outcome = one(root, name);
        let took = started.elapsed();
        match &outcome {
            Outcome::Passed(detail) => println!("    passed in {}: {detail}", show(took)),
            Outcome::Skipped(why) => println!("    SKIPPED: {why}"),
            Outcome::Failed(output) => {
                println!("{}\n    FAILED after {}", output.trim_end(), show(took));
            }
        }
        lines.push(Line { name, outcome, took });
    }
    close(&lines)
}

fn one(root: &Path, name: &str) -> Outcome {
    match name {
        "fmt" => fmt(root),
        "tidy" => tidy::report(root).map_or_else(Outcome::Failed, Outcome::Passed),
        "clippy" => clippy(root),
        "test" => cargo_test(root),
        "doc" => doc(root),
        "manifests" => {
            manifests::run(root, &["--check"]).map_or_else(Outcome::Failed, Outcome::Passed)
        }
        "charts" => charts(root),
        "sim" => sim(root),
        "deny" => deny(root),
        "metrics" => metrics(root),
        "browser" => browser(root),
        _ => e2e(root),
    }
}

fn e2e(root: &Path) -> Outcome {
    ended(e2e::run(root), "on a real Kubernetes")
}

fn metrics(root: &Path) -> Outcome {
    ended(metrics::run(root), "by a real Prometheus")
}

fn browser(root: &Path) -> Outcome {
    ended(browser::run(root), "in a real Chromium")
}

fn ended(ended: Result<e2e::Ended, String>, place: &str) -> Outcome {
    match ended {
        Ok(e2e::Ended::Passed(output, again)) => {
            let mut sums = sums(&output);
            sums[1] = sums[1].saturating_sub(again.len() as u64);
            let mut detail = format!("{place}: {}", counted(sums));
            if !again.is_empty() {
                detail.push_str(&format!("; at the second try: {}", again.join(", ")));
            }
            Outcome::Passed(detail)
        }
        Ok(e2e::Ended::Skipped(why)) => Outcome::Skipped(why),
        Err(output) => Outcome::Failed(output),
    }
}

fn fmt(root: &Path) -> Outcome {
    if !stage::answers(root, &["cargo", "fmt", "--version"]) {
        return Outcome::Skipped(
            "this toolchain has no rustfmt: rustup component add rustfmt".into(),
        );
    }
    judge(stage::run(root, &["cargo", "fmt", "--all", "--check"], &[], |_| false), "formatted")
}

fn clippy(root: &Path) -> Outcome {
    if !stage::answers(root, &["cargo", "clippy", "--version"]) {
        return Outcome::Skipped(
            "this toolchain has no clippy: rustup component add clippy".into(),
        );
    }
    // Those of the cluster are tests that are not asked for by `--all-targets`.
    for targets in [&["--all-targets"][..], &["--test", "*"]] {
        let command = ["cargo", "clippy", "--workspace", "--locked"];
        let command = [&command[..], targets, &["--", "-D", "warnings"]].concat();
        let ended = stage::run(root, &command, &[], |_| false);
        if !ended.ok {
            return Outcome::Failed(ended.output);
        }
    }
    Outcome::Passed("no warnings".to_owned())
}

fn cargo_test(root: &Path) -> Outcome {
    // Those that need a cluster have a stage of their own.
    let command = ["cargo", "test", "--workspace", "--locked", "--no-fail-fast"];
    let ended = stage::run(root, &command, &[], |line| {
        ["Running ", "Doc-tests ", "test result: "].iter().any(|start| line.starts_with(start))
    });
    let totals = totals(&ended.output);
    let detail = format!("test result: {} {totals}", if ended.ok { "ok." } else { "FAILED." });
    match judge(ended, &detail) {
        Outcome::Failed(output) => Outcome::Failed(format!("{output}\n{detail}")),
        other => other,
    }
}

fn doc(root: &Path) -> Outcome {
    let command = ["cargo", "doc", "--workspace", "--no-deps", "--locked"];
    judge(stage::run(root, &command, &[("RUSTDOCFLAGS", "-D warnings")], |_| false), "no warnings")
}

fn charts(root: &Path) -> Outcome {
    match manifests::programs::obtain(root) {
        Ok(programs) => {
            charts::check(root, &programs).map_or_else(Outcome::Failed, Outcome::Passed)
        }
        Err(why) => Outcome::Skipped(why),
    }
}

fn sim(root: &Path) -> Outcome {
    if !root.join("sim/src/main.rs").exists() {
        return Outcome::Skipped("there is no simulator to run yet".into());
    }
    let command = ["cargo", "run", "--release", "--locked", "--package", "egret-sim", "--"];
    let twice = [&command[..], &["--seeds", SEEDS_TWICE, "--twice"]].concat();
    let ended = stage::run(root, &twice, &[], |_| false);
    if !ended.ok {
        return Outcome::Failed(ended.output);
    }
    let ended = stage::run(root, &[&command[..], &["--seeds", SEEDS]].concat(), &[], |_| false);
    let last = ended.output.lines().last().unwrap_or_default().to_owned();
    judge(ended, &last)
}

fn deny(root: &Path) -> Outcome {
    if !stage::answers(root, &["cargo", "deny", "--version"]) {
        return Outcome::Skipped(
            "cargo-deny is not installed: bans, licences and sources were not checked".into(),
        );
    }
    let command = ["cargo", "deny", "--offline", "check", "bans", "licenses", "sources"];
    judge(stage::run(root, &command, &[], |_| false), "bans, licences and sources")
}

fn judge(ended: Ended, passed: &str) -> Outcome {
    if ended.ok { Outcome::Passed(passed.to_owned()) } else { Outcome::Failed(ended.output) }
}

fn totals(output: &str) -> String {
    counted(sums(output))
}

/// The sums of all closing lines of test runners: passed, failed, ignored.
fn sums(output: &str) -> [u64; 3] {
    let words = ["passed", "failed", "ignored"];
    let closing = output.lines().filter(|line| line.trim().starts_with("test result: "));
    let mut sums = [0u64; 3];
    for part in closing.flat_map(|line| line.split(['.', ';'])) {
        let mut pieces = part.split_whitespace();
        if let (Some(Ok(count)), Some(word)) = (pieces.next().map(str::parse::<u64>), pieces.next())
            && let Some(at) = words.iter().position(|known| *known == word)
        {
            sums[at] += count;
        }
    }
    sums
}

fn counted([passed, failed, ignored]: [u64; 3]) -> String {
    format!("{passed} passed; {failed} failed; {ignored} ignored")
}

/// The table, the runner's closing line, and the count of stages.
fn close(lines: &[Line]) -> Result<String, String> {
    let mut text = String::from("\nstage     outcome         time\n");
    let (mut passed, mut failed, mut runner) = (0, 0, None);
    for Line { name, outcome, took } in lines {
        let (word, remark) = match outcome {
            Outcome::Passed(detail) => {
                passed += 1;
                ("passed", detail.as_str())
            }
            Outcome::Failed(output) => {
                failed += 1;
                ("FAILED", output.lines().last().unwrap_or_default())
            }
            Outcome::Skipped(why) => ("skipped", why.as_str()),
        };
        let shown = remark.starts_with("test result: ");
        runner = runner.or(shown.then_some(remark));
        let remark = if shown || word == "FAILED" { "" } else { remark };
        let line = format!("{name:<9} {word:<8} {:>11}  {remark}", show(*took));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.extend(runner.map(|line| format!("\n{line}")));
    text.push_str(&format!("\n{passed} passed, {failed} failed"));
    if failed == 0 { Ok(text) } else { Err(text) }
}

fn show(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {:02} s", took.as_secs() / 60, took.as_secs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_summed() {
        let output = "\
test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
noise
test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(totals(output), "7 passed; 2 failed; 1 ignored");
    }

    #[test]
    fn the_last_line_counts_stages_and_skipped_ones_do_not_count() {
        let line = |name, outcome| Line { name, outcome, took: Duration::from_secs(61) };
        let fine = [
            line("fmt", Outcome::Passed("formatted".into())),
            line("test", Outcome::Passed("test result: ok. 3 passed; 0 failed; 0 ignored".into())),
            line("deny", Outcome::Skipped("not installed".into())),
        ];
        let text = close(&fine).unwrap();
        assert!(
            text.ends_with("test result: ok. 3 passed; 0 failed; 0 ignored\n2 passed, 0 failed")
        );
        assert!(text.contains("deny      skipped   1 min 01 s  not installed"), "{text}");
        let bad = [line("fmt", Outcome::Failed("long\noutput".into()))];
        assert!(close(&bad).unwrap_err().ends_with("\n0 passed, 1 failed"));
    }
}
