//! What came of a fault, as a line of JSON: a soak that is cut short goes on after its last line.

use egret_e2e::{Error, Result, resilience::Outcome};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// What came of one fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// In words.
    pub(crate) fault: String,
    /// So soon everything was to flow again.
    pub(crate) within_seconds: u64,
    /// How long after the fault everything did. Zero: nothing was ever late.
    pub(crate) back_seconds: f64,
    /// For how long a line was on its way at most.
    #[serde(default)]
    pub(crate) longest_seconds: f64,
    /// Lines written since the fault before; all of them have arrived.
    pub(crate) lines: usize,
    /// Lines that came twice since then.
    pub(crate) twice: usize,
    /// Resident bytes of the largest pod afterwards.
    pub(crate) memory_bytes: u64,
    /// Since the fault before.
    pub(crate) seconds: f64,
}

impl Record {
    /// The record of an outcome that took so long, with all its waits.
    pub(crate) fn of(outcome: &Outcome, took: Duration) -> Record {
        Record {
            fault: outcome.fault.what.to_owned(),
            within_seconds: outcome.fault.within.as_secs(),
            back_seconds: outcome.back.as_secs_f64(),
            longest_seconds: outcome.longest.as_secs_f64(),
            lines: outcome.lines,
            twice: outcome.twice,
            memory_bytes: outcome.memory,
            seconds: took.as_secs_f64(),
        }
    }

    /// Everything flowed as soon as it should.
    pub(crate) fn in_time(&self) -> bool {
        self.back_seconds <= self.within_seconds as f64
    }
}

/// Whether the pods of the last quarter are hardly larger than those of the first.
pub(crate) fn flat(records: &[Record]) -> bool {
    let (first, last) = memory(records);
    last <= first + first / 2
}

/// Bytes of the largest pod in the first and in the last quarter.
pub(crate) fn memory(records: &[Record]) -> (u64, u64) {
    let quarter = records.len().div_ceil(4);
    let most = |records: &[Record]| records.iter().map(|record| record.memory_bytes).max();
    let first = most(&records[..quarter]).unwrap_or_default();
    (first, most(&records[records.len() - quarter..]).unwrap_or_default())
}

/// The records of a soak in a file: the seed on its first line, then one on each.
pub(crate) struct Log {
    pub(crate) records: Vec<Record>,
    path: PathBuf,
    file: File,
}

impl Log {
    /// The log of a soak with this seed, which may have begun before.
    pub(crate) fn open(path: &Path, seed: u64) -> Result<Log> {
        let failed = |action| move |source| error(action, path, source);
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed("read")(error)),
        };
        let (records, whole) = read(&text, seed)
            .map_err(|why| failed("go on with")(io::Error::new(io::ErrorKind::InvalidData, why)))?;
        let open = OpenOptions::new().create(true).append(true).open(path);
        let mut file = open.map_err(failed("open"))?;
        // What was cut off in the middle of a line is written again.
        file.set_len(whole as u64).map_err(failed("shorten"))?;
        if whole == 0 {
            writeln!(file, "{}", serde_json::json!({ "seed": seed })).map_err(failed("write"))?;
        }
        Ok(Log { records, path: path.to_owned(), file })
    }

    /// For how long faults were inflicted.
    pub(crate) fn lasted(&self) -> Duration {
        let seconds: f64 = self.records.iter().map(|record| record.seconds).sum();
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    /// Adds a record, which is on disk afterwards.
    pub(crate) fn add(&mut self, record: Record) -> Result<()> {
        let failed = |source| error("write", &self.path, source);
        let line = serde_json::to_string(&record).map_err(io::Error::from).map_err(failed)?;
        writeln!(self.file, "{line}").and_then(|()| self.file.sync_data()).map_err(failed)?;
        self.records.push(record);
        Ok(())
    }
}

/// The records of whole lines, and how many bytes these are.
fn read(text: &str, seed: u64) -> std::result::Result<(Vec<Record>, usize), String> {
    #[derive(Deserialize)]
    struct First {
        seed: u64,
    }
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let mut lines = text[..whole].lines();
    let Some(first) = lines.next() else { return Ok((Vec::new(), 0)) };
    let first: First = serde_json::from_str(first).map_err(|error| format!("line 1: {error}"))?;
    if first.seed != seed {
        return Err(format!("its seed is {}: give --seed, or delete the file", first.seed));
    }
    let parsed = lines.enumerate().map(|(at, line)| {
        serde_json::from_str(line).map_err(|error| format!("line {}: {error}", at + 2))
    });
    Ok((parsed.collect::<std::result::Result<_, _>>()?, whole))
}

fn error(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::File { action, path: path.to_owned(), source }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn record(fault: &str, back_seconds: f64, megabytes: u64) -> Record {
        Record {
            fault: fault.to_owned(),
            within_seconds: 3,
            back_seconds,
            longest_seconds: 0.5,
            lines: 2000,
            twice: 1,
            memory_bytes: megabytes * 1_000_000,
            seconds: 30.5,
        }
    }

    #[test]
    fn a_soak_goes_on_where_it_was_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("soak.jsonl");
        let mut log = Log::open(&path, 7).unwrap();
        log.add(record("a", 0.0, 10)).unwrap();
        log.add(record("b", 1.5, 10)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}{{\"fault\": \"c")).unwrap();
        let mut log = Log::open(&path, 7).unwrap();
        assert_eq!(log.records, [record("a", 0.0, 10), record("b", 1.5, 10)]);
        assert_eq!(log.lasted(), Duration::from_secs(61));
        log.add(record("c", 1.0, 10)).unwrap();
        assert_eq!(Log::open(&path, 7).unwrap().records.len(), 3);
    }

    #[test]
    fn what_cannot_be_gone_on_with_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("soak.jsonl");
        for (text, why) in [
            ("{\"seed\": 8}\n", "its seed is 8"),
            ("{\"seed\": 7}\n{}\n", "line 2: missing field `fault`"),
            ("good morning\n", "line 1: expected value"),
        ] {
            fs::write(&path, text).unwrap();
            let error = Log::open(&path, 7).err().unwrap().to_string();
            assert!(error.contains(why), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn memory_that_grows_is_not_flat() {
        let grows: Vec<Record> = (20..60).map(|size| record("a", 0.0, size)).collect();
        assert!(!flat(&grows));
        assert!(flat(&[record("a", 0.0, 20), record("a", 0.0, 30), record("a", 0.0, 22)]));
        assert!(flat(&[]));
    }
}
