//! A Prometheus of its own, that scrapes pods every second.

use crate::{http, run::until};
use serde_json::Value;
use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// A running Prometheus.
pub(crate) struct Prometheus {
    process: Child,
    dir: TempDir,
    address: SocketAddr,
}

/// Whether the programs are there; panics if they must be.
pub(crate) fn is_installed() -> bool {
    let there = ["prometheus", "promtool"].iter().all(|program| {
        let version = Command::new(program).arg("--version").stdin(Stdio::null()).output();
        version.is_ok_and(|output| output.status.success())
    });
    if !there {
        let required = std::env::var_os("EGRET_PROMETHEUS_REQUIRED").is_some();
        assert!(!required, "no Prometheus is installed");
        println!("SKIPPED: no Prometheus is installed");
    }
    there
}

/// Runs `promtool`, which is to agree.
#[track_caller]
pub(crate) fn promtool(args: &[&str], input: &str) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("input");
    fs::write(&file, input).unwrap();
    let input = fs::File::open(file).unwrap();
    let output = Command::new("promtool").args(args).stdin(input).output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success() && said[1].is_empty(), "promtool {args:?}: {said:?}");
}

impl Prometheus {
    /// Starts one, with these rules, if there are any.
    pub(crate) fn start(targets: &[SocketAddr], rules: Option<&Path>) -> Prometheus {
        let dir = tempfile::tempdir().unwrap();
        let targets: Vec<String> = targets.iter().map(|target| format!("'{target}'")).collect();
        let rules =
            rules.map_or(String::new(), |file| format!("rule_files: ['{}']\n", file.display()));
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n{rules}\
             scrape_configs:\n- job_name: egret\n  honor_labels: true\n  static_configs:\n  \
             - {{targets: [{}], labels: {{namespace: local}}}}\n",
            targets.join(", ")
        );
        let file = dir.path().join("prometheus.yml");
        fs::write(&file, config).unwrap();
        // Free a moment ago; nobody else here asks for ports by number.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let prometheus = Prometheus { process, dir, address };
        let ready = until("Prometheus is ready", || {
            http::get(address, "/-/ready").ok().filter(|(status, _)| *status == 200)
        });
        assert!(ready.is_some(), "{}", prometheus.said());
        prometheus
    }

    fn said(&self) -> String {
        fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_default()
    }

    /// The result of a query: its series, each with its newest value. An error says why.
    pub(crate) fn query(&self, query: &str) -> Result<Vec<(Value, f64)>, String> {
        let answer = self.ask("/api/v1/query", query)?;
        let series = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        let value = |series: &Value| series["value"][1].as_str()?.parse().ok();
        Ok(series.iter().filter_map(|s| Some((s["metric"].clone(), value(s)?))).collect())
    }

    fn ask(&self, path: &str, query: &str) -> Result<Value, String> {
        let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let asked = http::get(self.address, &format!("{path}?query={query}"));
        let (_, body) = asked.map_err(|error| format!("{error}\n{}", self.said()))?;
        let answer: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        match answer["status"].as_str() {
            Some("success") => Ok(answer),
            _ => Err(body),
        }
    }

    /// Waits until a query has an answer for which this holds.
    #[track_caller]
    pub(crate) fn until(&self, query: &str, holds: impl Fn(&[(Value, f64)]) -> bool) {
        let mut last = Vec::new();
        let found = until(query, || {
            last = self.query(query).unwrap();
            holds(&last).then_some(())
        });
        assert!(found.is_some(), "{query}: {last:?}");
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Whether it has ended already or not.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
