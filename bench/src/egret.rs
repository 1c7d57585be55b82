//! Measures a topology under `egret run`: its stream managers' metrics and everybody's CPU time, at
//! the edges of windows.

use crate::{
    attended, check,
    facts::Machine,
    latency::Latency,
    metrics::Page,
    plan::Plan,
    processes::{Part, Tree, Usage},
    report::{Run, Window},
    runner::Tools,
    scenario::Egret,
    small_buffers,
    spawn::Running,
    stall,
    watcher::{Watched, Watcher},
};
use anyhow::{Context, anyhow, ensure};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// Time for all processes to start and the first tuple to arrive; 65 of them share two cores.
const START_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Time for what is in flight to be acked, for counts to be written, and for all to exit.
const END_WITHIN: Duration = Duration::from_secs(120);
/// What `egret run` exits with when it was interrupted and has drained.
const INTERRUPTED: i32 = 130;

/// Measures it once. `rate` is that of a paced spout.
pub(crate) fn measure(
    egret: &Egret,
    rate: Option<f64>,
    plan: &Plan,
    tools: &Tools,
    log: &Path,
) -> anyhow::Result<Run> {
    let scratch = tempfile::tempdir().context("cannot make a directory for answers")?;
    let files = Files {
        totals: scratch.path().join("totals.json"),
        latency: scratch.path().join("latency.json"),
    };
    let mut command = command(egret, rate, plan, tools, &files);
    let machine = Machine::look()?;
    let running = Running::start(&mut command, log)?;
    let mut topology = Topology { egret, running, pods: Vec::new() };
    topology.await_first_tuple()?;
    let watcher = egret.watched.then(|| topology.watched()).transpose()?;
    let mut run = match egret.stalls {
        true => stall::watch(&topology)?,
        false => topology.windows(plan)?,
    };
    if let Some(watcher) = watcher {
        let looks = watcher.end().context("it was not watched")?;
        run.values.insert("looks".to_owned(), looks.rounds as f64);
        run.values.insert("tuples_seen".to_owned(), looks.tuples as f64);
    }
    topology.running.interrupt()?;
    let (summary, status) = topology.running.end(END_WITHIN)?;
    let drained = status.code() == Some(INTERRUPTED);
    ensure!(drained, "egret run: {status}\n{}", topology.running.tail());
    (run.stolen, run.dropped) = Machine::look()?.since(&machine);
    run.outcome = check::summary(&summary, egret.spout, egret.sink, egret.acked)
        .map_err(|error| anyhow!("{error:#}\n{}", topology.running.tail()))?;
    if egret.totals {
        run.outcome.counted = check::totals(&files.totals)?;
        check::outcome(&run.outcome)?;
    }
    if egret.pace.is_some() {
        let json = std::fs::read(&files.latency).context("the spout wrote no latency")?;
        run.latency = Some(serde_json::from_slice(&json)?);
    }
    if egret.acked {
        run.complete = Some(complete(&summary)?);
    }
    Ok(run)
}

/// Where answers are written.
struct Files {
    totals: PathBuf,
    latency: PathBuf,
}

fn command(egret: &Egret, rate: Option<f64>, plan: &Plan, tools: &Tools, files: &Files) -> Command {
    let mut command = if egret.small_buffers {
        let mut command = attended::command(&tools.bench, &tools.bench);
        command.arg(small_buffers::ROLE).arg(&tools.egret);
        command
    } else {
        attended::command(&tools.bench, &tools.egret)
    };
    let topology = tools.root.join("bench/topologies").join(egret.topology);
    command.arg("run").arg(topology).args(["--quiet", "--summary", "json"]);
    command.arg("--instance").arg(&tools.bench);
    let mut set = egret.set.clone();
    if egret.totals {
        set.push(format!("bolts.totals.config.path={}", files.totals.display()));
    }
    if egret.pace.is_some() {
        set.push(format!("spouts.paced.config.path={}", files.latency.display()));
        set.push(format!("spouts.paced.config.warmUp={}", plan.warm_up.as_secs_f64()));
        set.extend(rate.map(|rate| format!("spouts.paced.config.rate={rate}")));
    }
    for one in set {
        command.args(["--set", &one]);
    }
    command
}

/// Egret's own complete latency, as its summary tells it.
fn complete(summary: &str) -> anyhow::Result<Latency> {
    let summary: serde_json::Value = serde_json::from_str(summary)?;
    let latency = &summary["complete_latency_seconds"];
    Ok(serde_json::from_value(latency.clone())?)
}

/// A topology that runs.
pub(crate) struct Topology<'a> {
    egret: &'a Egret,
    pub(crate) running: Running,
    /// Where the stream managers answer.
    pods: Vec<SocketAddr>,
}

/// What is known at one moment.
pub(crate) struct Edge {
    pub(crate) at: Instant,
    pub(crate) done: u64,
    pub(crate) usage: Usage,
    pub(crate) pages: Vec<Page>,
}

impl Edge {
    /// The sum of a metric over all pods.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.pages.iter().map(|page| page.sum(name, labels)).sum()
    }
}

impl Topology<'_> {
    fn await_first_tuple(&mut self) -> anyhow::Result<()> {
        let until = Instant::now() + START_WITHIN;
        while Instant::now() < until {
            self.pause(LOOK_EVERY)?;
            let tree = Tree::of(self.running.pid())?;
            self.pods = tree.parts().filter_map(address).collect();
            // Some may not answer yet.
            if self.edge().is_ok_and(|edge| edge.done > 0) {
                return Ok(());
            }
        }
        let seconds = START_WITHIN.as_secs();
        anyhow::bail!("no tuple was done within {seconds} s\n{}", self.running.tail())
    }

    /// From now on everybody looks.
    fn watched(&self) -> anyhow::Result<Watcher> {
        let tree = Tree::of(self.running.pid())?;
        let run = tree.parts().find_map(|part| match part {
            Part::Manager(_, dir) => dir.parent().map(Path::to_owned),
            _ => None,
        });
        Watcher::start(Watched {
            pods: self.pods.clone(),
            run: run.context("there is no stream manager")?,
            from: self.egret.spout,
            to: self.egret.sink,
        })
    }

    /// Lets time pass; an error if the topology ends meanwhile.
    pub(crate) fn pause(&self, time: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + time;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            self.running.line(left)?;
        }
        Ok(())
    }

    /// Looks at everything now.
    pub(crate) fn edge(&self) -> anyhow::Result<Edge> {
        let usage = Tree::of(self.running.pid())?.usage();
        let pages: Vec<Page> =
            self.pods.iter().map(|pod| Page::fetch(*pod)).collect::<anyhow::Result<_>>()?;
        let mut edge = Edge { at: Instant::now(), done: 0, usage, pages };
        let (name, component) = match self.egret.acked {
            true => ("egret_roots_acked_total", self.egret.spout),
            false => ("egret_tuples_executed_total", self.egret.sink),
        };
        edge.done = edge.sum(name, &[("component", component)]) as u64;
        Ok(edge)
    }

    fn windows(&self, plan: &Plan) -> anyhow::Result<Run> {
        self.pause(plan.warm_up)?;
        let first = self.edge()?;
        let mut edges = vec![first];
        for n in 1..=plan.windows {
            let due = edges[0].at + plan.window * n;
            self.pause(due.saturating_duration_since(Instant::now()))?;
            edges.push(self.edge()?);
        }
        let windows = edges.windows(2).map(|pair| window(&pair[0], &pair[1])).collect();
        let (first, last) = (&edges[0], &edges[edges.len() - 1]);
        Ok(Run {
            windows,
            peak: last.usage.peak.clone(),
            values: frames(first, last),
            ..Run::default()
        })
    }
}

/// Where a stream manager answers, once it says so.
fn address(part: &Part) -> Option<SocketAddr> {
    let Part::Manager(_, dir) = part else { return None };
    std::fs::read_to_string(dir.join("admin-address")).ok()?.trim().parse().ok()
}

/// What was done from one edge to the next.
pub(crate) fn window(from: &Edge, to: &Edge) -> Window {
    let before = |part: &str| from.usage.cpu.get(part).copied().unwrap_or(0.0);
    let cpu = to.usage.cpu.iter().map(|(part, cpu)| (part.clone(), cpu - before(part)));
    Window {
        seconds: to.at.duration_since(from.at).as_secs_f64(),
        done: to.done.saturating_sub(from.done),
        cpu: cpu.collect(),
    }
}

/// How full frames between stream managers were, what acks cost beside data, and what was lost.
fn frames(first: &Edge, last: &Edge) -> BTreeMap<String, f64> {
    let more = |name: &str, class: &str| {
        let labels = [("link", "peer"), ("direction", "out"), ("class", class)];
        last.sum(name, &labels) - first.sum(name, &labels)
    };
    let mut values = BTreeMap::new();
    let data = more("egret_link_frames_total", "data");
    if data > 0.0 {
        let bytes = more("egret_link_bytes_total", "data");
        values.insert("frame_bytes".to_owned(), bytes / data);
        let tuples = more("egret_link_entries_total", "data");
        values.insert("frame_tuples".to_owned(), tuples / data);
        let acks = more("egret_link_bytes_total", "ack");
        values.insert("ack_bytes_share".to_owned(), acks / bytes);
    }
    values.insert("quic_lost_packets".to_owned(), last.sum("egret_quic_lost_packets_total", &[]));
    values
}
