//! Tables of what came of faults, and the page that they stand on.

use crate::record::{self, Record};
use egret_e2e::{Error, Result, load::Account, rollouts::Rollout};
use std::{collections::BTreeMap, fmt::Write, fs, io, path::Path, time::Duration};

/// A part of the page: between its marks, this program writes.
pub(crate) enum Part {
    /// Each fault once.
    Once,
    /// All of them again and again.
    Soak,
    /// The operator killed in rollouts.
    Rollouts,
    /// Many tasks, and many resources that are refused.
    Crowd,
}

/// Ends every part.
const END: &str = "<!-- end -->";

impl Part {
    fn begin(&self) -> &'static str {
        match self {
            Part::Once => "<!-- written by egret-faults -->",
            Part::Soak => "<!-- written by egret-faults --soak -->",
            Part::Rollouts => "<!-- written by egret-faults --rollouts -->",
            Part::Crowd => "<!-- written by egret-faults --crowd -->",
        }
    }

    /// Puts another text between the marks.
    pub(crate) fn write(&self, page: &Path, text: &str) -> Result<()> {
        let failed = |action| move |source| Error::File { action, path: page.to_owned(), source };
        let old = fs::read_to_string(page).map_err(failed("read"))?;
        let new = self.rewritten(&old, text).ok_or_else(|| {
            failed("find the marks of")(io::Error::from(io::ErrorKind::InvalidData))
        })?;
        fs::write(page, new).map_err(failed("write"))
    }

    fn rewritten(&self, page: &str, text: &str) -> Option<String> {
        let begin = self.begin();
        let (before, rest) = page.split_once(begin)?;
        let (_, after) = rest.split_once(END)?;
        Some(format!("{before}{begin}\n{text}\n{END}{after}"))
    }
}

/// A line for each fault.
pub(crate) fn table(records: &[Record], account: Account) -> String {
    let mut table = "\
| fault | everything flows again within | measured | a line took at most | lines twice | \
memory of a pod |\n| --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for record in records {
        let _ = writeln!(table, "{}", row(record));
    }
    let Account { lines, twice } = account;
    let all = format!("{lines} lines were written meanwhile; each has arrived");
    format!("{table}\n{all}, {twice} arrivals were second ones.")
}

/// A fault of a table.
pub(crate) fn row(record: &Record) -> String {
    let Record { fault, within_seconds: within, twice, .. } = record;
    let (back, memory) = (late(record.back_seconds), record.memory_bytes / 1_000_000);
    let longest = record.longest_seconds;
    format!("| {fault} | {within} s | {back} | {longest:.1} s | {twice} | {memory} MB |")
}

/// What came of a soak: a line for each kind of fault, and its sums.
pub(crate) fn summary(records: &[Record], seed: u64) -> String {
    let mut kinds: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records {
        kinds.entry(&record.fault).or_default().push(record);
    }
    let mut table = "\
| fault | times | within | in the middle | at most | lines twice |\n\
| --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for (fault, records) in kinds {
        let mut backs: Vec<f64> = records.iter().map(|record| record.back_seconds).collect();
        backs.sort_by(f64::total_cmp);
        let middle = late(backs.get(backs.len() / 2).copied().unwrap_or_default());
        let most = late(backs.last().copied().unwrap_or_default());
        let within = records.first().map_or(0, |record| record.within_seconds);
        let (times, twice) = (records.len(), records.iter().map(|record| record.twice));
        let twice: usize = twice.sum();
        let _ = writeln!(table, "| {fault} | {times} | {within} s | {middle} | {most} | {twice} |");
    }
    let sum = |of: fn(&Record) -> usize| records.iter().map(of).sum::<usize>();
    let seconds: f64 = records.iter().map(|record| record.seconds).sum();
    let (first, last) = record::memory(records);
    format!(
        "{table}\n{} faults in {:.0} min (seed {seed}). {} lines were written meanwhile; each has \
         arrived,\n{} arrivals were second ones. The largest pod had {} MB in the first quarter \
         and {} MB in the last.",
        records.len(),
        seconds / 60.0,
        sum(|record| record.lines),
        sum(|record| record.twice),
        first / 1_000_000,
        last / 1_000_000,
    )
}

/// A line for each rollout in whose midst the operator was killed.
pub(crate) fn rollouts(rollouts: &[Rollout], account: Account, seed: u64) -> String {
    let mut table = "\
| what changed | the operator was killed after | the rollout took | a line took at most | \
lines twice |\n| --- | --- | --- | --- | --- |\n"
        .to_owned();
    for rollout in rollouts {
        let Rollout { what, killed_after, took, longest, twice } = rollout;
        let [killed, took, longest] = [killed_after, took, longest].map(Duration::as_secs_f64);
        let _ =
            writeln!(table, "| {what} | {killed:.1} s | {took:.1} s | {longest:.1} s | {twice} |");
    }
    let Account { lines, twice } = account;
    format!(
        "{table}\nSeed {seed}. {lines} lines were written meanwhile; each has arrived, {twice} \
         arrivals were second ones."
    )
}

/// A line for each figure.
pub(crate) fn figures(figures: &[(String, String)]) -> String {
    let lines = figures.iter().map(|(what, value)| format!("| {what} | {value} |\n"));
    format!("| what | measured |\n| --- | --- |\n{}", lines.collect::<String>())
}

fn late(seconds: f64) -> String {
    if seconds == 0.0 { "nothing was late".to_owned() } else { format!("{seconds:.1} s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    #[test]
    fn only_what_is_between_the_marks_is_written() {
        let (once, soak) = (Part::Once.begin(), Part::Soak.begin());
        let page = |first: &str, second: &str| {
            format!("# A\n\n{once}\n{first}\n{END}\n\nmore\n\n{soak}\n{second}\n{END}\n")
        };
        let old = page("old", "old");
        assert_eq!(Part::Once.rewritten(&old, "new").unwrap(), page("new", "old"));
        assert_eq!(Part::Soak.rewritten(&old, "new").unwrap(), page("old", "new"));
        assert_eq!(Part::Soak.rewritten("# A\n", "new"), None);
    }

    #[test]
    fn a_soak_is_summed_up_by_kinds_of_faults() {
        let records = [record("a", 1.0, 20), record("b", 0.0, 22), record("a", 2.5, 24)];
        let text = summary(&records, 7);
        assert!(text.contains("| a | 2 | 3 s | 2.5 s | 2.5 s | 2 |\n"), "{text}");
        assert!(text.contains("| b | 1 | 3 s | nothing was late | nothing"), "{text}");
        assert!(text.contains("3 faults in 2 min (seed 7). 6000 lines were"), "{text}");
        assert!(text.contains("20 MB in the first quarter and 24 MB in the last"), "{text}");
    }
}
