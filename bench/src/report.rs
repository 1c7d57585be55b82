//! What was measured, as it is kept in `bench/results`.

use crate::{facts::Facts, figures::Spread, latency::Latency, line::Outcome};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// One run of the bench.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Report {
    /// Its name, part of its file's.
    pub(crate) name: String,
    /// Whether times were those of `--quick`: a first look, no figure to publish.
    pub(crate) quick: bool,
    /// Where and when.
    pub(crate) facts: Facts,
    pub(crate) scenarios: Vec<Measured>,
}

/// One scenario.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) variants: Vec<Row>,
    /// By how much the first variant differed when it was measured again at the end; 0.05 is 5 %.
    pub(crate) drift: Option<f64>,
}

/// One variant.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Bytes of user data in a tuple; `None` if bytes are counted.
    pub(crate) payload: Option<u32>,
    pub(crate) runs: Vec<Run>,
    /// Why it has no figures: wrong answers, or what it needs is missing.
    pub(crate) problems: Vec<String>,
    pub(crate) skipped: Option<String>,
}

/// One run of a variant, whose answer was right.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Run {
    pub(crate) windows: Vec<Window>,
    pub(crate) outcome: Outcome,
    /// Seen by the spout in its ack callback, after the warm-up.
    pub(crate) latency: Option<Latency>,
    /// Egret's own complete latency, of the whole run.
    pub(crate) complete: Option<Latency>,
    /// The greatest resident memory of one process, in bytes, by part.
    pub(crate) peak: BTreeMap<String, u64>,
    /// What else was measured, by name.
    pub(crate) values: BTreeMap<String, f64>,
    /// Share of this machine's time that its host kept to itself.
    pub(crate) stolen: f64,
    /// Datagrams that sockets on this machine dropped because their buffers were full.
    pub(crate) dropped: u64,
}

/// What was done between two samples.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Window {
    pub(crate) seconds: f64,
    /// Tuples, or bytes of a ceiling.
    pub(crate) done: u64,
    /// User and system time of all processes, in seconds, by part.
    pub(crate) cpu: BTreeMap<String, f64>,
}

impl Window {
    fn rate(&self) -> f64 {
        self.done as f64 / self.seconds
    }

    /// All processes together.
    pub(crate) fn all_cpu(&self) -> f64 {
        self.cpu.values().sum()
    }
}

impl Run {
    /// CPU time of all processes per tuple.
    pub(crate) fn cpu_per_tuple(&self) -> Option<f64> {
        let done: u64 = self.windows.iter().map(|window| window.done).sum();
        let cpu: f64 = self.windows.iter().map(Window::all_cpu).sum();
        (done > 0 && cpu > 0.0).then(|| cpu / done as f64)
    }

    /// Tuples (or bytes) per second.
    pub(crate) fn rate(&self) -> Option<Spread> {
        Spread::of(self.windows.iter().map(Window::rate))
    }
}

impl Measured {
    /// How much more CPU time a tuple takes with the second variant than with the first, pair by
    /// pair; 0.03 is 3 %.
    pub(crate) fn extra(&self) -> Option<Spread> {
        let [first, second] = &self.variants[..] else { return None };
        let pairs = first.runs.iter().zip(&second.runs);
        let extra = |(a, b): (&Run, &Run)| Some(b.cpu_per_tuple()? / a.cpu_per_tuple()? - 1.0);
        Spread::of(pairs.filter_map(extra))
    }
}

impl Row {
    fn windows(&self) -> impl Iterator<Item = &Window> {
        self.runs.iter().flat_map(|run| &run.windows)
    }

    /// Tuples (or bytes) per second.
    pub(crate) fn rate(&self) -> Option<Spread> {
        Spread::of(self.windows().map(Window::rate))
    }

    /// Tuples (or bytes) per second of CPU time.
    pub(crate) fn per_cpu(&self) -> Option<Spread> {
        let worked = self.windows().filter(|window| window.all_cpu() > 0.0);
        Spread::of(worked.map(|window| window.done as f64 / window.all_cpu()))
    }

    /// CPU seconds per second, by part. Of all windows together: what is idle uses less than a
    /// tick in one of them.
    pub(crate) fn cpu_shares(&self) -> BTreeMap<String, f64> {
        let seconds: f64 = self.windows().map(|window| window.seconds).sum();
        let mut shares = BTreeMap::new();
        for (part, cpu) in self.windows().flat_map(|window| &window.cpu) {
            *shares.entry(part.clone()).or_default() += cpu / seconds;
        }
        shares
    }

    /// CPU seconds of one stream manager per tuple, of the one that needs most.
    pub(crate) fn manager_cpu(&self) -> Option<Spread> {
        let of = |window: &Window| {
            let managers = window.cpu.iter().filter(|(part, _)| part.starts_with("manager "));
            let most = managers.map(|(_, cpu)| *cpu).max_by(f64::total_cmp)?;
            (window.done > 0).then(|| most / window.done as f64)
        };
        Spread::of(self.windows().filter_map(of))
    }

    /// The greatest resident memory of a stream manager, in bytes.
    pub(crate) fn manager_peak(&self) -> Option<u64> {
        let peaks = self.runs.iter().flat_map(|run| &run.peak);
        peaks.filter(|(part, _)| part.starts_with("manager ")).map(|(_, peak)| *peak).max()
    }

    /// The median of one figure of all runs' latencies.
    pub(crate) fn latency(&self, figure: fn(&Latency) -> f64) -> Option<f64> {
        let all = self.runs.iter().filter_map(|run| run.latency.as_ref());
        Spread::of(all.map(figure)).map(|spread| spread.median)
    }

    /// The same of Egret's own complete latency.
    pub(crate) fn complete(&self, figure: fn(&Latency) -> f64) -> Option<f64> {
        let all = self.runs.iter().filter_map(|run| run.complete.as_ref());
        Spread::of(all.map(figure)).map(|spread| spread.median)
    }

    /// The median of a value of all runs.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        let all = self.runs.iter().filter_map(|run| run.values.get(name).copied());
        Spread::of(all).map(|spread| spread.median)
    }
}

impl Measured {
    /// The variant of this name, if it was measured.
    pub(crate) fn row(&self, name: &str) -> Option<&Row> {
        self.variants.iter().find(|row| row.name == name && !row.runs.is_empty())
    }
}

impl Report {
    /// The scenario of this name.
    pub(crate) fn scenario(&self, name: &str) -> Option<&Measured> {
        self.scenarios.iter().find(|scenario| scenario.name == name)
    }

    /// Writes it into this directory; returns the file.
    pub(crate) fn write(&self, directory: &Path) -> anyhow::Result<PathBuf> {
        fs::create_dir_all(directory)?;
        let date = self.facts.started.get(..10).unwrap_or(&self.facts.started);
        let file = directory.join(format!("{date}-{}.json", self.name));
        let json = serde_json::to_string_pretty(self)? + "\n";
        fs::write(&file, json).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    /// All reports of a directory, the newest first.
    pub(crate) fn all(directory: &Path) -> anyhow::Result<Vec<Report>> {
        let mut reports = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let report = serde_json::from_slice::<Report>(&fs::read(&path)?);
                reports.push(report.with_context(|| format!("in {}", path.display()))?);
            }
        }
        reports.sort_by(|a, b| b.facts.started.cmp(&a.facts.started));
        Ok(reports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(seconds: f64, done: u64, cpu: &[(&str, f64)]) -> Window {
        let cpu = cpu.iter().map(|(part, cpu)| ((*part).to_owned(), *cpu)).collect();
        Window { seconds, done, cpu }
    }

    #[test]
    fn rates_and_costs_follow_from_windows() {
        let cpu = [("manager 0", 0.5), ("manager 1", 1.0), ("words", 0.5)];
        let run = Run { windows: vec![window(2.0, 1000, &cpu)], ..Run::default() };
        let row = Row { runs: vec![run], ..Row::default() };
        assert_eq!(row.rate().unwrap().median, 500.0);
        assert_eq!(row.per_cpu().unwrap().median, 500.0);
        assert_eq!(row.manager_cpu().unwrap().median, 0.001);
        assert_eq!(row.cpu_shares()["words"], 0.25);
    }
}
