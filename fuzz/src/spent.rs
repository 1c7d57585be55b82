//! How long each target was fed in all runs so far: a file that grows with each of them.

use std::{collections::BTreeMap, fs, io, path::Path};

const FILE: &str = "spent.txt";
const HEAD: &str = "# target, seconds, executions: the sums of all runs of `cargo xtask fuzz`\n";

/// Seconds and executions by target.
pub(crate) struct Spent(BTreeMap<String, (u64, u64)>);

impl Spent {
    pub(crate) fn read(home: &Path) -> io::Result<Spent> {
        let text = match fs::read_to_string(home.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        let mut spent = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap_or_default();
            let mut number = || words.next().and_then(|word| word.parse().ok());
            let (Some(seconds), Some(executions)) = (number(), number()) else {
                return Err(io::Error::other(format!("fuzz/{FILE}: what is `{line}`?")));
            };
            spent.insert(name.to_owned(), (seconds, executions));
        }
        Ok(Spent(spent))
    }

    /// Adds a run; the seconds of the target so far.
    pub(crate) fn add(&mut self, target: &str, seconds: u64, executions: u64) -> u64 {
        let sums = self.0.entry(target.to_owned()).or_default();
        sums.0 += seconds;
        sums.1 += executions;
        sums.0
    }

    /// The seconds of all targets.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().map(|(seconds, _)| seconds).sum()
    }

    pub(crate) fn write(&self, home: &Path) -> io::Result<()> {
        let lines = self
            .0
            .iter()
            .map(|(name, (seconds, executions))| format!("{name} {seconds} {executions}\n"));
        fs::write(home.join(FILE), HEAD.to_owned() + &lines.collect::<String>())
    }
}
