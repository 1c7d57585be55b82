//! A Prometheus on the host, and what it reads. Included by the tests that need one.

use egret_e2e::{
    Cluster,
    installed::{NAMESPACE, SELECTOR},
    wait::Wait,
};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};
use tempfile::TempDir;

/// Longer than anything takes that it is asked for.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where metrics are served, and labels that Kubernetes would give.
pub(crate) struct Target {
    pub(crate) address: String,
    pub(crate) namespace: String,
    pub(crate) instance: String,
}

/// A Prometheus on the host, which reaches pods by their addresses. Debian's finds no pods by
/// itself, so it is told of them, with the labels that `docs/monitoring.md` relabels.
pub(crate) struct Prometheus {
    process: Child,
    dir: TempDir,
    address: String,
}

fn run(program: &str, args: &[&str]) -> std::io::Result<Output> {
    Command::new(program).args(args).stdin(Stdio::null()).output()
}

/// Whether there is one; it is installed where there is none, if we may.
pub(crate) fn is_installed() -> bool {
    let programs = ["prometheus", "promtool"];
    let answers = || {
        let answer = |program: &&str| run(program, &["--version"]);
        programs.iter().map(answer).all(|answer| answer.is_ok_and(|said| said.status.success()))
    };
    if !answers() {
        // It is tried; whether it worked is seen by what is there afterwards.
        let _ = run("apt-get", &["install", "-y", "--no-install-recommends", "prometheus"]);
    }
    let there = answers();
    if !there {
        eprintln!("SKIPPED: there is no Prometheus here: apt-get install prometheus");
    }
    there
}

impl Prometheus {
    pub(crate) fn start(targets: &[Target], rules: Option<&Path>) -> Prometheus {
        let dir = tempfile::tempdir().unwrap();
        let configs = targets.iter().map(|Target { address, namespace, instance }| {
            json!({"targets": [address], "labels": {"namespace": namespace, "instance": instance}})
        });
        let job = json!({"job_name": "egret", "honor_labels": true,
                         "static_configs": configs.collect::<Vec<_>>()});
        let mut config = json!({"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                                "scrape_configs": [job]});
        if let Some(rules) = rules {
            config["rule_files"] = json!([rules]);
        }
        let file = dir.path().join("prometheus.yml");
        fs::write(&file, config.to_string()).unwrap();
        // Free a moment ago; nobody else here asks for ports by number.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(dir.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        Prometheus { process, dir, address }
    }

    /// The answer to a query: labels and values.
    pub(crate) fn query(&self, query: &str) -> Result<Vec<(Value, f64)>, String> {
        let server = format!("http://{}", self.address);
        let output = run("promtool", &["query", "instant", "--format=json", &server, query]);
        let output = output.map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
        let row = |row: &Value| {
            let value = row["value"][1].as_str().and_then(|value| value.parse().ok());
            (row["metric"].clone(), value.unwrap_or(f64::NAN))
        };
        Ok(rows.iter().map(row).collect())
    }

    /// Waits until the answer satisfies somebody.
    pub(crate) fn until(
        &self,
        query: &str,
        good: impl Fn(&[(Value, f64)]) -> bool,
    ) -> Vec<(Value, f64)> {
        let wait = Wait::new("Prometheus", query, PATIENCE).log(self.dir.path().join("stderr"));
        let found = wait.until(|| {
            let rows = self.query(query)?;
            if good(&rows) { Ok(rows) } else { Err(format!("{rows:?}")) }
        });
        found.unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Whether it has ended already or not.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The operator that there is.
pub(crate) fn operator(cluster: &Cluster) -> Target {
    let args = ["get", "pods", "--selector", SELECTOR, "--output", "json"];
    let pods: Value = serde_json::from_str(&cluster.operator_kubectl(&args).unwrap()).unwrap();
    let live = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
    let pod = pods["items"].as_array().unwrap().iter().find(live).unwrap();
    Target {
        address: format!("{}:8080", pod["status"]["podIP"].as_str().unwrap()),
        namespace: NAMESPACE.to_owned(),
        instance: pod["metadata"]["name"].as_str().unwrap().to_owned(),
    }
}
