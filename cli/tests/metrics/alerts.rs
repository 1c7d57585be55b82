//! Each alert fires when it should: in promtool's tests, and on real runs with shorter times.

use crate::{
    operator,
    prometheus::{self, Prometheus},
    run::{FAILS, HANGS, HOLDS, REFUSES, Run},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rules() -> String {
    fs::read_to_string(repository().join("dashboards/rules.yaml")).unwrap()
}

/// The rules with times for those who cannot wait: what takes minutes takes seconds.
pub(crate) struct Hurried(TempDir);

impl Hurried {
    pub(crate) fn new() -> Hurried {
        let mut text = rules();
        for (minutes, seconds) in [("[5m]", "[6s]"), ("[10m]", "[20s]"), ("[15m]", "[20s]")] {
            text = text.replace(minutes, seconds);
        }
        let lines = text.lines().map(|line| match line.trim_start().starts_with("for: ") {
            true => "    for: 2s".to_owned(),
            false => line.to_owned(),
        });
        let text: Vec<String> = lines.collect();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("rules.yaml"), text.join("\n")).unwrap();
        Hurried(dir)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join("rules.yaml")
    }
}

/// Runs a topology until an alert fires that has these labels.
#[track_caller]
fn fires(run: &Run, alert: &str, labels: &str) {
    let rules = Hurried::new();
    let prometheus = Prometheus::start(&run.addresses(), Some(&rules.file()));
    let query = format!(r#"ALERTS{{alertname="{alert}", alertstate="firing"{labels}}}"#);
    prometheus.until(&query, |found| !found.is_empty());
}

#[test]
fn the_rules_pass_their_own_tests_and_each_has_a_runbook() {
    if !prometheus::is_installed() {
        return;
    }
    let mut promtool = Command::new("promtool");
    promtool
        .args(["test", "rules", "rules_test.yaml"])
        .current_dir(repository().join("dashboards"));
    let output = promtool.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rules: serde_yaml::Value = serde_yaml::from_str(&rules()).unwrap();
    let tests = fs::read_to_string(repository().join("dashboards/rules_test.yaml")).unwrap();
    for rule in rules["groups"][0]["rules"].as_sequence().unwrap() {
        let name = rule["alert"].as_str().unwrap();
        let runbook = repository().join(rule["annotations"]["runbook_url"].as_str().unwrap());
        let text = fs::read_to_string(&runbook).unwrap_or_default();
        assert!(text.starts_with(&format!("# {name}\n")), "{name}: {}", runbook.display());
        assert!(
            tests.contains(&format!("alertname: {name}\n")),
            "{name} has no test that it fires"
        );
    }
}

#[test]
fn a_slow_task_fires_backpressure_and_is_named() {
    if prometheus::is_installed() {
        fires(&Run::start_slow(), "EgretBackpressure", r#", to="slow""#);
    }
}

#[test]
fn a_call_that_hangs_fires_no_progress() {
    if prometheus::is_installed() {
        fires(&Run::of(HANGS), "EgretNoProgress", r#", topology="hangs""#);
    }
}

#[test]
fn a_bolt_that_holds_tuples_for_good_fires_timeouts() {
    if prometheus::is_installed() {
        fires(&Run::of(HOLDS), "EgretTimeouts", r#", topology="holds""#);
    }
}

#[test]
fn tuples_that_fail_too_often_fire_dead_letters_and_their_spout_is_named() {
    if prometheus::is_installed() {
        fires(&Run::of(FAILS), "EgretDeadLetters", r#", component="words""#);
    }
}

#[test]
fn a_bolt_that_cannot_start_fires_the_crash_loop_and_is_named() {
    if prometheus::is_installed() {
        fires(&Run::of(REFUSES), "EgretCrashLoop", r#", component="refuses""#);
    }
}

#[test]
fn a_stream_manager_that_stands_still_fires_that_it_is_lost() {
    if !prometheus::is_installed() {
        return;
    }
    let mut run = Run::start();
    let addresses = run.addresses();
    let rules = Hurried::new();
    let prometheus = Prometheus::start(&addresses, Some(&rules.file()));
    prometheus.until(r#"egret_link_up{link="peer", peer="1"} == 1"#, |found| !found.is_empty());
    run.stop_stream_manager(1);
    let query = r#"ALERTS{alertname="EgretStreamManagerLost", alertstate="firing", peer="1"}"#;
    prometheus.until(query, |found| !found.is_empty());
}

/// What only a cluster can show is fired by the operator's own code with what it would see there.
#[test]
fn what_the_operator_tells_fires_certificate_rollout_and_errors() {
    if !prometheus::is_installed() {
        return;
    }
    let rules = Hurried::new();
    let prometheus = Prometheus::start(&[operator::serve()], Some(&rules.file()));
    for alert in ["EgretCertificateEnds", "EgretRolloutStuck", "EgretOperatorErrors"] {
        let query = format!(r#"ALERTS{{alertname="{alert}", alertstate="firing"}}"#);
        prometheus.until(&query, |found| !found.is_empty());
    }
}
