//! Where and when something was measured.

use anyhow::Context;
use procfs::{CpuInfo, Current, CurrentSI, KernelStats, LoadAverage, Meminfo};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// The machine, and what was built on it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Facts {
    /// In UTC.
    pub(crate) started: String,
    pub(crate) commit: String,
    /// Whether sources differed from the commit.
    pub(crate) changed: bool,
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
    /// The largest receive buffer that a socket gets.
    pub(crate) rmem_max: u64,
    pub(crate) rustc: String,
    pub(crate) java: Option<String>,
    /// Of one minute, before anything was started.
    pub(crate) load_before: f32,
    /// For how long this machine stops a thread that only looks at the clock: the median of the
    /// longest pause of each 100 ms, and the longest of all. No latency below means anything.
    pub(crate) pause_seconds: f64,
    pub(crate) longest_pause_seconds: f64,
}

impl Facts {
    /// Looks around.
    pub(crate) fn gather(root: &Path) -> anyhow::Result<Facts> {
        let cpus = CpuInfo::current().context("cannot read the processors")?;
        let load_before = LoadAverage::current().context("cannot read the load")?.one;
        let rmem_max = fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let (pause, longest) = pauses();
        let changed = said(root, "git", &["status", "--porcelain", "--", ".", ":!bench/results"]);
        Ok(Facts {
            started: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            commit: said(root, "git", &["rev-parse", "--short", "HEAD"]).unwrap_or_default(),
            changed: changed.is_none_or(|changed| !changed.is_empty()),
            cpu: cpus.model_name(0).unwrap_or("unknown").to_owned(),
            cores: cpus.num_cores(),
            memory_bytes: Meminfo::current().map(|memory| memory.mem_total).unwrap_or(0),
            kernel: kernel.trim().to_owned(),
            rmem_max: rmem_max.trim().parse().unwrap_or(0),
            rustc: said(root, "rustc", &["--version"]).unwrap_or_default(),
            java: said(root, "java", &["--version"]),
            load_before,
            pause_seconds: pause,
            longest_pause_seconds: longest,
        })
    }

    /// In two lines.
    pub(crate) fn text(&self) -> String {
        format!(
            "{} cores of {}, {:.0} GB, Linux {}, rmem_max {}, {}, {}\n{}, commit {}{}, load \
             {:.2} before, pauses of {} (longest {}) without any work",
            self.cores,
            self.cpu,
            self.memory_bytes as f64 / 1e9,
            self.kernel,
            self.rmem_max,
            self.rustc,
            self.java.as_deref().unwrap_or("no Java"),
            self.started,
            self.commit,
            if self.changed { " with changes" } else { "" },
            self.load_before,
            crate::figures::time(self.pause_seconds),
            crate::figures::time(self.longest_pause_seconds),
        )
    }
}

/// The first line that a program prints; `None` if it is not there.
fn said(root: &Path, program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).current_dir(root).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}

/// Pauses of a thread that does nothing but look at the clock, for a second.
fn pauses() -> (f64, f64) {
    const SLICE: Duration = Duration::from_millis(100);
    let mut longest = Vec::new();
    for _ in 0..10 {
        let started = Instant::now();
        let (mut last, mut most) = (started, Duration::ZERO);
        while last.duration_since(started) < SLICE {
            let now = Instant::now();
            most = most.max(now.duration_since(last));
            last = now;
        }
        longest.push(most.as_secs_f64());
    }
    let spread = crate::figures::Spread::of(longest);
    spread.map_or((0.0, 0.0), |spread| (spread.median, spread.max))
}

/// What the machine as a whole has gone through, to be compared with a later look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    stolen: u64,
    all: u64,
    dropped: u64,
}

impl Machine {
    pub(crate) fn look() -> anyhow::Result<Machine> {
        let total = KernelStats::current().context("cannot read CPU times")?.total;
        let stolen = total.steal.unwrap_or(0);
        let waited = total.idle + total.iowait.unwrap_or(0);
        let worked = total.user + total.nice + total.system;
        let interrupts = total.irq.unwrap_or(0) + total.softirq.unwrap_or(0);
        let dropped = procfs::net::snmp().map(|snmp| snmp.udp_rcvbuf_errors).unwrap_or(0);
        Ok(Machine { stolen, all: stolen + waited + worked + interrupts, dropped })
    }

    /// The share of its time that the host kept, and datagrams dropped, since an earlier look.
    pub(crate) fn since(&self, earlier: &Machine) -> (f64, u64) {
        let all = self.all.saturating_sub(earlier.all).max(1) as f64;
        let stolen = self.stolen.saturating_sub(earlier.stolen) as f64;
        (stolen / all, self.dropped.saturating_sub(earlier.dropped))
    }
}
